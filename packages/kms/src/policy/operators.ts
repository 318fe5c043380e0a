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
import type { Meter } from "./meter.ts";
import { arnParts, isLoneStar, matcher, resourceMatcher, type Matcher } from "./pattern.ts";
import { filled, hasVariables, type Template, type Variable } from "./variables.ts";

export interface Operator {
  /** The operator as it was written. */
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

/**
 * Tells whether a value of the request fits. `fill` gives what a policy variable stands for, `meter`
 * counts the steps that it takes.
 */
export type Operand = (value: string, fill: Fill, meter?: Meter) => boolean;
type Fill = (variable: Variable) => string;

type Test = Matcher;

const NAME = /^(?:(ForAnyValue|ForAllValues):)?([A-Za-z]+?)(IfExists)?$/;
const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** The profile of ISO 8601 in https://www.w3.org/TR/NOTE-datetime. */
const DATE =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?)?)?$/;
const EPOCH = /^-?\d{5,13}(?:\.\d+)?$/;
/** What is longer is not a number, a time or an address. */
const MAX_LITERAL_CHARS = 100;
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
  const operand = templated(resourceMatcher);
  return {
    type: "Arn",
    wildcards: true,
    variables: true,
    // A variable may stand for a whole ARN, so only a pattern without one can be told to be none.
    operand: (parts) =>
      hasVariables(parts) || isLoneStar(parts) || arnParts(filled(parts, none)) !== undefined
        ? operand(parts)
        : undefined,
  };
}

function literal(type: Comparison["type"], test: (text: string) => Test | undefined): Kind {
  const operand = (parts: Template): Operand | undefined => {
    const wanted = test(filled(parts, none).join(""));
    return wanted && ((value, _, meter) => (meter?.spend(LITERAL_STEPS), wanted(value)));
  };
  return { type, wildcards: false, variables: false, operand };
}

/** The cost of filling in a policy variable, and of making a test of it. */
const FILL_STEPS = 20;

/** The cost of reading a number, a time or an address. */
const LITERAL_STEPS = 250;

/** An operand whose test is made once, or anew for each request if it has variables. */
export function templated(make: (tokens: Tokens) => Test): (parts: Template) => Operand {
  return (parts) => {
    if (!hasVariables(parts)) {
      const test = make(filled(parts, none));
      return (value, _, meter) => test(value, meter);
    }
    return (value, fill, meter) => {
      meter?.spend(FILL_STEPS * parts.length);
      const pattern = filled(parts, fill);
      // A pattern is not longer than what it matches, but for letters whose lower case is two characters:
      // so no more than that is ever put together.
      let chars = 0;
      for (const part of pattern) if (typeof part === "string") chars += part.length;
      if (chars > 2 * value.length) return false;
      meter?.spend(chars);
      return make(pattern)(value, meter);
    };
  };
}

/** Fills templates that have nothing to fill. */
function none(): string {
  return "";
}

function sameLetters(tokens: Tokens): Test {
  const wanted = tokens.join("").toLowerCase();
  return (value, meter) => {
    meter?.spend(1 + value.length);
    return value.toLowerCase() === wanted;
  };
}

function readNumber(text: string): number {
  return text.length <= MAX_LITERAL_CHARS && NUMBER.test(text) ? Number(text) : Number.NaN;
}

/** Milliseconds since 1970, of a date or of seconds since 1970. */
function readDate(text: string): number {
  if (text.length > MAX_LITERAL_CHARS) return Number.NaN;
  const [, year, month, day] = DATE.exec(text) ?? [];
  if (year !== undefined) return isDay(year, month, day) ? Date.parse(text) : Number.NaN;
  return EPOCH.test(text) ? Number(text) * 1000 : Number.NaN;
}

/** Whether the month has that day: `Date.parse` takes 30 February for 2 March. */
function isDay(year: string, month = "01", day = "01"): boolean {
  const date = new Date(`${year}-${month}-01T00:00:00Z`);
  date.setUTCDate(Number(day));
  return date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
}

function bool(text: string): Test | undefined {
  const wanted = text.toLowerCase();
  if (wanted !== "true" && wanted !== "false") return undefined;
  return (value) => value.length === wanted.length && value.toLowerCase() === wanted;
}

/** Compared as base64, of which the padded form is the only one that is taken. */
function binary(text: string): Test | undefined {
  return BASE64.test(text) ? (value) => value === text : undefined;
}
