import { expect, it } from "vitest";
import { crc32c, crc32cVectors } from "../src/crc32c.ts";

it.each(crc32cVectors)("the CRC-32C of %s is the published one", (_, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected);
});
