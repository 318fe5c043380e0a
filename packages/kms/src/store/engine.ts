/**
 * What keeps the tables of a store: an SQLite file, or PostgreSQL with a replica of its tables in this process. Both answer
 * SQL of SQLite synchronously inside of a transaction. What they do around it differs: waiting for a lock, or confirming
 * with one round trip that the replica was current.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { EnvelopeError } from "@env/core";
import type { LogEnd } from "./log-ends.ts";
import type { RowSealer } from "./row-sealer.ts";
import type { AuditRows } from "./store.ts";

export interface Engine {
  /** How errors name the keystore. */
  readonly path: string;
  readonly readOnly: boolean;

  prepare(sql: string): StatementSync;

  /** A value that changes whenever somebody else has changed the tables. */
  version(): unknown;

  /** Runs `fn`, which only reads, on one state of the tables. `fn` may run more than once. */
  read<T>(fn: () => T): Promise<T>;

  /**
   * Runs `fn` as one transaction: kept when the promise fulfils, without a trace when it rejects. `fn` may run more than
   * once.
   *
   * @param settle - Called as soon as each run has ended, before anything else can read or write here.
   */
  write<T>(fn: () => T, settle?: (committed: boolean) => void): Promise<T>;

  /** Does the same as {@link write} synchronously. */
  writeSync<T>(fn: () => T, settle: (committed: boolean) => void): T;

  /** Inside {@link write}, runs `fn` and takes back what it changed if it throws. */
  savepoint<T>(fn: () => T): T;

  /** Removes copies of what was overwritten, as far as the engine keeps any. Best effort. */
  checkpoint(): void;

  /** The error of malformed tables. */
  malformed(problem: string): EnvelopeError;

  /** Names what was thrown inside a transaction, as {@link read} and {@link write} do. */
  named(error: unknown): unknown;

  /**
   * The audit log, where it is not in the tables: one chain for each process that writes.
   *
   * @param pledged - What the state has kept of {@link SharedLog.pledge}, by name.
   */
  readonly openLog?: (
    sealer: RowSealer,
    pledged: (name: string) => Uint8Array | undefined,
  ) => SharedLog;
}

/**
 * An audit log that several processes write, each its own chain. Its chains' heads are beside the tables, so that a record of
 * a call changes no state that other processes wait for.
 */
export interface SharedLog {
  readonly rows: AuditRows;
  /** The latest time that any process is known to have used since so many resets of the clock, in ms since 1970. */
  time(resets: number): number;
  /** The chain that this process writes; `undefined` before the first {@link Engine.write}. */
  readonly chain: number | undefined;
  /** All chains, inside of a transaction. */
  chains(): readonly number[];
  /** Where all chains end, inside of a transaction. */
  ends(): readonly LogEnd[];
  /** The chains with which a keystore from another place begins. */
  arrive(ends: readonly LogEnd[], used: UsedTime): void;
  head(name: string, chain: number): Uint8Array<ArrayBuffer> | undefined;
  setHead(name: string, bytes: Uint8Array): void;
  /** Remembers what was written so far. Returns a function that takes back what came after. */
  save(): () => void;
  /**
   * What the state has to keep so that the chain cannot be put back: how often it was written, the transaction that is running
   * included. `isDue`: the state has to be written for it, although nothing else has changed.
   */
  pledge(): { readonly name: string; readonly bytes: Uint8Array; readonly isDue: boolean };
  /** Ends the run of a transaction, which has used this time. */
  flush(used: UsedTime): void;
}

/** A time of the keystore's clock, in ms since 1970, and how often the clock had been reset by then. */
export interface UsedTime {
  readonly time: number;
  readonly resets: number;
}
