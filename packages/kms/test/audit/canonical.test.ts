import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/audit/canonical.ts";

describe("the one text of a value", () => {
  it.each<[string, unknown, string]>([
    ["members sorted by code units", { b: 1, "": 2, a: 3, B: 4 }, `{"":2,"B":4,"a":3,"b":1}`],
    // RFC 8785, 3.2.3: the order of UTF-16, in which U+FB33 comes behind the surrogates of U+1F600.
    ["beyond the BMP", { "\ufb33": 1, "\u{1f600}": 2 }, `{"\u{1f600}":2,"\ufb33":1}`],
    ["names that look like numbers", { 10: 1, 9: 2, 1: 3 }, `{"1":3,"10":1,"9":2}`],
    ["no member that is undefined", { a: undefined, b: null }, `{"b":null}`],
    ["lists in their order", [3, "a", true, [], {}], `[3,"a",true,[],{}]`],
    ["only the escapes that must be", `"\\/\b\n\u001f€ é`, `"\\"\\\\/\\b\\n\\u001f€ é"`],
    ["a lone surrogate", { "\ud800": "\udc00" }, `{"\ufffd":"\ufffd"}`],
    ["a name of quotes", { '"': 1 }, `{"\\"":1}`],
    [
      "numbers as JavaScript writes them",
      [1e21, 0.1, -0, 333333333.3333333],
      "[1e+21,0.1,0,333333333.3333333]",
    ],
    ["a member named __proto__", JSON.parse(`{"__proto__":"x"}`), `{"__proto__":"x"}`],
    ["a map without a prototype", Object.assign(Object.create(null), { a: 1 }), `{"a":1}`],
  ])("%s", (_, value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  it.each<[string, unknown]>([
    ["bytes", new Uint8Array(4)],
    ["a Buffer in a list", [Buffer.from("x")]],
    ["a date", { a: new Date(0) }],
    ["not a number", Number.NaN],
    ["infinity", [Infinity]],
    ["a bigint", 1n],
    ["undefined", undefined],
    ["a function", () => 1],
  ])("does not write %s", (_, value) => {
    expect(() => canonicalJson(value)).toThrow(new TypeError("not a JSON value"));
  });

  it("does not depend on the order of members, and loses nothing", () => {
    const json = fc.jsonValue({ maxDepth: 4, stringUnit: "binary" });
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value);
        // JSON has no -0.
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value))).toBe(text);
      }),
    );
  });
});

/** The same value, its members the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toReversed();
  return Object.fromEntries(entries.map(([name, member]) => [name, reversed(member)]));
}
