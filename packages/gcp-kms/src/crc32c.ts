/**
 * CRC-32C, which guards requests to Cloud KMS and its answers. `zlib.crc32` has another polynomial.
 *
 * Source: RFC 3720, appendix B.4
 *
 * @module
 */

/** Castagnoli's polynomial, reflected. */
const POLYNOMIAL = 0x82f63b78;

const table: readonly number[] = Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
  }
  return remainder >>> 0;
});

/** Returns 0 to 2^32 - 1. The checksum of a data key reveals something about the key, so it must not be logged. */
export function crc32c(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder = (remainder >>> 8) ^ (table[(remainder ^ byte) & 0xff] ?? 0);
  }
  return (remainder ^ 0xffffffff) >>> 0;
}
