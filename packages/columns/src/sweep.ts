/**
 * Goes over a table in the order of its primary key, in batches, several at a time, beside whoever else writes.
 *
 * A batch is read, changed where its rows still have what was read, and tried again where they do not. Nothing is
 * locked meanwhile. After a failure that a database may report at any time, the same batch is done again: changes
 * are idempotent, since each names what it replaces.
 *
 * @module
 */
import { setTimeout } from "node:timers/promises";
import type { Context } from "@env/core";
import type { SqlClient } from "./sql.ts";
import { keyName, type ReadRow, type RowChange, type TableSql } from "./table-sql.ts";

/** How a pass goes over tables. */
export interface PaceOptions {
  /** Rows that are read and changed at once, 1 to 10,000. Default: 1000. */
  readonly batch?: number | undefined;
  /** Batches at a time, 1 to 16. Default: 2. */
  readonly concurrency?: number | undefined;
  /** The most rows per second. Default: as many as there can be. */
  readonly rowsPerSecond?: number | undefined;
  /** Stops the pass: what is done is noted, and the next call goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

/** What a pass did to a table so far, including what earlier runs of it did. */
export interface SweepCounts {
  readonly rows: number;
  readonly changed: number;
  /** Rows with a value that cannot be read. They stay as they are. */
  readonly failed: number;
}

export interface SweepState {
  /** The key up to which every row is done. */
  readonly position: readonly string[] | undefined;
  readonly counts: SweepCounts;
}

/** What becomes of a batch: the changes, and how many rows could not be read. */
export interface Work {
  readonly changes: readonly RowChange[];
  readonly failed: number;
}

const TRIES = 8;
const MAX_ROUNDS = 50;
/** Serialization failure, deadlock, lock not available, and connections that are lost or refused. */
const AGAIN =
  /^(?:40001|40P01|55P03|57P0[1-3]|08\d{3}|53300|ECONNRESET|ECONNREFUSED|EPIPE|CONNECTION_\w+|ERR_SQLITE_BUSY|SQLITE_BUSY\w*)$/;
const AGAIN_TEXT =
  /Connection terminated|database is locked|Client has encountered a connection error/;

/**
 * @param work - Is called with rows as they are now, and again with those that have changed meanwhile.
 * @param note - Is told of each state in which everything up to its position is done.
 */
export async function sweep(
  table: TableSql,
  client: SqlClient,
  scope: Context,
  from: SweepState,
  pace: PaceOptions,
  work: (rows: readonly ReadRow[]) => Promise<Work>,
  note: (state: SweepState) => Promise<void>,
): Promise<SweepState> {
  const { batch = 1000, concurrency = 2, rowsPerSecond = Infinity, signal } = pace;
  let { position, counts } = from;
  let reading: Promise<readonly ReadRow[]> = Promise.resolve([]);
  let last = position;
  let ended = false;
  /** Whether everything before was done. */
  let noting: Promise<boolean> = Promise.resolve(true);
  const started = performance.now();
  let read = 0;

  /** Batches are read one after another, since each begins where the one before it ends. */
  const next = (): Promise<readonly ReadRow[]> => {
    reading = reading.then(async () => {
      if (ended) return [];
      const rows = await persistently(() => table.after(last, batch, scope), signal);
      ended = rows.length < batch;
      last = rows.at(-1)?.key ?? last;
      return rows;
    });
    return reading;
  };
  /** Does one batch. What is done is noted in the order in which it was read, whichever batch is done first. */
  const one = async (
    coming: Promise<readonly ReadRow[]>,
    before: Promise<boolean>,
  ): Promise<"done" | "broken" | "end"> => {
    const rows = await coming;
    if (rows.length === 0) return (await before) ? "end" : "broken";
    const { changed, failed } = await change(table, client, rows, work, signal);
    if (!(await before)) return "broken";
    position = rows.at(-1)?.key;
    counts = {
      rows: counts.rows + rows.length,
      changed: counts.changed + changed,
      failed: counts.failed + failed,
    };
    await note({ position, counts });
    read += rows.length;
    return "done";
  };
  const worker = async (): Promise<void> => {
    for (;;) {
      signal?.throwIfAborted();
      const turn = one(next(), noting);
      noting = turn.then(
        (result) => result !== "broken",
        () => false,
      );
      if ((await turn) !== "done") return;
      const ahead = (read / rowsPerSecond) * 1000 - (performance.now() - started);
      if (ahead > 0) await setTimeout(ahead, undefined, { signal });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { position, counts };
}

async function change(
  table: TableSql,
  client: SqlClient,
  rows: readonly ReadRow[],
  work: (rows: readonly ReadRow[]) => Promise<Work>,
  signal: AbortSignal | undefined,
): Promise<{ changed: number; failed: number }> {
  let changed = 0;
  let failed = 0;
  let left = rows;
  for (let rounds = 0; left.length > 0; rounds++) {
    // Nobody changes a row that often between a read and a write: it cannot be compared with what was read.
    if (rounds === MAX_ROUNDS) return { changed, failed: failed + left.length };
    signal?.throwIfAborted();
    const now = left;
    const { changes, failed: more } = await persistently(() => work(now), signal);
    failed += more;
    const done = await persistently(() => table.change(client, changes), signal);
    changed += done.size;
    const missed = changes.filter(({ key }) => !done.has(keyName(key))).map(({ key }) => key);
    // Somebody else has changed these rows, or deleted them.
    left = missed.length === 0 ? [] : await persistently(() => table.rows(missed), signal);
  }
  return { changed, failed };
}

/** Does something again that failed for a reason that passes. */
export async function persistently<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES || !isPassing(error)) throw error;
      await setTimeout(Math.random() * 25 * 2 ** tries, undefined, { signal });
    }
  }
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ("code" in error && AGAIN.test(String(error.code))) || AGAIN_TEXT.test(error.message);
}
