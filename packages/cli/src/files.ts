/**
 * Files that the command reads, and those it finds in folders.
 *
 * @module
 */
import { constants, type BigIntStats } from "node:fs";
import { lstat, open, readdir, stat, type FileHandle } from "node:fs/promises";
import { join, relative } from "node:path";
import { Writable } from "node:stream";
import { openMessageFile, writeFileWhole, type WriteFileOptions } from "@env/node-stream";
import { CommandError, fileError } from "./errors.ts";

/** Bytes per read and write. */
export const PIECE_BYTES: number = 2 ** 20;
/** How many bytes a stream buffers, so that it can go on while the next ones are read. */
export const BUFFER_BYTES: number = 4 * PIECE_BYTES;

/** Names that node-stream uses beside a file while it writes it, and that a killed process may leave. */
const TEMPORARY = /^\..*\.envelope-(?:part|lock|journal)$/s;

export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/**
 * Calls `writeFileWhole` of node-stream, and puts refusals of the file system into the words of the command.
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

/** Works from one file to another. A refusal of the file system names the file that it concerns. */
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

/** Takes bytes, and resolves once it can take more. */
export type Write = (pieces: readonly Uint8Array[]) => Promise<void>;

/** Writes all of `pieces` at the current position of the file. */
export async function writeAll(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  // The system may take less than everything at once.
  let { bytesWritten: left } = await file.writev(pieces);
  for (const piece of pieces) {
    let at = Math.min(left, piece.length);
    left -= at;
    while (at < piece.length) at += (await file.write(piece, at)).bytesWritten;
  }
}

/** A stream into `write`. Pieces that arrive while it is busy are passed together, since chunks are small. */
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

/** A file that is open for reading. */
export interface Source {
  readonly path: string;
  readonly stats: BigIntStats;
  /** Bytes; `undefined` for what is not a regular file: a pipe, a device. */
  readonly size: number | undefined;
  /** Reads up to `length` bytes: of a regular file those at `position`, of anything else the next ones. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** Whether it is a regular file that was written since it was opened. */
  hasChanged(): Promise<boolean>;
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
    return await use({
      path,
      stats,
      size,
      async read(position, length) {
        const buffer = new Uint8Array(length);
        const at = size === undefined ? null : position;
        const { bytesRead } = await file.read(buffer, 0, length, at);
        return buffer.subarray(0, bytesRead);
      },
      async hasChanged() {
        if (size === undefined) return false;
        const now = await file.stat({ bigint: true });
        return now.size !== stats.size || now.mtimeNs !== stats.mtimeNs;
      },
    });
  } catch (error) {
    throw fileError(path, error);
  } finally {
    await file.close();
  }
}

/** {@link readSource} of an encrypted file, whose header a rewrap may be writing, or may have left half-written. */
export async function readMessage<T>(
  path: string,
  use: (source: Source) => Promise<T>,
): Promise<T> {
  const isRegular = await stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
  if (!isRegular) return readSource(path, use);
  try {
    await using file = await openMessageFile(path);
    const { size, stats } = file;
    return await use({
      path,
      stats,
      size,
      read: (position, length) => file.read(position, Math.min(size, position + length)),
      hasChanged: () => Promise.resolve(false), // Each read has looked. A rewrap does no harm.
    });
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Reads a source from its start on.
 *
 * @yields New arrays of up to 1 MiB.
 * @throws CommandError `ERR_CLI_FILE` at the end, where a regular file has changed since it was opened:
 * what was read is then a mixture of two versions.
 */
export async function* readPieces(
  source: Source,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array, void> {
  const { size } = source;
  let at = 0;
  for (;;) {
    signal?.throwIfAborted();
    const piece = await readSome(source, at, PIECE_BYTES);
    if (piece.length === 0) break;
    at += piece.length;
    if (size !== undefined && at > size) throw changedMeanwhile(source.path);
    yield piece;
  }
  if ((size !== undefined && at !== size) || (await source.hasChanged())) {
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
export async function readFront(source: Source, length: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < length;) {
    const piece = await readSome(source, at, length - at);
    if (piece.length === 0) break;
    pieces.push(piece);
    at += piece.length;
  }
  return Buffer.concat(pieces);
}

async function readSome(source: Source, position: number, length: number): Promise<Uint8Array> {
  try {
    return await source.read(position, length);
  } catch (error) {
    throw fileError(source.path, error);
  }
}

/** Why something in a folder is left alone. */
export type Reason =
  | "a symbolic link"
  | "not a regular file"
  | "a temporary file of this command"
  | "excluded"
  | "the output folder"
  | "the configuration"
  | "a keystore"
  | "a root key"
  | "a message already"
  | "not a message"
  | "its output exists";

/** What a walk finds. */
export interface Found {
  readonly path: string;
  /** Size in bytes; `undefined` for what is left alone or failed. */
  readonly size: number | undefined;
  readonly left?: Reason | undefined;
  /** Why the file or folder could not be examined. */
  readonly error?: unknown;
}

/** What is not to be looked at. */
export interface WalkOptions {
  /** Told the path below the folder of the walk. */
  readonly excluded?: ((path: string) => boolean) | undefined;
  /** A folder that is left out; it need not exist. */
  readonly output?: string | undefined;
}

/**
 * Walks a folder; symbolic links are not followed.
 *
 * @yields Everything below it, by name: files, and what is left alone, which may be a folder.
 */
export async function* walk(
  folder: string,
  { excluded, output }: WalkOptions = {},
): AsyncGenerator<Found, void> {
  const out = output === undefined ? undefined : await identityOf(output);
  yield* below(folder);

  async function* below(at: string): AsyncGenerator<Found, void> {
    let names: string[];
    try {
      names = await readdir(at);
    } catch (error) {
      yield { path: at, size: undefined, error: fileError(at, error) };
      return;
    }
    for (const name of names.toSorted()) {
      const path = join(at, name);
      try {
        const stats = await lstat(path, { bigint: true });
        const left = reasonFor(path, name, stats);
        if (left !== undefined) yield { path, size: undefined, left };
        else if (stats.isDirectory()) yield* below(path);
        else yield { path, size: Number(stats.size) };
      } catch (error) {
        // Node names such a file by replacement characters, and then does not find it.
        const problem = name.includes("\uFFFD")
          ? new CommandError("ERR_CLI_FILE", `${path}: its name is not valid UTF-8`, "rename it")
          : fileError(path, error);
        yield { path, size: undefined, error: problem };
      }
    }
  }

  function reasonFor(path: string, name: string, stats: BigIntStats): Reason | undefined {
    if (excluded?.(relative(folder, path)) === true) return "excluded";
    if (stats.isSymbolicLink()) return "a symbolic link";
    if (stats.isDirectory()) return identity(stats) === out ? "the output folder" : undefined;
    if (!stats.isFile()) return "not a regular file";
    return isTemporary(name) ? "a temporary file of this command" : undefined;
  }
}

/** Two paths with one identity are one file. */
function identity({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** The identity of what a path leads to; `undefined` where there is nothing, or nothing that may be looked at. */
export async function identityOf(path: string): Promise<string | undefined> {
  try {
    return identity(await stat(path, { bigint: true }));
  } catch {
    return undefined;
  }
}

/** Refuses to write a file over the one that is read, which would leave nothing to go back to. */
export async function requireOtherFile(input: string, output: string): Promise<void> {
  const [one, other] = await Promise.all([
    stat(input, { bigint: true }).catch(() => undefined),
    lstat(output, { bigint: true }).catch(() => undefined),
  ]);
  if (one === undefined || one.dev !== other?.dev || one.ino !== other.ino) return;
  throw new CommandError("ERR_CLI_FILE", `${output}: it is the input`, "choose another name");
}
