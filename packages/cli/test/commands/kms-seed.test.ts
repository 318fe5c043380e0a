import type { SeedDocument } from "@env/kms";
import { character } from "@env/testkit/character";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSeedText, seedText } from "../../src/commands/kms-seed.ts";
import { CommandError } from "../../src/errors.ts";
import { printable } from "../../src/text.ts";

function problem(text: string): string {
  try {
    parseSeedText("s.yaml", text);
  } catch (error) {
    if (error instanceof CommandError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error("the text was taken");
}

describe("parseSeedText", () => {
  it.each([
    ["a: [1\nb: 2", "ERR_CLI_USAGE s.yaml:2:1: it is not YAML: bad indent"],
    ["version: 1\nversion: 1\n", "ERR_CLI_USAGE s.yaml:2:1: it is not YAML: duplicate key"],
    ['{"a": 1,\n "b" 2}', "ERR_CLI_USAGE s.yaml:2:6: it is not YAML:"],
    ["- a\n---\n- b\n", "ERR_CLI_USAGE s.yaml:2:1: it is not YAML: multiple docs"],
    ["a: !secret 1", "ERR_CLI_USAGE s.yaml:1:4: it is not YAML: tag resolve failed"],
    ["a: *b", "ERR_CLI_USAGE s.yaml: an alias has no anchor"],
  ])("names line and column in %j", (text, message) => {
    expect(problem(text).slice(0, message.length)).toBe(message);
  });

  it("does not quote the text", () => {
    expect(problem("material: [SECRETSECRET=\n} : SECRETSECRET=")).not.toContain("SECRET");
  });

  it("refuses aliases that would grow beyond all bounds", () => {
    const list = (of: string): string => `[${Array.from({ length: 20 }, () => of).join()}]`;
    const text = `a: &a ${list("x")}\nb: &b ${list("*a")}\nc: ${list("*b")}\n`;
    expect(problem(text)).toContain("too many aliases");
  });

  it("takes JSON with tabs, and anchors", () => {
    expect(parseSeedText("s", '{\n\t"a": [\n\t\t1\n\t]\n}\n').value).toEqual({ a: [1] });
    expect(parseSeedText("s", "a: &p { b: 1 }\nc: *p").value).toEqual({
      a: { b: 1 },
      c: { b: 1 },
    });
  });

  it.each<[string, (string | number)[], "name" | "value", string]>([
    [
      "version: 1\nkeys:\n  - keyId: x\n    tags: { a: 5 }\n",
      ["keys", 0, "tags", "a"],
      "value",
      ":4:16",
    ],
    ["version: 1\nkeys:\n  - keyId: x\n    alias: x\n", ["keys", 0, "alias"], "name", ":4:5"],
    ["version: 1\nkeys:\n  - keyId: x\n    alias: x\n", ["keys", 0, "alias"], "value", ":4:12"],
    ['{\n "keys": [\n  {"aliases": ["a",\n   "b"]}]}', ["keys", 0, "aliases", 1], "value", ":4:4"],
    ["a: &p\n  b: 1\nc: *p", ["c", "b"], "value", ":2:6"],
    ["a:\n  enabled:\n  b: 1", ["a", "enabled"], "value", ":2:11"],
    ["tags:\n  1: x\n  2: y", ["tags", "2"], "value", ":3:6"],
  ])("finds in %j what is at %j, its %s", (text, place, of, position) => {
    expect(parseSeedText("s", text).position(place, of)).toBe(position);
  });

  it("finds what a missing member is missing from", () => {
    const { position } = parseSeedText("s", "version: 1\nkeys:\n  - description: x\n");
    expect(position(["keys", 0, "keyId"], "value")).toBe(":3:5");
    expect(position(["keys", 7, "keyId"], "value")).toBe(":3:3");
    expect(parseSeedText("s", "# nothing\n").position(["version"], "value")).toBe(":1:1");
    expect(parseSeedText("s", "\n  5").position([], "value")).toBe(":2:3");
  });
});

it("writes what it reads, whatever is in it and shown on a terminal", () => {
  const text = fc.oneof(
    fc.string({ unit: character, maxLength: 20 }),
    fc.constantFrom(
      "yes",
      "1",
      "null",
      "~",
      "2012-10-17",
      "a: b",
      "\u200bx\n\ny",
      "\u{e0001}",
      " a ",
    ),
  );
  fc.assert(
    fc.property(text, fc.dictionary(text, text), (description, tags) => {
      const seed: SeedDocument = { version: 1, keys: [{ keyId: "x", description, tags }] };
      const written = parseSeedText("s", printable(seedText(seed))).value;
      expect(JSON.parse(JSON.stringify(written))).toEqual(JSON.parse(JSON.stringify(seed)));
    }),
    { numRuns: process.env["SLOW"] === undefined ? 500 : 20_000 },
  );
});
