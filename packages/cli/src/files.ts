/**
 * Files that the command reads, and those it finds in folders.
 *
 * @module
 */
import { constants, type BigIntStats } from "node:fs";
import { lstat, open, readdir, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { writeFileWhole, type WriteFileOptions } from "@env/node-stream";
import { CommandError, fileError } from "./errors.ts";

/** Bytes per read and write. */
export const PIECE_BYTES: number = 2 ** 20;
/** Bytes that a stream holds: pieces to go on with while the next are read. */
export const BUFFER_BYTES: number = 4 * PIECE_BYTES;

/** What node-stream puts beside a file while it writes it, and what a killed process leaves of that. */
const TEMPORARY = /^\..*\.envelope-(?:part|lock|journal)$/s;

/**
 * `writeFileWhole` of node-stream; what the file system refuses is told in the words of the command.
 *
 * @throws CommandError `ERR_CLI_FILE`; what `write` throws; the signal's reason.
 */
export async function writeOutput<T>(
  target: string,
  options: WriteFileOptions,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  try {
    return await writeFileWhole(target, options, write);
  } catch (error) {
    throw fileError(target, error);
  }
}

/** Works from one file to another; what the file system refuses is told of the one it is about. */
export async function betweenFiles<T>(
  input: string,
  output: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const about = error instanceof Error && "path" in error ? error.path : undefined;
    throw fileError(about === input ? input : output, error);
  }
}

/** Takes bytes on their way, and resolves once they may be followed by others. */
export type Write = (pieces: readonly Uint8Array[]) => Promise<void>;

/** Writes all of `pieces` where the file stands. */
export async function writeAll(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  // The system takes as much as it likes.
  let { bytesWritten: left } = await file.writev(pieces);
  for (const piece of pieces) {
    let at = Math.min(left, piece.length);
    left -= at;
    while (at < piece.length) at += (await file.write(piece, at)).bytesWritten;
  }
}

/** A stream into `write`, which gets together what came while it was busy: chunks are small. */
export function streamInto(write: Write): Writable {
  const pass = (pieces: readonly Uint8Array[], done: (error?: Error) => void): void =>
    void write(pieces).then(() => done(), done);
  return new Writable({
    highWaterMark: PIECE_BYTES,
    write: (piece: Uint8Array, _, done) => pass([piece], done),
    writev: (pieces, done) => {
      pass(
        pieces.map(({ chunk }) => chunk),
        done,
      );
    },
  });
}

/** A file that is read. */
export interface Source {
  readonly path: string;
  readonly file: FileHandle;
  readonly stats: BigIntStats;
  /** Bytes; `undefined` for what is not a regular file: a pipe, a device. */
  readonly size: number | undefined;
}

/** Opens a file, runs `use` and closes it. `ERR_CLI_FILE` where it cannot be read or is a folder. */
export async function readSource<T>(path: string, use: (source: Source) => Promise<T>): Promise<T> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    const stats = await file.stat({ bigint: true });
    if (stats.isDirectory()) {
      throw new CommandError("ERR_CLI_FILE", `${path}: it is a folder`, "add --recursive");
    }
    const size = stats.isFile() ? Number(stats.size) : undefined;
    return await use({ path, file, stats, size });
  } catch (error) {
    throw fileError(path, error);
  } finally {
    await file.close();
  }
}

/**
 * Reads a source from its start on.
 *
 * @yields New arrays of up to 1 MiB.
 * @throws CommandError `ERR_CLI_FILE` at the end, where a regular file has changed since it was opened:
 * what was read is then a mixture of two files.
 */
export async function* readPieces(
  source: Source,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { file, size } = source;
  let at = 0;
  for (;;) {
    signal?.throwIfAborted();
    const buffer = new Uint8Array(PIECE_BYTES);
    const position = size === undefined ? null : at;
    let bytesRead: number;
    try {
      ({ bytesRead } = await file.read(buffer, 0, buffer.length, position));
    } catch (error) {
      throw fileError(source.path, error);
    }
    if (bytesRead === 0) break;
    at += bytesRead;
    if (size !== undefined && at > size) throw changedMeanwhile(source.path);
    yield buffer.subarray(0, bytesRead);
  }
  if (size === undefined) return;
  const { size: sizeNow, mtimeNs } = await file.stat({ bigint: true });
  if (at !== size || sizeNow !== source.stats.size || mtimeNs !== source.stats.mtimeNs) {
    throw changedMeanwhile(source.path);
  }
}

function changedMeanwhile(path: string): CommandError {
  return new CommandError(
    "ERR_CLI_FILE",
    `${path}: something else is writing to it`,
    "try again once nothing does",
  );
}

/** At most `length` bytes from the front of a source. */
export async function readFront({ file, size, path }: Source, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  let at = 0;
  try {
    while (at < length) {
      const position = size === undefined ? null : at;
      const { bytesRead } = await file.read(buffer, at, length - at, position);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
  } catch (error) {
    throw fileError(path, error);
  }
  return buffer.subarray(0, at);
}

/** What a walk finds. */
export interface Found {
  readonly path: string;
  /** Bytes of a regular file; `undefined` for what is left alone: symbolic links, devices, our own temporary files. */
  readonly size: number | undefined;
  /** Why it, or the folder it is, could not be looked at. */
  readonly error?: unknown;
}

/**
 * Walks a folder; symbolic links are not followed.
 *
 * @yields Everything below it but folders, by name.
 */
export async function* walk(folder: string): AsyncGenerator<Found, void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    yield { path: folder, size: undefined, error: fileError(folder, error) };
    return;
  }
  for (const name of names.toSorted()) {
    const path = join(folder, name);
    try {
      const stats = await lstat(path);
      if (stats.isDirectory()) yield* walk(path);
      else yield { path, size: stats.isFile() && !TEMPORARY.test(name) ? stats.size : undefined };
    } catch (error) {
      yield { path, size: undefined, error: fileError(path, error) };
    }
  }
}

/** Writing a file over the one that is read would leave nothing to go back to. */
export async function requireOtherFile(input: string, output: string): Promise<void> {
  const [one, other] = await Promise.all([
    stat(input, { bigint: true }).catch(() => undefined),
    lstat(output, { bigint: true }).catch(() => undefined),
  ]);
  if (one === undefined || one.dev !== other?.dev || one.ino !== other.ino) return;
  throw new CommandError("ERR_CLI_FILE", `${output}: it is the input`, "choose another name");
}
