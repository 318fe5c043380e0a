import { describe, expect, it } from "vitest";
import { crc32c } from "../../src/gcp-kms-server/crc32c.ts";

/** RFC 3720, appendix B.4: bytes and their checksum, the least significant byte first. */
const vectors = [
  ["32 bytes of zeroes", new Uint8Array(32), "aa36918a"],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), "43aba862"],
  ["32 incrementing bytes", Uint8Array.from({ length: 32 }, (_, i) => i), "4e79dd46"],
  ["32 decrementing bytes", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), "5cdb3f11"],
  [
    "an iSCSI read command",
    Buffer.from(
      "01c00000000000000000000000000000140000000000040000000014000000182800000000000000" +
        "0200000000000000",
      "hex",
    ),
    "563a96d9",
  ],
] as const;

describe("crc32c", () => {
  it.each(vectors)("is the RFC's for %s", (_, bytes, expected) => {
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32LE(crc32c(bytes));
    expect(checksum.toString("hex")).toBe(expected);
  });

  it("is the check value of its parameters for the digits 1 to 9, and 0 for nothing", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });
});
