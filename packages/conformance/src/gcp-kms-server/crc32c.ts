/**
 * CRC-32C, which Cloud KMS guards its fields with. Not the CRC-32 of zlib: another polynomial.
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

/** 0 to 2^32 - 1. */
export function crc32c(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (table[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
