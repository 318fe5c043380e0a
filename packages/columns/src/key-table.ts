/**
 * The rows of the key table. Every change of a row is one statement that names the state that it expects.
 *
 * Source: spec/columns-v1.md#tables
 *
 * @module
 */
import { EnvelopeError } from "@env/core";
import { sha256, toScope, type Purpose, type Scope } from "./place.ts";
import { bytesOf, type SqlClient, type SqlRow, type SqlValue } from "./sql.ts";
import { bufferOf } from "./value.ts";

/**
 * - `active`: writes and reads.
 * - `retired`: only reads.
 * - `destroyed`: nothing; the data key is gone.
 */
export type KeyState = "active" | "retired" | "destroyed";

export interface KeyRow {
  /** 12 lower-case hex digits. */
  readonly id: string;
  readonly purpose: Purpose;
  /** `undefined` once the scope was shredded: only its hash is kept. */
  readonly scope: Scope | undefined;
  readonly scopeHash: string;
  readonly state: KeyState;
  /** The data key as a message; `undefined` once it was destroyed. */
  readonly message: Uint8Array | undefined;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** How many values it may have encrypted, at most. */
  readonly used: number;
  /** Whether the scope has a fence in the same database. */
  readonly fenced: boolean;
}

const COLUMNS =
  "k.id, k.purpose, k.scope, k.scope_hash, k.state, k.key_message, k.created, k.used, f.fenced";
const FROM = "FROM envelope_keys k LEFT JOIN envelope_fences f ON f.scope_hash = k.scope_hash";
const FENCE = Buffer.from("env/columns/1/fence\0");

/** The text of a scope in the table: JSON with sorted names. */
export function scopeText({ pairs }: Scope): string {
  const sorted = Object.entries(pairs).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(sorted));
}

/** The name of a scope in the database: a hash, since what was forgotten must not be named. */
export function scopeHash({ name }: Scope): string {
  return bufferOf(sha256(FENCE, Buffer.from(name, "hex"))).toString("hex");
}

/** Reads keys by their ids, with their fences. Ids that do not exist are left out. */
export async function readKeys(client: SqlClient, ids: readonly string[]): Promise<KeyRow[]> {
  const places = ids.map((_, at) => `$${at + 1}`).join(", ");
  return rows(await client.query(`SELECT ${COLUMNS} ${FROM} WHERE k.id IN (${places})`, ids));
}

/** Reads the keys of a scope that were not destroyed, the newest first. */
export async function readableKeys(
  client: SqlClient,
  purpose: Purpose,
  scope: Scope,
): Promise<KeyRow[]> {
  const sql = `SELECT ${COLUMNS} ${FROM} WHERE k.scope_hash = $1 AND k.purpose = $2 AND k.state <> 'destroyed' ORDER BY k.created DESC, k.id`;
  return rows(await client.query(sql, [scopeHash(scope), purpose]));
}

/** @returns `false` if the id exists already. */
export async function insertKey(
  client: SqlClient,
  key: {
    readonly id: string;
    readonly purpose: Purpose;
    readonly scope: Scope;
    readonly message: Uint8Array;
    readonly created: number;
  },
): Promise<boolean> {
  const values: SqlValue[] = [
    key.id,
    key.purpose,
    scopeText(key.scope),
    scopeHash(key.scope),
    key.message,
    key.created,
  ];
  const inserted = await client.query(
    `INSERT INTO envelope_keys (id, purpose, scope, scope_hash, key_message, created, state)
     VALUES ($1, $2, $3, $4, $5, $6, 'active') ON CONFLICT (id) DO NOTHING RETURNING id`,
    values,
  );
  return inserted.length > 0;
}

/**
 * Reserves uses of an active key.
 *
 * @returns `false` if it is not active, or has no room for them.
 */
export async function reserveUses(
  client: SqlClient,
  id: string,
  uses: number,
  most: number,
): Promise<boolean> {
  const reserved = await client.query(
    `UPDATE envelope_keys SET used = used + $2 WHERE id = $1 AND state = 'active' AND used + $2 <= $3 RETURNING id`,
    [id, uses, most],
  );
  return reserved.length > 0;
}

/** Reads all keys, in the order of their ids, at most `limit` after the one given. */
export async function keysAfter(client: SqlClient, id: string, limit: number): Promise<KeyRow[]> {
  const sql = `SELECT ${COLUMNS} ${FROM} WHERE k.id > $1 ORDER BY k.id LIMIT ${limit}`;
  return rows(await client.query(sql, [id]));
}

/** Replaces the message of a key that still has the old one. */
export async function replaceMessage(
  client: SqlClient,
  key: KeyRow,
  message: Uint8Array,
): Promise<boolean> {
  const replaced = await client.query(
    "UPDATE envelope_keys SET key_message = $3 WHERE id = $1 AND key_message = $2 RETURNING id",
    [key.id, key.message ?? null, message],
  );
  return replaced.length > 0;
}

/** Which keys a statement is about. */
export interface KeySelection {
  readonly purpose: Purpose;
  readonly scope?: Scope | undefined;
  readonly ids?: readonly string[] | undefined;
  /** Those created up to this time, in milliseconds since 1970. */
  readonly until?: number | undefined;
  /** Those whose scope also has an active key of the same purpose that is newer than `until`. */
  readonly replaced?: boolean | undefined;
}

/** Makes active keys readable only. Returns how many there were. */
export async function retireKeys(client: SqlClient, selection: KeySelection): Promise<number> {
  const { sql, params } = conditions(selection, 2);
  const retired = await client.query(
    `UPDATE envelope_keys SET state = 'retired', retired = $1 WHERE state = 'active' AND ${sql} RETURNING id`,
    [Date.now(), ...params],
  );
  return retired.length;
}

/** Destroys keys that are retired: values that still depend on them cannot be read. Returns their ids. */
export async function destroyKeys(client: SqlClient, selection: KeySelection): Promise<string[]> {
  const { sql, params } = conditions(selection, 1);
  const destroyed = await client.query(
    `UPDATE envelope_keys SET state = 'destroyed', key_message = NULL WHERE state = 'retired' AND ${sql} RETURNING id`,
    params,
  );
  return destroyed.map(({ id }) => String(id));
}

function conditions(
  { purpose, scope, ids, until, replaced = false }: KeySelection,
  first: number,
): { sql: string; params: SqlValue[] } {
  const params: SqlValue[] = [];
  const next = (value: SqlValue): string => `$${first - 1 + params.push(value)}`;
  const parts = [`purpose = ${next(purpose)}`];
  if (scope !== undefined) parts.push(`scope_hash = ${next(scopeHash(scope))}`);
  if (until !== undefined) parts.push(`created <= ${next(until)}`);
  if (replaced) {
    parts.push(`EXISTS (SELECT 1 FROM envelope_keys AS n WHERE n.scope_hash = envelope_keys.scope_hash
      AND n.purpose = envelope_keys.purpose AND n.state = 'active' AND n.created > ${next(until ?? 0)})`);
  }
  if (ids !== undefined) parts.push(`id IN (${ids.map(next).join(", ") || "NULL"})`);
  return { sql: parts.join(" AND "), params };
}

function rows(found: readonly SqlRow[]): KeyRow[] {
  return found.map((row) => ({
    id: String(row["id"]),
    purpose: row["purpose"] === "index" ? "index" : "values",
    scope: typeof row["scope"] === "string" ? readScope(row["scope"]) : undefined,
    scopeHash: String(row["scope_hash"]),
    state: readState(row["state"]),
    message: row["key_message"] === null ? undefined : bytesOf(row["key_message"]),
    created: Number(row["created"]),
    used: Number(row["used"]),
    fenced: row["fenced"] !== null,
  }));
}

function readState(state: unknown): KeyState {
  return state === "active" || state === "retired" ? state : "destroyed";
}

/** What the row says is checked where its data key is opened: the key is bound to its scope. */
function readScope(text: string): Scope {
  try {
    const pairs: unknown = JSON.parse(text);
    if (typeof pairs === "object" && pairs !== null && !Array.isArray(pairs)) {
      return toScope(
        Object.fromEntries(Object.entries(pairs).map(([name, value]) => [name, String(value)])),
      );
    }
  } catch {
    // Not JSON, or not a scope.
  }
  throw new EnvelopeError(
    "ERR_ENVELOPE_FORMAT",
    "the key table has a row whose scope is malformed",
  );
}
