/**
 * The table of principals, one sealed record each.
 *
 * The ARN is unencrypted, since it finds the row. What a principal may do is sealed.
 *
 * Source: spec/kms-store-v1.md#principals
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Database } from "./database.ts";
import { Fault } from "./file-errors.ts";
import type { Freshness } from "./freshness.ts";
import { decodePrincipal, encodePrincipal, type PrincipalRecord } from "./principal-record.ts";
import { RecordName } from "./record-name.ts";
import type { RowSealer } from "./row-sealer.ts";
import { MAX_RECORD_BYTES, ROW_REMOVED, SealedRows } from "./sealed-rows.ts";
import type { Listed, Principals } from "./store.ts";

/** Bytes of an ARN; a longer one is not read into memory. */
export const MAX_ARN_BYTES = 2048;
const ARN = /^[\x21-\x7e]{1,2048}$/;

export class PrincipalTable implements Principals {
  readonly #freshness: Freshness;
  readonly #rows: SealedRows<PrincipalRecord>;
  readonly #statements: Readonly<Record<StatementName, StatementSync>>;

  constructor(database: Database, freshness: Freshness, sealer: RowSealer) {
    this.#freshness = freshness;
    this.#statements = prepareAll(database);
    this.#rows = new SealedRows(sealer, freshness, {
      decode: (_, plaintext) => decodePrincipal(plaintext),
      compare: () => undefined,
    });
  }

  get(arn: string): PrincipalRecord | undefined {
    if (!ARN.test(arn)) return undefined;
    const name = RecordName.principal(arn);
    const known = this.#rows.known(name);
    if (known !== undefined) return known;
    const row = this.#statements.get.get(arn);
    if (row !== undefined) return this.#open(row);
    this.#rows.requireAbsent(name);
    return undefined;
  }

  list(after: string, limit: number): Listed<PrincipalRecord, string> {
    this.requireComplete();
    const rows = this.#statements.list.all(after, limit + 1);
    const items = rows.slice(0, limit).map((row) => this.#open(row));
    return { items, next: rows.length > limit ? items.at(-1)?.arn : undefined };
  }

  put(record: PrincipalRecord): void {
    if (!ARN.test(record.arn)) throw new RangeError("an ARN has 1 to 2048 characters of ASCII");
    // A row that somebody removed must not pass for none.
    this.get(record.arn);
    const sealed = this.#rows.seal(RecordName.principal(record.arn), encodePrincipal(record));
    this.#statements.put.run(record.arn, sealed);
  }

  delete(arn: string): boolean {
    if (this.get(arn) === undefined) return false;
    this.#statements.drop.run(arn);
    this.#rows.drop(RecordName.principal(arn));
    return true;
  }

  /** That no row was removed. */
  requireComplete(): void {
    this.#freshness.requireComplete(
      "principal",
      () => Number(this.#statements.count.get()?.["n"]),
      (name) => (this.#statements.get.get(name.id) === undefined ? ROW_REMOVED : undefined),
    );
  }

  #open({ arn, sealed }: Record<string, unknown>): PrincipalRecord {
    if (typeof arn !== "string" || !ARN.test(arn) || !(sealed instanceof Uint8Array)) {
      throw new Fault("a row of the principals", "it is out of bounds");
    }
    return this.#rows.open(RecordName.principal(arn), sealed, "");
  }
}

type StatementName = keyof ReturnType<typeof prepareAll>;

function prepareAll(database: Database) {
  const columns = `CASE WHEN octet_length(arn) <= ${MAX_ARN_BYTES} THEN arn END AS arn, CASE WHEN length(sealed) <= ${MAX_RECORD_BYTES} THEN sealed END AS sealed`;
  return {
    get: database.prepare(`SELECT ${columns} FROM principal WHERE principal.arn = ?`),
    list: database.prepare(
      `SELECT ${columns} FROM principal WHERE principal.arn > ? ORDER BY principal.arn LIMIT ?`,
    ),
    count: database.prepare("SELECT count(*) AS n FROM principal WHERE arn > ''"),
    put: database.prepare(
      "INSERT INTO principal VALUES (?, ?) ON CONFLICT (arn) DO UPDATE SET sealed = excluded.sealed",
    ),
    drop: database.prepare("DELETE FROM principal WHERE arn = ?"),
  };
}
