/**
 * Policies for Portcullis in JavaScript and TypeScript. See README.md in this folder for the traps, and `portcullis.d.ts`
 * for the types.
 *
 * A policy sees its settings and the request fields that it declares, and nothing else: no clock, no randomness, no
 * network. What it throws is a fault with the error's message, and a fault counts as the strictest outcome that the
 * policy set lets it cause.
 */

const OUTCOMES = ["deny", "escalate", "acknowledge", "defer", "warn", "allow"];
const MAX_TEXT_BYTES = 4096;

// Answers

class Finding {
  constructor(outcome, code, message) {
    this.finding = { outcome, code, message: cut(String(message)), at: undefined, requirement: undefined };
  }
  at(pointer) {
    this.finding.at = pointer;
    return this;
  }
  provide(pointer) {
    return this.require("provide", pointer);
  }
  approve(roles, count = 1, withinMinutes = undefined) {
    return this.require("approve", { roles: [...roles], count, withinMinutes });
  }
  statement(text) {
    return this.require("acknowledge", cut(text));
  }
  waitUntil(time) {
    return this.require("wait-until", time);
  }
  require(tag, val) {
    this.finding.requirement = { tag, val };
    return this;
  }
  oblige(kind, params = {}) {
    return new Answer([this]).oblige(kind, params);
  }
}

class Answer {
  constructor(findings) {
    this.findings = findings;
    this.obligations = [];
  }
  oblige(kind, params = {}) {
    this.obligations.push({ kind, params: JSON.stringify(params) });
    return this;
  }
}

export const say = (outcome, code, message) => {
  if (!OUTCOMES.includes(outcome)) throw new Error(`${outcome} is no outcome: one of ${OUTCOMES.join(", ")}`);
  return new Finding(outcome, code, message);
};
export const allow = (code, message) => say("allow", code, message);
export const warn = (code, message) => say("warn", code, message);
export const defer = (code, message) => say("defer", code, message);
export const acknowledge = (code, message) => say("acknowledge", code, message);
export const escalate = (code, message) => say("escalate", code, message);
export const deny = (code, message) => say("deny", code, message);
export const abstain = () => new Answer(null);
export const answer = (findings) => new Answer([...findings]);

// Inputs

class Input {
  constructor(pointer, kind, read, absent = undefined) {
    Object.assign(this, { pointer, kind, read, absent });
  }
  optional() {
    return new Input(this.pointer, this.kind, this.read, "undefined");
  }
}

export const text = (pointer) => new Input(pointer, "a string", (value) => (value.tag === "text" ? value.val : WRONG));
export const boolean = (pointer) =>
  new Input(pointer, "true or false", (value) => (value.tag === "boolean" ? value.val : WRONG));
export const integer = (pointer) =>
  new Input(pointer, "an integer within 53 bits", (value) => {
    if (value.tag !== "integer") return WRONG;
    const number = Number(value.val);
    return Number.isSafeInteger(number) ? number : WRONG;
  });
export const number = (pointer) =>
  new Input(pointer, "a number", (value) => {
    if (value.tag === "number") return value.val;
    return value.tag === "integer" ? Number(value.val) : WRONG;
  });
export const json = (pointer) =>
  new Input(pointer, "an object or a list", (value) => (value.tag === "json" ? JSON.parse(value.val) : WRONG));

const WRONG = Symbol("of another type");

function read(input, value) {
  if (value.tag === "missing" || value.tag === "null") {
    if (input.absent === undefined) throw new Error(`${input.pointer} is missing: expected ${input.kind}`);
    return undefined;
  }
  const read = input.read(value);
  if (read === WRONG) throw new Error(`${input.pointer} is not ${input.kind}`);
  return read;
}

// Policies

/** Something wrong with the settings that the schema cannot say; throw it from `prepare`. */
export class SettingsProblem extends Error {
  constructor(at, message) {
    super(message);
    this.at = at;
  }
}

/**
 * The two exports of a policy. Checked where the policy is built: that the inputs are those of the description, and that
 * its settings schema holds nothing that is not checked here.
 */
export function definePolicy({ description, inputs, prepare = (settings) => settings, evaluate }) {
  const names = Object.keys(inputs);
  const pointers = names.map((name) => inputs[name].pointer);
  if (JSON.stringify(pointers) !== JSON.stringify(description.inputs)) {
    throw new Error(`policy.json lists the inputs ${JSON.stringify(description.inputs)}, the policy reads ${JSON.stringify(pointers)}`);
  }
  const schema = description.settings_schema ?? { type: "object", additionalProperties: false };
  checkSchema(schema, "/settings_schema");
  let settings;

  return {
    configure(text) {
      const problems = [];
      const given = conform(JSON.parse(text), schema, "", problems);
      if (problems.length > 0) throw problems;
      try {
        settings = prepare(given);
      } catch (error) {
        if (error instanceof SettingsProblem) throw [{ at: error.at, message: error.message }];
        throw [{ at: "", message: explain(error) }];
      }
      return pointers;
    },

    evaluate(values) {
      try {
        const input = Object.fromEntries(names.map((name, n) => [name, read(inputs[name], values[n])]));
        return finish(evaluate(input, settings));
      } catch (error) {
        // A string is the contract's `err`: a fault with its message. Anything else would be a trap without one.
        throw explain(error);
      }
    },
  };
}

function finish(said) {
  const whole = said instanceof Answer ? said : new Answer(Array.isArray(said) ? said : [said]);
  if (whole.findings === null) return { verdict: { tag: "abstain" }, obligations: whole.obligations };
  if (!whole.findings.every((finding) => finding instanceof Finding)) {
    throw new Error("evaluate returns a finding, a list of findings, answer(..) or abstain()");
  }
  const findings = whole.findings.map((finding) => finding.finding);
  return { verdict: { tag: "findings", val: findings }, obligations: whole.obligations };
}

function explain(error) {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** At most 4,096 bytes, cut between characters. */
function cut(text) {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    const point = character.codePointAt(0);
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes > MAX_TEXT_BYTES) return text.slice(0, end);
    end += character.length;
  }
  return text;
}

// Settings: a subset of JSON schema, the same in every SDK

const KEYWORDS = [
  "type", "properties", "required", "additionalProperties", "items", "enum", "minimum", "maximum", "minItems",
  "maxItems", "minLength", "maxLength", "default", "title", "description", "$schema",
];
const TYPES = {
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  integer: Number.isSafeInteger,
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
};

function checkSchema(schema, at) {
  for (const keyword of Object.keys(schema)) {
    if (!KEYWORDS.includes(keyword)) throw new Error(`${at}/${keyword}: this keyword is not checked; leave it out`);
  }
  if (!(schema.type in TYPES)) throw new Error(`${at}/type is not one of ${Object.keys(TYPES).join(", ")}`);
  for (const [name, property] of Object.entries(schema.properties ?? {})) checkSchema(property, `${at}/properties/${name}`);
  if (schema.items) checkSchema(schema.items, `${at}/items`);
}

/** The value with defaults, and what is wrong with it. */
function conform(value, schema, at, problems) {
  const problem = (message) => problems.push({ at, message });
  if (!TYPES[schema.type](value)) {
    problem(`is not of the type ${schema.type}`);
    return value;
  }
  if (schema.enum && !schema.enum.includes(value)) problem(`is not one of ${schema.enum.join(", ")}`);
  if (value < schema.minimum) problem(`is less than ${schema.minimum}`);
  if (value > schema.maximum) problem(`is more than ${schema.maximum}`);
  const length = typeof value === "string" ? [...value].length : 0;
  if (length < schema.minLength) problem(`is shorter than ${schema.minLength}`);
  if (length > schema.maxLength) problem(`is longer than ${schema.maxLength}`);
  if (schema.type === "array") {
    if (value.length < schema.minItems) problem(`has fewer than ${schema.minItems} entries`);
    if (value.length > schema.maxItems) problem(`has more than ${schema.maxItems} entries`);
    return schema.items ? value.map((item, n) => conform(item, schema.items, `${at}/${n}`, problems)) : value;
  }
  if (schema.type !== "object") return value;
  const properties = schema.properties ?? {};
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(properties, name) && schema.additionalProperties === false) {
      problems.push({ at: `${at}/${escape(name)}`, message: "is not known here" });
    }
  }
  const whole = { ...value };
  for (const [name, property] of Object.entries(properties)) {
    if (Object.hasOwn(value, name)) whole[name] = conform(value[name], property, `${at}/${escape(name)}`, problems);
    else if ("default" in property) whole[name] = property.default;
    else if (schema.required?.includes(name)) problems.push({ at: `${at}/${escape(name)}`, message: "is missing" });
  }
  return whole;
}

const escape = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");

// The host

const host = {};

/** What the host offers; `portcullis policy build` calls it with the functions that policy.json lists as `imports`. A
 * unit test calls it with its own. */
export const bind = (functions) => Object.assign(host, functions);

function call(name, ...args) {
  if (!host[name]) throw new Error(`policy.json does not list "${name}" in "imports"`);
  return host[name](...args);
}

const plain = (value) => {
  if (value.tag === "missing") return undefined;
  if (value.tag === "null") return null;
  if (value.tag === "integer") return Number(value.val);
  return value.tag === "json" ? JSON.parse(value.val) : value.val;
};

export const log = (message) => call("log", message);
export const data = (document, pointer = "") => plain(call("data", document, pointer));
export const request = (pointers) => call("request", pointers).map(plain);
export const history = ({ action, resourceType, resourceId, outcomes = [], withinMinutes }) => {
  const found = call("history", { action, resourceType, resourceId, outcomes, withinMinutes });
  return { ...found, count: Number(found.count) };
};
