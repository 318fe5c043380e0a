/**
 * Errors about a keystore's file: what Node and SQLite throw, and rows that do not verify. Every error names the file and
 * the next step.
 *
 * @module
 */
import { EnvelopeError, type EnvelopeErrorCode } from "@env/core";

/** A row that does not verify. Thrown inside a transaction, whose caller receives `ERR_ENVELOPE_KEYSTORE_FORMAT`. */
export class Fault extends Error {
  /** `key 0123…`, `alias alias/app`, … */
  readonly record: string;
  readonly problem: string;

  constructor(record: string, problem: string) {
    super(`${record} does not verify: ${problem}`);
    this.record = record;
    this.problem = problem;
  }
}

export const alreadyThere: string =
  "the file exists, and a keystore is never overwritten; choose another path";

export const diskFailed: string =
  "reading or writing failed; nothing was changed. Check the disk and its free space";

/** Translates what `node:fs` and `node:sqlite` throw. Returns anything else as it is. */
export function named(error: unknown, path: string): unknown {
  if (error instanceof Fault) return format(path, error.message);
  if (!(error instanceof Error) || !("code" in error)) return error;
  if ("errcode" in error && typeof error.errcode === "number") {
    const known = sqliteProblems.get(error.errcode & 0xff);
    if (known !== undefined) return keystoreError(known[0], path, known[1], error);
    // Corrupt pages, a missing table or a broken constraint, which no keystore writes.
    return keystoreError(
      "ERR_ENVELOPE_KEYSTORE_FORMAT",
      path,
      "the database is damaged; restore it from a backup",
      error,
    );
  }
  // node:sqlite refuses to read an INTEGER beyond 2^53.
  if (error.code === "ERR_OUT_OF_RANGE")
    return format(path, "a row contains a number out of bounds");
  const problem = fileProblems.get(error.code);
  return problem === undefined
    ? error
    : keystoreError("ERR_ENVELOPE_KEYSTORE_IO", path, problem, error);
}

/** Whether SQLite says that a file is not a database, as opposed to a damaged one. */
export function isNotADatabase(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === 26;
}

export function format(path: string, problem: string): EnvelopeError {
  return keystoreError(
    "ERR_ENVELOPE_KEYSTORE_FORMAT",
    path,
    `${problem}. Check the path, or restore the file from a backup`,
  );
}

export function io(path: string, problem: string): EnvelopeError {
  return keystoreError("ERR_ENVELOPE_KEYSTORE_IO", path, problem);
}

export function keystoreError(
  code: EnvelopeErrorCode,
  path: string,
  problem: string,
  cause?: unknown,
): EnvelopeError {
  return new EnvelopeError(
    code,
    `keystore ${path}: ${problem}`,
    cause === undefined ? {} : { cause },
  );
}

/** What Node's file calls report, by `code`. */
const fileProblems: ReadonlyMap<unknown, string> = new Map([
  [
    "EACCES",
    "no permission; check the owner and mode of the file and its folder, or open the keystore with readOnly",
  ],
  ["EEXIST", alreadyThere],
  ["EIO", "reading or writing failed; look at the disk, and try again"],
  ["EISDIR", "it is a folder; give the path of a file in it"],
  ["ENOENT", "no such file; check the path, or create a keystore there"],
  ["ENOSPC", "the disk is full; nothing was changed. Free some space and try again"],
  ["ENOTDIR", "part of the path is not a folder"],
  ["EPERM", "not permitted; check the owner and mode of the file and its folder"],
  ["EROFS", "the file system is read-only; open the keystore with readOnly, or copy it"],
]);

/** What SQLite reports, by primary result code. */
const sqliteProblems: ReadonlyMap<number, readonly [EnvelopeErrorCode, string]> = new Map([
  [
    5,
    [
      "ERR_ENVELOPE_KEYSTORE_BUSY",
      "another process holds its lock; try again, or find that process",
    ],
  ],
  [
    6,
    [
      "ERR_ENVELOPE_KEYSTORE_BUSY",
      "another process holds its lock; try again, or find that process",
    ],
  ],
  [
    8,
    [
      "ERR_ENVELOPE_KEYSTORE_IO",
      "the file or its folder cannot be written; check owner and mode, or open the keystore with readOnly",
    ],
  ],
  [10, ["ERR_ENVELOPE_KEYSTORE_IO", diskFailed]],
  [
    13,
    [
      "ERR_ENVELOPE_KEYSTORE_IO",
      "the disk is full; nothing was changed. Free some space and try again",
    ],
  ],
  [
    14,
    [
      "ERR_ENVELOPE_KEYSTORE_IO",
      "it cannot be opened; check the permissions of the file and its folder",
    ],
  ],
]);
