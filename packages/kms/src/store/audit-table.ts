/**
 * The table of the audit log. Numbers and times are unencrypted, to order the records and to find them.
 *
 * Source: spec/audit-v1.md#table
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Engine } from "./engine.ts";
import { Fault } from "./file-errors.ts";
import {
  CHAIN_NUMBERS,
  chainOf,
  MAX_TIME,
  type AuditRow,
  type AuditRows,
  type TimePlace,
} from "./store.ts";

/** Bytes of a sealed record; a longer one is not read into memory. */
export const MAX_SEALED_BYTES = 262_225;

/** What is read of a row. Values that no writer wrote become values that do not open. */
const columns = `
  seq, CASE WHEN time BETWEEN 0 AND ${MAX_TIME} THEN time ELSE -1 END AS time,
  CASE WHEN length(sealed) <= ${MAX_SEALED_BYTES} THEN sealed END AS sealed`;

export class AuditTable implements AuditRows {
  readonly #statements: Readonly<Record<StatementName, StatementSync>>;

  readonly #chains: () => readonly number[];

  /** @param chains - All chains of the log. */
  constructor(database: Engine, chains: () => readonly number[]) {
    this.#statements = prepareAll(database);
    this.#chains = chains;
  }

  insert({ sequence, time, sealed }: AuditRow): void {
    this.#statements.insert.run(sequence, time, sealed);
  }

  cut(sequence: number): void {
    const { start } = boundsOf(chainOf(sequence), this.#chains());
    this.#statements.cut.run(start === -Infinity ? MIN_INTEGER : start, sequence);
  }

  after(sequence: number, last: number, limit: number): readonly AuditRow[] {
    return this.#statements.after.all(sequence, last, limit).map(toRow);
  }

  forwards({ time, sequence }: TimePlace, end: number, limit: number): readonly AuditRow[] {
    return this.#statements.forwards.all(time, sequence, end, limit).map(toRow);
  }

  backwards({ time, sequence }: TimePlace, from: number, limit: number): readonly AuditRow[] {
    return this.#statements.backwards.all(time, sequence, from, limit).map(toRow);
  }

  outside(base: number, last: number): readonly (readonly [first: number, last: number])[] {
    const { start, end: limit } = boundsOf(chainOf(last), this.#chains());
    const { between } = this.#statements;
    const ranges = [
      between.get(start === -Infinity ? MIN_INTEGER : start + 1, base),
      between.get(last + 1, limit === Infinity ? MAX_INTEGER : limit),
    ];
    return ranges.flatMap((row): (readonly [number, number])[] => {
      const [first, end] = [row?.["first"], row?.["last"]];
      return typeof first === "number" && typeof end === "number" ? [[first, end]] : [];
    });
  }

  isIndexed({ time, sequence }: TimePlace): boolean {
    return this.#statements.indexed.get(time, sequence) !== undefined;
  }
}

/** What SQLite takes for an INTEGER. */
const [MIN_INTEGER, MAX_INTEGER] = [-(2n ** 63n), 2n ** 63n - 1n];

/** The numbers of a chain are after `start`, up to `end`. Those of no chain belong to the first or the last one. */
export function boundsOf(
  chain: number,
  chains: readonly number[],
): { readonly start: number; readonly end: number } {
  const isLast = chain === Math.max(...chains);
  return {
    start: chain === 0 ? -Infinity : chain * CHAIN_NUMBERS,
    end: isLast ? Infinity : (chain + 1) * CHAIN_NUMBERS,
  };
}

function toRow({ seq, time, sealed }: Record<string, unknown>): AuditRow {
  if (typeof seq !== "number" || typeof time !== "number") {
    throw new Fault("a row of the audit log", "it is out of bounds");
  }
  return { sequence: seq, time, sealed: sealed instanceof Uint8Array ? sealed : new Uint8Array() };
}

type StatementName = keyof ReturnType<typeof prepareAll>;

function prepareAll(database: Engine) {
  const { MIN_SAFE_INTEGER: min, MAX_SAFE_INTEGER: max } = Number;
  // Numbers that JavaScript cannot hold would end the statement; no row between the ends has one.
  const within = (seq: string): string => `max(min(${seq}, ${max}), ${min})`;
  const range = `SELECT ${within("min(seq)")} AS first, ${within("max(seq)")} AS last FROM audit`;
  // `audit.time` is the column; `time` alone would be the result, for which there is no index.
  return {
    insert: database.prepare("INSERT INTO audit (seq, time, sealed) VALUES (?, ?, ?)"),
    cut: database.prepare("DELETE FROM audit WHERE seq > ? AND seq <= ?"),
    after: database.prepare(
      `SELECT ${columns} FROM audit WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
    ),
    forwards: database.prepare(
      `SELECT ${columns} FROM audit
       WHERE (audit.time, seq) > (?, ?) AND audit.time < ?
       ORDER BY audit.time, seq LIMIT ?`,
    ),
    backwards: database.prepare(
      `SELECT ${columns} FROM audit
       WHERE (audit.time, seq) < (?, ?) AND audit.time >= ?
       ORDER BY audit.time DESC, seq DESC LIMIT ?`,
    ),
    between: database.prepare(`${range} WHERE seq BETWEEN ? AND ?`),
    // Only the index is consulted.
    indexed: database.prepare(
      "SELECT 1 FROM audit INDEXED BY audit_by_time WHERE time = ? AND seq = ?",
    ),
  };
}
