/**
 * The lock of a file: only one thread of one process at a time writes, rewraps or recovers it.
 *
 * Node has no `flock`. SQLite takes the system's record locks on our behalf, on an empty file beside
 * the one that is locked, which stays empty. The system drops them when a process ends, however it
 * ends, so there is no stale lock to detect, no process id to guess about, and what a killed process
 * leaves behind is an unlocked empty file.
 *
 * Record locks belong to a process, not to a thread, and closing any descriptor of a file drops all
 * that the process has on it. So a thread first takes a lock of the process: a database in memory, which
 * SQLite shares among the threads and the copies of this package in a process, and among nobody else.
 *
 * What must stay true: only who has the process's lock opens the lock's file, and only who has both
 * removes it.
 *
 * Source: https://sqlite.org/lockingv3.html; https://sqlite.org/src/file/src/memdb.c; POSIX fcntl(2), F_SETLK
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  realpathSync,
  statSync,
  type Stats,
} from "node:fs";
import { unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { hasCode, isOwn, NOFOLLOW, systemError } from "./file-system.ts";

/** Where the lock of a file is: `.<name>.envelope-lock` beside it. */
export function lockPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.envelope-lock`);
}

/**
 * Runs `use` under the lock of `path`. Does not wait for the lock.
 *
 * @throws an Error with code `EBUSY` where the lock is held; `EACCES` where this process may not lock;
 * `EEXIST` where what lies in the lock's place cannot be one; what the file system or `use` throws.
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
 * Like {@link withFileLock}, but runs `use` without a lock where nothing can be locked, and tells it so:
 * where this process has no permission, where the file system or the runtime has no locks, where the name
 * is too long, or where something else has the name of the lock.
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

async function acquire(path: string): Promise<() => Promise<void>> {
  const { DatabaseSync: Database } = await import("node:sqlite"); // Where a runtime has none, nothing is locked.
  const folder = realpathSync.native(dirname(path));
  const lock = lockPath(join(folder, basename(path)));
  const inProcess = lockInProcess(Database, lock, path);
  let file: LockedFile;
  try {
    file = lockFile(Database, lock, path);
  } catch (error) {
    inProcess.close();
    throw error;
  }
  return async () => {
    await unlink(lock).catch(() => undefined);
    file.close();
    inProcess.close();
  };
}

/** The lock of this process. It ends with its thread. */
function lockInProcess(Database: typeof DatabaseSync, lock: string, path: string): DatabaseSync {
  // There, names that differ in case alone are one file.
  const name = process.platform === "darwin" ? lock.toLowerCase() : lock;
  const digest = createHash("sha256").update(name).digest("hex");
  const db = new Database(`file:/envelope-lock/${digest}?vfs=memdb`);
  try {
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch (error) {
    db.close();
    throw lockError(error, path);
  }
}

interface LockedFile {
  close(): void;
}

/** How often the lock's file may be gone, or another, between two looks at it. */
const MAX_ATTEMPTS = 1000;

/** The lock among processes. */
function lockFile(Database: typeof DatabaseSync, lock: string, path: string): LockedFile {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const fd = openLockFile(lock);
    let db: DatabaseSync | undefined;
    const close = (): void => {
      db?.close();
      closeSync(fd);
    };
    try {
      db = new Database(lock);
      // SQLite follows links, and says where to. So far it has only opened what it found.
      if (leadsTo(db, lock) && isAt(lock, fd)) {
        // Taken inside a transaction, in which a database that somebody exchanged for ours would keep
        // its journal mode. Nothing is written, so there is no file for a journal either.
        db.exec("BEGIN; PRAGMA journal_mode = MEMORY; PRAGMA user_version = 0");
        // The holder before us may have removed the file that we have locked. While `fd` is open its
        // inode is nobody else's, and a name that was taken from it does not come back: if it has the
        // name now, it always had, and is what SQLite opened.
        if (isAt(lock, fd)) return { close };
      }
    } catch (error) {
      close();
      throw lockError(error, path);
    }
    close();
  }
  throw busy(path);
}

/** Opens the file of a lock. Its mode excludes other users, since whoever may read the file may block it. */
function openLockFile(lock: string): number {
  requireOwn(lock, lstatSync(lock, { throwIfNoEntry: false })); // A file that is not ours is not even opened.
  let fd: number;
  try {
    fd = openSync(lock, constants.O_RDWR | constants.O_CREAT | NOFOLLOW, 0o600);
  } catch (error) {
    // A link, a folder, a socket or a pipe that nobody reads.
    if (hasCode(error, "ELOOP", "EISDIR", "ENXIO")) throw inTheWay(lock);
    throw error;
  }
  try {
    requireOwn(lock, fstatSync(fd));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function requireOwn(lock: string, stats: Stats | undefined): void {
  if (stats === undefined || stats.nlink === 0) return; // Its holder has just removed it.
  // Whoever owns the folder may remove the lock in any case.
  const owners = [statSync(dirname(lock)).uid];
  if (stats.size !== 0 || !isOwn(stats, owners)) throw inTheWay(lock);
}

function leadsTo(db: DatabaseSync, lock: string): boolean {
  return process.platform === "win32" || db.location() === lock;
}

function isAt(lock: string, fd: number): boolean {
  const named = lstatSync(lock, { throwIfNoEntry: false });
  const opened = fstatSync(fd);
  return named?.ino === opened.ino && named.dev === opened.dev;
}

function inTheWay(lock: string): Error {
  return systemError("EEXIST", `${lock} is in the way of the lock: remove it`, lock);
}

function busy(path: string): Error {
  return systemError("EBUSY", `something else is writing ${path}: try again later`, path);
}

/** SQLite's primary result codes. Source: https://sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const DENIED = new Set([3, 8, 14]); // PERM, READONLY, CANTOPEN
const FOREIGN = new Set([1, 26]); // ERROR (a database that has a write-ahead log), NOTADB

function lockError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") {
    return error;
  }
  const primary = error.errcode & 0xff;
  if (primary === SQLITE_BUSY) return busy(path);
  if (DENIED.has(primary)) {
    return systemError(
      "EACCES",
      `${path} cannot be locked: no permission for ${lockPath(path)}`,
      path,
    );
  }
  return FOREIGN.has(primary) ? inTheWay(lockPath(path)) : error;
}
