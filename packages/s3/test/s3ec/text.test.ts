import { isEnvelopeError } from "@env/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64, decodeHeaderText, parseTextMap, writeTextMap } from "../../src/s3ec/text.ts";

const text = fc.string({ unit: "grapheme", maxLength: 20 });

describe("parseTextMap", () => {
  it("reads what writeTextMap writes, in ASCII, whatever is in it", () => {
    fc.assert(
      fc.property(fc.dictionary(text, text), (map) => {
        const json = writeTextMap(map);
        expect(json).toMatch(/^[ -~]*$/);
        expect(parseTextMap(json, "")).toEqual({ ...map });
        expect(parseTextMap(JSON.stringify(map, undefined, 2), "")).toEqual({ ...map });
      }),
    );
  });

  it("reads __proto__ as a name like any other", () => {
    expect(Object.entries(parseTextMap('{"__proto__":"1"}', ""))).toEqual([["__proto__", "1"]]);
  });

  it("accepts no JSON that JSON.parse reads as anything but a map of strings", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (json) => {
        let map: unknown;
        try {
          map = parseTextMap(json, "");
        } catch (error) {
          expect(isEnvelopeError(error, "ERR_ENVELOPE_FORMAT")).toBe(true);
          return;
        }
        expect(JSON.parse(json)).toEqual(map);
      }),
    );
  });
});

describe("decodeHeaderText", () => {
  const original = '{"name":"Zürich 😀 _=?"}';
  const latin1 = (value: string): string => Buffer.from(value).toString("latin1");
  const words = (value: string, encoding: "B" | "Q"): string => {
    const bytes = Buffer.from(value);
    const coded =
      encoding === "B"
        ? bytes.toString("base64")
        : [...bytes].map((byte) => `=${byte.toString(16).padStart(2, "0")}`).join("");
    return `=?UTF-8?${encoding}?${coded}?=`;
  };

  it.each([
    ["ASCII as it is", '{"a":"=?"}', '{"a":"=?"}'],
    ["text as it is", original, original],
    ["UTF-8 that was read as Latin-1", latin1(original), original],
    ["UTF-8 that was read as Latin-1 twice", latin1(latin1(original)), original],
    ["a word of base64", words(original, "B"), original],
    ["a quoted word", words(original, "Q"), original],
    ["words in a row", `${words('{"n":"ü', "Q")} ${words('ß"}', "B")}`, '{"n":"üß"}'],
    ["a word of UTF-8 that was read as Latin-1", words(latin1(original), "B"), original],
    ["underscores in a quoted word", "=?utf-8?q?a_b?=", "a b"],
    ["Latin-1 that is not UTF-8", "caf\u00e9", "caf\u00e9"],
  ])("decodes %s", (_, header, expected) => {
    expect(decodeHeaderText(header)).toBe(expected);
  });
});

describe("decodeBase64", () => {
  it("reads what Buffer writes and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const encoded = Buffer.from(bytes).toString("base64");
        expect(decodeBase64(encoded, "x")).toEqual(Buffer.from(bytes));
      }),
    );
    for (const wrong of [
      "A",
      "AA",
      "AAA",
      "AB==",
      "AAB=",
      "AA==\n",
      " AA==",
      "AA-_",
      "AA==AA==",
      "é===",
    ]) {
      expect(() => decodeBase64(wrong, "x")).toThrow("x is not base64");
    }
  });
});
