import { describe, expect, it } from "vitest";
import {
  count,
  endOf,
  fixedBytes,
  formatBytes,
  formatDuration,
  jsonText,
  printable,
  printableLine,
  shellWord,
  table,
  widthOf,
  wrapLine,
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

describe("wrapLine", () => {
  const line = "  ✓ condition  holds: kms:ResourceAliases is [alias/app], wanted is alias/app";

  it("breaks at spaces, and indents what follows", () => {
    expect(wrapLine(line, 40, 15)).toBe(
      [
        "  ✓ condition  holds:",
        "               kms:ResourceAliases is",
        "               [alias/app], wanted is",
        "               alias/app",
      ].join("\n"),
    );
  });

  it("never breaks a word, and leaves what fits or has no width alone", () => {
    expect(wrapLine(line, 10, 2).replaceAll(/\s+/g, " ")).toBe(line.replaceAll(/\s+/g, " "));
    expect(wrapLine(line, line.length)).toBe(line);
    expect(wrapLine(line, undefined)).toBe(line);
  });
});

it("measures text in cells of a terminal", () => {
  expect(["abc", "日本", "e\u0301", "😀"].map(widthOf)).toEqual([3, 4, 1, 2]);
  expect(endOf("日本語.txt", 7)).toBe("…語.txt");
  expect(endOf("short", 7)).toBe("short");
});

it("writes quantities for people", () => {
  expect([0, 999, 126_595_440, 5_368_709_120].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "126.6 MB",
    "5.4 GB",
  ]);
  // Rounding up may reach the next unit.
  expect([999_949, 999_950].map(formatBytes)).toEqual(["999.9 kB", "1 MB"]);
  expect([0, 5, 1000, 312_000_000].map(fixedBytes)).toEqual([
    "     0 B",
    "     5 B",
    "  1.0 kB",
    "312.0 MB",
  ]);
  expect([0, 6500, 61_000, 3_723_000].map(formatDuration)).toEqual([
    "0:00",
    "0:07",
    "1:01",
    "1:02:03",
  ]);
  expect([count(1, "file"), count(2, "file")]).toEqual(["1 file", "2 files"]);
});

it("writes a path as one word of a shell", () => {
  expect(["/srv/dev.kms", "C:/keys", "my keys", "it's $HOME", ""].map(shellWord)).toEqual([
    "/srv/dev.kms",
    "C:/keys",
    "'my keys'",
    String.raw`'it'\''s $HOME'`,
    "''",
  ]);
});
