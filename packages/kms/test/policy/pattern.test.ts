import fc from "fast-check";
import { expect, it } from "vitest";
import {
  arnMatcher,
  matcher,
  ONE,
  ANY,
  resourceMatcher,
  tokens,
} from "../../src/policy/pattern.ts";

/** The same by the engine's regular expressions. */
function expression(pattern: string): RegExp {
  const source = pattern.replaceAll(/[\s\S]/gu, (unit) =>
    unit === "*" ? ".*" : unit === "?" ? "." : unit.replace(/[$()+./[\\\]^{|}-]/, String.raw`\$&`),
  );
  return new RegExp(`^${source}$`, "su");
}

it("matches as a regular expression does", () => {
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 8 });
  const value = fc.string({ unit: fc.constantFrom("a", "b", "\u{1f600}"), maxLength: 8 });
  fc.assert(
    fc.property(pattern, value, (text, of) => {
      expect(matcher(tokens(text))(of)).toBe(expression(text).test(of));
    }),
    { numRuns: 5000 },
  );
});

it("takes tokens literally that are text, whatever characters they have", () => {
  expect(matcher(["a*"])("ab")).toBe(false);
  expect(matcher(["a", "*", ANY])("a*b")).toBe(true);
  expect(matcher(["a", "?", ONE])("a?b")).toBe(true);
  expect(matcher(["", ANY, ""])("x")).toBe(true);
});

it("takes the largest character of one unit, and the smallest of two, for one each", () => {
  expect(matcher(["a", ONE, "b"])("a\uffffb")).toBe(true);
  expect(matcher(["a", ONE, "b"])("a\u{10000}b")).toBe(true);
  expect(matcher(["a", ONE, "b"])("a\uffff\uffffb")).toBe(false);
});

it("takes at most the product of the lengths, where a regular expression would not end", () => {
  const value = `${"a".repeat(5000)}b`;
  expect(matcher(tokens(`${"*a".repeat(40)}*c`))(value)).toBe(false);
});

it("compares each of six parts of an ARN, colons of the last one included", () => {
  const matches = (pattern: string, value: string): boolean => arnMatcher(tokens(pattern))(value);
  expect(matches("a:b:c:d:e:f", "a:b:c:d:e:f")).toBe(true);
  expect(matches("a:b:c:d:e:*", "a:b:c:d:e:f:g:h")).toBe(true);
  expect(matches("a:b:c:d:e:f:*", "a:b:c:d:e:f:g")).toBe(true);
  expect(matches("a:b:c:d:e:f:*", "a:b:c:d:e:fg")).toBe(false);
  expect(matches("a:*:e:f", "a:b:c:d:e:f")).toBe(false);
  expect(matches("a:*:*:*:*:*", "a:b:c:d:e")).toBe(false);
  expect(matches("*", "a:b:c:d:e:f")).toBe(false);
  expect(matches("a:?:c:d:e:f", "a::c:d:e:f")).toBe(false);
});

it("takes a lone star for every resource, ARN or not", () => {
  expect(resourceMatcher(tokens("*"))("*")).toBe(true);
  expect(resourceMatcher(tokens("*"))("a:b:c:d:e:f")).toBe(true);
  expect(resourceMatcher(tokens("a:*:*:*:*:*"))("*")).toBe(false);
});
