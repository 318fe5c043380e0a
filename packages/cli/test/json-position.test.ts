import { expect, it } from "vitest";
import { jsonErrorPosition } from "../src/json-position.ts";

it.each([
  ['{\n "a": "b",\n "c" "d"\n}', 3, 6],
  ['{"a":"b",}', 1, 10],
  ['{"a":', 1, 6],
  ["{'a':'b'}", 1, 2],
  ['{\n"a": b\n}', 2, 6],
  ["not json", 1, 1],
  ['{"a":"b"} x', 1, 11],
  ['{"a":"b"\n"c":"d"}', 2, 1],
  ["[1, 2", 1, 6],
  ["[1, 2}", 1, 6],
  ["[1,, 2]", 1, 4],
  ['{"a" "b"}', 1, 6],
  ['{"a":1 :2}', 1, 8],
  ['"a\nb"', 1, 1],
  ["01", 1, 2],
  ["", 1, 1],
  ['{"a":[{}, [], {"b":[]}]]', 1, 24],
])("finds where %j goes wrong", (text, line, column) => {
  expect(() => JSON.parse(text)).toThrow(SyntaxError);
  expect(jsonErrorPosition(text)).toEqual({ line, column });
});

it("takes time in proportion to the text", () => {
  const text = `${"[".repeat(30_000)}"${"\\u0041".repeat(30_000)}`;
  expect(jsonErrorPosition(text)).toEqual({ line: 1, column: 30_001 });
});
