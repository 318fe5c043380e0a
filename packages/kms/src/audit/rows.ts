/**
 * The rows of the log and its head in the keystore's file. Everything except the constructor is for use inside the store's
 * `read` and `write`.
 *
 * The store seals the head and keeps it fresh, so rows cannot be cut off unnoticed. Which rows belong between the two ends
 * follows from the chain.
 *
 * Source: spec/audit-v1.md#table, spec/audit-v1.md#head
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { EnvelopeError } from "@env/core";
import {
  decodeHead,
  encodeHead,
  MAX_SEALED_BYTES,
  type Chain,
  type Head,
  type Link,
  type Opened,
  type SealedRow,
} from "./chain.ts";
import type { EncodedRecord } from "./record.ts";

/** What the log needs of the keystore's store. */
export interface AuditStore {
  read<T>(fn: () => T): Promise<T>;
  write<T>(fn: () => T): Promise<T>;
  /** A synchronous {@link write}. */
  writeSync<T>(fn: () => T): T;
  /** Whether the function of a {@link write} is running. */
  readonly writing: boolean;
  /** Milliseconds since 1970; never goes back. */
  now(): number;
  head(name: string): Uint8Array | undefined;
  setHead(name: string, bytes: Uint8Array): void;
  prepare(sql: string): StatementSync;
}

/** A place in the order of time. */
export interface TimePlace {
  readonly time: number;
  readonly sequence: number;
}

/** The latest time that `Date` can represent; no row is later. */
export const MAX_TIME = 8_640_000_000_000_000;

const HEAD = "audit";

/** What is read of a row. Values that no writer wrote become values that do not open. */
const columns = `
  seq, CASE WHEN time BETWEEN 0 AND ${MAX_TIME} THEN time ELSE -1 END AS time,
  CASE WHEN length(sealed) <= ${MAX_SEALED_BYTES} THEN sealed END AS sealed`;

export class Rows {
  readonly #store: AuditStore;
  readonly #chain: Chain;
  readonly #statements: Readonly<Record<StatementName, StatementSync>>;

  constructor(store: AuditStore, chain: Chain) {
    this.#store = store;
    this.#chain = chain;
    this.#statements = prepareAll(store);
  }

  /** @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT`. */
  head(): Head {
    const head = decodeHead(this.#store.head(HEAD));
    if (head === undefined) throw malformed("its head is malformed");
    return head;
  }

  /** Writes records after the last one. */
  append(records: readonly EncodedRecord[]): void {
    const { base, last } = this.head();
    let link = last;
    for (const { time, bytes } of records) {
      const next = this.#chain.seal(link, time, bytes);
      ({ link } = next);
      this.#statements.insert.run(link.sequence, time, next.sealed);
    }
    this.#store.setHead(HEAD, encodeHead({ base, last: link }));
  }

  /** Deletes all rows up to `base`, after which the log begins from now on. */
  cut(base: Link): void {
    const { last } = this.head();
    this.#statements.cut.run(base.sequence);
    this.#store.setHead(HEAD, encodeHead({ base, last }));
  }

  /** Rows after `sequence`, up to `last`, in the order of the chain. */
  after(sequence: number, last: number, limit: number): readonly SealedRow[] {
    return this.#statements.after.all(sequence, last, limit).map(toRow);
  }

  /** Rows from `start` on, before `end`, with numbers up to `last`, oldest first. */
  forwards(start: TimePlace, end: number, last: number, limit: number): readonly SealedRow[] {
    const { time, sequence } = start;
    return this.#statements.forwards.all(time, sequence, end, last, limit).map(toRow);
  }

  /** Rows before `start`, not before `from`, newest first. */
  backwards(start: TimePlace, from: number, last: number, limit: number): readonly SealedRow[] {
    const { time, sequence } = start;
    return this.#statements.backwards.all(time, sequence, from, last, limit).map(toRow);
  }

  /** The numbers of the rows that are not between the two ends, as ranges. */
  outside({ base, last }: Head): readonly (readonly [first: number, last: number])[] {
    const ranges = [this.#statements.below.get(base.sequence)];
    ranges.push(this.#statements.above.get(last.sequence));
    return ranges.flatMap((row): (readonly [number, number])[] => {
      const [first, end] = [row?.["first"], row?.["last"]];
      return typeof first === "number" && typeof end === "number" ? [[first, end]] : [];
    });
  }

  /** Whether the index leads to a row. Only the index is consulted. */
  isIndexed({ time, sequence }: TimePlace): boolean {
    return this.#statements.indexed.get(time, sequence) !== undefined;
  }

  /** @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for a row that was altered or moved. */
  open(row: SealedRow): Opened {
    const opened = this.#chain.open(row);
    if (opened === undefined || typeof opened === "number") {
      throw malformed(`record ${row.sequence} was altered, or belongs to another place`);
    }
    return opened;
  }
}

export function malformed(problem: string): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_KEYSTORE_FORMAT",
    `audit log: ${problem}. Verify the log, which names every record concerned, and keep the file as evidence`,
  );
}

function toRow({ seq, time, sealed }: Record<string, unknown>): SealedRow {
  if (typeof seq !== "number" || typeof time !== "number") {
    throw malformed("a row is out of bounds");
  }
  return { sequence: seq, time, sealed: sealed instanceof Uint8Array ? sealed : new Uint8Array() };
}

type StatementName = keyof ReturnType<typeof prepareAll>;

function prepareAll(store: AuditStore) {
  const { MIN_SAFE_INTEGER: min, MAX_SAFE_INTEGER: max } = Number;
  // Numbers that JavaScript cannot hold would end the statement; no row between the ends has one.
  const within = (seq: string): string => `max(min(${seq}, ${max}), ${min})`;
  const range = `SELECT ${within("min(seq)")} AS first, ${within("max(seq)")} AS last FROM audit`;
  // `audit.time` is the column; `time` alone would be the result, for which there is no index.
  return {
    insert: store.prepare("INSERT INTO audit (seq, time, sealed) VALUES (?, ?, ?)"),
    cut: store.prepare("DELETE FROM audit WHERE seq <= ?"),
    after: store.prepare(
      `SELECT ${columns} FROM audit WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
    ),
    forwards: store.prepare(
      `SELECT ${columns} FROM audit
       WHERE (audit.time, seq) > (?, ?) AND audit.time < ? AND seq <= ?
       ORDER BY audit.time, seq LIMIT ?`,
    ),
    backwards: store.prepare(
      `SELECT ${columns} FROM audit
       WHERE (audit.time, seq) < (?, ?) AND audit.time >= ? AND seq <= ?
       ORDER BY audit.time DESC, seq DESC LIMIT ?`,
    ),
    below: store.prepare(`${range} WHERE seq <= ?`),
    above: store.prepare(`${range} WHERE seq > ?`),
    indexed: store.prepare(
      "SELECT 1 FROM audit INDEXED BY audit_by_time WHERE time = ? AND seq = ?",
    ),
  };
}
