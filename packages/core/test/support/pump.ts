/** Returns what comes out of `transform` when `input` goes in, and the error that ended it. */
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
