/**
 * The operators of conditions: how one value of a request is compared with one of a policy.
 *
 * A name is built of `ForAnyValue:` or `ForAllValues:`, one of the comparisons below, and `IfExists`.
 * A negated comparison holds where the one it negates does not, for every value of the policy.
 *
 * Source: spec/authorization.md#operators
 *
 * @module
 */
import { ipRange } from "./ip-range.ts";
import { arnMatcher, arnParts, matcher } from "./pattern.ts";
import { filled, variablesOf, type Template, type Variable } from "./variables.ts";

export interface Operator {
  /** As it was written. */
  readonly name: string;
  /** How the values of a key with several of them are taken. */
  readonly set: "any" | "all" | undefined;
  readonly ifExists: boolean;
  readonly comparison: Comparison | "Null";
}

export interface Comparison {
  /** What is compared: text, ARNs, numbers, … */
  readonly type: "String" | "Arn" | "Numeric" | "Date" | "Bool" | "Binary" | "IpAddress";
  /** Holds where no value of the policy fits. */
  readonly negated: boolean;
  /** How the text of a policy is read: with `*` and `?`, and with policy variables. */
  readonly wildcards: boolean;
  readonly variables: boolean;
  /** Makes the test for one value of a policy; undefined if that value cannot be one. */
  readonly operand: (parts: Template) => Operand | undefined;
}

/** Tells whether a value of the request fits. `fill` gives what a policy variable stands for. */
export type Operand = (value: string, fill: Fill) => boolean;
type Fill = (variable: Variable) => string;

type Test = (value: string) => boolean;

const NAME = /^(?:(ForAnyValue|ForAllValues):)?([A-Za-z]+?)(IfExists)?$/;
const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** The profile of ISO 8601 in https://www.w3.org/TR/NOTE-datetime. */
const DATE =
  /^\d{4}(?:-\d{2}(?:-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?)?)?$/;
const EPOCH = /^-?\d{5,13}(?:\.\d+)?$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

type Kind = Omit<Comparison, "negated">;
type Tokens = ReturnType<typeof filled>;

const comparisons: ReadonlyMap<string, Comparison | "Null"> = new Map<string, Comparison | "Null">([
  ...both("StringEquals", strings(false, matcher)),
  ...both("StringEqualsIgnoreCase", strings(false, sameLetters)),
  ...both("StringLike", strings(true, matcher)),
  // The two are one: AWS says they behave identically.
  ...both("ArnEquals", arns()),
  ...both("ArnLike", arns()),
  ...ordered("Numeric", readNumber),
  ...ordered("Date", readDate),
  alone("Bool", literal("Bool", bool)),
  alone("BinaryEquals", literal("Binary", binary)),
  ...both("IpAddress", literal("IpAddress", ipRange)),
  ["Null", "Null"],
]);

/** Names of all comparisons, for those who look for a misspelt one. */
export const comparisonNames: readonly string[] = [...comparisons.keys()];

/** Undefined if there is no such operator. `Null` has neither prefix nor `IfExists`. */
export function operatorNamed(name: string): Operator | undefined {
  const [, prefix, base = "", suffix] = NAME.exec(name) ?? [];
  const comparison = comparisons.get(base);
  if (comparison === undefined) return undefined;
  if (comparison === "Null" && name !== "Null") return undefined;
  const set = prefix === undefined ? undefined : prefix === "ForAnyValue" ? "any" : "all";
  return { name, set, ifExists: suffix !== undefined, comparison };
}

function alone(name: string, kind: Kind): [string, Comparison] {
  return [name, { ...kind, negated: false }];
}

/** A comparison and its negation: `StringEquals` and `StringNotEquals`, `IpAddress` and `NotIpAddress`. */
function both(name: string, kind: Kind): [string, Comparison][] {
  const negation = name === "IpAddress" ? "NotIpAddress" : name.replace(/Equals|Like/, "Not$&");
  return [alone(name, kind), [negation, { ...kind, negated: true }]];
}

function ordered(type: "Numeric" | "Date", read: (text: string) => number): [string, Comparison][] {
  const kind = (holds: (value: number, limit: number) => boolean): Kind =>
    literal(type, (limitText) => {
      const limit = read(limitText);
      return Number.isNaN(limit) ? undefined : (value) => holds(read(value), limit);
    });
  return [
    ...both(
      `${type}Equals`,
      kind((value, limit) => value === limit),
    ),
    alone(
      `${type}LessThan`,
      kind((value, limit) => value < limit),
    ),
    alone(
      `${type}LessThanEquals`,
      kind((value, limit) => value <= limit),
    ),
    alone(
      `${type}GreaterThan`,
      kind((value, limit) => value > limit),
    ),
    alone(
      `${type}GreaterThanEquals`,
      kind((value, limit) => value >= limit),
    ),
  ];
}

function strings(wildcards: boolean, test: (tokens: Tokens) => Test): Kind {
  return { type: "String", wildcards, variables: true, operand: templated(test) };
}

function arns(): Kind {
  const operand = templated(arnMatcher);
  return {
    type: "Arn",
    wildcards: true,
    variables: true,
    // A variable may stand for a whole ARN, so only a pattern without one can be told to be none.
    operand: (parts) =>
      variablesOf(parts).length === 0 && arnParts(filled(parts, none)) === undefined
        ? undefined
        : operand(parts),
  };
}

function literal(type: Comparison["type"], test: (text: string) => Test | undefined): Kind {
  const operand = (parts: Template): Operand | undefined => test(filled(parts, none).join(""));
  return { type, wildcards: false, variables: false, operand };
}

/** An operand whose test is made once, or anew for each request if it has variables. */
function templated(make: (tokens: Tokens) => Test): Comparison["operand"] {
  return (parts) => {
    if (variablesOf(parts).length === 0) return make(filled(parts, none));
    return (value, fill) => make(filled(parts, fill))(value);
  };
}

/** Fills templates that have nothing to fill. */
function none(): string {
  return "";
}

function sameLetters(tokens: Tokens): Test {
  const wanted = tokens.join("").toLowerCase();
  return (value) => value.toLowerCase() === wanted;
}

function readNumber(text: string): number {
  return NUMBER.test(text) ? Number(text) : Number.NaN;
}

/** Milliseconds since 1970, of a date or of seconds since 1970. */
function readDate(text: string): number {
  if (DATE.test(text)) return Date.parse(text);
  return EPOCH.test(text) ? Number(text) * 1000 : Number.NaN;
}

function bool(text: string): Test | undefined {
  const wanted = text.toLowerCase();
  if (wanted !== "true" && wanted !== "false") return undefined;
  return (value) => value.toLowerCase() === wanted;
}

/** Compared as base64, of which the padded form is the only one that is taken. */
function binary(text: string): Test | undefined {
  return BASE64.test(text) ? (value) => value === text : undefined;
}
