/**
 * Which versions of SQLite may be trusted with a keystore.
 *
 * From 3.7.0 to 3.51.2, two connections that write and checkpoint at the same moment in WAL mode can lose
 * transactions that were committed. 3.51.3 has the fix, and so have 3.50.7 and 3.44.6.
 *
 * Source: https://sqlite.org/wal.html#walresetbug
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { EnvelopeError } from "@env/core";

let known: string | undefined;

/**
 * The version of the SQLite library in use. SQLite itself is asked: where Node was linked against the system's
 * library, `process.versions.sqlite` is that of another one.
 */
export function sqliteVersion(): string {
  if (known !== undefined) return known;
  const database = new DatabaseSync(":memory:");
  try {
    known = String(database.prepare("SELECT sqlite_version() AS version").get()?.["version"]);
    return known;
  } finally {
    database.close();
  }
}

/** Whether SQLite of this version can lose committed transactions. A version that cannot be read counts as one that can. */
export function canLoseWrites(version: string): boolean {
  const [, major, minor, patch] = (/^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major === undefined || minor === undefined || patch === undefined) return true;
  if (major !== 3 || minor < 7 || minor > 51) return false;
  if (minor === 44) return patch < 6;
  if (minor === 50) return patch < 7;
  return minor < 51 || patch < 3;
}

/** What a version that can lose changes does, and the next step. */
export function lossWarning(version: string): string {
  return `${version} can lose committed changes when several processes write. Use Node 22.22.3, 24.15.0, 25.9.0 or later`;
}

/**
 * @param shownAs - The keystore's path.
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_SQLITE`
 */
export function requireSafeSqlite(shownAs: string, version: string): void {
  if (!canLoseWrites(version)) return;
  throw new EnvelopeError(
    "ERR_ENVELOPE_KEYSTORE_SQLITE",
    `keystore ${shownAs}: SQLite ${lossWarning(version)}, or set patchedSqlite if this SQLite has the fix under an older version number`,
  );
}
