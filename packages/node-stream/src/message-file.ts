/**
 * Encrypted files, opened for reading: what everything that reads a message by its path goes through, so
 * that nothing reads a header that a rewrap has half-written.
 *
 * @module
 */
import { constants, type BigIntStats } from "node:fs";
import { realpath, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { isEnvelopeError } from "@env/core";
import { MAX_HEADER_BYTES, type Header, type MessageReader } from "@env/core/message";
import {
  locate,
  NONBLOCK,
  nodeFileSystem,
  pathOf,
  readInto,
  systemError,
  type FileSystem,
} from "./file-system.ts";
import { fileSource, readExactly, type OpenSource } from "./range-source.ts";
import { pendingHeader, settledHeader } from "./recovery.ts";

/** A regular file that is read, open. */
export interface SourceFile {
  readonly path: string;
  readonly file: FileHandle;
  readonly stats: BigIntStats;
  /** Bytes, when it was opened. */
  readonly size: number;
}

/**
 * Opens a regular file for reading. Symbolic links are followed.
 *
 * @throws an Error with code `EINVAL` for what is not a regular file; what the file system throws.
 */
export async function openRegular(
  files: Pick<FileSystem, "open">,
  path: string,
): Promise<SourceFile> {
  const file = await files.open(path, constants.O_RDONLY | NONBLOCK);
  try {
    const stats = await file.stat({ bigint: true });
    if (!stats.isFile()) {
      throw systemError("EINVAL", `'${path}' is not a regular file: use a stream`, path);
    }
    return { path, file, stats, size: Number(stats.size) };
  } catch (error) {
    await file.close();
    throw locate(error, path, "fstat");
  }
}

/**
 * A message in a file, as a source. An interrupted rewrap is finished first; where that cannot be done,
 * the header that its journal promises is read in place of the file's own.
 */
export async function messageSource({ path, file }: SourceFile): Promise<OpenSource> {
  const promised = await settledHeader(await realpath(path), file);
  const source = await fileSource(file);
  return promised === undefined ? source : withFront(source, promised);
}

function withFront(source: OpenSource, front: Uint8Array): OpenSource {
  return {
    ...source,
    async read(start, end, signal) {
      const bytes = await source.read(start, end, signal);
      bytes.set(front.subarray(start, start + bytes.length));
      return bytes;
    },
  };
}

/** An encrypted file, open for reading. */
export class MessageFile implements AsyncDisposable {
  /** The stats of the file when it was opened. */
  readonly stats: BigIntStats;
  /** Bytes of the whole message. Not authentic. */
  readonly size: number;
  readonly #file: FileHandle;
  readonly #source: OpenSource;

  /** Takes over the file. For {@link openMessageFile}: the package exports the type alone. */
  constructor({ file, stats }: SourceFile, source: OpenSource) {
    this.stats = stats;
    this.size = source.size;
    this.#file = file;
    this.#source = source;
  }

  /**
   * Reads the bytes of the message from `start` on and before `end`, both within `size`.
   *
   * @returns An array of its own.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` where the size of the file has changed since it
   * was opened; RangeError for what is not a range of the message; what the file system throws.
   */
  async read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0) {
      throw new RangeError("start and end must be numbers of bytes, 0 or more");
    }
    if (end < start || end > this.size) {
      throw new RangeError(`end must be from start to ${this.size}, the size of the message`);
    }
    return readExactly(this.#source, start, end, signal);
  }

  /**
   * The whole message as a stream, for `decryptStream`. Its end says that the size of the file is what
   * it was; whether the message is whole, `decryptStream` tells.
   *
   * @param options - `highWaterMark` is the size of a piece in bytes. Default: 1 MiB.
   */
  createReadStream({ highWaterMark = 2 ** 20, signal }: MessageStreamOptions = {}): Readable {
    const { size } = this;
    const pieces = async function* (this: MessageFile): AsyncGenerator<Uint8Array, void> {
      for (let at = 0; at < size; at += highWaterMark) {
        yield await this.read(at, Math.min(size, at + highWaterMark), signal);
      }
    };
    return Readable.from(pieces.call(this), { objectMode: false, highWaterMark, signal });
  }

  /** Closes the file. Streams must have ended. */
  close(): Promise<void> {
    return this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

export interface MessageStreamOptions {
  readonly highWaterMark?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens an encrypted file for reading its bytes: for `decryptStream`, or to look at its header. Changes
 * nothing. While a rewrap in place is under way, or was interrupted, the header in its journal is read in
 * place of the one that may be half-written; `createReadStream` of `node:fs` knows nothing of that.
 *
 * @param path - A regular file; symbolic links are followed.
 * @returns A file to be closed.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_UNSUPPORTED` for a journal of a later version; an Error with
 * code `EINVAL` for what is not a regular file; what the file system throws.
 *
 * @example
 * ```ts
 * await using file = await openMessageFile("upload.envelope");
 * await pipeline(file.createReadStream(), decryptStream(envelope, { context }), response);
 * ```
 */
export async function openMessageFile(path: string | URL): Promise<MessageFile> {
  const opened = await openRegular(nodeFileSystem, pathOf(path));
  try {
    const source = await fileSource(opened.file);
    const front = await steadyFront(await realpath(opened.path), opened.file);
    return new MessageFile(opened, withFront(source, front));
  } catch (error) {
    await opened.file.close();
    throw error;
  }
}

/** The first bytes of a message as they were at one moment, whatever a rewrap does. */
async function steadyFront(path: string, file: FileHandle): Promise<Uint8Array> {
  const read = async (): Promise<Uint8Array> => {
    const bytes = new Uint8Array(MAX_HEADER_BYTES);
    return bytes.subarray(0, await readInto(file, bytes, 0));
  };
  for (let front = await read(); ;) {
    const promised = await pendingHeader(path, file);
    if (promised !== undefined) return promised;
    // Without a journal nothing is writing now; but it may have been, while we read.
    const again = await read();
    if (Buffer.compare(front, again) === 0) return front;
    front = again;
  }
}

/**
 * Opens the message of a source by its first bytes: once more where they have changed meanwhile, as a
 * rewrap in place may have been writing the header under the read.
 *
 * @param frontBytes - How many bytes to read, at least the longest header and its prefix.
 */
export async function openFront(
  reader: MessageReader,
  source: OpenSource,
  frontBytes: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly header: Header; readonly front: Uint8Array }> {
  const end = Math.min(frontBytes, source.size);
  const read = (): Promise<Uint8Array> => readExactly(source, 0, end, signal);
  let front = await read();
  for (;;) {
    try {
      return { header: await reader.open(front, source.size), front };
    } catch (error) {
      if (!source.isFile || !isEnvelopeError(error)) throw error;
      const again = await read();
      if (Buffer.compare(front, again) === 0) throw error;
      front = again;
    }
  }
}
