/**
 * Spans of consecutive chunks, as streams, files, ranges and threads work on them, and their arithmetic: a
 * span of plaintext and its sealed form are the same steps read in opposite directions.
 *
 * Words of this package: a *piece* is bytes as a caller or a stream hands them over, cut anywhere. A
 * *step* is the few chunks that are sealed or opened at a time. A *run* is the chunks that a stream collects and
 * works on, or sends to a thread, at a time; a *segment* is the chunks of a file that a thread reads and writes itself;
 * either is a *task* of the thread. A *read* is the chunks that random access fetches at a time. *Lanes* are
 * loops that work on the spans of one message concurrently.
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
  type PayloadCodec,
  type SharedKeys,
} from "@env/core/message";

/** `seal` turns plaintext into chunks, `open` chunks into plaintext. */
export type Operation = "seal" | "open";

/** Consecutive chunks of one message, in a form that can be sent to a thread. */
export interface Chunks {
  readonly operation: Operation;
  readonly keys: SharedKeys;
  /** The number of the first chunk. */
  readonly index: number;
  /** Whether the message ends here. If so, the last of these chunks is the final one, which may be empty. */
  readonly last: boolean;
}

/** One step of a span. Offsets and lengths are in bytes; offsets count from the start of the span. */
export interface Step {
  readonly index: number;
  readonly last: boolean;
  readonly inputAt: number;
  readonly inputBytes: number;
  readonly outputAt: number;
  readonly outputBytes: number;
}

/** Chunks in a step: 256 KiB of plaintext, so that input and output fit into a second-level cache together. */
export const STEP_CHUNKS = 16;
/** The most chunks of a run: 1 MiB of plaintext. */
export const RUN_CHUNKS = 64;
/** Chunks in a segment: 4 MiB of plaintext, some milliseconds of work for a thread. */
export const SEGMENT_CHUNKS = 256;
/** The most chunks in a read: 2 MiB, so that any range of 1 MiB, aligned or not, is one read. */
export const READ_CHUNKS = 128;

/** The lengths of the two buffers that a step needs, in bytes. */
export const stepBytes: { readonly plaintext: number; readonly sealed: number } = {
  plaintext: STEP_CHUNKS * CHUNK_BYTES,
  sealed: STEP_CHUNKS * SEALED_CHUNK_BYTES + TAG_BYTES,
};

/** The length in bytes of a chunk, other than the final one, on the side that `operation` reads. */
export function inputChunkBytes(operation: Operation): number {
  return operation === "seal" ? CHUNK_BYTES : SEALED_CHUNK_BYTES;
}

/** The length in bytes of the output of `operation` for whole chunks of `inputBytes`. */
export function outputLength(operation: Operation, inputBytes: number, last: boolean): number {
  return operation === "seal" ? sealedLength(inputBytes, last) : openedLength(inputBytes);
}

/**
 * Seals or opens whole chunks.
 *
 * @param out - Filled; must be {@link outputLength} bytes long.
 * @throws what the codec throws.
 */
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
 * Cuts a span whose input is `bytes` long into steps.
 *
 * @yields At least one step: that of an empty message has no input.
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

/** Allocates an array that is not zeroed: every byte of it is written, or it is dropped. */
export function uninitialised(length: number): Bytes {
  return Buffer.allocUnsafeSlow(length);
}
