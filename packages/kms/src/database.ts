/**
 * The SQLite file itself: is it ours, who may write now, and what went wrong.
 *
 * Everything in `node:sqlite` is synchronous. Waiting for another process's lock is not: a locked
 * file is tried again between timers, so this process goes on meanwhile. Once a transaction has
 * begun it runs to its end without a pause, hence calls of one process never interleave in it.
 *
 * The header is read before SQLite opens the file: opening alone may change another program's
 * database (it recovers journals and checkpoints logs).
 *
 * Source: spec/kms-store-v1.md#file, https://sqlite.org/fileformat2.html
 *
 * @module
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readSync,
  fstatSync,
  existsSync,
  unlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { EnvelopeError, type EnvelopeErrorCode } from "@env/core";

/** "EnvK" in ASCII, at offset 68 of the file. */
const APPLICATION_ID = 0x45_6e_76_4b;
/** At offset 60 of the file. */
const FORMAT_VERSION = 1;

const MAGIC = "SQLite format 3\0";
const HEADER_BYTES = 100;
/** How long SQLite itself waits, which blocks the process; longer waits are ours. */
const SYNC_WAIT_MS = 20;

const schema = [
  "CREATE TABLE descriptor (id INTEGER PRIMARY KEY CHECK (id = 1), facts TEXT NOT NULL, root BLOB NOT NULL) STRICT",
  "CREATE TABLE cmk (seq INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, revision INTEGER NOT NULL, deletion INTEGER, sealed BLOB NOT NULL) STRICT",
  "CREATE TABLE alias (name TEXT PRIMARY KEY, uuid BLOB NOT NULL) STRICT, WITHOUT ROWID",
  "CREATE INDEX alias_by_uuid ON alias (uuid, name)",
  "CREATE INDEX cmk_by_deletion ON cmk (deletion) WHERE deletion IS NOT NULL",
];

export interface DatabaseOptions {
  /** How long to wait for other processes' locks, in ms. */
  readonly busyTimeout: number;
}

export class Database {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #busyTimeout: number;
  #closed = false;

  private constructor(path: string, db: DatabaseSync, { busyTimeout }: DatabaseOptions) {
    this.path = path;
    this.#db = db;
    this.#busyTimeout = busyTimeout;
  }

  /**
   * Makes a new file with the keystore's empty tables; `fill` writes into them in the same
   * transaction. Whatever fails, no file is left and none that was there is touched.
   */
  static create(path: string, options: DatabaseOptions, fill: (database: Database) => void): void {
    claim(path);
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path);
      db.exec("PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION}`);
      for (const statement of schema) db.exec(statement);
      fill(new Database(path, db, options));
      // The write-ahead log only afterwards: until here the file is complete or empty.
      db.exec("COMMIT; PRAGMA journal_mode = WAL");
      db.close();
      db = undefined;
      syncFolder(path);
    } catch (error) {
      db?.close();
      for (const suffix of ["", ...COMPANIONS]) unlinkIfThere(path + suffix);
      throw translate(error, path);
    }
  }

  /** Opens a keystore's file, whose schema must be exactly ours: no view, no trigger, no other table. */
  static async open(path: string, options: DatabaseOptions): Promise<Database> {
    requireKeystoreHeader(path);
    let db: DatabaseSync;
    try {
      db = new DatabaseSync(path, { timeout: SYNC_WAIT_MS });
    } catch (error) {
      throw translate(error, path);
    }
    const database = new Database(path, db, options);
    try {
      await database.read(() => {
        db.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
        db.exec("PRAGMA secure_delete = ON; PRAGMA synchronous = FULL");
        const found = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").all();
        const statements = new Set(found.map(({ sql }) => sql));
        if (found.length !== schema.length || schema.some((sql) => !statements.has(sql))) {
          throw format(path, "its tables are not those of a keystore");
        }
        // Elsewhere the pragma answers "delete" or fails; either way commits would not be what they must.
        const mode = db.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
        if (mode !== "wal") throw io(path, "its file system cannot hold SQLite's write-ahead log");
      });
    } catch (error) {
      db.close();
      throw error;
    }
    return database;
  }

  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql);
  }

  /** Runs `fn`, which only reads, and waits for locks as long as was agreed. `fn` may run more than once. */
  read<T>(fn: () => T): Promise<T> {
    return this.#patiently(fn);
  }

  /** Runs `fn` as one transaction: on disk when the promise fulfils, without a trace when it rejects. */
  write<T>(fn: () => T): Promise<T> {
    return this.#patiently(() => {
      this.#db.exec("BEGIN IMMEDIATE");
      try {
        const result = fn();
        this.#db.exec("COMMIT");
        return result;
      } catch (error) {
        this.#rollback();
        throw error;
      }
    });
  }

  /** Empties the write-ahead log, so that pages overwritten in the file are not found there. Best effort. */
  checkpoint(): void {
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // The change before it is on disk: a log that stays longer must not make it look failed.
    }
  }

  /** A malformed row: the caller names it. */
  malformed(problem: string): EnvelopeError {
    return format(this.path, problem);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#db.close();
  }

  async #patiently<T>(fn: () => T): Promise<T> {
    let deadline: number | undefined;
    for (;;) {
      if (this.#closed) throw new EnvelopeError("ERR_ENV_CLOSED", "the keystore is closed");
      try {
        return fn();
      } catch (error) {
        const named = translate(error, this.path);
        deadline ??= performance.now() + this.#busyTimeout;
        const busy = named instanceof EnvelopeError && named.code === "ERR_ENV_KEYSTORE_BUSY";
        if (!busy || performance.now() >= deadline) throw named;
      }
      // Not in step with the other process, nor with this one's other callers.
      await setTimeout(5 + Math.random() * 20);
    }
  }

  #rollback(): void {
    try {
      this.#db.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back already: it does so itself on a full disk and on I/O errors.
    }
  }
}

const COMPANIONS = ["-journal", "-wal", "-shm"] as const;

/** Creates an empty file of mode 0600, so that nothing which is there can be overwritten. */
function claim(path: string): void {
  const there = COMPANIONS.map((suffix) => path + suffix).find((file) => existsSync(file));
  if (there !== undefined) {
    throw io(
      path,
      `${there} is left from another database; move it away, it may hold its last changes`,
    );
  }
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    throw translate(error, path);
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

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Not there, or not ours to remove: the error that brought us here is the one to report.
  }
}

function requireKeystoreHeader(path: string): void {
  let header: Buffer;
  let size: number;
  try {
    const file = openSync(path, "r+");
    try {
      size = fstatSync(file).size;
      header = Buffer.alloc(HEADER_BYTES);
      readSync(file, header, 0, HEADER_BYTES, 0);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw translate(error, path);
  }
  if (size === 0) throw format(path, "the file is empty (0 bytes): its creation was interrupted");
  if (header.toString("latin1", 0, 16) !== MAGIC || size < HEADER_BYTES) {
    throw format(path, "the file is not an SQLite database");
  }
  if (header.readUInt32BE(68) !== APPLICATION_ID) {
    throw format(path, "the file is another application's SQLite database");
  }
  // SQLite takes a part of a page for a whole one. While there is a log, it may still hold the page.
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  if (size % pageSize !== 0 && !existsSync(`${path}-wal`))
    throw format(path, "the file is cut off");
  const version = header.readUInt32BE(60);
  if (version !== FORMAT_VERSION) {
    throw format(path, `format version ${version}; this build reads version ${FORMAT_VERSION}`);
  }
}

function format(path: string, problem: string): EnvelopeError {
  return keystoreError(
    "ERR_ENV_KEYSTORE_FORMAT",
    path,
    `${problem}. Check the path, or restore the file from a backup`,
  );
}

function io(path: string, problem: string): EnvelopeError {
  return keystoreError("ERR_ENV_KEYSTORE_IO", path, problem);
}

function keystoreError(
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

/** What Node's file calls say, by `code`. */
const fileProblems: ReadonlyMap<unknown, string> = new Map([
  ["EACCES", "no permission; check the owner and mode of the file and its folder"],
  [
    "EEXIST",
    "something is there already, and a keystore is never overwritten; choose another path",
  ],
  ["EISDIR", "it is a folder; give the path of a file in it"],
  ["ENOENT", "no such file; check the path, or create a keystore there"],
  ["ENOSPC", "the disk is full; nothing was changed. Free some space and try again"],
  ["ENOTDIR", "a part of the path is not a folder"],
  ["EPERM", "not permitted; check the owner and mode of the file and its folder"],
  ["EROFS", "the file system is read-only; a keystore's must be writable, also to read"],
]);

/** What SQLite says, by primary result code. */
const sqliteProblems: ReadonlyMap<number, readonly [EnvelopeErrorCode, string]> = new Map([
  [5, ["ERR_ENV_KEYSTORE_BUSY", "another process holds its lock; try again, or find that process"]],
  [6, ["ERR_ENV_KEYSTORE_BUSY", "another process holds its lock; try again, or find that process"]],
  [
    8,
    [
      "ERR_ENV_KEYSTORE_IO",
      "it is read-only; a keystore and its folder must be writable, also to read",
    ],
  ],
  [
    10,
    [
      "ERR_ENV_KEYSTORE_IO",
      "reading or writing failed; nothing was changed. Check the disk and its free space",
    ],
  ],
  [
    13,
    ["ERR_ENV_KEYSTORE_IO", "the disk is full; nothing was changed. Free some space and try again"],
  ],
  [
    14,
    [
      "ERR_ENV_KEYSTORE_IO",
      "it cannot be opened; check the permissions of the file and its folder",
    ],
  ],
]);

/** Names what `node:fs` and `node:sqlite` throw. Anything that is no error of theirs passes as it is. */
function translate(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  if ("errcode" in error && typeof error.errcode === "number") {
    const known = sqliteProblems.get(error.errcode & 0xff);
    if (known !== undefined) return keystoreError(known[0], path, known[1], error);
    // Corrupt pages, a missing table, a broken constraint: not as a keystore writes them.
    return keystoreError(
      "ERR_ENV_KEYSTORE_FORMAT",
      path,
      "the database is damaged; restore it from a backup",
      error,
    );
  }
  // An INTEGER beyond 2^53 in a row: node:sqlite refuses to read it.
  if (error.code === "ERR_OUT_OF_RANGE") return format(path, "a row holds a number out of bounds");
  const problem = fileProblems.get(error.code);
  return problem === undefined ? error : keystoreError("ERR_ENV_KEYSTORE_IO", path, problem, error);
}
