/**
 * Seals or opens all chunks of a message from one open file into another, in any order.
 *
 * The calling thread begins, with a few reads and writes in progress at a time. For a long file it also
 * starts the pool, and leaves the rest to it once a thread is ready.
 *
 * @module
 */
import type { FileHandle } from "node:fs/promises";
import {
  CHUNK_BYTES,
  openedLength,
  SEALED_CHUNK_BYTES,
  shareKeys,
  type PayloadCodec,
} from "@env/core/message";
import { LONG_BYTES } from "./engine.ts";
import type { PoolShare } from "./pool.ts";
import { endedEarly, readInto, writeFully } from "./file-system.ts";
import {
  apply,
  inputChunkBytes,
  outputLength,
  SEGMENT_CHUNKS,
  STEP_CHUNKS,
  stepBytes,
  uninitialised,
  type Operation,
} from "./spans.ts";

/** How much is done, in bytes of plaintext. */
export interface Progress {
  readonly bytes: number;
  readonly total: number;
}

export interface Transcoding {
  readonly operation: Operation;
  readonly codec: PayloadCodec;
  readonly source: FileHandle;
  /** The position of chunk 0 in the source. */
  readonly sourceAt: number;
  /** The length in bytes of all chunks in the source. */
  readonly sourceBytes: number;
  /** Where the output is written; if absent, it is dropped. */
  readonly target?: FileHandle;
  /** The position of chunk 0 in the target. */
  readonly targetAt: number;
  readonly share: PoolShare | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** Steps in progress in the calling thread: enough that reading and writing overlap with sealing. */
const LOCAL_LANES = 4;

/**
 * Resolves once all chunks are written, and rejects once nothing is in progress any longer.
 *
 * @throws what the codec, the file system and `onProgress` throw; `ERR_ENVELOPE_TRUNCATED` if the source
 * ends early; ThreadLost; the signal's reason.
 */
export async function transcode(job: Transcoding): Promise<void> {
  const { share } = job;
  const cursor = new Cursor(job);
  if (share === undefined || job.sourceBytes < LONG_BYTES) {
    await inLanes(LOCAL_LANES, cursor, () => doHere(job, cursor, () => true));
    return;
  }
  let threads = false;
  void share.pool.start().then((ready) => {
    threads = ready;
  });
  await inLanes(LOCAL_LANES, cursor, () => doHere(job, cursor, () => !threads));
  await inLanes(share.tasks, cursor, () => sendAway(job, cursor, share));
}

/** A step or a segment. Offsets are in bytes and count from chunk 0. */
interface Span {
  readonly index: number;
  readonly last: boolean;
  readonly sourceAt: number;
  readonly bytes: number;
  readonly targetAt: number;
}

/** Hands each span out once, and counts what is done. */
class Cursor {
  readonly #job: Transcoding;
  readonly #total: number;
  #index = 0;
  #ended = false;
  #done = 0;

  constructor(job: Transcoding) {
    this.#job = job;
    this.#total = plaintextOf(job.operation, job.sourceBytes);
  }

  /** The next span, at most `chunks` long, not counting an empty final chunk; `undefined` if none is left. */
  take(chunks: number): Span | undefined {
    this.#job.signal?.throwIfAborted();
    if (this.#ended) return undefined;
    const { operation, sourceBytes } = this.#job;
    const index = this.#index;
    const sourceAt = index * inputChunkBytes(operation);
    const left = sourceBytes - sourceAt;
    const bytes = Math.min(chunks * inputChunkBytes(operation), left);
    this.#index += chunks;
    this.#ended = bytes === left;
    const targetAt = index * (operation === "seal" ? SEALED_CHUNK_BYTES : CHUNK_BYTES);
    return { index, last: this.#ended, sourceAt, bytes, targetAt };
  }

  done({ bytes }: Span): void {
    this.#done += plaintextOf(this.#job.operation, bytes);
    this.#job.onProgress?.({ bytes: this.#done, total: this.#total });
  }

  /** Stops handing out spans. */
  stop(): void {
    this.#ended = true;
  }
}

function plaintextOf(operation: Operation, bytes: number): number {
  return operation === "seal" ? bytes : openedLength(bytes);
}

/** Runs `lane` several times concurrently. The first error stops all, and is thrown once all have ended. */
async function inLanes(count: number, cursor: Cursor, lane: () => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  const run = async (): Promise<void> => {
    try {
      await lane();
    } catch (error) {
      errors.push(error);
      cursor.stop();
    }
  };
  await Promise.all(Array.from({ length: count }, run));
  if (errors.length > 0) throw errors[0];
}

async function doHere(job: Transcoding, cursor: Cursor, goOn: () => boolean): Promise<void> {
  const { operation, codec, source, target } = job;
  const plaintext = uninitialised(stepBytes.plaintext);
  const sealed = uninitialised(stepBytes.sealed);
  const [from, to] = operation === "seal" ? [plaintext, sealed] : [sealed, plaintext];
  try {
    while (goOn()) {
      const step = cursor.take(STEP_CHUNKS);
      if (step === undefined) return;
      const { index, last, bytes, sourceAt, targetAt } = step;
      const input = from.subarray(0, bytes);
      const output = to.subarray(0, outputLength(operation, bytes, last));
      if ((await readInto(source, input, job.sourceAt + sourceAt)) < bytes) throw endedEarly();
      await apply(codec, { operation, index, last }, input, output);
      if (target !== undefined) await writeFully(target, output, job.targetAt + targetAt);
      cursor.done(step);
    }
  } finally {
    plaintext.fill(0);
  }
}

async function sendAway(job: Transcoding, cursor: Cursor, { pool }: PoolShare): Promise<void> {
  const { operation, codec, source, target } = job;
  for (;;) {
    const segment = cursor.take(SEGMENT_CHUNKS);
    if (segment === undefined) return;
    const { index, last, bytes, sourceAt, targetAt } = segment;
    await pool.run({
      kind: "segment",
      operation,
      keys: shareKeys(codec),
      index,
      last,
      bytes,
      source: { fd: source.fd, position: job.sourceAt + sourceAt },
      target: target && { fd: target.fd, position: job.targetAt + targetAt },
    });
    cursor.done(segment);
  }
}
