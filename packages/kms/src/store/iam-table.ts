/**
 * The tables of IAM: principals, managed policies, identity providers and access keys, one sealed record each. The table of
 * the keys' last uses is of the same form.
 *
 * What finds a row is unencrypted: its name, the owner of an access key, and the name of a principal without its path. What a principal may do, and what a key's
 * secret is, is sealed.
 *
 * Source: spec/kms-store-v1.md#principals
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Bytes } from "@env/core";
import type { Engine } from "./engine.ts";
import { Fault } from "./file-errors.ts";
import type { Freshness } from "./freshness.ts";
import {
  decodeRecord,
  encodeRecord,
  isAccessKey,
  isLastUse,
  isPolicy,
  isPrincipal,
  isProvider,
  withoutPath,
  type IamRecords,
} from "./iam-records.ts";
import { letters, RecordName, type IamKind } from "./record-name.ts";
import type { RowSealer } from "./row-sealer.ts";
import { MAX_RECORD_BYTES, ROW_REMOVED, SealedRows } from "./sealed-rows.ts";
import type { Listed, Records } from "./store.ts";

/** Bytes of an ARN or id; a longer one is not read into memory. */
export const MAX_NAME_BYTES = 2048;
const NAME = /^[\x21-\x7e]{1,2048}$/;

/** What the tables keep, and how. */
interface Form<T> {
  readonly table: string;
  /** The column that finds a row, and what a record has for it. */
  readonly id: string;
  readonly idOf: (record: T) => string;
  /** The unencrypted column that also finds rows, and what a record has for it. */
  readonly by?: { readonly column: string; readonly of: (record: T) => string };
  readonly isRecord: (value: unknown) => value is T;
}

const forms: { readonly [Kind in IamKind]: Form<IamRecords[Kind]> } = {
  principal: {
    table: "principal",
    id: "arn",
    idOf: ({ arn }) => arn,
    by: { column: "name", of: ({ arn }) => withoutPath(arn) },
    isRecord: isPrincipal,
  },
  policy: { table: "managed_policy", id: "arn", idOf: ({ arn }) => arn, isRecord: isPolicy },
  provider: { table: "identity_provider", id: "arn", idOf: ({ arn }) => arn, isRecord: isProvider },
  "access key": {
    table: "access_key",
    id: "id",
    idOf: ({ accessKeyId }) => accessKeyId,
    by: { column: "owner", of: ({ owner }) => owner },
    isRecord: isAccessKey,
  },
  "last use": { table: "last_use", id: "arn", idOf: ({ arn }) => arn, isRecord: isLastUse },
};

/** The tables by kind, with the columns that find their rows. */
export const iamTables: readonly {
  readonly kind: IamKind;
  readonly table: string;
  readonly columns: readonly [id: string, ...others: string[]];
}[] = (["principal", "policy", "provider", "access key", "last use"] as const).map((kind) => {
  const { table, id, by } = forms[kind];
  return { kind, table, columns: by === undefined ? [id] : [id, by.column] };
});

/** The statements that make the tables. */
export const iamSchema: readonly string[] = iamTables.flatMap(({ table, columns: [id, by] }) => {
  const found = by === undefined ? "" : `, ${by} TEXT NOT NULL`;
  const made = `CREATE TABLE ${table} (${id} TEXT NOT NULL PRIMARY KEY, sealed BLOB NOT NULL${found}) STRICT`;
  if (by === undefined) return [made];
  return [made, `CREATE INDEX ${table}_by_${by} ON ${table} (${by}, ${id})`];
});

/** The table of one kind. */
export class IamTable<Kind extends IamKind> implements Records<IamRecords[Kind]> {
  readonly #kind: Kind;
  readonly #form: Form<IamRecords[Kind]>;
  readonly #freshness: Freshness;
  readonly #rows: SealedRows<IamRecords[Kind]>;
  readonly #statements: Readonly<Record<StatementName, StatementSync>>;

  constructor(kind: Kind, database: Engine, freshness: Freshness, sealer: RowSealer) {
    const form: Form<IamRecords[Kind]> = forms[kind];
    this.#kind = kind;
    this.#form = form;
    this.#freshness = freshness;
    this.#statements = prepareAll(database, form);
    this.#rows = new SealedRows<IamRecords[Kind]>(sealer, freshness, {
      decode: (_, plaintext: Bytes) => decodeRecord(plaintext, form.isRecord),
      compare: (record, found) => {
        const { column, of } = form.by ?? NO_COLUMN;
        if (of(record) === found) return;
        throw this.#name(form.idOf(record)).fault(`its row has another ${column}`);
      },
    });
  }

  get(id: string): IamRecords[Kind] | undefined {
    if (!NAME.test(id)) return undefined;
    const name = this.#name(id);
    const known = this.#rows.known(name);
    if (known !== undefined) return known;
    const row = this.#statements.get.get(id);
    if (row !== undefined) return this.#open(row);
    this.#rows.requireAbsent(name);
    return undefined;
  }

  list(after: string, limit: number): Listed<IamRecords[Kind], string> {
    this.requireComplete();
    const rows = this.#statements.list.all(after, limit + 1);
    const items = rows.slice(0, limit).map((row) => this.#open(row));
    const last = items.at(-1);
    return {
      items,
      next: rows.length > limit && last !== undefined ? this.#form.idOf(last) : undefined,
    };
  }

  by(value: string): readonly IamRecords[Kind][] {
    this.requireComplete();
    return this.#statements.by.all(value).map((row) => this.#open(row));
  }

  put(record: IamRecords[Kind]): void {
    const { idOf, by } = this.#form;
    const id = idOf(record);
    if (!NAME.test(id)) throw new RangeError("a name has 1 to 2048 characters of ASCII");
    // A row that somebody removed must not pass for none.
    this.get(id);
    const sealed = this.#rows.seal(this.#name(id), encodeRecord(record));
    this.#statements.put.run(id, sealed, ...(by === undefined ? [] : [by.of(record)]));
  }

  delete(id: string): boolean {
    if (this.get(id) === undefined) return false;
    this.#statements.drop.run(id);
    this.#rows.drop(this.#name(id));
    return true;
  }

  /** That no row was removed. */
  requireComplete(): void {
    this.#freshness.requireComplete(
      letters[this.#kind],
      () => Number(this.#statements.count.get()?.["n"]),
      (name) => (this.#statements.get.get(name.id) === undefined ? ROW_REMOVED : undefined),
    );
  }

  #name(id: string): RecordName {
    return RecordName.iam(this.#kind, id);
  }

  #open({ id, sealed, found }: Record<string, unknown>): IamRecords[Kind] {
    const isWhole = typeof id === "string" && NAME.test(id) && typeof found === "string";
    if (!isWhole || !(sealed instanceof Uint8Array)) {
      throw new Fault(`a row of the table ${this.#form.table}`, "it is out of bounds");
    }
    return this.#rows.open(this.#name(id), sealed, found);
  }
}

const NO_COLUMN = { column: "", of: () => "" };

type StatementName = keyof ReturnType<typeof prepareAll>;

function prepareAll(database: Engine, { table, id, by }: Pick<Form<never>, "table" | "id" | "by">) {
  const found = by === undefined ? "''" : bounded(by.column);
  const columns = `${bounded(id)} AS id, ${found} AS found, CASE WHEN length(sealed) <= ${MAX_RECORD_BYTES} THEN sealed END AS sealed`;
  const from = `SELECT ${columns} FROM ${table} WHERE ${table}`;
  const [values, more] =
    by === undefined ? ["?, ?", ""] : ["?, ?, ?", `, ${by.column} = excluded.${by.column}`];
  return {
    get: database.prepare(`${from}.${id} = ?`),
    list: database.prepare(`${from}.${id} > ? ORDER BY ${table}.${id} LIMIT ?`),
    by: database.prepare(`${from}.${by?.column ?? id} = ? ORDER BY ${table}.${id}`),
    count: database.prepare(`SELECT count(*) AS n FROM ${table} WHERE ${id} > ''`),
    put: database.prepare(
      `INSERT INTO ${table} VALUES (${values}) ON CONFLICT (${id}) DO UPDATE SET sealed = excluded.sealed${more}`,
    ),
    drop: database.prepare(`DELETE FROM ${table} WHERE ${id} = ?`),
  };
}

function bounded(column: string): string {
  return `CASE WHEN octet_length(${column}) <= ${MAX_NAME_BYTES} THEN ${column} END`;
}
