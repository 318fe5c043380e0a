import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRange, resolveRange } from "../src/range.ts";

const resolved = (text: string, size: number): readonly [number, number] => {
  const { start, end } = resolveRange(parseRange(text, undefined), size, "a.envelope");
  return [start, end];
};

describe("a range", () => {
  it.each([
    ["0-0", 10, [0, 1]],
    ["0-99", 1000, [0, 100]],
    ["2-5", 10, [2, 6]],
    ["5-", 10, [5, 10]],
    ["9-", 10, [9, 10]],
    ["-1", 10, [9, 10]],
    ["-10", 10, [0, 10]],
    ["bytes=2-5", 10, [2, 6]],
    ["bytes=-3", 10, [7, 10]],
    ["00-07", 10, [0, 8]],
  ] as const)("%s of %d bytes is what HTTP takes it for", (text, size, range) => {
    expect(resolved(text, size)).toEqual(range);
  });

  it.each([
    ["5-99", 10, [5, 10]],
    ["-99", 10, [0, 10]],
    ["0-99999999999999999999999", 10, [0, 10]],
    ["-99999999999999999999999", 10, [0, 10]],
    ["-5", 0, [0, 0]],
  ] as const)("%s of %d bytes is cut at the end", (text, size, range) => {
    expect(resolved(text, size)).toEqual(range);
  });

  it.each([
    ["10-", 10, "its 10 bytes are 0-9"],
    ["10-20", 10, "its 10 bytes are 0-9"],
    ["99999999999999999999999-", 10, "its 10 bytes are 0-9"],
    ["-0", 10, "its 10 bytes are 0-9"],
    ["0-", 0, "it is empty"],
    ["0-0", 0, "it is empty"],
  ] as const)("%s of %d bytes is none", (text, size, hint) => {
    expect(() => resolved(text, size)).toThrow(
      expect.objectContaining({
        code: "ERR_CLI_RANGE",
        message: `a.envelope: the plaintext has no bytes ${text}`,
        hint,
      }),
    );
  });

  it.each(["", "-", "5", "a-b", "1-2-3", "--1", "1 - 2", "0x10-", "1e3-", "items=1-2", "５-"])(
    "%j is not one",
    (text) => {
      expect(() => parseRange(text, undefined)).toThrow(
        expect.objectContaining({
          code: "ERR_CLI_USAGE",
          message: `${JSON.stringify(text)} is not a range`,
        }),
      );
    },
  );

  it("does not end before it starts", () => {
    expect(() => parseRange("5-4", undefined)).toThrow(
      expect.objectContaining({
        code: "ERR_CLI_USAGE",
        message: "the range 5-4 ends before it starts",
      }),
    );
  });

  it("is one, neither a list nor given twice", () => {
    const first = parseRange("0-1", undefined);
    for (const call of [() => parseRange("2-3", first), () => parseRange("0-1,2-3", undefined)]) {
      expect(call).toThrow(
        expect.objectContaining({ code: "ERR_CLI_USAGE", message: "--range is one range" }),
      );
    }
  });

  it("never leaves the plaintext, and has at least one byte of what is not empty", () => {
    const number = fc.option(fc.nat(30), { nil: undefined });
    fc.assert(
      fc.property(number, number, fc.nat(30), (first, last, size) => {
        fc.pre(first !== undefined || last !== undefined);
        fc.pre(first === undefined || last === undefined || first <= last);
        const text = `${first ?? ""}-${last ?? ""}`;
        const bytes = Array.from({ length: size }, (_, i) => i);
        const expected = bytes.filter((i) =>
          first === undefined ? i >= size - (last ?? 0) : i >= first && i <= (last ?? Infinity),
        );
        let got: number[] = [];
        try {
          got = bytes.slice(...resolved(text, size));
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_CLI_RANGE" });
        }
        expect(got).toEqual(expected);
      }),
    );
  });
});
