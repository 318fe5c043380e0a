/**
 * The files of a database: the file itself, and `-wal`, `-shm` and `-journal` beside it, which SQLite takes for its own.
 *
 * None of them is opened here while this process may have a connection to the database. POSIX drops all locks that a
 * process holds on a file as soon as the process closes any descriptor of it, those of SQLite's connections included.
 * Another program then believes that nobody uses the database, and removes the write-ahead log. So files that exist
 * are only looked at by name, and read through SQLite, which never closes a descriptor that has locks.
 *
 * Source: https://sqlite.org/howtocorrupt.html#posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
 *
 * @module
 */
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  openSync,
  realpathSync,
  statSync,
  unlinkSync,
  type Stats,
} from "node:fs";
import { dirname } from "node:path";
import { alreadyThere, diskFailed, io, named } from "./file-errors.ts";

const COMPANIONS = ["-journal", "-wal", "-shm"] as const;

/** How a database can be opened. `immutable`: nobody can write it, and SQLite cannot create its own files beside it. */
type Way = "writable" | "read-only" | "immutable";

/** An existing database, looked at by name. */
export interface DatabaseFile {
  /** The path without symbolic links: SQLite's own files are beside this one. */
  readonly path: string;
  readonly size: number;
  readonly links: number;
  readonly hasLog: boolean;
  readonly way: Way;
}

/**
 * Looks at a database before SQLite does. SQLite believes whatever lies beside it: a planted log would be written into
 * the database, and a planted journal can name further files to delete.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO`
 */
export function locate(shownAs: string, path: string, readOnly: boolean): DatabaseFile {
  try {
    const file = realpathSync(path);
    const stats = statSync(file);
    if (stats.isDirectory()) throw io(shownAs, "it is a folder; give the path of a file in it");
    if (!stats.isFile()) throw io(shownAs, "it is not a regular file");
    accessSync(file, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK);
    const [, log, index] = COMPANIONS.map((suffix) => lookAt(shownAs, file, stats, suffix));
    const hasLog = log !== undefined;
    const found = { path: file, size: stats.size, links: stats.nlink, hasLog };
    if (!readOnly) return { ...found, way: "writable" };
    if (isWritable(dirname(file))) return { ...found, way: "read-only" };
    if (log === undefined || log.size === 0) return { ...found, way: "immutable" };
    if (index !== undefined) return { ...found, way: "read-only" };
    throw io(
      shownAs,
      "it has changes in its write-ahead log that cannot be read where nothing can be written; close the keystore before it is copied, or copy it with backup()",
    );
  } catch (error) {
    throw named(error, shownAs);
  }
}

/** One of SQLite's own files, which only the keystore's owner can have made. */
function lookAt(
  shownAs: string,
  database: string,
  owned: Stats,
  suffix: (typeof COMPANIONS)[number],
): Stats | undefined {
  const path = database + suffix;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const problem =
    suffix === "-journal"
      ? "a keystore has a write-ahead log and never a journal"
      : !stats.isFile() || stats.nlink > 1
        ? "it is not a regular file of one name"
        : stats.uid !== owned.uid
          ? "it belongs to another user than the keystore"
          : (stats.mode & 0o022 & ~owned.mode) !== 0
            ? "users may write to it who may not write to the keystore"
            : undefined;
  if (problem === undefined) return stats;
  throw io(
    shownAs,
    `${path} is not the keystore's own: ${problem}. Find out who made it, and move it away`,
  );
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Which files a database and its log are: compared later to see whether they still have their names. */
export function identify(path: string): string {
  return [path, `${path}-wal`]
    .map((file) => statSync(file, { throwIfNoEntry: false }))
    .map((stats) => (stats === undefined ? "gone" : `${stats.dev}:${stats.ino}`))
    .join(" ");
}

/**
 * Creates an empty file of mode 0600, so that nothing that exists can be overwritten.
 *
 * @param shownAs - How errors name it.
 */
export function claim(path: string, shownAs: string = path): void {
  requireNoCompanions(path, shownAs);
  try {
    // Nobody can have a connection to a file that is created here.
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    throw named(error, shownAs);
  }
}

/** Throws `ERR_ENVELOPE_KEYSTORE_IO` if something has this name. */
export function requireFree(path: string): void {
  requireNoCompanions(path, path);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  throw io(path, alreadyThere);
}

/** Removes a database that nobody has open. */
export function removeDatabase(path: string): void {
  for (const suffix of ["", ...COMPANIONS]) {
    try {
      unlinkSync(path + suffix);
    } catch {
      // Missing, or not ours to remove. The error that is being handled is the one to report.
    }
  }
}

/**
 * Requires that a database which was closed is whole in its file. SQLite writes the log back when the last connection is closed,
 * and does not say when that fails: the log then stays.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO`
 */
export function requireNoLog(path: string, shownAs: string): void {
  if (!locate(shownAs, path, false).hasLog) return;
  throw io(shownAs, diskFailed);
}

/** Syncs a file that was written in full and that nobody else has open yet. */
export function syncFile(path: string): void {
  const file = openSync(path, "r+");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes a new name in a folder survive a power cut, where the platform can. */
export function syncFolder(path: string): void {
  if (process.platform === "win32") return;
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** SQLite would take them for the log of a database that is put there. */
function requireNoCompanions(path: string, shownAs: string): void {
  const there = COMPANIONS.map((suffix) => path + suffix).find(
    (file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined,
  );
  if (there === undefined) return;
  throw io(
    shownAs,
    `${there} is left from another database; move it away, it may hold that database's last changes`,
  );
}
