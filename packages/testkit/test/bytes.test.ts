import { expect, it } from "vitest";
import { pattern, pieces, same } from "../src/bytes.ts";

it("makes bytes in which every chunk differs from every other", () => {
  const chunks = pieces(pattern(200 * 16_384), 16_384);
  expect(new Set(chunks.map((chunk) => Buffer.from(chunk).toString("latin1"))).size).toBe(200);
});

it("cuts bytes into pieces that make up the whole, the last one shorter", () => {
  const bytes = pattern(10);
  const cut = pieces(bytes, 4);
  expect(cut.map(({ length }) => length)).toEqual([4, 4, 2]);
  expect(same(Buffer.concat(cut), bytes)).toBe(true);
  expect(same(bytes.subarray(1), bytes)).toBe(false);
});
