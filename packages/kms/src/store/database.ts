/**
 * The SQLite file itself: whether it is a keystore, who may write now, and what went wrong.
 *
 * Everything in `node:sqlite` is synchronous. Waiting for another process's lock is not: a locked file is tried again
 * between timers, so this process continues in the meantime. A transaction runs to its end without a pause, so calls of
 * one process never interleave in it.
 *
 * The header is read before the file is opened for good: opening alone may change another program's
 * database, since SQLite recovers journals and checkpoints logs. SQLite reads the header too, as of a file that
 * nobody changes, because any descriptor of our own would drop the locks of this process when it is closed.
 *
 * Source: spec/kms-store-v1.md#file, spec/audit-v1.md#table, https://sqlite.org/fileformat2.html
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { EnvelopeError, isEnvelopeError } from "@env/core";
import {
  claim,
  identify,
  locate,
  removeDatabase,
  syncFolder,
  type DatabaseFile,
} from "./database-files.ts";
import { format, io, isNotADatabase, named } from "./file-errors.ts";
import { backupDatabase } from "./backup.ts";
import type { KeystoreEngine } from "./open-keystore.ts";
import { iamSchema } from "./iam-table.ts";
import { removeAbandoned } from "./partial-file.ts";
import type { AuditRow } from "./store.ts";
import { requireSafeSqlite, sqliteVersion } from "./sqlite-version.ts";

/** "EnvK" in ASCII, at offset 68 of the file. */
const APPLICATION_ID = 0x45_6e_76_4b;
/** The number at offset 60 of the file. */
const FORMAT_VERSION = 1;

/**
 * Pages of the write-ahead log after which a commit copies them into the file, which holds up the calls of that commit. With
 * SQLite's default of 1000 they wait four times as long.
 */
const CHECKPOINT_PAGES = 250;
/** How long SQLite itself waits, which blocks the process. Longer waits do not block. */
const SYNC_WAIT_MS = 20;
/** SQLite takes an int. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The statements that make the tables, without the audit log. */
export const recordSchema: readonly string[] = [
  "CREATE TABLE descriptor (id INTEGER PRIMARY KEY CHECK (id = 1), facts TEXT NOT NULL, root BLOB NOT NULL) STRICT",
  "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT",
  "CREATE TABLE bucket (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT",
  "CREATE TABLE cmk (seq INTEGER PRIMARY KEY, uuid BLOB NOT NULL, region TEXT NOT NULL, deletion INTEGER, sealed BLOB NOT NULL, UNIQUE (uuid, region)) STRICT",
  "CREATE TABLE alias (region TEXT NOT NULL, name TEXT NOT NULL, uuid BLOB NOT NULL, PRIMARY KEY (region, name)) STRICT, WITHOUT ROWID",
  "CREATE INDEX alias_by_uuid ON alias (uuid, region, name)",
  "CREATE INDEX cmk_by_region ON cmk (region)",
  "CREATE INDEX cmk_by_deletion ON cmk (deletion) WHERE deletion IS NOT NULL",
  ...iamSchema,
];

const schema: readonly string[] = [
  ...recordSchema,
  "CREATE TABLE audit (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT",
  "CREATE INDEX audit_by_time ON audit (time)",
];

export interface DatabaseOptions {
  /** Changes nothing, and needs no permission to. Default: `false`. */
  readonly readOnly?: boolean;
  /** Trusts a SQLite whose version can lose changes. Default: `false`. */
  readonly patchedSqlite?: boolean;
  /** How errors name the file, where it does not have its name yet. Default: its path. */
  readonly shownAs?: string;
  /** How long to wait for other processes' locks, in ms. */
  readonly busyTimeout: number;
}

export class Database implements KeystoreEngine {
  /** The path that errors show. */
  readonly path: string;
  /** How long it waits for other processes' locks, in ms. */
  readonly busyTimeout: number;
  readonly #options: DatabaseOptions;
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #version: StatementSync;
  #closed = false;
  /** What ended the transaction before its time. */
  #lost: unknown;
  /** Which files are being written; `undefined`: they do not have to stay the same. */
  #identity: string | undefined;
  /** Set once the files no longer have their names: whatever is written then is lost. */
  #displaced: EnvelopeError | undefined;

  private constructor(path: string, db: DatabaseSync, options: DatabaseOptions) {
    const { busyTimeout, shownAs } = options;
    this.path = shownAs ?? path;
    this.#file = path;
    this.#db = db;
    this.#options = options;
    this.busyTimeout = busyTimeout;
    this.#begin = db.prepare("BEGIN");
    this.#commit = db.prepare("COMMIT");
    this.#version = db.prepare("PRAGMA data_version");
  }

  /**
   * Makes a new file with the keystore's empty tables; `fill` writes into them in the same transaction. If anything
   * fails, no file is left, and existing files are not touched.
   */
  static create(path: string, options: DatabaseOptions, fill: (database: Database) => void): void {
    requireSafe(path, options);
    claim(path, options.shownAs);
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
      removeDatabase(path);
      throw named(error, options.shownAs ?? path);
    }
  }

  /** Opens a keystore's file, whose schema must be exactly ours: no view, no trigger, no other table. */
  static async open(path: string, options: DatabaseOptions): Promise<Database> {
    const { readOnly = false, shownAs = path } = options;
    if (!readOnly) requireSafe(path, options);
    const file = locate(shownAs, path, readOnly);
    if (file.links > 1) removeAbandoned(path);
    requireKeystoreHeader(file, shownAs);
    let db: DatabaseSync;
    try {
      db =
        file.way === "immutable"
          ? new DatabaseSync(immutable(file.path), { readOnly: true })
          : new DatabaseSync(file.path, { timeout: SYNC_WAIT_MS, readOnly });
    } catch (error) {
      throw named(error, shownAs);
    }
    const database = new Database(file.path, db, { ...options, shownAs });
    try {
      await database.#patiently(() => {
        db.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
        db.exec("PRAGMA secure_delete = ON; PRAGMA synchronous = FULL");
        const found = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").all();
        const statements = new Set(found.map(({ sql }) => sql));
        if (found.length !== schema.length || schema.some((sql) => !statements.has(sql))) {
          throw format(shownAs, "its tables are not those of a keystore");
        }
        if (readOnly) return;
        // Some file systems cannot: the pragma answers "delete" or fails, and commits would not be safe.
        const mode = db.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
        if (mode !== "wal")
          throw io(shownAs, "its file system cannot hold SQLite's write-ahead log");
        db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
        // SQLite creates a missing log, such as that of a backup, when something is read.
        db.exec("SELECT 1 FROM sqlite_schema");
        database.#identity = identify(file.path);
      });
    } catch (error) {
      db.close();
      throw error;
    }
    return database;
  }

  /** Another connection to the same file. SQLite counts the connections of a process, and keeps its locks for all of them. */
  openAgain(): Promise<Database> {
    return Database.open(this.#file, this.#options);
  }

  get readOnly(): boolean {
    return this.#options.readOnly ?? false;
  }

  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql);
  }

  /** SQLite's `data_version`. */
  version(): unknown {
    return this.#version.get()?.["data_version"];
  }

  /** Runs `fn`, which only reads, on one state of the file. `fn` may run more than once. */
  read<T>(fn: () => T): Promise<T> {
    return this.#patiently(() => {
      this.#begin.run();
      try {
        const result = fn();
        this.#commit.run();
        return result;
      } catch (error) {
        this.#rollback();
        throw error;
      }
    });
  }

  /**
   * Runs `fn` as one transaction: on disk when the promise fulfils, without a trace when it rejects. `fn` may run more than
   * once.
   *
   * @param settle - Called as soon as the transaction has ended, before anything else can read or write here.
   */
  async write<T>(fn: () => T, settle: (committed: boolean) => void = () => undefined): Promise<T> {
    this.#requireWritable();
    return this.#patiently(() => this.#transaction(fn, settle));
  }

  /** Does the same as {@link write} synchronously: while another process has the lock, this one is blocked. */
  writeSync<T>(fn: () => T, settle: (committed: boolean) => void): T {
    this.#requireOpen();
    this.#requireWritable();
    try {
      this.#db.exec(`PRAGMA busy_timeout = ${Math.min(this.busyTimeout, MAX_TIMEOUT_MS)}`);
      return this.#transaction(fn, settle);
    } catch (error) {
      throw named(error, this.path);
    } finally {
      this.#db.exec(`PRAGMA busy_timeout = ${SYNC_WAIT_MS}`);
    }
  }

  /** Inside {@link write}, runs `fn` and takes back what it changed if it throws. */
  savepoint<T>(fn: () => T): T {
    this.#db.exec("SAVEPOINT attempt");
    try {
      const result = fn();
      this.#db.exec("RELEASE attempt");
      return result;
    } catch (error) {
      try {
        this.#db.exec("ROLLBACK TO attempt; RELEASE attempt");
      } catch {
        // A full disk or an I/O error has ended the whole transaction. Until write() reports that, nothing may be
        // written outside of a transaction.
        this.#lost ??= error;
        this.#rollback();
        this.#db.exec("BEGIN");
        throw this.#lost;
      }
      throw error;
    }
  }

  /** Empties the write-ahead log, so that pages overwritten in the file are not found there. Best effort. */
  checkpoint(): void {
    if (this.readOnly) return;
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // The change is on disk: a log that stays longer must not make it look as if it had failed.
    }
  }

  /** The error of a malformed file. */
  malformed(problem: string): EnvelopeError {
    return format(this.path, problem);
  }

  /** Names what was thrown inside a transaction, as {@link read} and {@link write} do. */
  named(error: unknown): unknown {
    return named(error, this.path);
  }

  /**
   * Writes one state of the file, without what was deleted, into an empty one. Blocks meanwhile.
   *
   * @param shownAs - How errors name that file.
   */
  copyInto(file: string, shownAs: string): Promise<void> {
    return this.#patiently(() => void this.#db.prepare("VACUUM INTO ?").run(file), shownAs);
  }

  /** Copies the current state into a new file of mode 0600, which appears once it is whole and on disk. */
  backup(path: string): Promise<void> {
    return backupDatabase(this, path);
  }

  /** A transaction that could write another state waits for the lock of the last one. */
  fence(): Promise<void> {
    return Promise.resolve();
  }

  addAuditRows(rows: readonly AuditRow[]): Promise<void> {
    return this.write(() => {
      const add = this.#db.prepare(
        "INSERT INTO audit (seq, time, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      );
      for (const { sequence, time, sealed } of rows) add.run(sequence, time, sealed);
    });
  }

  /** Closes the file and removes it. */
  destroy(): Promise<void> {
    this.close();
    removeDatabase(this.#file);
    return Promise.resolve();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#db.close();
  }

  async #patiently<T>(fn: () => T, path: string = this.path): Promise<T> {
    let deadline: number | undefined;
    for (;;) {
      this.#requireOpen();
      try {
        return fn();
      } catch (error) {
        const problem = named(error, path);
        deadline ??= performance.now() + this.busyTimeout;
        const busy = isEnvelopeError(problem, "ERR_ENVELOPE_KEYSTORE_BUSY");
        if (!busy || performance.now() >= deadline) throw problem;
      }
      // Out of step with the other process, and with other callers in this one.
      await setTimeout(5 + Math.random() * 20);
    }
  }

  #transaction<T>(fn: () => T, settle: (committed: boolean) => void): T {
    this.#db.exec("BEGIN IMMEDIATE");
    this.#lost = undefined;
    let committed = false;
    try {
      const result = fn();
      if (this.#lost !== undefined) throw this.#lost;
      this.#commit.run();
      committed = true;
      this.#requireInPlace();
      return result;
    } finally {
      if (!committed) this.#rollback();
      settle(committed);
    }
  }

  /**
   * Throws unless what was committed is in the files that others open. Another program removes the log if it believes that
   * nobody uses the database, because this process has closed a descriptor of it elsewhere and so dropped its locks. Or
   * somebody has replaced the file by a backup.
   */
  #requireInPlace(): void {
    if (this.#identity === undefined || identify(this.#file) === this.#identity) return;
    this.#displaced = io(
      this.path,
      "another program has removed or replaced the file or its write-ahead log while it was open here; the last changes may be lost. Open it again, and look for what is missing",
    );
    throw this.#displaced;
  }

  #requireOpen(): void {
    if (this.#closed) throw new EnvelopeError("ERR_ENVELOPE_CLOSED", "the keystore is closed");
    if (this.#displaced !== undefined) throw this.#displaced;
  }

  #requireWritable(): void {
    if (this.readOnly) throw io(this.path, "it was opened read-only; nothing can be changed");
  }

  #rollback(): void {
    try {
      this.#db.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back already, as it does on a full disk and on I/O errors.
    }
  }
}

function requireSafe(path: string, { patchedSqlite = false, shownAs }: DatabaseOptions): void {
  if (!patchedSqlite) requireSafeSqlite(shownAs ?? path, sqliteVersion());
}

/** A URL that makes SQLite treat the file as one that nobody changes: without locks, and without looking for a log. */
function immutable(path: string): URL {
  const url = pathToFileURL(path);
  url.search = "immutable=1";
  return url;
}

/** Reads the file and not its log: these numbers are written before there is a log. */
function requireKeystoreHeader({ path, size, hasLog }: DatabaseFile, shownAs: string): void {
  if (size === 0)
    throw format(shownAs, "the file is empty (0 bytes): its creation was interrupted");
  let numbers: Readonly<Record<"application_id" | "page_size" | "user_version", number>>;
  let db: DatabaseSync | undefined;
  try {
    const header = (db = new DatabaseSync(immutable(path), HEADER_OPTIONS));
    // The header may announce pages that another process's checkpoint is only about to write.
    header.exec("PRAGMA writable_schema = ON");
    const number = (name: string): number => Number(header.prepare(`PRAGMA ${name}`).get()?.[name]);
    numbers = {
      application_id: number("application_id"),
      page_size: number("page_size"),
      user_version: number("user_version"),
    };
  } catch (error) {
    if (isNotADatabase(error)) throw format(shownAs, "the file is not an SQLite database");
    throw named(error, shownAs);
  } finally {
    db?.close();
  }
  if (numbers.application_id !== APPLICATION_ID) {
    throw format(shownAs, "the file is another application's SQLite database");
  }
  // SQLite accepts a part of a page as a whole one. While there is a log, it may still contain the page.
  if (size % numbers.page_size !== 0 && !hasLog) throw format(shownAs, "the file is cut off");
  const version = numbers.user_version;
  if (version !== FORMAT_VERSION) {
    throw format(shownAs, `format version ${version}; this build reads version ${FORMAT_VERSION}`);
  }
}

/** `defensive` is the default in some versions of Node, where `writable_schema` then does nothing. */
const HEADER_OPTIONS = { readOnly: true, defensive: false };
