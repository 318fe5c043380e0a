/**
 * The rows that a move copies, counts and compares.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Engine } from "./engine.ts";
import { io } from "./file-errors.ts";
import type { OpenKeystore } from "./open-keystore.ts";
import type { AuditRow } from "./store.ts";
import { recordTables, rowsOf, type Row, type Table } from "./tables.ts";

const PAGE = 500;
/** They are sealed anew. */
const OWN_TABLES: ReadonlySet<string> = new Set(["descriptor", "state"]);

export interface Counts {
  readonly records: number;
  readonly auditRecords: number;
}

export function tablesToCopy(engine: Engine): readonly Table[] {
  return recordTables(engine).filter(({ name }) => !OWN_TABLES.has(name));
}

export async function countRows(source: OpenKeystore): Promise<Counts> {
  const { engine } = source.inner;
  let [records, auditRecords] = [0, 0];
  for (const table of tablesToCopy(engine)) records += [...rowsOf(engine, table)].length;
  for await (const page of auditPages(source)) auditRecords += page.length;
  return { records, auditRecords };
}

export function compareRows(
  arrived: OpenKeystore,
  { name }: Table,
  rows: Generator<Row>,
  copies: Generator<Row>,
): number {
  let count = 0;
  for (const row of rows) {
    if (!isDeepStrictEqual(row, copies.next().value)) throw different(arrived, `the table ${name}`);
    count++;
  }
  if (copies.next().done !== true) throw different(arrived, `the table ${name}`);
  return count;
}

/**
 * Reads the audit log.
 *
 * @yields Pages of its rows, in the order of their numbers.
 */
export async function* auditPages({
  inner: { store },
}: OpenKeystore): AsyncGenerator<readonly AuditRow[]> {
  for (let last = 0; ;) {
    const start = last;
    const page = await store.read(() =>
      store.auditRows.after(start, Number.MAX_SAFE_INTEGER, PAGE),
    );
    if (page.length === 0) return;
    yield page;
    last = page.at(-1)?.sequence ?? Infinity;
    await setImmediate();
  }
}

/** Drivers return bytes in classes of their own. */
export function plain(page: readonly AuditRow[]): unknown {
  return page.map((row) => ({ ...row, sealed: new Uint8Array(row.sealed) }));
}

export function different({ path }: OpenKeystore, what: string): Error {
  return io(
    path,
    `${what} was not read back as it was written; the move was taken back. Run it again`,
  );
}
