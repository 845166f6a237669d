// `node --test`: the policy's functions without WebAssembly. The cases in cases/ run against the component.
import assert from "node:assert/strict";
import test from "node:test";
import { configure, evaluate } from "./policy.js";

const missing = { tag: "missing" };
const of = (text) => ({ tag: "text", val: text });

test("a protected environment needs a ticket", () => {
  configure('{"protected": ["production"]}');
  const { verdict } = evaluate([of("deploy"), of("production"), missing, { tag: "integer", val: 10n }]);
  assert.deepEqual(verdict.val.map(({ outcome, code }) => [outcome, code]), [["deny", "example.{{name}}.ticket-missing"]]);
});

test("what is wrong with the settings is said with its place", () => {
  assert.throws(() => configure('{"protected": [""], "escalate": 1}'), (problems) => {
    assert.deepEqual(problems.map(({ at }) => at), ["/escalate", "/protected/0"]);
    return true;
  });
});
