/**
 * Where random access reads a message from: anything that has a size and can read a range.
 *
 * A source is not trusted to answer with the length that was asked for: a server that ignores `Range`, and
 * a file that is being cut, get errors of their own, distinct from damage. Errors of the source pass unchanged.
 *
 * @module
 */
import type { FileHandle } from "node:fs/promises";
import { EnvelopeError } from "@env/core";
import { readInto } from "./file-system.ts";

/** A stored message, header included. */
export interface RangeSource {
  /** Bytes of the whole message, as of now. Not authentic, and not taken to be. */
  readonly size: number;
  /**
   * Reads the bytes from `start` on and before `end`, both within `size`. May be called while other
   * reads are under way.
   *
   * @param signal - Aborts when nobody waits for the bytes any more. May be ignored.
   * @returns Exactly `end - start` bytes, which must not change afterwards.
   */
  read(start: number, end: number, signal: AbortSignal): Promise<Uint8Array>;
}

/** A source that is open. */
export interface OpenSource extends RangeSource {
  /** Whether it is a file. A rewrap may write the header of a file during a read: one that does not open is read again. */
  readonly isFile: boolean;
  /** Frees what was opened here; what the caller opened stays open. */
  close(): Promise<void>;
}

/**
 * A file as a source. Its size is compared at every read: a file that shrinks or grows while it is
 * being read is being written by somebody, and what is read of it means nothing.
 */
export async function fileSource(file: FileHandle): Promise<OpenSource> {
  const { size } = await file.stat();
  return {
    size,
    isFile: true,
    async read(start, end, signal) {
      const bytes = Buffer.allocUnsafeSlow(end - start); // What is not filled is not given out.
      const filled = await readInto(file, bytes, start, signal);
      const now = (await file.stat()).size;
      if (now !== size) {
        throw new EnvelopeError(
          "ERR_ENVELOPE_TRUNCATED",
          `the file had ${size} bytes when it was opened and has ${now} now: it is being written`,
        );
      }
      return bytes.subarray(0, filled);
    },
    close: () => Promise.resolve(),
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
    isFile: false,
    read: (start, end, signal) => source.read(start, end, signal),
    close: () => Promise.resolve(),
  };
}

/**
 * Reads exactly the bytes from `start` on and before `end`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` for fewer; RangeError for more; TypeError for what
 * is not a byte array; what the source throws.
 */
export async function readExactly(
  source: RangeSource,
  start: number,
  end: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<Uint8Array> {
  signal.throwIfAborted();
  const bytes: unknown = await source.read(start, end, signal);
  const length = end - start;
  if (!(bytes instanceof Uint8Array)) throw new TypeError("source.read must give a Uint8Array");
  if (bytes.length < length) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_TRUNCATED",
      `the source gave ${bytes.length} of ${length} bytes at ${start}: it is shorter than its size says`,
    );
  }
  if (bytes.length > length) {
    throw new RangeError(
      `the source gave ${bytes.length} bytes instead of ${length}: a server may have ignored the range`,
    );
  }
  return bytes;
}
