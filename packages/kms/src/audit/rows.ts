/**
 * The log's rows and its head in the keystore's file. All but the constructor is to be called inside
 * the store's `read` and `write`.
 *
 * The head is the store's to seal and to keep fresh, so rows cannot be cut off behind the log's back;
 * which rows belong between its two ends is what the chain says.
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
  /** A {@link write} that is done when it returns. */
  writeSync<T>(fn: () => T): T;
  /** Whether this is inside the function of a {@link write}. */
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

/** The end of time, as far as `Date` goes; no row is beyond it. */
export const MAX_TIME = 8_640_000_000_000_000;

const HEAD = "audit";

/** What is read of a row; what no writer wrote becomes what does not open. */
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
    if (head === undefined) throw malformed("its head is not one that a log writes");
    return head;
  }

  /** Writes records behind the last one. */
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

  /** Deletes all rows up to `base`, which is where the log begins from now on. */
  cut(base: Link): void {
    const { last } = this.head();
    this.#statements.cut.run(base.sequence);
    this.#store.setHead(HEAD, encodeHead({ base, last }));
  }

  /** Rows behind `sequence`, up to `last`, in the order of the chain. */
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

  /** The rows that are not between the two ends: how many, and which numbers they have. */
  outside({ base, last }: Head): readonly (readonly [first: number, last: number])[] {
    const ranges = [this.#statements.below.get(base.sequence)];
    ranges.push(this.#statements.above.get(last.sequence));
    return ranges.flatMap((row): (readonly [number, number])[] => {
      const [first, end] = [row?.["first"], row?.["last"]];
      return typeof first === "number" && typeof end === "number" ? [[first, end]] : [];
    });
  }

  /** Whether the index leads to a row. The index alone is asked. */
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
    `audit log: ${problem}. Run its verification, which names every record concerned, and keep the file as evidence`,
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
