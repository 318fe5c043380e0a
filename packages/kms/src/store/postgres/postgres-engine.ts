/**
 * The tables of a keystore in PostgreSQL, for any number of processes on any number of machines.
 *
 * Each process has a replica of the tables, on which the functions of transactions run. A transaction of PostgreSQL then
 * writes what they have changed and recorded, but only if the replica was current: the revision of the state is compared in
 * the same statement. If another process has changed something, nothing is written, the replica takes over what is new, and
 * the functions run again. So whoever is answered was answered by the latest state, at the price of one round trip for all
 * calls that share the transaction.
 *
 * Transactions of one process follow each other. Where others always come first, the third try holds the lock of the state.
 *
 * The audit log is not in the replica. What a function reads of it is fetched, in one transaction of PostgreSQL so that all of
 * it is of one state, and the function runs again until it lacks nothing.
 *
 * Source: spec/kms-store-v1.md#postgresql
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { EnvelopeError } from "@env/core";
import type { Engine, SharedLog } from "../engine.ts";
import { format, keystoreError } from "../file-errors.ts";
import type { KeystoreEngine } from "../open-keystore.ts";
import { MARK_BYTES, markOf, type RowSealer } from "../row-sealer.ts";
import type { AuditRow } from "../store.ts";
import { ChainOwner } from "./chain-owner.ts";
import { auditStatement, commitStatement } from "./commit.ts";
import { Connection } from "./connection.ts";
import { ConnectionLost, isConflict, keystoreProblem } from "./errors.ts";
import { Replica, type TableChanges } from "./replica.ts";
import { PostgresLog } from "./shared-log.ts";
import { createTables, removeTables, requireTables } from "./schema.ts";
import { Source } from "./source.ts";

/** Runs of one function. Each has fetched something that the last one lacked. */
const MAX_RUNS = 1000;
/** Tries of one transaction. Each has lost against others. */
const MAX_TRIES = 1000;
/** Lost tries after which a transaction holds the lock. */
const MAX_LOST = 2;

interface Reader {
  /** Runs the function, which may throw. Returns what answers its caller. */
  readonly serve: () => () => void;
  readonly reject: (error: unknown) => void;
}

export class PostgresEngine implements KeystoreEngine {
  readonly path: string;
  readonly readOnly = false;
  readonly #connection: Connection;
  readonly #source: Source;
  readonly #replica = new Replica();
  readonly #schema: string;
  #log: PostgresLog | undefined;
  readonly #owner: ChainOwner;
  /** The state that the replica has: its revision and mark. */
  #state: { readonly revision: number; readonly mark: Buffer } | undefined;
  #isOutdated = true;
  /** The last of the transactions that follow each other. */
  #turn: Promise<unknown> = Promise.resolve();
  #readers: Reader[] = [];
  #closed = false;

  constructor(connection: Connection) {
    const { shownAs, schema } = connection.address;
    this.path = shownAs;
    this.#connection = connection;
    this.#schema = schema;
    this.#owner = new ChainOwner(connection);
    this.#source = new Source(connection, this.#replica.tables);
  }

  prepare(sql: string): StatementSync {
    return this.#replica.prepare(sql);
  }

  version(): unknown {
    return this.#replica.version;
  }

  openLog(sealer: RowSealer, pledged: (name: string) => Uint8Array | undefined): SharedLog {
    this.#log = new PostgresLog(sealer, this.#schema, pledged);
    return this.#log;
  }

  /**
   * Makes the tables, and writes what `fill` writes into empty ones. Writes nothing where there is a keystore.
   *
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO`
   */
  async create(fill: (engine: Engine) => void): Promise<void> {
    this.#replica.begin();
    fill(this);
    const rows = this.#replica.changes();
    this.#replica.rollback();
    const chains = this.#requireLog().firstRows();
    await this.#inTurn(() => createTables(this.#connection, this.#replica.tables, rows, chains));
  }

  /** Removes the tables. */
  async destroy(): Promise<void> {
    await this.#inTurn(() => removeTables(this.#connection, this.#replica.tables));
  }

  async fence(): Promise<void> {
    await this.#inTurn(() => this.#connection.patiently(() => this.#owner.fence()));
  }

  async addAuditRows(rows: readonly AuditRow[]): Promise<void> {
    const { text, values } = auditStatement(this.#schema, rows);
    await this.#inTurn(() =>
      this.#connection.patiently(() => this.#connection.query(text, values)),
    );
  }

  /** Another replica of the same tables, which begins with nothing. */
  openAgain(): Promise<PostgresEngine> {
    const { address, patience } = this.#connection;
    return Promise.resolve(new PostgresEngine(new Connection(address, patience)));
  }

  backup(): Promise<never> {
    const problem =
      "it is backed up with its database: pg_dump, or pg_basebackup and the archived log for a restore to any moment";
    return Promise.reject(keystoreError("ERR_ENVELOPE_KEYSTORE_IO", this.path, problem));
  }

  read<T>(fn: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const serve = (): (() => void) => {
        const value = fn();
        return () => resolve(value);
      };
      this.#readers.push({ serve, reject });
      if (this.#readers.length > 1) return;
      // One that was closed meanwhile serves nobody.
      this.#inTurn(() => this.#serveReaders()).catch((error: unknown) => {
        for (const reader of this.#readers.splice(0)) reader.reject(error);
      });
    });
  }

  write<T>(fn: () => T, settle: (committed: boolean) => void = () => undefined): Promise<T> {
    return this.#inTurn(() => this.#transaction(fn, settle));
  }

  writeSync(): never {
    throw closed();
  }

  savepoint<T>(fn: () => T): T {
    return this.#replica.savepoint(fn);
  }

  /** PostgreSQL decides when it removes what was overwritten. */
  checkpoint(): void {
    // Nothing to do here: see the specification.
  }

  malformed(problem: string): EnvelopeError {
    return format(this.path, problem);
  }

  named(error: unknown): unknown {
    return keystoreProblem(error, this.path);
  }

  /** Ends once the transactions that have begun are over. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    void this.#turn.then(async () => {
      if (this.#log?.own !== undefined) await this.#owner.release().catch(() => undefined);
      await this.#connection.close();
      this.#replica.close();
    });
  }

  #inTurn<T>(fn: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      if (this.#closed) throw closed();
      return fn();
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Serves all who have asked until now: the database is asked once whether the replica is current. */
  async #serveReaders(): Promise<void> {
    const readers = this.#readers;
    this.#readers = [];
    try {
      await this.#connection.patiently(() => this.#update());
    } catch (error) {
      for (const { reject } of readers) reject(error);
      return;
    }
    for (const { serve, reject } of readers) {
      try {
        const answer = await this.#connection.patiently(() => this.#complete(serve));
        answer();
      } catch (error) {
        reject(this.named(error));
      }
    }
  }

  /** Runs `fn` until it has all that it asks for of the log, which is then of one state. */
  async #complete<T>(fn: () => T): Promise<T> {
    const log = this.#log;
    if (log === undefined) return fn();
    const isWithin = this.#connection.isInTransaction;
    try {
      for (let runs = 0; runs < MAX_RUNS; runs++) {
        log.begin();
        try {
          const value = fn();
          if (log.missing.length === 0) return value;
        } catch (error) {
          if (log.missing.length === 0) throw error;
        }
        await this.#fetch(log);
      }
      throw new RangeError("a transaction reads more and more of the audit log");
    } finally {
      log.end();
      if (!isWithin) await this.#connection.finish("ROLLBACK").catch(() => undefined);
    }
  }

  /** Fetches what the last run lacked, and first whatever the replica lacks of the same state. */
  async #fetch(log: PostgresLog): Promise<void> {
    const connection = this.#connection;
    if (!connection.isInTransaction) {
      await connection.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      await this.#update();
    }
    for (const question of log.missing) {
      log.answer(question, await connection.query(question.sql, question.values));
    }
  }

  /**
   * Runs `fn` until what it did was written, or it refuses by the latest state.
   *
   * @param settle - Called after each run.
   */
  async #transaction<T>(fn: () => T, settle: (committed: boolean) => void): Promise<T> {
    for (let lost = 0; lost < MAX_TRIES; lost++) {
      const isLocked = lost >= MAX_LOST;
      const done = await this.#connection.patiently(() => this.#try(fn, settle, isLocked));
      if (done !== undefined) return done.value;
    }
    throw new RangeError("other processes always change the keystore first");
  }

  /** @param isLocked - Holds the lock of the state meanwhile. `undefined`: others have changed something. */
  async #try<T>(
    fn: () => T,
    settle: (committed: boolean) => void,
    isLocked: boolean,
  ): Promise<{ readonly value: T } | undefined> {
    const connection = this.#connection;
    if (!isLocked) return this.#tryOnce(fn, settle, isLocked);
    await connection.begin("BEGIN ISOLATION LEVEL REPEATABLE READ");
    try {
      // It has the state of its first query, which must come after the lock.
      await connection.query(`LOCK TABLE ${this.#schema}.state IN SHARE ROW EXCLUSIVE MODE`);
      return await this.#tryOnce(fn, settle, isLocked);
    } finally {
      // Nothing is left to take back if it was committed.
      await connection.finish("ROLLBACK").catch(() => undefined);
    }
  }

  async #tryOnce<T>(
    fn: () => T,
    settle: (committed: boolean) => void,
    isLocked: boolean,
  ): Promise<{ readonly value: T } | undefined> {
    if (isLocked || this.#isOutdated) await this.#update();
    const log = this.#requireLog();
    if (log.own === undefined) await this.#owner.claim(log);
    const undo = (): void => {
      this.#replica.rollback();
      settle(false);
    };
    let value: T;
    try {
      value = await this.#complete(() => {
        this.#replica.begin();
        let isDone = false;
        try {
          const result = fn();
          isDone = log.missing.length === 0;
          return result;
        } finally {
          if (!isDone) undo();
        }
      });
    } catch (error) {
      // It may have been refused by an older state, or its chain was taken over.
      if (log.own === undefined || (await this.#update())) return undefined;
      throw error;
    }
    try {
      const changes = this.#replica.changes();
      if (!(await this.#commit(log, changes, isLocked))) {
        undo();
        this.#isOutdated = true;
        return undefined;
      }
      this.#replica.commit();
      const hasState = changes.length > 0;
      if (hasState) this.#noteState();
      log.committed(hasState);
    } catch (error) {
      undo();
      this.#isOutdated = true;
      throw error;
    }
    settle(true);
    return { value };
  }

  /** Writes what a run has changed. `false`: the run has not seen the latest state, and nothing was written. */
  async #commit(
    log: PostgresLog,
    changes: readonly TableChanges[],
    isLocked: boolean,
  ): Promise<boolean> {
    const { number: chain, commits } = log.requireOwn();
    const { revision, mark } = this.#requireState();
    const expected = { revision, mark, chain, owner: this.#owner.name, commits };
    const { text, values, name } = commitStatement(this.#schema, expected, changes, log.changes());
    try {
      const [row] = await this.#connection.query(text, values, name);
      const isDone = row?.["done"] === 1;
      if (isLocked && isDone) await this.#connection.finish("COMMIT");
      return isDone;
    } catch (error) {
      if (isConflict(error)) return false;
      if (!(error instanceof ConnectionLost)) throw error;
      return this.#owner.hasCommitted(log, chain, commits + 1);
    }
  }

  /** Brings the replica up to date. Returns whether it was not. */
  async #update(): Promise<boolean> {
    const isOwn = "number = $1 AND owner = $2 AND commits = $3";
    const log = this.#log;
    const own = log?.own;
    const [found] = await this.#connection.query(
      `SELECT revision, substring(sealed FROM 2 FOR ${MARK_BYTES}) AS mark, (SELECT count(*) FROM ${this.#schema}.chain WHERE ${isOwn}) AS own FROM ${this.#schema}.state`,
      own === undefined ? [-1, "", 0] : [own.number, this.#owner.name, own.commits],
    );
    if (own !== undefined && found?.["own"] !== 1) log?.release();
    const known = this.#state;
    if (known === undefined) await requireTables(this.#connection);
    const { revision, mark } = found ?? {};
    if (
      known !== undefined &&
      revision === known.revision &&
      mark instanceof Uint8Array &&
      known.mark.equals(mark)
    ) {
      this.#isOutdated = false;
      return false;
    }
    const { changes, isEverything } = await this.#connection.snapshot(() =>
      this.#source.load(known?.revision),
    );
    this.#replica.apply(changes, isEverything);
    this.#noteState();
    this.#isOutdated = false;
    return true;
  }

  /** Notes which state the replica has. */
  #noteState(): void {
    const row = this.#replica.prepare("SELECT revision, sealed FROM state").get();
    const sealed = row?.["sealed"];
    if (!(sealed instanceof Uint8Array))
      throw this.malformed("its state is missing or out of bounds");
    this.#state = {
      revision: Number(row?.["revision"]),
      mark: Buffer.from(markOf(sealed), "latin1"),
    };
  }

  #requireState(): { readonly revision: number; readonly mark: Buffer } {
    if (this.#state === undefined) throw new TypeError("there is no state before the first update");
    return this.#state;
  }

  #requireLog(): PostgresLog {
    if (this.#log === undefined) throw new TypeError("openLog must be called before write");
    return this.#log;
  }
}

function closed(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_CLOSED", "the keystore is closed");
}
