/**
 * Reads chunks of one message, by number, from a source with random access.
 *
 * Neighbouring chunks are one read of the source. A chunk that is being read is not requested again:
 * everyone who wants it waits for that read. Chunks that were used recently are kept.
 *
 * What must stay true: nothing reaches a visitor before its chunk has opened, and the end of the
 * plaintext is not known before the final chunk has opened (`endVerified`).
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
  untilAborted,
  type PayloadCodec,
} from "@env/core/message";
import type { Bytes } from "@env/core";
import { READ_CHUNKS } from "./spans.ts";

const BUFFER_BYTES = READ_CHUNKS * CHUNK_BYTES;
const MAX_BUFFERS = 4;

/**
 * Is shown the plaintext of one or more chunks.
 *
 * @param plaintext - Lent for the call.
 * @param position - Where it starts in the plaintext of the message, in bytes.
 */
export type Visit = (plaintext: Uint8Array, position: number) => void;

/** Reads all bytes of the payload from `start` up to but excluding `end`. */
export type Fetch = (start: number, end: number, signal: AbortSignal) => Promise<Uint8Array>;

/** Consecutive chunks that are being read. */
interface Read {
  readonly first: number;
  readonly last: number;
  readonly plaintext: Promise<Bytes>;
  readonly abort: AbortController;
  /** The number of visitors that still need `plaintext`: at zero it is wiped, or the read is aborted. */
  waiting: number;
}

export class ChunkReader {
  /** The length of the plaintext in bytes, computed from that of the payload; not authentic before {@link endVerified}. */
  readonly claimedBytes: number;
  readonly #codec: PayloadCodec;
  readonly #fetch: Fetch;
  readonly #payloadBytes: number;
  #cacheChunks: number;
  /** Opened chunks, the least recently used first. */
  readonly #cache = new Map<number, Bytes>();
  readonly #reads = new Map<number, Read>();
  /** Wiped arrays of {@link BUFFER_BYTES}, for later reads. */
  readonly #buffers: Bytes[] = [];
  #endVerified = false;

  /** @param cacheChunks - The number of opened chunks to keep, 16 KiB each. */
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

  /** The number of the final chunk, computed from the length of the payload. */
  get finalChunk(): number {
    return Math.floor(this.claimedBytes / CHUNK_BYTES);
  }

  /**
   * Shows chunks `first` to `last`, at most {@link READ_CHUNKS} of them, to `visit`, in any order.
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
      const joined = this.#reads.get(index);
      const read = joined ?? this.#start(index, last);
      const seen = this.#wait(read, visit, signal);
      const end = Math.min(read.last, last);
      waits.push(joined === undefined ? seen : this.#orAlone(seen, index, end, visit, signal));
      index = end + 1;
    }
    await Promise.all(waits);
  }

  /** Wipes the cache and stops filling it. Visits in progress are ended by their own signals. */
  close(): void {
    this.#cacheChunks = 0;
    for (const chunk of this.#cache.values()) chunk.fill(0);
    this.#cache.clear();
    this.#buffers.length = 0;
  }

  /** Starts to read at chunk `first`, up to `last` or to the first chunk that is cached or being read already. */
  #start(first: number, last: number): Read {
    let end = first;
    while (end < last && !this.#cache.has(end + 1) && !this.#reads.has(end + 1)) end++;
    const abort = new AbortController();
    const plaintext = this.#open(first, end, abort.signal);
    const read: Read = { first, last: end, plaintext, abort, waiting: 0 };
    for (let index = first; index <= end; index++) this.#reads.set(index, read);
    const landed = (): void => this.#forget(read);
    plaintext.then(landed, landed);
    return read;
  }

  #forget(read: Read): void {
    for (let index = read.first; index <= read.last; index++) {
      if (this.#reads.get(index) === read) this.#reads.delete(index);
    }
  }

  async #open(first: number, last: number, signal: AbortSignal): Promise<Bytes> {
    const end = Math.min(chunkOffset(last + 1), this.#payloadBytes);
    const sealed = await this.#fetch(chunkOffset(first), end, signal);
    signal.throwIfAborted();
    const plaintext = this.#buffer(sealed.length);
    try {
      await this.#codec.openChunks(first, sealed, plaintext);
    } catch (error) {
      this.#wipe(plaintext);
      throw error;
    }
    // Its length and its number were computed from the payload's length; that it opened proves both.
    if (last === this.finalChunk) this.#endVerified = true;
    this.#keep(first, last, plaintext);
    return plaintext;
  }

  async #wait(read: Read, visit: Visit, signal: AbortSignal): Promise<void> {
    read.waiting++;
    let plaintext: Bytes | undefined;
    try {
      plaintext = await untilAborted(read.plaintext, signal);
      visit(plaintext, read.first * CHUNK_BYTES);
    } finally {
      read.waiting--;
      if (read.waiting === 0 && plaintext === undefined) {
        this.#forget(read);
        read.abort.abort(signal.reason);
      } else if (read.waiting === 0 && plaintext !== undefined) this.#wipe(plaintext);
    }
  }

  /** Reads the chunks again if a read that somebody else started fails: it may have failed on a chunk not wanted here. */
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

  /** An array for the plaintext of a read. Long reads reuse a few arrays, which cost more to allocate than to fill. */
  #buffer(sealedBytes: number): Bytes {
    const bytes = openedLength(sealedBytes);
    if (bytes < BUFFER_BYTES / 4) return new Uint8Array(bytes);
    return (this.#buffers.pop() ?? new Uint8Array(BUFFER_BYTES)).subarray(0, bytes);
  }

  #wipe(plaintext: Bytes): void {
    plaintext.fill(0);
    if (plaintext.buffer.byteLength !== BUFFER_BYTES || this.#buffers.length >= MAX_BUFFERS) return;
    this.#buffers.push(new Uint8Array(plaintext.buffer));
  }

  #cached(index: number): Bytes | undefined {
    const chunk = this.#cache.get(index);
    if (chunk === undefined) return undefined;
    this.#cache.delete(index);
    this.#cache.set(index, chunk);
    return chunk;
  }

  /** Caches chunks. Of a read that would evict everything else, only the last chunk: a scan may go on there. */
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
