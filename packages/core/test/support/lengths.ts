/** Where chunking can go wrong, in bytes of plaintext. */
export const boundaryLengths: readonly number[] = [
  0, 1, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769,
];

/** `length` bytes that differ by position, so that a moved or repeated chunk shows. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 17 + (i >> 14)) & 0xff;
  return bytes;
}

/** `bytes` in pieces of `size`. */
export function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(bytes.subarray(at, at + size));
  return out;
}

/** All that comes out of `transform` when `input` goes in, and the error that ended it. */
export async function pump(
  transform: TransformStream<Uint8Array, Uint8Array>,
  input: Iterable<Uint8Array>,
): Promise<{ output: Uint8Array; error: unknown }> {
  const output: Uint8Array[] = [];
  const reader = transform.readable.getReader();
  const writing = (async () => {
    const writer = transform.writable.getWriter();
    writer.closed.catch(() => undefined);
    for (const piece of input) await writer.write(piece);
    await writer.close();
  })();
  let error: unknown;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      output.push(value);
    }
  } catch (caught) {
    error = caught;
  }
  await writing.catch((caught: unknown) => {
    error ??= caught;
  });
  return { output: new Uint8Array(Buffer.concat(output)), error };
}
