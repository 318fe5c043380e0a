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
import { closeSync, fsyncSync, lstatSync, openSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { alreadyThere, io, named } from "./file-errors.ts";

const COMPANIONS = ["-journal", "-wal", "-shm"] as const;

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
      // Not there, or not ours to remove: the error that brought us here is the one to report.
    }
  }
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

/** SQLite would take them for the log of whatever comes to lie there. */
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
