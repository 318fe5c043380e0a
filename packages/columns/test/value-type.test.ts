import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeValue, encodeValue, type ColumnType } from "../src/value-type.ts";
import { refuses } from "./support/refuses.ts";

const values: Readonly<Record<ColumnType, fc.Arbitrary<unknown>>> = {
  text: fc.string({ unit: "grapheme" }),
  bytes: fc.uint8Array(),
  number: fc.double({ noNaN: true, noDefaultInfinity: true }),
  bigint: fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
  boolean: fc.boolean(),
  date: fc.date({ noInvalidDate: true }),
  json: fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value))),
};

describe("typed values", () => {
  it.for(Object.entries(values))("has one encoding for each %s", ([name, arbitrary]) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names of the record
    const type = name as ColumnType;
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 1, max: 64 }), (value, pad) => {
        const plaintext = encodeValue(type, value, pad);
        expect(plaintext.length % pad).toBe(0);
        expect(decodeValue(type, plaintext)).toEqual(value);
        expect(encodeValue(type, decodeValue(type, plaintext), pad)).toEqual(plaintext);
      }),
    );
  });

  it("refuses bytes that are no encoding, and never loops over them", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1 }),
        fc.constantFrom(...Object.keys(values)),
        (bytes, name) => {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names of the record
          const type = name as ColumnType;
          try {
            decodeValue(type, bytes);
          } catch (error) {
            expect(error).toMatchObject({ code: "ERR_ENVELOPE_FORMAT" });
          }
        },
      ),
    );
  });

  it.each([
    ["text", 1],
    ["text", "\ud800"],
    ["bytes", "a"],
    ["number", Number.NaN],
    ["bigint", 1],
    ["boolean", 1],
    ["date", new Date("x")],
    ["json", () => 1],
  ] as const)("refuses to write as %s what is not", (type, value) => {
    expect(() => encodeValue(type, value, 1)).toThrow(TypeError);
  });

  it("refuses more than 1 MiB", async () => {
    expect(encodeValue("bytes", new Uint8Array(2 ** 20 - 1), 1)).toHaveLength(2 ** 20);
    await refuses("ERR_ENVELOPE_LIMIT", () => encodeValue("bytes", new Uint8Array(2 ** 20), 1));
  });
});
