/**
 * A file that appears whole or not at all.
 *
 * Bytes go to a temporary file in the target's folder, which only this user may read. Once all are on
 * the disk it gets its final name in one step of the file system. Refusing to overwrite is that same
 * step (`link` fails where the name is taken), so nobody can slip in between a check and a rename.
 *
 * What must stay true: `.<name>.envelope-part` is made only by who holds the target's lock. So whoever
 * holds the lock finds there what a killed process has left, and removes it. Where nothing can be
 * locked the name is random, and what a killed process leaves is for its owner to remove.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { constants, unlinkSync, type BigIntStats, type Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { lockPath, withFileLockIfPossible } from "./file-lock.ts";
import {
  changedMeanwhile,
  hasCode,
  locate,
  nodeFileSystem,
  pathOf,
  syncFolder,
  systemError,
  type FileSystem,
} from "./file-system.ts";
import { clearJournal } from "./recovery.ts";

export interface WriteFileOptions {
  /** Whether a regular file of the target's name may be replaced; nothing else ever is. Default: false. */
  readonly overwrite?: boolean | undefined;
  /** Permission bits. Default: 0600. */
  readonly mode?: number | undefined;
  /**
   * Takes permission bits, and owner and group where this process may set them, from this file
   * instead. Without set-id bits: those belong to the very file they were put on. A new file gets no
   * more than the umask allows; one that `replaces` another has the bits of that.
   */
  readonly like?: Stats | BigIntStats | undefined;
  /** The file to replace: a target that is no longer that very file, unchanged, is left alone. */
  readonly replaces?: BigIntStats | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a file that appears under its name once `write` is done and the bytes are on the disk. It is meant
 * for the output of streams; `encryptFile` and `decryptFile` work this way by themselves.
 *
 * Beside the target, `.<name>.envelope-part` holds what is written so far, and `.<name>.envelope-lock` keeps
 * others from writing the same target. Where the file system has no hard links (FAT), a new name is
 * taken by an empty file for the moment before the whole one replaces it.
 *
 * @param write - Gets an empty file to write, which it must not close.
 * @returns What `write` returned.
 * @throws what `write` throws; the signal's reason; what the file system throws; an Error with code
 * `EEXIST` where the target exists and `overwrite` is not given, `ELOOP`, `EISDIR` or `EINVAL` where it
 * is a symbolic link, a folder or anything else but a regular file, `EBUSY` where something else is
 * writing it or it is no longer the file that it `replaces`. The target is then as it was. Only if the
 * very last step fails, which makes the name durable, the whole file may already be there.
 *
 * @example
 * ```ts
 * await writeFileWhole("upload.envelope", {}, (file) =>
 *   pipeline(request, encryptStream(envelope, { context }), (pieces) => file.writeFile(pieces)),
 * );
 * ```
 */
export function writeFileWhole<T>(
  target: string | URL,
  options: WriteFileOptions,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  return writeFileWholeOn(nodeFileSystem, pathOf(target), options, write);
}

/**
 * Removes the temporary files of everything that is being written, which then fails. For a process that
 * is about to end, as in a signal handler: it waits for nothing. At `process.exit()` it runs by itself.
 */
export function removeTemporaries(): void {
  for (const [temporary, lock] of underWay) {
    for (const path of [temporary, lock]) {
      try {
        if (path !== undefined) unlinkSync(path);
      } catch {
        // Gone already, or not ours to remove any more.
      }
    }
  }
  underWay.clear();
}

/** {@link writeFileWhole} over a given file layer. */
export async function writeFileWholeOn<T>(
  files: FileSystem,
  target: string,
  options: WriteFileOptions,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  // Early, to save the work; what decides is `giveName`.
  await requireTarget(files, target, options.overwrite ?? false);
  return withFileLockIfPossible(target, async (locked) => {
    if (!locked) {
      return writeTemporary(files, randomName(target), undefined, target, options, write);
    }
    await clearJournal(files, target);
    return writeLocked(files, target, options, write);
  });
}

/** {@link writeFileWholeOn} for whoever holds the target's lock. */
export async function writeLocked<T>(
  files: FileSystem,
  target: string,
  options: WriteFileOptions,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const temporary = (await removeStale(files, target)) ? partPath(target) : randomName(target);
  return writeTemporary(files, temporary, lockPath(target), target, options, write);
}

/**
 * Removes what a killed process has left of a target. For whoever holds its lock.
 *
 * @returns Whether nothing is there any more; `false` for what this process may not remove.
 */
export async function removeStale(
  files: Pick<FileSystem, "unlink">,
  target: string,
): Promise<boolean> {
  try {
    await files.unlink(partPath(target));
    return true;
  } catch (error) {
    if (hasCode(error, "EACCES", "EPERM", "EISDIR")) return false;
    if (!hasCode(error, "ENOENT")) throw error;
    return true;
  }
}

/** @throws an Error with code `EBUSY` where `path` is not the file that `stats` are of, or it changed since. */
export async function requireUnchanged(
  files: Pick<FileSystem, "lstat">,
  path: string,
  stats: BigIntStats,
): Promise<void> {
  const now = await files.lstat(path, { bigint: true });
  const same = now.dev === stats.dev && now.ino === stats.ino;
  if (!same || now.size !== stats.size || now.mtimeNs !== stats.mtimeNs) {
    throw changedMeanwhile(path);
  }
}

/** What is being written: the temporary file, and the lock that is held for it. */
const underWay = new Map<string, string | undefined>();
let removesAtExit = false;

async function writeTemporary<T>(
  files: FileSystem,
  temporary: string,
  lock: string | undefined,
  target: string,
  { overwrite = false, mode, like, replaces, signal }: WriteFileOptions,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  if (!removesAtExit) process.on("exit", removeTemporaries);
  removesAtExit = true;
  underWay.set(temporary, lock);
  let ours = false;
  try {
    const bits = like === undefined ? mode : Number(like.mode) & 0o777;
    const masked = like !== undefined && replaces === undefined;
    const permitted = masked ? await permittedMode(files, temporary, target, bits ?? 0) : bits;
    const file = await create(files, temporary, target, 0o600);
    ours = true;
    let result: T;
    try {
      result = await write(file);
      const withheld = like === undefined ? 0 : await giveOwner(file, like);
      if (permitted !== undefined) await file.chmod(permitted & ~withheld);
      await file.sync();
      // Where locks do not hold, as on some network file systems, others may use the name by now.
      ours = await isAt(files, temporary, file);
      if (!ours) throw othersToo(target);
    } finally {
      await file.close();
    }
    signal?.throwIfAborted();
    if (replaces !== undefined) await requireUnchanged(files, target, replaces);
    // Not to be removed under the step that names it.
    underWay.delete(temporary);
    await giveName(files, temporary, target, overwrite);
    await syncFolder(files, dirname(target));
    return result;
  } catch (error) {
    if (ours) await files.unlink(temporary).catch(() => undefined);
    throw locate(error, target, "write", "fsync", "close", "fchmod");
  } finally {
    underWay.delete(temporary);
  }
}

async function create(
  files: FileSystem,
  temporary: string,
  target: string,
  mode: number,
): Promise<FileHandle> {
  const { O_CREAT, O_EXCL, O_RDWR } = constants;
  try {
    return await files.open(temporary, O_CREAT | O_EXCL | O_RDWR, mode);
  } catch (error) {
    throw hasCode(error, "EEXIST") ? othersToo(target) : error;
  }
}

function othersToo(target: string): Error {
  const problem = `the temporary file of '${target}' was replaced or removed by something else: try again later`;
  return systemError("EBUSY", problem, target);
}

function partPath(target: string): string {
  return join(dirname(target), `.${basename(target)}.envelope-part`);
}

/** Shortened: with the ends added the name must not be too long for the file system. */
function randomName(target: string): string {
  const name = `.${basename(target).slice(0, 48)}.${randomBytes(8).toString("hex")}.envelope-part`;
  return join(dirname(target), name);
}

async function isAt(files: FileSystem, path: string, file: FileHandle): Promise<boolean> {
  const own = await file.stat({ bigint: true });
  try {
    const there = await files.lstat(path, { bigint: true });
    return there.ino === own.ino && there.dev === own.dev;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

/** A rename would replace a link or a device, which nobody means. */
async function requireTarget(files: FileSystem, target: string, overwrite: boolean): Promise<void> {
  let stats: Stats;
  try {
    stats = await files.lstat(target);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  if (stats.isSymbolicLink()) {
    throw systemError("ELOOP", `'${target}' is a symbolic link: name the file itself`, target);
  }
  if (stats.isDirectory()) throw systemError("EISDIR", `'${target}' is a folder`, target);
  if (!stats.isFile()) throw systemError("EINVAL", `'${target}' is not a regular file`, target);
  if (!overwrite) throw taken(target);
}

async function giveName(
  files: FileSystem,
  temporary: string,
  target: string,
  overwrite: boolean,
): Promise<void> {
  if (overwrite) return files.rename(temporary, target);
  try {
    await files.link(temporary, target);
  } catch (error) {
    if (hasCode(error, "EEXIST")) throw taken(target);
    if (!hasCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) throw error;
    return renameOverPlaceholder(files, temporary, target);
  }
  await files.unlink(temporary);
}

/** Where there are no hard links. */
async function renameOverPlaceholder(
  files: FileSystem,
  temporary: string,
  target: string,
): Promise<void> {
  try {
    const placeholder = await files.open(target, "wx", 0o600);
    await placeholder.close();
  } catch (error) {
    throw hasCode(error, "EEXIST") ? taken(target) : error;
  }
  try {
    await files.rename(temporary, target);
  } catch (error) {
    await files.unlink(target).catch(() => undefined);
    throw error;
  }
}

function taken(target: string): Error {
  return systemError("EEXIST", `'${target}' exists: pass overwrite to replace it`, target);
}

/**
 * What the umask, or the folder's default ACL, leaves of permission bits: those of a file that is made
 * with them, and removed. Reading the umask would set it for a moment, for the whole process.
 */
async function permittedMode(
  files: FileSystem,
  temporary: string,
  target: string,
  mode: number,
): Promise<number> {
  const file = await create(files, temporary, target, mode);
  try {
    return (await file.stat()).mode & mode;
  } finally {
    await file.close();
    await files.unlink(temporary);
  }
}

/** @returns The permission bits that are then not for the new owner and group to have. */
async function giveOwner(
  file: FileHandle,
  { mode, uid, gid }: Stats | BigIntStats,
): Promise<number> {
  const own = await file.stat();
  const group = Number(gid);
  const give = (to: number): Promise<boolean> =>
    file.chown(to, group).then(
      () => true,
      () => false,
    );
  if (own.uid !== Number(uid) && (await give(Number(uid)))) return 0;
  // Only root may give files away. Without that the file stays ours.
  if (own.gid === group || (await give(own.uid))) return 0;
  // What was for that group is for ours only as far as it is for everybody.
  return 0o070 & ~((Number(mode) & 0o007) << 3);
}
