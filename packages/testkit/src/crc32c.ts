/**
 * CRC-32C, which Cloud KMS guards its fields with, written apart from the adapter's. It is not the
 * CRC-32 of zlib, which has another polynomial.
 *
 * Source: RFC 3720, appendix B.4
 *
 * @module
 */
const CASTAGNOLI = 0x82f63b78; // Reflected.

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CASTAGNOLI : value >>> 1;
  return value;
});

/**
 * Returns the checksum, 0 to 2^32 - 1.
 *
 * @param before - The checksum of the bytes that come before these.
 */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let value = before ^ 0xffffffff;
  for (const byte of bytes) value = (table[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Texts, bytes and their checksums: the examples of the RFC, the check value of the parameters, and nothing. */
export const crc32cVectors: readonly (readonly [string, Uint8Array, number])[] = [
  ["32 bytes of zeroes", new Uint8Array(32), 0x8a9136aa],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["32 incrementing bytes", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["32 decrementing bytes", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  [
    "an iSCSI read command",
    Buffer.from(
      "01c00000000000000000000000000000140000000000040000000014000000182800000000000000" +
        "0200000000000000",
      "hex",
    ),
    0xd9963a56,
  ],
  ["the digits 1 to 9", Buffer.from("123456789"), 0xe3069283],
  ["nothing", new Uint8Array(0), 0],
];
