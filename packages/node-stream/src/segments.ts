/**
 * Consecutive chunks of one message, cut into steps that are small enough for a core's own cache.
 *
 * Threads and files share this arithmetic: a segment of plaintext and its sealed form are the same
 * steps read in opposite directions.
 *
 * @module
 */
import type { Awaitable, Bytes } from "@env/core";
import {
  CHUNK_BYTES,
  openedLength,
  SEALED_CHUNK_BYTES,
  sealedLength,
  TAG_BYTES,
  type ChunkKeys,
  type PayloadCodec,
} from "@env/core/message";

/** `seal` takes plaintext to chunks, `open` chunks to plaintext. */
export type Operation = "seal" | "open";

/** Consecutive chunks of one message, in a form that can be sent to a thread. */
export interface Chunks {
  readonly operation: Operation;
  readonly keys: ChunkKeys;
  /** Number of the first chunk. */
  readonly index: number;
  /** Whether the message ends here: the plaintext's end is then the final chunk, maybe an empty one. */
  readonly last: boolean;
}

/** A few chunks of a segment. Offsets and lengths in bytes, offsets from the segment's start. */
export interface Step {
  readonly index: number;
  readonly last: boolean;
  readonly inputAt: number;
  readonly inputBytes: number;
  readonly outputAt: number;
  readonly outputBytes: number;
}

/** A quarter of a MiB of plaintext: input and output fit in a second-level cache together. */
export const STEP_CHUNKS = 16;

/** Least lengths of the two buffers a step needs, in bytes. */
export const stepBytes: { readonly plaintext: number; readonly sealed: number } = {
  plaintext: STEP_CHUNKS * CHUNK_BYTES,
  sealed: STEP_CHUNKS * SEALED_CHUNK_BYTES + TAG_BYTES,
};

/** Bytes of a chunk that is not the final one, on the side that `operation` reads. */
export function inputChunkBytes(operation: Operation): number {
  return operation === "seal" ? CHUNK_BYTES : SEALED_CHUNK_BYTES;
}

/** Bytes of what `operation` makes of `inputBytes` of whole chunks. */
export function outputLength(operation: Operation, inputBytes: number, last: boolean): number {
  return operation === "seal" ? sealedLength(inputBytes, last) : openedLength(inputBytes);
}

/** Seals or opens whole chunks into `out`, of {@link outputLength} bytes. Throws as the codec does. */
export function apply(
  codec: PayloadCodec,
  { operation, index, last }: Omit<Chunks, "keys">,
  input: Uint8Array,
  out: Bytes,
): Awaitable<Bytes> {
  return operation === "seal"
    ? codec.sealChunks(index, input, last, out)
    : codec.openChunks(index, input, out);
}

/**
 * The steps of a segment of `bytes` of input.
 *
 * @yields at least one: an empty message has one of no input.
 */
export function* steps(
  { operation, index, last }: Omit<Chunks, "keys">,
  bytes: number,
): Generator<Step> {
  const size = STEP_CHUNKS * inputChunkBytes(operation);
  let outputAt = 0;
  for (let inputAt = 0, chunk = index; ; inputAt += size, chunk += STEP_CHUNKS) {
    const inputBytes = Math.min(size, bytes - inputAt);
    const ends = inputAt + inputBytes === bytes;
    const outputBytes = outputLength(operation, inputBytes, last && ends);
    yield { index: chunk, last: last && ends, inputAt, inputBytes, outputAt, outputBytes };
    if (ends) return;
    outputAt += outputBytes;
  }
}
