/**
 * The encrypted columns of one table: rows with plaintext in, rows for the database out, and back.
 *
 * @module
 */
import type { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { EnvelopeError, type Awaitable, type Bytes, type Context } from "@env/core";
import {
  openPayload,
  openPayloads,
  sealPayload,
  sealPayloads,
  type HeldDataKey,
} from "@env/core/data-keys";
import { indexHash, indexKey, indexPlace, partitionOf } from "./blind-index.ts";
import {
  PlaceHasher,
  ScopeReader,
  toScope,
  type Purpose,
  type Row,
  type Scope,
  valueInfo,
} from "./place.ts";
import type { ScopeKeys, WritingKey } from "./scope-keys.ts";
import {
  indexesOf,
  type ColumnDefinition,
  type IndexColumns,
  type IndexDefinition,
  type Opened,
  type Plain,
  type Sealed,
  type StoredOf,
  type TableDefinition,
  type ValueOf,
} from "./tables.ts";
import { decodeValue, encodeValue, type ColumnType } from "./value-type.ts";
import { encodeStored, notEncrypted, parseStored, type StoredValue } from "./value.ts";

/** How many keys of indexes are remembered. */
const INDEX_KEYS = 1000;

/** What an ORM's converter of one column needs. Synchronous, for values that are not bound to their row. */
export interface ColumnConverter<C extends ColumnDefinition> {
  /** Encrypts in the scope of {@link Columns.within}. `null` stays `null`. */
  readonly seal: <V extends ValueOf<C> | null>(value: V) => StoredOf<C> | Extract<V, null>;
  /** Decrypts. `null` stays `null`. */
  readonly open: <S>(stored: S) => ValueOf<C> | Extract<S, null>;
  /** The type of the column in the database. */
  readonly sqlType: Readonly<Record<"postgres" | "sqlite", string>>;
}

/** A value on its way to the database. */
interface Sealing {
  readonly row: Record<string, unknown>;
  readonly column: string;
  readonly header: Uint8Array;
  readonly form: "bytes" | "text";
  readonly info: readonly Uint8Array[];
  readonly plaintext: Uint8Array;
}

/** A value of a result set on its way to plaintext. */
interface Found {
  readonly row: Record<string, unknown>;
  readonly column: string;
  readonly value: StoredValue;
  readonly info: readonly Uint8Array[];
}

export class TableColumns<T extends TableDefinition> {
  readonly name: string;
  readonly definition: T;
  readonly #keys: ScopeKeys;
  readonly #scope: AsyncLocalStorage<Scope>;
  readonly #countPlaintext: (column: string) => void;
  readonly #columns: readonly (readonly [column: string, definition: ColumnDefinition])[];
  readonly #indexColumns: readonly string[];
  readonly #places: ReadonlyMap<string, PlaceHasher>;
  readonly #scopes: ScopeReader;
  readonly #indexScopes: ScopeReader;
  readonly #indexKeys = new Map<
    string,
    { readonly from: HeldDataKey; readonly key: HeldDataKey }
  >();

  /** @param countPlaintext - Is told of every value that was not encrypted. */
  constructor(
    name: string,
    definition: T,
    keys: ScopeKeys,
    scope: AsyncLocalStorage<Scope>,
    countPlaintext: (column: string) => void,
  ) {
    this.name = name;
    this.definition = definition;
    this.#keys = keys;
    this.#scope = scope;
    this.#countPlaintext = countPlaintext;
    this.#columns = Object.entries(definition.columns);
    this.#indexColumns = this.#columns.flatMap(([, column]) =>
      indexesOf(column).map((index) => index.column),
    );
    this.#places = new Map(
      this.#columns.map(([column]) => [column, new PlaceHasher(name, definition, column)]),
    );
    this.#scopes = new ScopeReader(name, definition.scope);
    this.#indexScopes = new ScopeReader(name, definition.indexScope);
  }

  /**
   * Encrypts the encrypted columns that a row has, and adds their blind indexes. Other members stay as they are.
   *
   * @param row - With the properties that values are bound to, also where only some columns are updated.
   * @returns A new row.
   * @throws TypeError for a value of another type, or a row without what it is bound to; EnvelopeError
   * `ERR_ENVELOPE_SHREDDED`, `ERR_ENVELOPE_LIMIT`, and like `Envelope.encrypt`.
   */
  async seal<R extends Plain<T>>(row: R): Promise<Sealed<T, R>> {
    const [sealed] = await this.sealAll([row]);
    // oxlint-disable-next-line typescript/no-non-null-assertion -- one row gives one row
    return sealed!;
  }

  /** Does what {@link seal} does for several rows: in one call of the cryptography for each data key where that takes several. */
  async sealAll<R extends Plain<T>>(rows: readonly R[]): Promise<Sealed<T, R>[]>;
  async sealAll(rows: readonly Row[]): Promise<Row[]> {
    const sealed: Record<string, unknown>[] = [];
    const byKey = new Map<HeldDataKey, Sealing[]>();
    for (const row of rows) {
      const out: Record<string, unknown> = { ...row };
      sealed.push(out);
      const given = this.#columns.filter(([column]) => (row[column] ?? undefined) !== undefined);
      if (given.length > 0) {
        const scope = this.scopeOf(row);
        const { header, dataKey } = await this.#writingKey(scope, "values", given.length);
        let others = byKey.get(dataKey);
        if (others === undefined) byKey.set(dataKey, (others = []));
        for (const [column, definition] of given) {
          const plaintext = encode(this.name, column, definition, row[column]);
          const info = this.#info(header, scope, column, row);
          const form = definition.form ?? "bytes";
          others.push({ row: out, column, header, form, info, plaintext });
        }
      }
      Object.assign(out, await this.#indexes(row));
    }
    for (const [dataKey, values] of byKey) {
      const infos = values.map(({ info }) => info);
      const plaintexts = values.map(({ plaintext }) => plaintext);
      const payloads = await sealPayloads(dataKey, infos, plaintexts);
      for (const [at, payload] of payloads.entries()) {
        const value = values[at];
        if (value === undefined) continue;
        value.row[value.column] = encodeStored(value.header, payload, value.form);
      }
    }
    return sealed;
  }

  /**
   * Decrypts the encrypted columns that a row has. Blind indexes are left out of the result.
   *
   * @param row - With the properties that values are bound to.
   * @throws TypeError for a row without what it is bound to; EnvelopeError `ERR_ENVELOPE_FORMAT` for a value that
   * is not encrypted, `ERR_ENVELOPE_DECRYPT` for one of another place or scope, or altered, `ERR_ENVELOPE_NO_KEY`,
   * `ERR_ENVELOPE_SHREDDED`, and like `Envelope.decrypt`.
   */
  async open<R extends object>(row: R): Promise<Opened<T, R>> {
    const [opened] = await this.openAll([row]);
    // oxlint-disable-next-line typescript/no-non-null-assertion -- one row gives one row
    return opened!;
  }

  /**
   * Does what {@link open} does for a result set: one KMS call for each data key that is not held, and one
   * call of the cryptography for each data key where that takes several payloads.
   */
  async openAll<R extends object>(rows: readonly R[]): Promise<Opened<T, R>[]>;
  async openAll(rows: readonly object[]): Promise<Row[]> {
    const opened: Record<string, unknown>[] = [];
    const byKey = new Map<string, Found[]>();
    for (const given of rows) {
      const row: Record<string, unknown> = { ...given };
      opened.push(row);
      let scope: Scope | undefined;
      for (const [column, definition] of this.#columns) {
        const stored = row[column];
        if (stored === undefined) continue;
        const value = stored === null ? undefined : parseStored(stored);
        if (value === undefined) {
          row[column] = this.#unencrypted(column, definition, row, stored);
          continue;
        }
        scope ??= this.scopeOf(row);
        const found = { row, column, value, info: this.#info(value.header, scope, column, row) };
        const others = byKey.get(value.keyId);
        if (others === undefined) byKey.set(value.keyId, [found]);
        else others.push(found);
      }
    }
    await this.#keys.open(byKey.keys());
    for (const [keyId, found] of byKey) {
      const dataKey = this.#keys.held(keyId) ?? (await this.#again(keyId));
      const plaintexts = await openPayloads(
        dataKey,
        found.map(({ info }) => info),
        found.map(({ value }) => value.payload),
      );
      for (const [at, { row, column }] of found.entries()) {
        row[column] = this.#decode(column, plaintexts[at]);
      }
    }
    for (const row of opened) for (const property of this.#indexColumns) delete row[property];
    return opened;
  }

  /**
   * Returns what to search a blind index for: `WHERE email_index IN (…)`. What is found may include other
   * values, one in 2^bits: compare after decryption where that matters.
   *
   * @param column - The property with the values.
   * @param scope - The pairs of `indexScope`; none where the table has none.
   * @param index - The property with the index, where a column has several. Default: its first index.
   * @returns One hash for each partition, and for each key while the index gets a new one.
   */
  async find<N extends keyof T["columns"] & string>(
    column: N,
    value: ValueOf<T["columns"][N]>,
    { scope = {}, index }: { readonly scope?: Context; readonly index?: string } = {},
  ): Promise<Bytes[]> {
    const definition = this.#column(column);
    const indexes = indexesOf(definition);
    const used = index === undefined ? indexes[0] : indexes.find((one) => one.column === index);
    if (used === undefined) throw new TypeError(`${this.name}.${column} has no such index`);
    const expected = Object.keys(this.definition.indexScope ?? {}).toSorted();
    if (Object.keys(scope).toSorted().join() !== expected.join()) {
      throw new TypeError(
        `the scope of a search in ${this.name} has these pairs: ${expected.join(", ") || "none"}`,
      );
    }
    const hashes: Bytes[] = [];
    for (const { id, dataKey } of await this.#keys.active(toScope(scope), "index")) {
      const key = await this.#indexKey(id, dataKey, column, used);
      for (let partition = 0; partition < (used.partitions ?? 1); partition++) {
        hashes.push(await indexHash(key, used, definition.type, value, partition));
      }
    }
    return hashes;
  }

  /**
   * Converts values of one column synchronously, for ORMs that convert a value without its row. The table's `key`
   * and `also` are empty, and the calls are made in {@link Columns.within}.
   *
   * @throws TypeError for a table whose values are bound to their row.
   */
  converter<N extends keyof T["columns"] & string>(column: N): ColumnConverter<T["columns"][N]>;
  converter(column: string): object {
    const definition = this.#column(column);
    if (this.definition.key.length > 0 || (this.definition.also?.length ?? 0) > 0) {
      throw new TypeError(
        `values of ${this.name} are bound to their row, which a converter does not see: use seal and open`,
      );
    }
    const bytes = (definition.form ?? "bytes") === "bytes";
    return {
      sqlType: { postgres: bytes ? "bytea" : "text", sqlite: bytes ? "blob" : "text" },
      seal: (value: unknown) => (value === null ? null : this.#sealNow(column, definition, value)),
      open: (stored: unknown) =>
        stored === null ? null : this.#openNow(column, definition, stored),
    };
  }

  /** The scope of a row's data key. */
  scopeOf(row: Row): Scope {
    return this.#scopes.read(row);
  }

  /**
   * Computes the blind indexes of the columns that a row has: what {@link seal} adds, for code that seals its
   * values by a {@link converter}. `null` is not indexed.
   */
  async indexes(row: Plain<T>): Promise<{ [N in IndexColumns<T>]?: Bytes | null }>;
  async indexes(row: Row): Promise<Row> {
    return this.#indexes(row);
  }

  async #indexes(row: Row): Promise<Record<string, Bytes | null>> {
    const out: Record<string, Bytes | null> = {};
    for (const [column, definition] of this.#columns) {
      const value = row[column];
      if (value === undefined) continue;
      for (const index of indexesOf(definition)) {
        out[index.column] =
          value === null ? null : await this.#indexValue(column, definition, index, row);
      }
    }
    return out;
  }

  async #indexValue(
    column: string,
    definition: ColumnDefinition,
    index: IndexDefinition,
    row: Row,
  ): Promise<Bytes> {
    const { partitions = 1 } = index;
    const { id, dataKey } = await this.#writingKey(this.#indexScopes.read(row), "index", 1);
    const key = await this.#indexKey(id, dataKey, column, index);
    const partition = partitions === 1 ? 0 : partitionOf(this.#spread(column, row), partitions);
    return indexHash(key, index, definition.type, row[column], partition);
  }

  /** What selects a partition: the row's place, so that a row has the same one each time; else chance. */
  #spread(column: string, row: Row): Uint8Array {
    if (!this.#isBound) return randomBytes(4);
    return this.#hashPlace(column, row);
  }

  /** Derived once for each data key and index. */
  async #indexKey(
    id: string,
    dataKey: HeldDataKey,
    column: string,
    index: IndexDefinition,
  ): Promise<HeldDataKey> {
    const name = `${id} ${column} ${index.column}`;
    const known = this.#indexKeys.get(name);
    if (known?.from === dataKey) return known.key;
    const place = indexPlace(this.name, this.definition, column, index);
    const key = await indexKey(dataKey, place);
    if (this.#indexKeys.size >= INDEX_KEYS) this.#indexKeys.clear();
    this.#indexKeys.set(name, { from: dataKey, key });
    return key;
  }

  #sealNow(column: string, definition: ColumnDefinition, value: unknown): Bytes | string {
    const scope = this.#currentScope();
    const plaintext = encode(this.name, column, definition, value);
    const key = this.#keys.writable(scope, "values", 1);
    if (key === undefined) throw notHeld();
    const payload = now(
      sealPayload(key.dataKey, this.#info(key.header, scope, column, {}), plaintext),
    );
    return encodeStored(key.header, payload, definition.form ?? "bytes");
  }

  #openNow(column: string, definition: ColumnDefinition, stored: unknown): unknown {
    const scope = this.#currentScope();
    const value = parseStored(stored);
    if (value === undefined) return this.#unencrypted(column, definition, {}, stored);
    const dataKey = this.#keys.held(value.keyId);
    if (dataKey === undefined) throw notHeld();
    const info = this.#info(value.header, scope, column, {});
    return decodeValue(definition.type, now(openPayload(dataKey, info, value.payload)));
  }

  #currentScope(): Scope {
    const scope = this.#scope.getStore();
    if (scope !== undefined) return scope;
    throw new TypeError(
      "a converter is used in columns.within(scope, …), which says whose data keys are meant",
    );
  }

  /** What the payload of a value is bound to. */
  #info(header: Uint8Array, scope: Scope, column: string, row: Row): readonly Uint8Array[] {
    return valueInfo(header, scope, this.#hashPlace(column, row));
  }

  #hashPlace(column: string, row: Row): Bytes {
    // oxlint-disable-next-line typescript/no-non-null-assertion -- there is one for each column
    return this.#places.get(column)!.hash(row);
  }

  /** Waits only where the key is not leased yet. */
  #writingKey(scope: Scope, purpose: Purpose, uses: number): Awaitable<WritingKey> {
    return this.#keys.writable(scope, purpose, uses) ?? this.#keys.forWriting(scope, purpose, uses);
  }

  #decode(column: string, plaintext: Uint8Array | undefined): unknown {
    if (plaintext === undefined) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_DECRYPT",
        `a value of ${this.name}.${column} does not belong to its row, column or scope, or was altered`,
      );
    }
    return decodeValue(this.#column(column).type, plaintext);
  }

  /** Reads a value that is not encrypted, where the definition says so. */
  #unencrypted(
    column: string,
    { plaintext, type }: ColumnDefinition,
    row: Row,
    stored: unknown,
  ): unknown {
    const { from = column, read = asItIs } =
      plaintext === true || plaintext === undefined ? {} : plaintext;
    const source = stored ?? (from === column ? null : row[from]) ?? null;
    if (source === null) return null;
    if (plaintext === undefined) throw notEncrypted(`${this.name}.${column}`);
    this.#countPlaintext(column);
    return read(source, type);
  }

  #column(column: string): ColumnDefinition {
    const { columns } = this.definition;
    const definition = Object.hasOwn(columns, column) ? columns[column] : undefined;
    if (definition !== undefined) return definition;
    throw new TypeError(`${this.name} has no encrypted column ${JSON.stringify(column)}`);
  }

  /** Opens a key that the cache had no room for beside the others of its result set. */
  async #again(keyId: string): Promise<HeldDataKey> {
    await this.#keys.open([keyId]);
    const dataKey = this.#keys.held(keyId);
    if (dataKey === undefined) throw notHeld();
    return dataKey;
  }

  get #isBound(): boolean {
    return this.definition.key.length + (this.definition.also?.length ?? 0) > 0;
  }
}

function encode(
  table: string,
  column: string,
  { type, pad = 1 }: ColumnDefinition,
  value: unknown,
): Bytes {
  try {
    return encodeValue(type, value, pad);
  } catch (error) {
    if (error instanceof TypeError) {
      throw new TypeError(`${table}.${column}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

/** Reads plaintext in the form that a database driver gives it. */
function asItIs(stored: unknown, type: ColumnType): unknown {
  if (type === "bytes") return stored;
  const value = stored instanceof Uint8Array ? new TextDecoder().decode(stored) : stored;
  switch (type) {
    case "number":
      return Number(value);
    case "bigint":
      return BigInt(String(value));
    case "boolean":
      return [true, 1, 1n, "1", "t", "true"].some((yes) => yes === value);
    case "date":
      return value instanceof Date ? value : new Date(String(value));
    case "json":
      return typeof value === "string" ? JSON.parse(value) : value;
    case "text":
    default:
      return String(value);
  }
}

function notHeld(): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_NOT_HELD",
    "the data key of this value is not held: await columns.within() again, which opens all keys of the scope",
  );
}

/** Returns the value that a synchronous backend has already computed. */
function now<V>(value: Awaitable<V>): V {
  if (!(value instanceof Promise)) return value;
  throw new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    "converters need the runtime's synchronous cryptography",
  );
}
