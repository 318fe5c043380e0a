/**
 * Random access to an encrypted message: any range of the plaintext for the cost of its own chunks.
 *
 * Opening takes one read of the source and one call to a KMS; a range takes one read for every 2 MiB.
 * All plaintext that is given out has verified at its position. The size has verified only once the final
 * chunk has opened, so that chunk is read first wherever a size, an end or a shortened range is reported.
 *
 * Source: spec/envelope-v1.md#range-reads
 *
 * @module
 */
import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import { EnvelopeError, type Bytes, type DecryptOptions, type Envelope } from "@env/core";
import { CHUNK_BYTES, messageReader, type MessageReader, type Watch } from "@env/core/message";
import { ChunkReader, type Fetch } from "./chunk-reader.ts";
import { nodeFileSystem, pathOf } from "./file-system.ts";
import { messageSource, openFront, openRegular } from "./message-file.ts";
import { RangeStream, type ReadRange } from "./range-stream.ts";
import {
  checkedSource,
  fileSource,
  readExactly,
  type OpenSource,
  type RangeSource,
} from "./range-source.ts";
import { READ_CHUNKS } from "./spans.ts";

export interface OpenEncryptedOptions extends DecryptOptions {
  /** Opened chunks to keep, 16 KiB each, 0 to 65536; longer ranges are not kept. Default: 64, which is 1 MiB. */
  readonly cacheChunks?: number | undefined;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface RangeStreamOptions extends ReadOptions {
  /** First byte of the plaintext. Default: 0. */
  readonly start?: number | undefined;
  /** Byte behind the last one. Default: the end, which is then verified before the stream ends. */
  readonly end?: number | undefined;
  /** Bytes per piece; one is fetched ahead of the one being consumed. Default: 1 MiB. */
  readonly highWaterMark?: number | undefined;
}

/** Bytes of the first read: the longest header and its prefix (20548) fit, and after a usual header, a chunk does as well. */
const FRONT_BYTES = 32_768;
/** Reads of the source that one `read` has in progress: enough to hide the latency of an object store. */
const LANES = 4;
const MAX_CACHE_CHUNKS = 65_536;
/** Longest range that is read before the size of the message has verified: 64 MiB. */
const UNVERIFIED_BYTES = 2 ** 26;

/**
 * Opens a message for random access: reads its header and unwraps its data key.
 *
 * @param source - A path; or a FileHandle, which stays the caller's to close; or anything that reads
 * at a position, such as an object store. For a path, a rewrap that was interrupted is finished first
 * where this process may write; where not, its journal is read in place of the header.
 * @param options - As for `Envelope.decrypt`. `signal` is for the opening only.
 * @returns To be closed: it holds the message's keys, plaintext, and for a path the file.
 * @throws {@link EnvelopeError} as `Envelope.decrypt`, and `ERR_ENVELOPE_FORMAT` for a journal beside the
 * file that belongs to another; TypeError, RangeError for misuse; what the source or file throws.
 *
 * @example
 * ```ts
 * await using reader = await openEncrypted(envelope, "backup.tar.envelope", { context });
 * const head = await reader.read(0, 512);
 * ```
 */
export async function openEncrypted(
  envelope: Envelope,
  source: string | URL | FileHandle | RangeSource,
  { cacheChunks = 64, ...options }: OpenEncryptedOptions,
): Promise<EncryptedReader> {
  if (!Number.isInteger(cacheChunks) || cacheChunks < 0 || cacheChunks > MAX_CACHE_CHUNKS) {
    throw new RangeError(`cacheChunks must be an integer from 0 to ${MAX_CACHE_CHUNKS}`);
  }
  const message = messageReader(envelope, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const opened = await openSource(source);
  try {
    const { header, front } = await openFront(message, opened, FRONT_BYTES, signal);
    const chunks = chunksOf(opened, header.length, message, front, cacheChunks);
    return new EncryptedReader(opened, chunks, () => message.watch());
  } catch (error) {
    message.fail(error);
    await opened.close();
    throw error;
  }
}

/**
 * A message that is open for random access. Methods may be called concurrently: a chunk that one call is
 * reading is not read by another.
 *
 * Positions and sizes are bytes of the plaintext. All methods throw {@link EnvelopeError}
 * `ERR_ENVELOPE_DECRYPT` for altered chunks, `ERR_ENVELOPE_TRUNCATED` for a source that is shorter than it was,
 * `ERR_ENVELOPE_CLOSED` after `close()`; what the source throws, as it is; the signal's reason.
 *
 * The envelope's observer sees each read and each stream as one decryption of its bytes. Opening and
 * `size()` release no plaintext; the observer sees them only if they fail.
 */
export class EncryptedReader implements AsyncDisposable {
  readonly #source: OpenSource;
  readonly #chunks: ChunkReader;
  readonly #watch: () => Watch;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  /** Takes over `source`. For {@link openEncrypted}: the package exports the type alone. */
  constructor(source: OpenSource, chunks: ChunkReader, watch: () => Watch) {
    this.#source = source;
    this.#chunks = chunks;
    this.#watch = watch;
  }

  /** Bytes of the plaintext, after the final chunk has verified that it is the final one. */
  async size({ signal }: ReadOptions = {}): Promise<number> {
    const until = this.#until(signal);
    const watch = this.#watch();
    try {
      await this.#verifyEnd(until);
    } catch (error) {
      watch.failed(0, error, until);
      throw error;
    }
    return this.#chunks.claimedBytes;
  }

  /**
   * Reads a range: `start` inclusive, `end` exclusive.
   *
   * @param end - May lie behind the end, as may `start`, and may be Infinity: then the result is
   * shorter, or empty, and the size has been verified first.
   * @returns An array of its own, whole.
   * @throws RangeError for what is not a range; {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` for a range that
   * does not fit into memory; also as the class says.
   */
  async read(start: number, end: number, { signal }: ReadOptions = {}): Promise<Bytes> {
    requireRange(start, end);
    const until = this.#until(signal);
    const watch = this.#watch();
    try {
      const bytes = await this.#read(start, end, until);
      watch.done(bytes.length);
      return bytes;
    } catch (error) {
      watch.failed(0, error, until);
      throw error;
    }
  }

  /**
   * A range as a stream. It fetches one piece ahead, and none while nobody reads. It ends without an
   * error only if it gave the whole range, or has verified that the plaintext ends there.
   *
   * @throws RangeError for what is not a range; the stream is destroyed with errors as the class says.
   */
  createReadStream(options: RangeStreamOptions = {}): Readable {
    const { start = 0, end = Infinity, highWaterMark = 2 ** 20, signal } = options;
    requireRange(start, end);
    const read: ReadRange = async (from, to, each) => this.#read(from, to, this.#until(each));
    return new RangeStream(read, { start, end, highWaterMark, signal, watch: this.#watch() });
  }

  /** Ends reads and streams in progress with `ERR_ENVELOPE_CLOSED`, wipes plaintext, and closes the file it opened. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closing.abort(new EnvelopeError("ERR_ENVELOPE_CLOSED", "the reader is closed"));
    this.#chunks.close();
    await this.#source.close();
  }

  async #read(start: number, end: number, until: AbortSignal): Promise<Bytes> {
    const { claimedBytes } = this.#chunks;
    const stop = Math.min(end, claimedBytes);
    const bytes = Math.max(0, stop - start);
    // An unverified size decides neither where a range is shortened nor how much memory is allocated.
    if ((end > claimedBytes && start < end) || bytes > UNVERIFIED_BYTES)
      await this.#verifyEnd(until);
    const out = allocate(bytes);
    if (bytes === 0) return out;
    await this.#visit(
      Math.floor(start / CHUNK_BYTES),
      Math.floor((stop - 1) / CHUNK_BYTES),
      (plaintext, position) => {
        const from = Math.max(start, position);
        const to = Math.min(stop, position + plaintext.length);
        if (from < to) out.set(plaintext.subarray(from - position, to - position), from - start);
      },
      until,
    );
    return out;
  }

  async #verifyEnd(until: AbortSignal): Promise<void> {
    const { endVerified, finalChunk } = this.#chunks;
    if (endVerified) return;
    await this.#chunks.visit(finalChunk, finalChunk, () => undefined, until);
  }

  #until(signal: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal;
    closing.throwIfAborted();
    signal?.throwIfAborted();
    return signal === undefined ? closing : AbortSignal.any([signal, closing]);
  }

  /** Visits chunks in reads of {@link READ_CHUNKS}, a few of them concurrently. */
  async #visit(
    first: number,
    last: number,
    visit: Parameters<ChunkReader["visit"]>[2],
    signal: AbortSignal,
  ): Promise<void> {
    let next = first;
    const lane = async (): Promise<void> => {
      while (next <= last) {
        const from = next;
        next += READ_CHUNKS;
        try {
          await this.#chunks.visit(from, Math.min(next - 1, last), visit, signal);
        } catch (error) {
          next = last + 1;
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }
}

async function openSource(source: string | URL | FileHandle | RangeSource): Promise<OpenSource> {
  if (isPath(source)) {
    const opened = await openRegular(nodeFileSystem, pathOf(source));
    const close = (): Promise<void> => opened.file.close();
    try {
      return { ...(await messageSource(opened)), close };
    } catch (error) {
      await close();
      throw error;
    }
  }
  if (typeof source !== "object" || source === null) {
    throw new TypeError("source must be a path, a FileHandle, or { size, read }");
  }
  return isFileHandle(source) ? fileSource(source) : checkedSource(source);
}

function isPath(source: unknown): source is string | URL {
  return typeof source === "string" || source instanceof URL;
}

/** Whether it is a FileHandle. Node does not export the class. */
function isFileHandle(source: FileHandle | RangeSource): source is FileHandle {
  return "fd" in source && typeof source.fd === "number";
}

/** A reader of the chunks of a message. The first chunks may have been read with the header. */
function chunksOf(
  source: OpenSource,
  headerBytes: number,
  { codec }: MessageReader,
  first: Uint8Array,
  cacheChunks: number,
): ChunkReader {
  const front = new Uint8Array(first); // A copy, since a source may reuse its array.
  const fetch: Fetch = async (start, end, signal) => {
    const [from, to] = [headerBytes + start, headerBytes + end];
    if (to <= front.length) return front.subarray(from, to);
    return readExactly(source, from, to, signal);
  };
  return new ChunkReader(codec, fetch, source.size - headerBytes, cacheChunks);
}

function allocate(bytes: number): Bytes {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    const problem = `a range of ${bytes} bytes does not fit into memory: read it in parts, or as a stream`;
    throw new EnvelopeError("ERR_ENVELOPE_LIMIT", problem, { cause });
  }
}

function requireRange(start: number, end: number): void {
  if (!Number.isSafeInteger(start) || start < 0) {
    throw new RangeError("start must be a number of bytes, 0 or more");
  }
  if ((!Number.isSafeInteger(end) && end !== Infinity) || end < start) {
    throw new RangeError("end must be a number of bytes, not less than start");
  }
}
