/**
 * The file system as this package uses it: the calls that tests replace, reads and writes that go on
 * until all is done, and errors in the manner of Node's own.
 *
 * What must stay true: a file whose name others may choose is opened without following a symbolic link
 * and without waiting for the other end of a pipe, and is used only if it {@link isOwn}.
 *
 * @module
 */
import { constants, readSync, writeSync, type BigIntStats, type Stats } from "node:fs";
import { link, lstat, open, rename, unlink, type FileHandle } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { EnvelopeError } from "@env/core";

/** The calls that change names. Tests pass some that fail on demand. */
export interface FileSystem {
  readonly open: typeof open;
  readonly link: typeof link;
  readonly lstat: typeof lstat;
  readonly rename: typeof rename;
  readonly unlink: typeof unlink;
}

export const nodeFileSystem: FileSystem = { open, link, lstat, rename, unlink };

// Windows has neither flag, though the types say so.
const { O_NOFOLLOW, O_NONBLOCK }: { O_NOFOLLOW?: number; O_NONBLOCK?: number } = constants;
/** Opening a pipe would otherwise wait for its other end. Reading a regular file never waits. */
export const NONBLOCK: number = O_NONBLOCK ?? 0;
/** Does not follow symbolic links; for names in a folder that others may write to. */
export const NOFOLLOW: number = (O_NOFOLLOW ?? 0) | NONBLOCK;

/**
 * Opens without following a symbolic link at the end of `path`.
 *
 * @throws what the file system throws; `ELOOP` for a symbolic link.
 */
export async function openNoFollow(
  files: Pick<FileSystem, "open">,
  path: string,
  flags: number,
  mode?: number,
): Promise<FileHandle> {
  try {
    return await files.open(path, flags | NOFOLLOW, mode);
  } catch (error) {
    if (!hasCode(error, "ELOOP")) throw error;
    throw systemError("ELOOP", `${path} is a symbolic link: name the file itself`, path);
  }
}

/**
 * Whether a file may be one that this package wrote beside another: a regular file with one name, which
 * belongs to this user or to one of `owners`, and which nobody else may write.
 */
export function isOwn(stats: Stats | BigIntStats, owners: readonly number[]): boolean {
  if (!stats.isFile() || Number(stats.nlink) !== 1) return false;
  const user = process.geteuid?.();
  if (user === undefined) return true; // Windows: permission bits and owners say nothing there.
  const uid = Number(stats.uid);
  return (Number(stats.mode) & 0o022) === 0 && (uid === user || owners.includes(uid));
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

export async function writeFully(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

/** Fills `bytes` from `position` on, in a thread that may wait. Throws {@link endedEarly} where there are fewer. */
export function readFullySync(fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) {
    const read = readSync(fd, bytes, at, bytes.length - at, position + at);
    if (read === 0) throw endedEarly();
    at += read;
  }
}

/** {@link writeFully} in a thread that may wait. */
export function writeFullySync(fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) {
    at += writeSync(fd, bytes, at, bytes.length - at, position + at);
  }
}

/** Makes names in a folder last: a file's own fsync does not. */
export async function syncFolder(files: Pick<FileSystem, "open">, folder: string): Promise<void> {
  if (process.platform === "win32") return; // There a folder cannot be opened, and names last.
  const handle = await files.open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } catch (error) {
    if (!hasCode(error, "EINVAL")) throw error; // A file system that has no such thing.
  } finally {
    await handle.close();
  }
}

export function pathOf(path: string | URL): string {
  return typeof path === "string" ? path : fileURLToPath(path);
}

/** An error as the file system's own: they have a code and a path. */
export function systemError(code: string, message: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code, path });
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.some((code) => code === error.code);
}

/** Says which file a system error is about: calls on an open file do not. */
export function locate(error: unknown, path: string, ...syscalls: readonly string[]): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || "path" in error) return error;
  if (!syscalls.includes(String(error.syscall))) return error;
  error.message += ` '${path}'`;
  return Object.assign(error, { path });
}

/** What is thrown where a file is no longer what it was when the work on it began. */
export function changedMeanwhile(path: string, cause?: unknown): Error {
  const problem = `'${path}' changed while it was being read: try again once nothing writes to it`;
  return Object.assign(systemError("EBUSY", problem, path), cause === undefined ? {} : { cause });
}

/** Creates the error for a source that ends before its announced length. */
export function endedEarly(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the source became shorter while it was read");
}
