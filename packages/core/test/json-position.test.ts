import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonErrorPosition } from "../src/json-position.ts";

describe("jsonErrorPosition", () => {
  it.each([
    ["", 1, 1],
    ["  ", 1, 3],
    ["{", 1, 2],
    ['{\n  "a": 1,\n}', 3, 1],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3],
    ['{"a": hunter2}', 1, 7],
    ["{'a': 1}", 1, 2],
    ['["a" "b"]', 1, 6],
    ["[1,]", 1, 4],
    ["[1}", 1, 3],
    ['{"a" 1}', 1, 6],
    ["01", 1, 2],
    ['"a\nb"', 1, 1],
    ["1 2", 1, 3],
    ['// no\n{"a": 1}', 1, 1],
    ["[1, 2}", 1, 6],
    ["[1,, 2]", 1, 4],
    ['{"a":1 :2}', 1, 8],
    ['{"a":[{}, [], {"b":[]}]]', 1, 24],
  ])("finds the mistake in %j", (text, line, column) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    expect(jsonErrorPosition(text)).toEqual({ line, column });
  });

  it("takes time in proportion to the text", () => {
    const text = `${"[".repeat(30_000)}"${"\\u0041".repeat(30_000)}`;
    expect(jsonErrorPosition(text)).toEqual({ line: 1, column: 30_001 });
  });

  it("never takes what is JSON for the mistake: all of it is read", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(jsonErrorPosition(text)).toEqual({ line: 1, column: text.length + 1 });
      }),
    );
  });
});
