/**
 * Comes first in every component. The engine froze these when the policy was built: the same "random" number and the same
 * "now" in every decision, without an error. Here they throw instead.
 */
const refuse = (name, instead) => () => {
  throw new Error(`${name} is not there in a policy: ${instead}`);
};
const CLOCK = "declare the input /now";
const SystemDate = Date;
globalThis.Date = new Proxy(SystemDate, {
  construct(target, args, newTarget) {
    if (args.length === 0) refuse("new Date()", CLOCK)();
    return Reflect.construct(target, args, newTarget);
  },
  apply: refuse("Date()", CLOCK),
});
SystemDate.now = refuse("Date.now", CLOCK);
SystemDate.prototype.constructor = globalThis.Date;
Math.random = refuse("Math.random", "everything that varies is an input");
if (globalThis.performance) globalThis.performance.now = refuse("performance.now", CLOCK);
if (globalThis.crypto) {
  globalThis.crypto.getRandomValues = refuse("crypto.getRandomValues", "everything that varies is an input");
  globalThis.crypto.randomUUID = refuse("crypto.randomUUID", "everything that varies is an input");
}
for (const name of ["setTimeout", "setInterval", "queueMicrotask", "fetch"]) {
  globalThis[name] = refuse(name, "a policy answers at once, from what it was given");
}
