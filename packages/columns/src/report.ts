/**
 * Which values depend on which data key, which data keys on which CMK, and what is not encrypted.
 *
 * @module
 */
import { inspect, type Context } from "@env/core";
import { partsOf, type AnyColumns } from "./columns.ts";
import { keysAfter, scopeHash, scopeText, type KeyRow, type KeyState } from "./key-table.ts";
import { toScope, type Purpose } from "./place.ts";
import { persistently } from "./sweep.ts";
import { TableSql, type ColumnUse } from "./table-sql.ts";

/** Which tables and rows are meant. */
export interface PassScope {
  /** Names of tables. Default: all that are defined. */
  readonly tables?: readonly string[] | undefined;
  /** Only rows, and only data keys, of this scope. Default: all. */
  readonly scope?: Context | undefined;
}

/** One column of a report. */
export interface ColumnReport {
  readonly table: string;
  readonly column: string;
  /** Values that are encrypted. */
  readonly encrypted: number;
  /** Values that are not encrypted, or not in this format. */
  readonly plaintext: number;
}

/** One data key of a report. */
export interface KeyReport {
  readonly id: string;
  readonly purpose: Purpose;
  /** The scope as JSON; `undefined` once it was shredded. */
  readonly scope: string | undefined;
  /** `missing`: values name it, but the key table does not have it. */
  readonly state: KeyState | "missing";
  /** Milliseconds since 1970. */
  readonly created: number | undefined;
  /** How many values depend on it. */
  readonly values: number;
  /** The CMKs that can unwrap it, as `provider keyId`. */
  readonly cmks: readonly string[];
}

/** One CMK of a report. */
export interface CmkReport {
  readonly provider: string;
  readonly keyId: string;
  readonly dataKeys: number;
  /** Values whose data key it can unwrap. */
  readonly values: number;
}

export interface ColumnsReport {
  readonly columns: readonly ColumnReport[];
  readonly keys: readonly KeyReport[];
  readonly cmks: readonly CmkReport[];
  /** Values that are not encrypted. */
  readonly plaintext: number;
  /** Values under a data key that no longer writes. */
  readonly retired: number;
}

const KEYS_AT_ONCE = 1000;

/**
 * Counts values by what they depend on. The values of a table are counted at one time; those that are written
 * during the count are in it or not.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_CONFIG` for a table that does not fit its definition.
 */
export async function report(columns: AnyColumns, options: PassScope = {}): Promise<ColumnsReport> {
  const { client } = partsOf(columns);
  const scope = options.scope ?? {};
  const found: ColumnReport[] = [];
  const values = new Map<string, number>();
  let plaintext = 0;
  for (const table of selectTables(columns, options)) {
    const definition = columns.tables[table];
    if (definition === undefined) continue;
    const uses = await (await TableSql.open(client, table, definition)).uses(scope);
    for (const column of Object.keys(definition.columns)) {
      const own = uses.filter((use) => use.column === column);
      const unread = total(own.filter(({ keyId }) => keyId === undefined));
      plaintext += unread;
      found.push({ table, column, encrypted: total(own) - unread, plaintext: unread });
    }
    for (const { keyId, values: more } of uses) {
      if (keyId !== undefined) values.set(keyId, (values.get(keyId) ?? 0) + more);
    }
  }
  const keys: KeyReport[] = [];
  const cmks = new Map<
    string,
    { provider: string; keyId: string; dataKeys: number; values: number }
  >();
  const wanted = options.scope === undefined ? undefined : scopeHash(toScope(options.scope));
  for await (const key of allKeys(columns)) {
    const depending = values.get(key.id) ?? 0;
    values.delete(key.id);
    if (wanted !== undefined && key.scopeHash !== wanted && depending === 0) continue;
    const entries = key.message === undefined ? [] : (inspect(key.message).entries ?? []);
    for (const { provider, keyId } of entries) {
      const label = `${provider} ${keyId}`;
      const cmk = cmks.get(label) ?? { provider, keyId, dataKeys: 0, values: 0 };
      cmk.dataKeys++;
      cmk.values += depending;
      cmks.set(label, cmk);
    }
    keys.push({
      id: key.id,
      purpose: key.purpose,
      scope: key.scope && scopeText(key.scope),
      state: key.state,
      created: key.created,
      values: depending,
      cmks: entries.map(({ provider, keyId }) => `${provider} ${keyId}`),
    });
  }
  for (const [id, depending] of values) {
    keys.push({
      id,
      purpose: "values",
      scope: undefined,
      state: "missing",
      created: undefined,
      values: depending,
      cmks: [],
    });
  }
  const retired = keys
    .filter(({ state }) => state !== "active")
    .reduce((sum, key) => sum + key.values, 0);
  return { columns: found, keys, cmks: [...cmks.values()], plaintext, retired };
}

/**
 * All rows of the key table, in the order of their ids.
 *
 * @yields one row after the other, of batches that are read as they are needed.
 */
export async function* allKeys(columns: AnyColumns): AsyncGenerator<KeyRow> {
  const { client } = partsOf(columns);
  for (let last = ""; ;) {
    const after = last;
    const keys = await persistently(() => keysAfter(client, after, KEYS_AT_ONCE));
    yield* keys;
    const end = keys.at(-1)?.id;
    if (end === undefined) return;
    last = end;
  }
}

/** @throws TypeError for a table that is not defined. */
export function selectTables(columns: AnyColumns, { tables }: PassScope): readonly string[] {
  const known = Object.keys(columns.tables);
  const unknown = tables?.find((table) => !known.includes(table));
  if (unknown !== undefined) throw new TypeError(`no table ${JSON.stringify(unknown)} is defined`);
  return tables ?? known;
}

function total(uses: readonly ColumnUse[]): number {
  return uses.reduce((sum, { values }) => sum + values, 0);
}
