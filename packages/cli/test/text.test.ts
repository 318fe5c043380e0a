import { describe, expect, it } from "vitest";
import {
  count,
  formatBytes,
  formatDuration,
  formatRate,
  jsonText,
  printable,
  printableLine,
  table,
} from "../src/text.ts";

describe("printable", () => {
  it.each([
    ["an escape sequence", "\u001b[31m", "\\u001b[31m"],
    ["its one-character form", "\u009b31m", "\\u009b31m"],
    ["what turns the line around", "a\u202eb", "a\\u202eb"],
    ["what cannot be seen", "a\u200bb\ufeff", "a\\u200bb\\ufeff"],
    ["a carriage return", "a\rb", "a\\u000db"],
    ["half a character", "a\ud800b", "a\\ud800b"],
    ["a tag character", "\u{e0041}", "\\udb40\\udc41"],
  ])("shows %s as what it is", (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it("leaves text of all scripts and line breaks alone", () => {
    expect(printable("grün\n日本語 😀")).toBe("grün\n日本語 😀");
    expect(printableLine("a\nb")).toBe("a\\u000ab");
  });
});

describe("jsonText", () => {
  it("stays JSON of the same value", () => {
    const value = { "\u009b": ["\u202e\u{e0041}", "\n", 'a"\\'] };
    expect(JSON.parse(jsonText(value, 2))).toEqual(value);
    expect(jsonText(value)).not.toMatch(/[\u009b\u202e]/);
  });
});

describe("table", () => {
  it("aligns columns and leaves no blanks behind", () => {
    expect(
      table(
        ["A", "B"],
        [
          ["long", ""],
          ["x", "y\n"],
        ],
      ),
    ).toBe("A     B\nlong\nx     y\\u000a");
  });
});

it("writes quantities for people", () => {
  expect([0, 999, 126_595_440].map(formatBytes)).toEqual(["0 B", "999 B", "126.5 MB"]);
  expect(formatRate(5_000_000, 1000)).toBe("5 MB/s");
  expect([0, 6500, 61_000, 3_723_000].map(formatDuration)).toEqual([
    "0:00",
    "0:07",
    "1:01",
    "1:02:03",
  ]);
  expect([count(1, "file"), count(2, "file")]).toEqual(["1 file", "2 files"]);
});
