/**
 * Plaintexts, cut where chunking can go wrong.
 *
 * @module
 */

/** Lengths around one and two chunks of 16 KiB. */
export const boundaryLengths: readonly number[] = [
  0, 1, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769,
];

/** Lengths around a MiB, which is several runs of chunks. */
export const largeLengths: readonly number[] = [
  2 ** 20 - 1,
  2 ** 20,
  2 ** 20 + 1,
  3 * 2 ** 20 + 12_345,
];

/** Returns `length` bytes that differ by position, so that a moved or repeated chunk shows. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 17 + (i >> 14) * 7) & 0xff;
  return bytes;
}

/** Returns views of `bytes`, each of `size` bytes except the last. */
export function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const views: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) views.push(bytes.subarray(at, at + size));
  return views;
}

/** Whether two arrays have the same bytes: `toEqual` takes seconds for a few MiB. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
