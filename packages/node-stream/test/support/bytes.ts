/** Where chunking can go wrong, in bytes of plaintext. */
export const boundaryLengths: readonly number[] = [
  0,
  1,
  16_383,
  16_384,
  16_385,
  2 * 16_384 - 1,
  2 * 16_384,
  2 * 16_384 + 1,
  2 ** 20 - 1,
  2 ** 20,
  2 ** 20 + 1,
  3 * 2 ** 20 + 12_345,
];

/** `length` bytes that differ by position, so that a moved or repeated chunk shows. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 17 + (i >> 14) * 7) & 0xff;
  return bytes;
}

/**
 * Cuts `bytes` into pieces of `size`.
 *
 * @yields views.
 */
export function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Whether two arrays have the same bytes: `toEqual` takes seconds for a few MiB. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
