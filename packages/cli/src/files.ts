/**
 * Files that are whole or not there.
 *
 * A file is written under a temporary name in its target's folder, flushed to the disk and then given
 * its name in one step. Whatever happens before that step, the target is as it was; a process that is
 * killed leaves at most `.<name>.<random>.tmp`. Refusing to overwrite is that same step (`link` fails
 * where the name is taken), so nobody can slip in between a check and a rename.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { constants, unlinkSync, type BigIntStats } from "node:fs";
import { link, lstat, open, readdir, rename, unlink, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CommandError, fileError } from "./errors.ts";

/** Bytes per read and write. */
export const PIECE_BYTES: number = 2 ** 20;

const TEMPORARY = /^\..*\.[0-9a-f]{16}\.tmp$/s;

/** What is being written now. */
const temporaries = new Set<string>();

/** For a process that ends at once: removes what is half-written. */
export function removeTemporaries(): void {
  for (const path of temporaries) {
    try {
      unlinkSync(path);
    } catch {
      // Gone already, or not ours to remove any more.
    }
  }
  temporaries.clear();
}
process.on("exit", removeTemporaries);

export interface WriteFileOptions {
  /** Replace an existing regular file. */
  readonly overwrite: boolean;
  /** Permission bits. Default: 0600. */
  readonly mode?: number;
  /** Takes permission bits, and owner where this process may set it, from this file instead. */
  readonly like?: BigIntStats | undefined;
  /** What is replaced: if the target is not that very file any more, it is left alone. */
  readonly replaces?: BigIntStats | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a file that appears under its name once `write` is done and the bytes are on the disk.
 *
 * @returns What `write` returned.
 * @throws CommandError `ERR_CLI_FILE`; what `write` throws; the signal's reason. Then the target is as
 * it was, and the temporary file is gone.
 */
export async function writeFileWhole<T>(
  target: string,
  { overwrite, mode, like, replaces, signal }: WriteFileOptions,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  // Early, to save the work; what decides is `giveName`.
  await requireTarget(target, overwrite);
  const folder = dirname(target);
  const name = `.${basename(target).slice(0, 50)}.${randomBytes(8).toString("hex")}.tmp`;
  const temporary = join(folder, name);
  let file: FileHandle;
  try {
    temporaries.add(temporary);
    // O_EXCL: nobody else's file, and no symbolic link that was put there.
    file = await open(temporary, "wx", 0o600);
  } catch (error) {
    temporaries.delete(temporary);
    throw fileError(target, error);
  }
  try {
    let result: T;
    try {
      result = await write(file);
      signal?.throwIfAborted();
      if (mode !== undefined) await file.chmod(mode);
      if (like !== undefined) await makeLike(file, like);
      await file.sync();
    } finally {
      await file.close();
    }
    signal?.throwIfAborted();
    if (replaces !== undefined) await requireUnchanged(target, replaces);
    await giveName(temporary, target, overwrite);
    temporaries.delete(temporary);
    await syncFolder(folder);
    return result;
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    temporaries.delete(temporary);
    throw fileError(target, error);
  }
}

/** Writes all of `bytes` where the file stands. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
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
 * Reads a source from `start` on.
 *
 * @yields New arrays of up to 1 MiB.
 * @throws CommandError `ERR_CLI_FILE` at the end, where a regular file has changed since it was opened:
 * what was read is then a mixture of two files.
 */
export async function* readPieces(
  source: Source,
  options: { readonly start?: number; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { file, size } = source;
  const { start = 0, signal } = options;
  let at = start;
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

export function changedMeanwhile(path: string): CommandError {
  return new CommandError(
    "ERR_CLI_FILE",
    `${path}: it changed while it was read`,
    "try again once nothing writes to it",
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
  /** Bytes of a regular file; `undefined` for what is left alone: symbolic links, devices, our own temporaries. */
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

/** Whether `path` names the file that is read. */
export async function isSameFile({ stats }: Source, path: string): Promise<boolean> {
  const other = await lstat(path, { bigint: true }).catch(() => undefined);
  return other !== undefined && other.dev === stats.dev && other.ino === stats.ino;
}

async function requireUnchanged(path: string, stats: BigIntStats): Promise<void> {
  const now = await lstat(path, { bigint: true }).catch(() => undefined);
  const same =
    now !== undefined &&
    now.dev === stats.dev &&
    now.ino === stats.ino &&
    now.size === stats.size &&
    now.mtimeNs === stats.mtimeNs;
  if (!same) throw changedMeanwhile(path);
}

async function requireTarget(target: string, overwrite: boolean): Promise<void> {
  const stats = await lstat(target).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw fileError(target, error);
  });
  if (stats === undefined) return;
  // A rename would replace the link or the device itself, which nobody means.
  if (!stats.isFile()) {
    const what = stats.isSymbolicLink() ? "a symbolic link" : "not a regular file";
    throw new CommandError(
      "ERR_CLI_FILE",
      `${target}: it exists and is ${what}`,
      "choose another name",
    );
  }
  if (!overwrite) throw exists(target);
}

async function giveName(temporary: string, target: string, overwrite: boolean): Promise<void> {
  if (overwrite) return rename(temporary, target);
  try {
    await link(temporary, target);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") throw exists(target);
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code)) throw error;
    return renameOverPlaceholder(temporary, target);
  }
  await unlink(temporary);
}

/** Where there are no hard links (FAT): the name is taken by an empty file first, for a moment. */
async function renameOverPlaceholder(temporary: string, target: string): Promise<void> {
  try {
    const placeholder = await open(target, "wx", 0o600);
    await placeholder.close();
  } catch (error) {
    throw codeOf(error) === "EEXIST" ? exists(target) : error;
  }
  try {
    await rename(temporary, target);
  } catch (error) {
    await unlink(target).catch(() => undefined);
    throw error;
  }
}

function exists(target: string): CommandError {
  return new CommandError(
    "ERR_CLI_FILE",
    `${target}: it exists already`,
    "add --force to replace it, or choose another name with -o",
  );
}

async function makeLike(file: FileHandle, { mode, uid, gid }: BigIntStats): Promise<void> {
  const own = await file.stat({ bigint: true });
  if (own.uid !== uid || own.gid !== gid) {
    // Only root may give files away. Without that the file stays ours.
    await file.chown(Number(uid), Number(gid)).catch(() => undefined);
  }
  // Without set-id bits: those belong to the very file they were put on.
  await file.chmod(Number(mode) & 0o777);
}

/** So that a new name survives a power failure. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // Folders cannot be opened there; NTFS journals names.
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } catch (error) {
    if (codeOf(error) !== "EINVAL") throw error; // A file system that has no such thing.
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
