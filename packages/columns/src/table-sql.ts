/**
 * The statements that a pass over a table needs: rows in the order of the primary key, changes only where a row
 * still has what was read, and counts by data key.
 *
 * Names are from definitions, which have been checked; everything else is a parameter. Keys travel as text in both
 * databases, so that no driver rounds a number.
 *
 * @module
 */
import { EnvelopeError, type Context } from "@env/core";
import { quote, type SqlClient, type SqlValue } from "./sql.ts";
import { columnName, indexesOf, type TableDefinition } from "./tables.ts";
import { bufferOf, HEADER_BYTES, parseStored } from "./value.ts";

/** A row as it was read. */
export interface ReadRow {
  /** The primary key, as text. */
  readonly key: readonly string[];
  /** Values by property: what values are bound to, as text; and the columns of this package, as they are. */
  readonly row: Readonly<Record<string, unknown>>;
  /** The columns that still have old values, as text. By property. */
  readonly old: Readonly<Record<string, unknown>>;
}

/** What a row gets, and what it must still have. By property. */
export interface RowChange {
  readonly key: readonly string[];
  readonly was: Readonly<Record<string, unknown>>;
  /** What {@link ReadRow.old} was. */
  readonly old: Readonly<Record<string, unknown>>;
  readonly set: Readonly<Record<string, unknown>>;
}

/** How many values of a column depend on a data key; without one, they are not encrypted. */
export interface ColumnUse {
  readonly column: string;
  readonly keyId: string | undefined;
  readonly values: number;
}

interface KeyColumn {
  readonly name: string;
  readonly type: string;
}

/** The characters of a value's text form that have its key id, and one of the salt's six-bit groups. */
const TEXT_HEAD = 11;

export class TableSql {
  readonly name: string;
  readonly #definition: TableDefinition;
  readonly #client: SqlClient;
  readonly #types: ReadonlyMap<string, string>;
  readonly #key: readonly KeyColumn[];
  /** The properties of this package: encrypted columns, then blind indexes. */
  readonly #stored: readonly string[];
  /** The properties that still have the old values of columns that are being migrated. */
  readonly #old: readonly string[];

  private constructor(
    client: SqlClient,
    name: string,
    definition: TableDefinition,
    columns: readonly { readonly name: string; readonly type: string; readonly inKey: number }[],
  ) {
    this.name = name;
    this.#client = client;
    this.#definition = definition;
    this.#types = new Map(columns.map((column) => [column.name, column.type]));
    this.#key = columns.filter(({ inKey }) => inKey > 0).toSorted((a, b) => a.inKey - b.inKey);
    this.#stored = [
      ...Object.keys(definition.columns),
      ...Object.values(definition.columns).flatMap((column) =>
        indexesOf(column).map((index) => index.column),
      ),
    ];
    this.#old = Object.values(definition.columns).flatMap(({ plaintext }) =>
      typeof plaintext === "object" && plaintext.from !== undefined ? [plaintext.from] : [],
    );
  }

  /** @throws EnvelopeError `ERR_ENVELOPE_CONFIG` if the table or one of its columns is not there. */
  static async open(
    client: SqlClient,
    name: string,
    definition: TableDefinition,
  ): Promise<TableSql> {
    const table = new TableSql(client, name, definition, await readColumns(client, name));
    const problem = table.#problem();
    if (problem !== undefined)
      throw new EnvelopeError("ERR_ENVELOPE_CONFIG", `table ${name} ${problem}`);
    return table;
  }

  /** Reads up to `limit` rows after a key, in the order of the primary key. */
  async after(
    key: readonly string[] | undefined,
    limit: number,
    scope: Context,
  ): Promise<ReadRow[]> {
    const params: SqlValue[] = [];
    const conditions = this.#inScope(scope, params);
    if (key !== undefined) {
      const names = this.#key.map(({ name }) => quote(name)).join(", ");
      const values = key.map((part, at) => this.#fromText(this.#key[at], params.push(part)));
      conditions.push(`(${names}) > (${values.join(", ")})`);
    }
    return this.#select(conditions, params, limit);
  }

  /** Reads rows by their keys; those that are gone are left out. */
  async rows(keys: readonly (readonly string[])[]): Promise<ReadRow[]> {
    const found: ReadRow[] = [];
    for (const key of keys) {
      const params: SqlValue[] = [];
      const conditions = key.map((part, at) => {
        const column = this.#key[at];
        return `${quote(column?.name ?? "")} = ${this.#fromText(column, params.push(part))}`;
      });
      found.push(...(await this.#select(conditions, params, 1)));
    }
    return found;
  }

  /**
   * Changes rows that still have what was read, all properties of a change at once.
   *
   * @param changes - With the same properties in each.
   * @returns The keys of those that were changed, as {@link keyName} names them.
   */
  async change(client: SqlClient, changes: readonly RowChange[]): Promise<ReadonlySet<string>> {
    const [first] = changes;
    if (first === undefined) return new Set();
    return client.dialect === "postgres"
      ? this.#changeAtOnce(client, changes, first)
      : client.transaction((inner) => this.#changeEach(inner, changes));
  }

  /** Counts values by data key and column, all in one statement and so at one time. */
  async uses(scope: Context): Promise<ColumnUse[]> {
    const params: SqlValue[] = [];
    const parts = Object.entries(this.#definition.columns).map(([property, { form }], at) => {
      const column = quote(columnName(this.#definition, property));
      const head =
        form === "text"
          ? `substr(${column}, 1, ${TEXT_HEAD})`
          : `substr(${column}, 1, ${HEADER_BYTES})`;
      const text = form === "text" ? head : this.#hex(head);
      const where = [`${column} IS NOT NULL`, ...this.#inScope(scope, params)].join(" AND ");
      return `SELECT ${at} AS place, ${text} AS head, ${this.#longEnough(column, form)} AS whole, count(*) AS found
        FROM ${quote(this.name)} WHERE ${where} GROUP BY 1, 2, 3`;
    });
    const rows = await this.#client.query(parts.join(" UNION ALL "), params);
    const uses = new Map<string, ColumnUse>();
    for (const row of rows) {
      const [column = "", { form } = { form: undefined }] =
        Object.entries(this.#definition.columns)[Number(row["place"])] ?? [];
      const keyId = Number(row["whole"]) === 1 ? keyIdOf(String(row["head"]), form) : undefined;
      const name = `${column} ${keyId}`;
      const values = (uses.get(name)?.values ?? 0) + Number(row["found"]);
      uses.set(name, { column, keyId, values });
    }
    return [...uses.values()];
  }

  async #select(
    conditions: readonly string[],
    params: readonly SqlValue[],
    limit: number,
  ): Promise<ReadRow[]> {
    const { key, also = [], scope = {}, indexScope = {} } = this.#definition;
    const bound = new Set([...key, ...also, ...Object.values(scope), ...Object.values(indexScope)]);
    const raw = [...new Set([...this.#stored, ...this.#old])];
    const selected = [
      ...this.#key.map(({ name }, at) => `${this.#toText(name)} AS k${at}`),
      ...[...bound].map(
        (property, at) => `${this.#toText(columnName(this.#definition, property))} AS b${at}`,
      ),
      ...raw.map((property, at) => `${quote(columnName(this.#definition, property))} AS r${at}`),
      ...this.#old.map(
        (property, at) => `${this.#toText(columnName(this.#definition, property))} AS o${at}`,
      ),
    ];
    const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
    const order = this.#key.map(({ name }) => quote(name)).join(", ");
    const found = await this.#client.query(
      `SELECT ${selected.join(", ")} FROM ${quote(this.name)} ${where} ORDER BY ${order} LIMIT ${limit}`,
      params,
    );
    return found.map((row) => ({
      key: this.#key.map((_, at) => String(row[`k${at}`])),
      row: Object.fromEntries([
        ...raw.map((property, at) => [property, row[`r${at}`]] as const),
        ...[...bound].map((property, at) => [property, row[`b${at}`]] as const),
      ]),
      old: Object.fromEntries(this.#old.map((property, at) => [property, row[`o${at}`]])),
    }));
  }

  /** PostgreSQL takes all changes in one statement, as an array of each column in its text form, which every driver can send. */
  async #changeAtOnce(
    client: SqlClient,
    changes: readonly RowChange[],
    first: RowChange,
  ): Promise<ReadonlySet<string>> {
    const params: string[] = [];
    const arrays: string[] = [];
    /** Adds an array, and returns its element of a row. */
    const array = (type: string, values: readonly unknown[]): string => {
      arrays.push(`$${params.push(arrayText(values))}::text::${type}[]`);
      return `v.a${params.length}`;
    };
    const type = (property: string): string => (this.#isBytes(property) ? "bytea" : "text");
    const name = (property: string): string => quote(columnName(this.#definition, property));
    const conditions = this.#key.map((column, at) => {
      const bytes = isBytesType(column.type);
      const keys = changes.map(({ key }) => (bytes ? `\\x${key[at]}` : key[at]));
      return `t.${quote(column.name)} = ${array(column.type, keys)}`;
    });
    for (const property of Object.keys(first.was)) {
      const was = array(
        type(property),
        changes.map((change) => change.was[property]),
      );
      conditions.push(`t.${name(property)} IS NOT DISTINCT FROM ${was}`);
    }
    for (const property of this.#old) {
      const was = array(
        "text",
        changes.map(({ old }) => old[property]),
      );
      const now = this.#toText(columnName(this.#definition, property), "t.");
      conditions.push(`${now} IS NOT DISTINCT FROM ${was}`);
    }
    const assignments = Object.keys(first.set).map(
      (property) =>
        `${name(property)} = ${array(
          type(property),
          changes.map(({ set }) => set[property]),
        )}`,
    );
    const keys = this.#key.map((column, at) => `${this.#toText(column.name, "t.")} AS k${at}`);
    const changed = await client.query(
      `UPDATE ${quote(this.name)} AS t SET ${assignments.join(", ")}
       FROM unnest(${arrays.join(", ")}) AS v(${arrays.map((_, at) => `a${at + 1}`).join(", ")})
       WHERE ${conditions.join(" AND ")} RETURNING ${keys.join(", ")}`,
      params,
    );
    return new Set(changed.map((row) => keyName(this.#key.map((_, at) => String(row[`k${at}`])))));
  }

  async #changeEach(
    client: SqlClient,
    changes: readonly RowChange[],
  ): Promise<ReadonlySet<string>> {
    const changed = new Set<string>();
    for (const { key, set, was, old } of changes) {
      const params: SqlValue[] = [];
      const name = (property: string): string => quote(columnName(this.#definition, property));
      const sets = Object.entries(set).map(
        ([p, value]) => `${name(p)} = $${params.push(toSql(value))}`,
      );
      const conditions = [
        ...key.map((part, at) => {
          const column = this.#key[at];
          return `${quote(column?.name ?? "")} = ${this.#fromText(column, params.push(part))}`;
        }),
        ...Object.entries(was).map(([p, value]) => `${name(p)} IS $${params.push(toSql(value))}`),
        ...this.#old.map(
          (p) =>
            `${this.#toText(columnName(this.#definition, p))} IS $${params.push(toSql(old[p]))}`,
        ),
      ];
      const done = await client.query(
        `UPDATE ${quote(this.name)} SET ${sets.join(", ")} WHERE ${conditions.join(" AND ")} RETURNING 1 AS done`,
        params,
      );
      if (done.length > 0) changed.add(keyName(key));
    }
    return changed;
  }

  /** Limits a statement to the rows of a scope. */
  #inScope(scope: Context, params: SqlValue[]): string[] {
    return Object.entries(scope).map(([pair, value]) => {
      const property = this.#definition.scope?.[pair];
      if (property === undefined)
        throw new TypeError(`the scope of ${this.name} has no pair ${JSON.stringify(pair)}`);
      return `${this.#toText(columnName(this.#definition, property))} = $${params.push(value)}`;
    });
  }

  #toText(column: string, of = ""): string {
    const name = of + quote(column);
    return isBytesType(this.#types.get(column)) ? this.#hex(name) : `CAST(${name} AS text)`;
  }

  #fromText(column: KeyColumn | undefined, param: number): string {
    const type = column?.type ?? "";
    if (this.#client.dialect === "postgres") return cast(column, `$${param}::text`);
    if (isBytesType(type)) return `unhex($${param})`;
    return /int/i.test(type) ? `CAST($${param} AS INTEGER)` : `$${param}`;
  }

  #hex(expression: string): string {
    return this.#client.dialect === "postgres"
      ? `encode(${expression}, 'hex')`
      : `lower(hex(${expression}))`;
  }

  /** Whether a value has the length of an encrypted one, as 1 or 0. */
  #longEnough(column: string, form: "bytes" | "text" | undefined): string {
    const bytes =
      this.#client.dialect === "postgres" && form !== "text" ? "octet_length" : "length";
    return `CASE WHEN ${bytes}(${column}) >= ${form === "text" ? 108 : 80} THEN 1 ELSE 0 END`;
  }

  #isBytes(property: string): boolean {
    return isBytesType(this.#types.get(columnName(this.#definition, property)));
  }

  #problem(): string | undefined {
    if (this.#types.size === 0) return "does not exist";
    if (this.#key.length === 0) return "has no primary key, which a pass over it needs";
    const { key, also = [], scope = {}, indexScope = {} } = this.#definition;
    const missing = [
      ...this.#stored,
      ...this.#old,
      ...key,
      ...also,
      ...Object.values(scope),
      ...Object.values(indexScope),
    ]
      .map((property) => columnName(this.#definition, property))
      .find((column) => !this.#types.has(column));
    return missing === undefined ? undefined : `has no column ${missing}`;
  }
}

/** A key as the name of a row. */
export function keyName(key: readonly string[]): string {
  return JSON.stringify(key);
}

async function readColumns(
  client: SqlClient,
  table: string,
): Promise<{ name: string; type: string; inKey: number }[]> {
  const rows =
    client.dialect === "postgres"
      ? await client.query(
          `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
             coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0) AS in_key
           FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
           WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`,
          [quote(table)],
        )
      : await client.query(`SELECT name, type, pk AS in_key FROM pragma_table_info($1)`, [table]);
  return rows.map((row) => ({
    name: String(row["name"]),
    type: String(row["type"]),
    inKey: Number(row["in_key"]),
  }));
}

/** Type names are PostgreSQL's own. */
function cast(column: KeyColumn | undefined, text: string): string {
  const type = column?.type ?? "text";
  return isBytesType(type) ? `decode(${text}, 'hex')` : `${text}::${type}`;
}

function isBytesType(type: string | undefined): boolean {
  return type === "bytea" || type?.toUpperCase() === "BLOB";
}

/** The text of an array. Bytes are in hex, after a backslash that is escaped. */
function arrayText(values: readonly unknown[]): string {
  const elements = values.map((value) => {
    const sql = toSql(value);
    if (sql === null) return "NULL";
    if (sql instanceof Uint8Array) return `"\\\\x${bufferOf(sql).toString("hex")}"`;
    return `"${String(sql).replaceAll(/["\\]/g, String.raw`\$&`)}"`;
  });
  return `{${elements.join(",")}}`;
}

function toSql(value: unknown): SqlValue {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint")
    return value;
  return value instanceof Uint8Array ? value : JSON.stringify(value);
}

/** Reads the key id from the first bytes of a value; `undefined` for anything else. */
function keyIdOf(head: string, form: "bytes" | "text" | undefined): string | undefined {
  const bytes =
    form === "text"
      ? /^~[\w-]{10}$/.test(head) &&
        Buffer.from(head.slice(1), "base64url").subarray(0, HEADER_BYTES)
      : Buffer.from(head, "hex");
  if (bytes === false) return undefined;
  return parseStored(Buffer.concat([bytes, Buffer.alloc(80)]))?.keyId;
}
