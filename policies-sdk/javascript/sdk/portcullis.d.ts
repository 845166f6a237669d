/** What a finding asks for, from the strictest. */
export type Outcome = "deny" | "escalate" | "acknowledge" | "defer" | "warn" | "allow";

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One thing that a policy has to say. Each method returns the finding itself. */
export interface Finding {
  /** The request field that the finding is about, as a JSON pointer. */
  at(pointer: string): Finding;
  /** The request must carry this field: a JSON pointer. */
  provide(pointer: string): Finding;
  /** `count` people must approve, each with at least one of the roles. */
  approve(roles: readonly string[], count?: number, withinMinutes?: number): Finding;
  /** The requester must accept this statement. */
  statement(text: string): Finding;
  /** Ask again at this time: RFC 3339. */
  waitUntil(time: string): Finding;
  /** An answer of this finding, with something that the host must do if it goes on. */
  oblige(kind: string, params?: { [key: string]: Json }): Answer;
}

/** Findings, or an abstention, with obligations. */
export interface Answer {
  /** Something that the host must do if it goes on: `notify`, `tag` ... */
  oblige(kind: string, params?: { [key: string]: Json }): Answer;
}

/** A finding; the code is `team.policy.reason`. */
export function say(outcome: Outcome, code: string, message: string): Finding;
export function allow(code: string, message: string): Finding;
export function warn(code: string, message: string): Finding;
export function defer(code: string, message: string): Finding;
export function acknowledge(code: string, message: string): Finding;
export function escalate(code: string, message: string): Finding;
export function deny(code: string, message: string): Finding;
/** Not my business. Never lets a request go on by itself. */
export function abstain(): Answer;
/** Several findings; the strictest counts. */
export function answer(findings: Iterable<Finding>): Answer;

/** A request field. Where it is missing, null or of another type, that is a fault. */
export interface Input<T> {
  readonly pointer: string;
  /** Missing and null are `undefined`; another type is a fault still. */
  optional(): Input<T | undefined>;
}
export function text(pointer: string): Input<string>;
export function boolean(pointer: string): Input<boolean>;
/** Integers beyond 53 bits, which JavaScript would round, are a fault. */
export function integer(pointer: string): Input<number>;
export function number(pointer: string): Input<number>;
/** An object or a list. */
export function json(pointer: string): Input<Json>;

/** Something wrong with the settings that the schema cannot say; throw it from `prepare`. */
export class SettingsProblem extends Error {
  /** `at` is a JSON pointer into the settings. */
  constructor(at: string, message: string);
}

/** The content of policy.json. */
export interface Description {
  name: string;
  version: string;
  inputs: readonly string[];
  settings_schema?: unknown;
}

type ValueOf<I> = I extends Input<infer T> ? T : never;

/** A policy: what it reads, and how it judges. */
export interface Definition<I extends Record<string, Input<unknown>>, S> {
  description: Description;
  /** In the order in which policy.json lists them. */
  inputs: I;
  /** Works on the settings once, at load. They were checked by the schema before and have its defaults. */
  prepare?: (settings: { [key: string]: Json }) => S;
  /** Called for each decision. What it throws is a fault. */
  evaluate: (input: { readonly [K in keyof I]: ValueOf<I[K]> }, settings: S) => Finding | Finding[] | Answer;
}

/** The contract's value of a field. */
export type Value =
  | { tag: "missing" | "null" }
  | { tag: "boolean"; val: boolean }
  | { tag: "integer"; val: bigint }
  | { tag: "number"; val: number }
  | { tag: "text" | "json"; val: string };

/** The two exports of a policy. */
export interface Exports {
  configure(settings: string): string[];
  evaluate(values: Value[]): unknown;
}
export function definePolicy<I extends Record<string, Input<unknown>>, S = { [key: string]: Json }>(
  definition: Definition<I, S>,
): Exports;

/** Writes a line to the record of this evaluation. */
export function log(message: string): void;
/** The value at a JSON pointer of a reference document; `undefined` where there is none. */
export function data(document: string, pointer?: string): Json | undefined;
/** Request fields that could not be declared. */
export function request(pointers: string[]): (Json | undefined)[];
/** How often something was decided in the last `withinMinutes`. */
export function history(query: {
  action?: string;
  resourceType?: string;
  resourceId?: string;
  outcomes?: Outcome[];
  withinMinutes: number;
}): { count: number; oldest?: string; latest?: string };

/** Gives a unit test's own functions for the host's. */
export function bind(functions: {
  log?: (message: string) => void;
  data?: (document: string, pointer: string) => Value;
  request?: (pointers: string[]) => Value[];
  history?: (query: unknown) => { count: bigint; oldest?: string; latest?: string };
}): void;
