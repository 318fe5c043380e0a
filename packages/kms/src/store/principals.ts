/**
 * Users, roles and groups with their policies, one sealed record each.
 *
 * The ARN is unencrypted, since it finds the row. What a principal may do is sealed.
 *
 * Source: spec/kms-store-v1.md#principals
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Bytes } from "@env/core";
import type { Database } from "./database.ts";
import { Fault } from "./file-errors.ts";
import type { Freshness } from "./freshness.ts";
import type { NamedPolicy } from "../policy/request.ts";
import { random } from "../material/seal.ts";
import { MAX_RECORD_BYTES, ROW_REMOVED, SealedRows, type Listed } from "./sealed-rows.ts";
import { RecordName } from "./record-name.ts";
import type { RowSealer } from "./row-sealer.ts";

export interface PrincipalRecord {
  /** `arn:aws:iam::111122223333:user/alice`, `…:role/app`, `…:group/developers`; of printable ASCII. */
  readonly arn: string;
  readonly type: "user" | "role" | "group";
  /** The result of {@link newUserId}: another principal of the same name has another id. */
  readonly userId: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly policies: readonly NamedPolicy[];
  /** Bounds what the policies may allow. Not for groups. */
  readonly boundary: NamedPolicy | undefined;
  /** ARNs of the groups that a user is in: their policies count as the user's own. */
  readonly groups: readonly string[];
}

/** Bytes of an ARN; a longer one is not read into memory. */
export const MAX_ARN_BYTES = 2048;
const ARN = /^[\x21-\x7e]{1,2048}$/;
const PREFIXES = { user: "AIDA", role: "AROA", group: "AGPA" } as const;
const BASE_32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ID_CHARS = 17;

/** A random unique id: `AIDA`, `AROA` or `AGPA` and 17 characters. */
export function newUserId(type: PrincipalRecord["type"]): string {
  // 256 is a multiple of 32: no character is likelier than another.
  const chars = Array.from(random(ID_CHARS), (byte) => BASE_32.charAt(byte % BASE_32.length));
  return PREFIXES[type] + chars.join("");
}

/** The table of principals. To be used inside the store's transactions. */
export class PrincipalTable {
  readonly #freshness: Freshness;
  readonly #rows: SealedRows<PrincipalRecord>;
  readonly #statements: Readonly<Record<StatementName, StatementSync>>;

  constructor(database: Database, freshness: Freshness, sealer: RowSealer) {
    this.#freshness = freshness;
    this.#statements = prepareAll(database);
    this.#rows = new SealedRows(sealer, freshness, { decode, compare: () => undefined });
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

  /** Lists principals by ARN. */
  list(after: string, limit: number): Listed<PrincipalRecord, string> {
    this.requireComplete();
    const rows = this.#statements.list.all(after, limit + 1);
    const items = rows.slice(0, limit).map((row) => this.#open(row));
    return { items, next: rows.length > limit ? items.at(-1)?.arn : undefined };
  }

  /** Adds a principal, or replaces the one of the same ARN. */
  put(record: PrincipalRecord): void {
    if (!ARN.test(record.arn)) throw new RangeError("an ARN has 1 to 2048 characters of ASCII");
    // A row that somebody removed must not pass for none.
    this.get(record.arn);
    const sealed = this.#rows.seal(RecordName.principal(record.arn), encode(record));
    this.#statements.put.run(record.arn, sealed);
  }

  /** Deletes a principal. `false`: it did not exist. */
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

function encode(record: PrincipalRecord): Bytes {
  return new TextEncoder().encode(JSON.stringify(record));
}

function decode(_: RecordName, plaintext: Bytes): PrincipalRecord | undefined {
  const value: unknown = JSON.parse(new TextDecoder().decode(plaintext));
  plaintext.fill(0);
  return isRecord(value) ? { ...value, boundary: value.boundary } : undefined;
}

/** The record was sealed under the root key, so this is about another build's mistakes, not an attacker's. */
function isRecord(value: unknown): value is PrincipalRecord {
  if (typeof value !== "object" || value === null) return false;
  const { arn, type, userId, created, tags, policies, groups }: Record<string, unknown> = {
    ...value,
  };
  return (
    typeof arn === "string" &&
    typeof type === "string" &&
    Object.hasOwn(PREFIXES, type) &&
    typeof userId === "string" &&
    typeof created === "number" &&
    typeof tags === "object" &&
    Array.isArray(policies) &&
    Array.isArray(groups)
  );
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
