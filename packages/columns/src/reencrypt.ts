/**
 * Writes the values of tables anew: under new data keys, with new blind indexes, or both, beside live writers.
 *
 * A re-encryption begins by retiring data keys, so that nothing new depends on them once the leases of all writers
 * have ended. It then moves every value off them, and ends when none is left. What it has begun is noted in the
 * database with the same change, so a pass that goes on later moves values off the same keys.
 *
 * @module
 */
import { setTimeout } from "node:timers/promises";
import { isEnvelopeError, type Context } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { endPass, readPass, writePass, type PassState } from "./checkpoint.ts";
import { partsOf, type AnyColumns } from "./columns.ts";
import { destroyKeys, readKeys, retireKeys, type KeySelection } from "./key-table.ts";
import { toScope } from "./place.ts";
import { report, selectTables, type PassScope } from "./report.ts";
import { persistently, sweep, type PaceOptions, type SweepCounts, type Work } from "./sweep.ts";
import { TableSql, type ReadRow, type RowChange } from "./table-sql.ts";
import { indexesOf, requireInteger, type TableDefinition } from "./tables.ts";
import { bufferOf, parseStored } from "./value.ts";

/** How far a pass over tables is. */
export interface PassProgress {
  readonly table: string;
  /** Counts of this table, including what earlier runs did. */
  readonly counts: SweepCounts;
}

export interface PassOptions extends PassScope, PaceOptions {
  /** Counts what would change, and changes nothing. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Is called after every batch. */
  readonly onProgress?: ((progress: PassProgress) => void) | undefined;
}

export interface ReencryptOptions extends PassOptions {
  /** The ids of the data keys to move values off. Default: all of the scope that exist when the pass begins. */
  readonly keys?: readonly string[] | undefined;
  /** Destroys these data keys at the end, if nothing depends on them: a leaked key could also write. Default: false. */
  readonly destroy?: boolean | undefined;
  /** Also gives blind indexes new keys: in all tables and scopes. Default: false. */
  readonly newIndexKey?: boolean | undefined;
}

export interface ReindexOptions extends PassOptions {
  /** Uses new index keys in all tables and scopes, and the old ones until the pass ends. Default: false. */
  readonly newIndexKey?: boolean | undefined;
}

export interface PassResult {
  readonly tables: Readonly<Record<string, SweepCounts>>;
  /** Values that still depend on the old data keys, or are not encrypted. 0 unless rows failed. */
  readonly remaining: number;
  /** Data keys that were destroyed. */
  readonly destroyed: readonly string[];
}

/** What a pass writes anew. */
interface Pass {
  readonly name: string;
  readonly values: boolean;
  readonly indexes: "with values" | "all" | "new key";
}

const PACE = [
  "tables",
  "scope",
  "batch",
  "concurrency",
  "rowsPerSecond",
  "signal",
  "dryRun",
  "onProgress",
];
const REENCRYPT = new Set([...PACE, "keys", "destroy", "newIndexKey"]);
const REINDEX = new Set([...PACE, "newIndexKey"]);
const KEY_ID = /^[0-9a-f]{12}$/;

/**
 * Moves all values off the data keys of a scope: after a leak, or from plaintext in columns that are being migrated.
 * Blind indexes are written in the same pass. Stopped or killed, it goes on from where it was with the same
 * options.
 *
 * @throws TypeError, RangeError for options that cannot work; EnvelopeError `ERR_ENVELOPE_CONFIG`; what the
 * database client throws, if it does so again and again; the signal's reason.
 */
export async function reencrypt(
  columns: AnyColumns,
  options: ReencryptOptions = {},
): Promise<PassResult> {
  checkOptions(options, REENCRYPT);
  checkPace(options);
  const { keys, newIndexKey = false, destroy = false } = options;
  if (keys !== undefined && !(Array.isArray(keys) && keys.every((id) => KEY_ID.test(id)))) {
    throw new TypeError("keys is a list of ids of data keys, 12 hex digits each");
  }
  checkNewIndexKey(options);
  if (destroy && options.tables !== undefined) {
    throw new TypeError("data keys are destroyed only after a pass over all tables");
  }
  const pass: Pass = {
    name: nameOf("reencrypt", { ...options, ids: keys?.toSorted(), newIndexKey }),
    values: true,
    indexes: newIndexKey ? "new key" : "with values",
  };
  return run(
    columns,
    pass,
    options,
    { purpose: "values", ids: keys, scope: options.scope && toScope(options.scope) },
    destroy,
  );
}

/**
 * Computes the blind indexes of all rows anew: after the definition of an index has changed, or with a new key.
 *
 * @throws like {@link reencrypt}.
 */
export async function reindex(
  columns: AnyColumns,
  options: ReindexOptions = {},
): Promise<PassResult> {
  checkOptions(options, REINDEX);
  checkPace(options);
  const { newIndexKey = false } = options;
  checkNewIndexKey(options);
  const indexes = newIndexKey ? "new key" : "all";
  const pass: Pass = { name: nameOf("index", { ...options, newIndexKey }), values: false, indexes };
  return run(columns, pass, options, undefined, false);
}

async function run(
  columns: AnyColumns,
  pass: Pass,
  options: PassOptions,
  old: KeySelection | undefined,
  destroy: boolean,
): Promise<PassResult> {
  const { client, keys, writeLease } = partsOf(columns);
  const { signal, dryRun = false } = options;
  if (dryRun) return dry(columns, options, old);
  const again = <T>(work: () => Promise<T>): Promise<T> => persistently(work, signal);
  const write = (now: PassState): Promise<void> => again(() => writePass(client, pass.name, now));
  let state = await again(() => readPass(client, pass.name));
  if (state === undefined) {
    const now = Date.now();
    const begun: PassState = {
      begun: now,
      round: pass.indexes === "new key" ? 0 : now,
      tables: {},
    };
    await again(() =>
      client.transaction(async (inner) => {
        if (old !== undefined) await retireKeys(inner, { ...old, until: begun.begun });
        await writePass(inner, pass.name, begun);
      }),
    );
    state = begun;
  }
  keys.forgetLeases();
  // Until then, a writer may not know that its key was retired.
  const settled = state.begun + writeLease;
  if (state.round === 0) {
    // Hashes do not say which key they are from. So all writers use the new keys before the first row is read.
    const { begun } = state;
    await again(() => keys.renewAll("index", begun));
    await setTimeout(writeLease, undefined, { signal });
    state = { ...state, round: Date.now() };
    await write(state);
  }
  for (;;) {
    const { begun } = state;
    state = await sweepAll(columns, pass, options, state);
    const remaining = pass.values ? await again(() => dependents(columns, options, old, begun)) : 0;
    const failed = Object.values(state.tables).reduce((sum, { counts }) => sum + counts.failed, 0);
    const complete = pass.values ? remaining === 0 : state.round >= settled;
    if (failed > 0 || (complete && Date.now() >= settled)) {
      const whole = failed === 0;
      const ends = { destroy: destroy && remaining === 0 && whole, whole };
      const destroyed = await again(() => end(columns, pass, begun, old, ends));
      return { tables: countsOf(state), remaining, destroyed };
    }
    if (Date.now() < settled) await setTimeout(settled - Date.now() + 1, undefined, { signal });
    // The rows that were written meanwhile; all others have nothing to change.
    state = { ...state, round: Date.now(), tables: onceMore(state.tables) };
    await write(state);
  }
}

async function end(
  columns: AnyColumns,
  pass: Pass,
  begun: number,
  old: KeySelection | undefined,
  { destroy, whole }: { readonly destroy: boolean; readonly whole: boolean },
): Promise<string[]> {
  const { client } = partsOf(columns);
  return client.transaction(async (inner) => {
    if (pass.indexes === "new key" && whole)
      await retireKeys(inner, { purpose: "index", until: begun, replaced: true });
    const destroyed =
      destroy && old !== undefined ? await destroyKeys(inner, { ...old, until: begun }) : [];
    await endPass(inner, pass.name);
    return destroyed;
  });
}

async function sweepAll(
  columns: AnyColumns,
  pass: Pass,
  options: PassOptions,
  from: PassState,
): Promise<PassState> {
  const { client } = partsOf(columns);
  const tables = new Map(Object.entries(from.tables));
  for (const name of selectTables(columns, options)) {
    const definition = columns.tables[name];
    const earlier = tables.get(name);
    if (definition === undefined || earlier?.done === true) continue;
    const table = await persistently(() => TableSql.open(client, name, definition), options.signal);
    const work = new RowWork(columns, name, definition, pass);
    const note = async (swept: PassState["tables"][string]): Promise<void> => {
      tables.set(name, swept);
      const now = { ...from, tables: Object.fromEntries(tables) };
      await persistently(() => writePass(client, pass.name, now), options.signal);
      options.onProgress?.({ table: name, counts: swept.counts });
    };
    const start = earlier ?? { position: undefined, counts: { rows: 0, changed: 0, failed: 0 } };
    const swept = await sweep(
      table,
      client,
      options.scope ?? {},
      start,
      options,
      (rows) => work.changes(rows),
      (reached) => note({ ...reached, done: false }),
    );
    await note({ ...swept, done: true });
  }
  return { ...from, tables: Object.fromEntries(tables) };
}

/** Decides what becomes of rows. */
class RowWork {
  readonly #columns: AnyColumns;
  readonly #name: string;
  readonly #definition: TableDefinition;
  readonly #pass: Pass;
  /** Whether keys write; asked once for each. */
  readonly #active = new Map<string, boolean>();
  readonly #properties: readonly string[];

  constructor(columns: AnyColumns, name: string, definition: TableDefinition, pass: Pass) {
    this.#columns = columns;
    this.#name = name;
    this.#definition = definition;
    this.#pass = pass;
    const indexes = Object.values(definition.columns).flatMap((column) => indexesOf(column));
    this.#properties = [
      ...Object.keys(definition.columns),
      ...indexes.map((index) => index.column),
    ];
  }

  async changes(rows: readonly ReadRow[]): Promise<Work> {
    await this.#askFor(rows);
    const stale =
      this.#pass.indexes === "with values" ? rows.filter((read) => this.#isStale(read)) : rows;
    const opened = await this.#openAll(stale);
    const plains: Readonly<Record<string, unknown>>[] = [];
    const reads = stale.filter((_, at) => {
      const plain = opened[at];
      if (plain !== undefined) plains.push(plain);
      return plain !== undefined;
    });
    const changes: RowChange[] = [];
    for (const [at, set] of (await this.#rewrite(reads, plains)).entries()) {
      const read = reads[at];
      if (read === undefined) continue;
      const { key, row, old } = read;
      const mine = this.#properties.filter((property) => property in set);
      if (mine.every((property) => isSame(set[property], row[property]))) continue;
      const was = Object.fromEntries(this.#properties.map((property) => [property, row[property]]));
      const now = Object.fromEntries(mine.map((property) => [property, set[property]]));
      changes.push({ key, was, old, set: { ...was, ...now } });
    }
    return { changes, failed: stale.length - reads.length };
  }

  /** Returns what rows get: new values where theirs are stale, and blind indexes. */
  async #rewrite(
    reads: readonly ReadRow[],
    plains: readonly Readonly<Record<string, unknown>>[],
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const table = this.#columns.table(this.#name);
    const isStale = reads.map((read) => this.#pass.values && this.#isStale(read));
    const sealed = await table.sealAll(plains.filter((_, at) => isStale[at]));
    const anew = sealed.values();
    const sets: Readonly<Record<string, unknown>>[] = [];
    for (const [at, plain] of plains.entries()) {
      sets.push(isStale[at] ? (anew.next().value ?? {}) : await table.indexes(plain));
    }
    return sets;
  }

  /** Opens rows at once; where one of them cannot be read, each by itself. */
  async #openAll(
    rows: readonly ReadRow[],
  ): Promise<(Readonly<Record<string, unknown>> | undefined)[]> {
    const table = this.#columns.table(this.#name);
    try {
      return await table.openAll(rows.map(({ row }) => row));
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
    return Promise.all(
      rows.map(async ({ row }) => {
        try {
          return await table.open(row);
        } catch (error) {
          if (isUnreadable(error)) return undefined;
          throw error;
        }
      }),
    );
  }

  #isStale({ row }: ReadRow): boolean {
    return Object.entries(this.#definition.columns).some(([column, { plaintext }]) => {
      const stored = row[column];
      if (stored === null)
        return typeof plaintext === "object" && (row[plaintext.from ?? column] ?? null) !== null;
      const value = parseStored(stored);
      return value === undefined || this.#active.get(value.keyId) !== true;
    });
  }

  async #askFor(rows: readonly ReadRow[]): Promise<void> {
    const ids = new Set<string>();
    for (const { row } of rows) {
      for (const column of Object.keys(this.#definition.columns)) {
        const value = parseStored(row[column]);
        if (value !== undefined && !this.#active.has(value.keyId)) ids.add(value.keyId);
      }
    }
    if (ids.size === 0) return;
    for (const { id, state } of await readKeys(partsOf(this.#columns).client, [...ids])) {
      this.#active.set(id, state === "active");
    }
  }
}

/** Values that the pass is about, and that it has not moved. */
async function dependents(
  columns: AnyColumns,
  options: PassOptions,
  old: KeySelection | undefined,
  begun: number,
): Promise<number> {
  const { keys, plaintext } = await report(columns, options);
  const before = keys.filter(
    ({ id, purpose, state, created, values }) =>
      purpose === "values" &&
      values > 0 &&
      state !== "active" &&
      (created ?? 0) <= begun &&
      (old?.ids?.includes(id) ?? true),
  );
  return plaintext + before.reduce((sum, { values }) => sum + values, 0);
}

async function dry(
  columns: AnyColumns,
  options: PassOptions,
  old: KeySelection | undefined,
): Promise<PassResult> {
  const { keys, columns: found, plaintext } = await report(columns, options);
  const would = keys.filter(({ id, values }) => values > 0 && (old?.ids?.includes(id) ?? true));
  const tables: Record<string, SweepCounts> = {};
  for (const { table, encrypted, plaintext: unread } of found) {
    const rows = Math.max(tables[table]?.rows ?? 0, encrypted + unread);
    tables[table] = { rows, changed: 0, failed: 0 };
  }
  return {
    tables,
    remaining: plaintext + would.reduce((sum, { values }) => sum + values, 0),
    destroyed: [],
  };
}

/** The state of a pass that goes over its tables once more, and still says what it has changed. */
function onceMore(tables: PassState["tables"]): PassState["tables"] {
  return Object.fromEntries(
    Object.entries(tables).map(([name, { counts }]) => {
      const start = { rows: 0, changed: counts.changed, failed: 0 };
      return [name, { position: undefined, counts: start, done: false }];
    }),
  );
}

/** One pass is one set of options: with others, another pass begins. */
function nameOf(
  pass: string,
  {
    scope,
    tables,
    ids,
    newIndexKey,
  }: {
    readonly scope?: Context | undefined;
    readonly tables?: readonly string[] | undefined;
    readonly ids?: readonly string[] | undefined;
    readonly newIndexKey: boolean;
  },
): string {
  return JSON.stringify([pass, tables?.toSorted(), scope && toScope(scope).name, ids, newIndexKey]);
}

function countsOf({ tables }: PassState): Record<string, SweepCounts> {
  return Object.fromEntries(Object.entries(tables).map(([name, { counts }]) => [name, counts]));
}

/** Whether an error is about the value of one row. */
function isUnreadable(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    [
      "ERR_ENVELOPE_FORMAT",
      "ERR_ENVELOPE_DECRYPT",
      "ERR_ENVELOPE_TRUNCATED",
      "ERR_ENVELOPE_NO_KEY",
      "ERR_ENVELOPE_SHREDDED",
    ].some((code) => isEnvelopeError(error) && error.code === code)
  );
}

function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return bufferOf(a).equals(b);
  return (a ?? null) === (b ?? null);
}

/** An index key is that of a scope in all tables, and the scopes of indexes are not those of values. */
function checkNewIndexKey({ newIndexKey = false, scope, tables }: ReindexOptions): void {
  if (newIndexKey && (scope !== undefined || tables !== undefined)) {
    throw new TypeError("a new index key is for all rows: leave out the scope and the tables");
  }
}

function checkPace({ batch = 500, concurrency = 2, rowsPerSecond = 1 }: PaceOptions): void {
  requireInteger("batch", batch, 1, 10_000);
  requireInteger("concurrency", concurrency, 1, 16);
  requireInteger("rowsPerSecond", rowsPerSecond, 1, 2 ** 31);
}
