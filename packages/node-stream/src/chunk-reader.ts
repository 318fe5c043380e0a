/**
 * The chunks of one message, by number, out of a source with random access.
 *
 * A run of neighbouring chunks is one read of the source. A chunk that is on its way is not asked for
 * again: whoever wants it waits for that run. What was opened lately is kept.
 *
 * What must stay true: nothing reaches a visitor before its chunk has opened, and the end of the
 * plaintext is not known before the final chunk has (`endVerified`).
 *
 * Source: spec/envelope-v1.md#range-reads
 *
 * @module
 */
import {
  CHUNK_BYTES,
  chunkOffset,
  openedLength,
  plaintextLength,
  type PayloadCodec,
} from "@env/core/message";
import type { Bytes } from "@env/core";

/** Most chunks of one read of the source: 2 MiB, so that any range of 1 MiB, aligned or not, is one. */
export const RUN_CHUNKS = 128;

const ROOM_BYTES = RUN_CHUNKS * CHUNK_BYTES;
const MAX_ROOMS = 4;

/** Gets the plaintext of one or more chunks, and where it starts in the message's plaintext, in bytes. Lent for the call. */
export type Visit = (plaintext: Uint8Array, position: number) => void;

/** Reads the bytes of the payload from `start` on and before `end`, all of them. */
export type Fetch = (start: number, end: number, signal: AbortSignal) => Promise<Uint8Array>;

/** Chunks on their way. */
interface Run {
  readonly first: number;
  readonly last: number;
  readonly plaintext: Promise<Bytes>;
  readonly abort: AbortController;
  /** Visitors that still need `plaintext`: at zero it is wiped, or the read is given up. */
  waiting: number;
}

export class ChunkReader {
  /** Bytes of plaintext by arithmetic; not authentic before {@link endVerified}. */
  readonly claimedBytes: number;
  readonly #codec: PayloadCodec;
  readonly #fetch: Fetch;
  readonly #payloadBytes: number;
  #cacheChunks: number;
  /** Opened chunks, the one used longest ago first. */
  readonly #cache = new Map<number, Bytes>();
  readonly #runs = new Map<number, Run>();
  /** Wiped arrays of {@link ROOM_BYTES}, for the runs to come. */
  readonly #rooms: Bytes[] = [];
  #endVerified = false;

  /** @param cacheChunks - How many opened chunks, 16 KiB each, to keep. */
  constructor(codec: PayloadCodec, fetch: Fetch, payloadBytes: number, cacheChunks: number) {
    this.#codec = codec;
    this.#fetch = fetch;
    this.#payloadBytes = payloadBytes;
    this.#cacheChunks = cacheChunks;
    this.claimedBytes = plaintextLength(payloadBytes);
  }

  /** Whether the final chunk has opened, and so {@link claimedBytes} is authentic. */
  get endVerified(): boolean {
    return this.#endVerified;
  }

  /** The number of the final chunk, by arithmetic. */
  get finalChunk(): number {
    return Math.floor(this.claimedBytes / CHUNK_BYTES);
  }

  /**
   * Shows chunks `first` to `last`, at most {@link RUN_CHUNKS} of them, to `visit`, in any order.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_DECRYPT`; what the source throws; the signal's reason.
   */
  async visit(first: number, last: number, visit: Visit, signal: AbortSignal): Promise<void> {
    const waits: Promise<void>[] = [];
    for (let index = first; index <= last;) {
      const cached = this.#cached(index);
      if (cached !== undefined) {
        visit(cached, index * CHUNK_BYTES);
        index++;
        continue;
      }
      const joined = this.#runs.get(index);
      const run = joined ?? this.#start(index, last);
      const seen = this.#wait(run, visit, signal);
      const end = Math.min(run.last, last);
      waits.push(joined === undefined ? seen : this.#orAlone(seen, index, end, visit, signal));
      index = end + 1;
    }
    await Promise.all(waits);
  }

  /** Wipes the cache and stops filling it. Visits under way are ended by their own signals. */
  close(): void {
    this.#cacheChunks = 0;
    for (const chunk of this.#cache.values()) chunk.fill(0);
    this.#cache.clear();
    this.#rooms.length = 0;
  }

  /** Reads from chunk `first` on, up to `last` or the first chunk that is here or on its way already. */
  #start(first: number, last: number): Run {
    let end = first;
    while (end < last && !this.#cache.has(end + 1) && !this.#runs.has(end + 1)) end++;
    const abort = new AbortController();
    const plaintext = this.#open(first, end, abort.signal);
    const run: Run = { first, last: end, plaintext, abort, waiting: 0 };
    for (let index = first; index <= end; index++) this.#runs.set(index, run);
    const landed = (): void => this.#forget(run);
    plaintext.then(landed, landed);
    return run;
  }

  #forget(run: Run): void {
    for (let index = run.first; index <= run.last; index++) {
      if (this.#runs.get(index) === run) this.#runs.delete(index);
    }
  }

  async #open(first: number, last: number, signal: AbortSignal): Promise<Bytes> {
    const end = Math.min(chunkOffset(last + 1), this.#payloadBytes);
    const sealed = await this.#fetch(chunkOffset(first), end, signal);
    signal.throwIfAborted();
    const plaintext = this.#room(sealed.length);
    try {
      await this.#codec.openChunks(first, sealed, plaintext);
    } catch (error) {
      this.#wipe(plaintext);
      throw error;
    }
    // Its length and number come from the payload's length: that this chunk opened proves them.
    if (last === this.finalChunk) this.#endVerified = true;
    this.#keep(first, last, plaintext);
    return plaintext;
  }

  async #wait(run: Run, visit: Visit, signal: AbortSignal): Promise<void> {
    run.waiting++;
    let plaintext: Bytes | undefined;
    try {
      plaintext = await untilAborted(run.plaintext, signal);
      visit(plaintext, run.first * CHUNK_BYTES);
    } finally {
      run.waiting--;
      if (run.waiting === 0 && plaintext === undefined) {
        this.#forget(run);
        run.abort.abort(signal.reason);
      } else if (run.waiting === 0 && plaintext !== undefined) this.#wipe(plaintext);
    }
  }

  /** A run that another read started may fail by a chunk that this one does not even want. */
  async #orAlone(
    seen: Promise<void>,
    first: number,
    last: number,
    visit: Visit,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await seen;
    } catch {
      signal.throwIfAborted();
      await this.visit(first, last, visit, signal);
    }
  }

  /** Room for the plaintext of a run. Long runs take turns with a few arrays: making them costs more than filling. */
  #room(sealedBytes: number): Bytes {
    const bytes = openedLength(sealedBytes);
    if (bytes < ROOM_BYTES / 4) return new Uint8Array(bytes);
    return (this.#rooms.pop() ?? new Uint8Array(ROOM_BYTES)).subarray(0, bytes);
  }

  #wipe(plaintext: Bytes): void {
    plaintext.fill(0);
    if (plaintext.buffer.byteLength !== ROOM_BYTES || this.#rooms.length >= MAX_ROOMS) return;
    this.#rooms.push(new Uint8Array(plaintext.buffer));
  }

  #cached(index: number): Bytes | undefined {
    const chunk = this.#cache.get(index);
    if (chunk === undefined) return undefined;
    this.#cache.delete(index);
    this.#cache.set(index, chunk);
    return chunk;
  }

  /** Of a run that would push everything else out, as a scan does, only the end: where it may go on. */
  #keep(first: number, last: number, plaintext: Bytes): void {
    const from = last - first < this.#cacheChunks ? first : last;
    for (let index = from; index <= last; index++) {
      const at = (index - first) * CHUNK_BYTES;
      this.#cache.get(index)?.fill(0);
      this.#cache.delete(index);
      this.#cache.set(index, plaintext.slice(at, at + CHUNK_BYTES));
    }
    for (const [index, chunk] of this.#cache) {
      if (this.#cache.size <= this.#cacheChunks) break;
      chunk.fill(0);
      this.#cache.delete(index);
    }
  }
}

/** Settles as `promise` does, or rejects with the signal's reason as soon as it aborts. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (stop !== undefined) signal.removeEventListener("abort", stop);
  }
}
