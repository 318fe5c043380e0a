/**
 * Where random access reads a message from: anything that has a size and can read at a position.
 *
 * A source's answers are not trusted to be of the length that was asked for: a server that ignores
 * `Range` and a file that is being cut are told apart from damage. Its own errors pass as they are.
 *
 * @module
 */
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { EnvelopeError } from "@env/core";

/** A stored message, header included. */
export interface RangeSource {
  /** Bytes of the whole message, as of now. Not authentic, and not taken to be. */
  readonly size: number;
  /**
   * Reads `length` bytes from byte `position` on, both within `size`. May be called while other reads
   * are under way.
   *
   * @param signal - Aborts when nobody waits for the bytes any more. May be ignored.
   * @returns Exactly `length` bytes, which must not change afterwards.
   */
  read(position: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
}

/** A source that is open. */
export interface OpenSource extends RangeSource {
  /** Frees what was opened here; what the caller opened stays open. */
  close(): Promise<void>;
}

/** Opens a file for reading. Symbolic links are followed. */
export async function openFileSource(path: string | URL): Promise<OpenSource> {
  const file = await open(path, constants.O_RDONLY);
  try {
    return await fileSource(file, () => file.close());
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * A file as a source. Its size is compared at every read: a file that shrinks or grows while it is
 * being read is being written by somebody, and what is read of it means nothing.
 */
export async function fileSource(
  file: FileHandle,
  close: () => Promise<void> = () => Promise.resolve(),
): Promise<OpenSource> {
  const { size } = await file.stat();
  return {
    size,
    async read(position, length, signal) {
      const bytes = Buffer.allocUnsafeSlow(length); // What is not filled is not given out.
      const filled = await readInto(file, bytes, position, signal);
      const now = (await file.stat()).size;
      if (now !== size) {
        throw new EnvelopeError(
          "ERR_ENVELOPE_TRUNCATED",
          `the file had ${size} bytes when it was opened and has ${now} now: it is being written`,
        );
      }
      return bytes.subarray(0, filled);
    },
    close,
  };
}

/** A caller's source, with its answers checked. */
export function checkedSource(source: RangeSource): OpenSource {
  const { size } = source;
  if (typeof source.read !== "function") throw new TypeError("source.read must be a function");
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new TypeError("source.size must be the number of bytes of the message");
  }
  return {
    size,
    read: (position, length, signal) => source.read(position, length, signal),
    close: () => Promise.resolve(),
  };
}

/**
 * Reads exactly `length` bytes.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` for fewer; RangeError for more; TypeError for what
 * is no byte array; what the source throws.
 */
export async function readExactly(
  source: RangeSource,
  position: number,
  length: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  signal.throwIfAborted();
  const bytes: unknown = await source.read(position, length, signal);
  if (!(bytes instanceof Uint8Array)) throw new TypeError("source.read must give a Uint8Array");
  if (bytes.length < length) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_TRUNCATED",
      `the source gave ${bytes.length} of ${length} bytes at ${position}: it is shorter than its size says`,
    );
  }
  if (bytes.length > length) {
    throw new RangeError(
      `the source gave ${bytes.length} bytes where ${length} were asked for: a server may have ignored the range`,
    );
  }
  return bytes;
}

/** Fills `bytes` from `position` on; gives how many there were. */
export async function readInto(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
  signal?: AbortSignal,
): Promise<number> {
  let filled = 0;
  while (filled < bytes.length) {
    signal?.throwIfAborted();
    const at = position + filled;
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, at);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
