/**
 * One at a time writes, rewraps or recovers a file, among all processes.
 *
 * Node has no `flock`. SQLite takes the system's record locks on our behalf: on an empty file beside
 * the one that is locked, which stays empty. The system drops them when a process ends, however it
 * ends, so there is no stale lock to detect, no process id to guess about, and what a killed process
 * leaves behind is an unlocked empty file.
 *
 * What must stay true: the lock's file is removed only by who holds the lock, and no descriptor of it
 * is closed while this process holds the lock, which would drop it.
 *
 * Source: https://sqlite.org/lockingv3.html; POSIX fcntl(2), F_SETLK
 *
 * @module
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, realpathSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Where the lock of a file is: `.<name>.envelope-lock` beside it. */
export function lockPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.envelope-lock`);
}

/**
 * Runs `use` while nobody else does for the same path. Does not wait.
 *
 * @throws an Error with code `EBUSY` where the lock is held; `EACCES` where this process may not lock;
 * what the file system or `use` throws.
 */
export async function withFileLock<T>(path: string, use: () => Promise<T>): Promise<T> {
  const release = await acquire(path);
  try {
    return await use();
  } finally {
    await release();
  }
}

/**
 * As {@link withFileLock}, but goes on where nothing can be locked, and tells `use` so: where this
 * process may not, where the file system or the runtime has no locks, where the name is too long.
 */
export async function withFileLockIfPossible<T>(
  path: string,
  use: (locked: boolean) => Promise<T>,
): Promise<T> {
  let release: () => Promise<void>;
  try {
    release = await acquire(path);
  } catch (error) {
    if (hasCode(error, "EBUSY")) throw error;
    return use(false);
  }
  try {
    return await use(true);
  } finally {
    await release();
  }
}

/** The locks that this thread holds. */
const held = new Set<string>();

async function acquire(path: string): Promise<() => Promise<void>> {
  const { DatabaseSync } = await import("node:sqlite");
  // The one name of the folder: `held` knows locks by name.
  const lock = lockPath(join(realpathSync(dirname(path)), basename(path)));
  // No await from here on: nothing of this thread comes between.
  for (;;) {
    if (held.has(lock)) throw busy(path);
    const fd = openLockFile(lock);
    let db: InstanceType<typeof DatabaseSync> | undefined;
    const close = (): void => {
      db?.close();
      closeSync(fd);
    };
    try {
      db = new DatabaseSync(lock);
      db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE"); // Nothing is written, so no file for it.
    } catch (error) {
      close();
      throw lockError(error, path);
    }
    // The holder before us may have removed the file that we have locked. While `fd` is open its inode
    // is nobody else's, and a name that was taken from it does not come back: if it stands there now,
    // it always has, and is what SQLite opened.
    const named = lstatSync(lock, { throwIfNoEntry: false });
    if (named?.ino === fstatSync(fd).ino) {
      held.add(lock);
      return async () => {
        await unlink(lock).catch(() => undefined);
        close();
        held.delete(lock);
      };
    }
    close();
  }
}

/** For this user alone: whoever may read the lock's file may block it. Never a symbolic link, which SQLite would follow. */
function openLockFile(lock: string): number {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
  let fd: number;
  try {
    fd = openSync(lock, O_RDWR | O_CREAT | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0), 0o600);
  } catch (error) {
    if (hasCode(error, "ELOOP", "EISDIR")) throw inTheWay(lock);
    throw error;
  }
  const stats = fstatSync(fd);
  if (stats.isFile() && stats.size === 0) return fd;
  closeSync(fd);
  throw inTheWay(lock);
}

function inTheWay(lock: string): Error {
  return systemError("EEXIST", `${lock} is in the way of the lock: remove it`, lock);
}

function busy(path: string): Error {
  return systemError("EBUSY", `${path} is being written already: try again later`, path);
}

/** SQLite's primary result codes. Source: https://sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const DENIED = new Set([3, 8, 14]); // PERM, READONLY, CANTOPEN

function lockError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") {
    return error;
  }
  const primary = error.errcode & 0xff;
  if (primary === SQLITE_BUSY) return busy(path);
  if (DENIED.has(primary)) {
    return systemError("EACCES", `${path} cannot be locked: ${lockPath(path)} is not ours`, path);
  }
  return error;
}

/** An error as the file system's own: they have a code and a path. */
export function systemError(code: string, message: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code, path });
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.some((code) => code === error.code);
}
