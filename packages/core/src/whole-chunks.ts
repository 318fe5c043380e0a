/**
 * Cuts bytes that arrive in any pieces into whole chunks.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

/** The most chunks in a run: large inputs are passed on in runs of 1 MiB. */
const RUN_CHUNKS = 64;

/** Splits its input into runs of whole chunks, and keeps the rest, which is always less than a chunk. */
export class WholeChunks {
  readonly #chunkBytes: number;
  #partial: Bytes | undefined;
  #filled = 0;

  /** @param chunkBytes - The length in bytes of every chunk except the final one. */
  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes;
  }

  // Yields views of the argument if possible: use each one before requesting the next.
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    const partial = (this.#partial ??= new Uint8Array(this.#chunkBytes));
    let rest = bytes;
    if (this.#filled > 0) {
      const take = rest.subarray(0, partial.length - this.#filled);
      partial.set(take, this.#filled);
      this.#filled += take.length;
      rest = rest.subarray(take.length);
      if (this.#filled === partial.length) {
        this.#filled = 0;
        yield partial;
      }
    }
    while (rest.length >= partial.length) {
      const run = Math.min(RUN_CHUNKS, Math.floor(rest.length / partial.length)) * partial.length;
      yield rest.subarray(0, run);
      rest = rest.subarray(run);
    }
    partial.set(rest, this.#filled);
    this.#filled += rest.length;
  }

  /** The bytes that are left: the final chunk, once all of the message has been pushed. */
  rest(): Uint8Array {
    return this.#partial?.subarray(0, this.#filled) ?? new Uint8Array(0);
  }

  wipe(): void {
    this.#partial?.fill(0);
  }
}
