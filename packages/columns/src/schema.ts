/**
 * The tables of this package in the application's database.
 *
 * Source: spec/columns-v1.md#tables
 *
 * @module
 */
import type { Dialect, SqlClient } from "./sql.ts";

const types: Readonly<Record<Dialect, { readonly bytes: string; readonly integer: string }>> = {
  postgres: { bytes: "bytea", integer: "bigint" },
  sqlite: { bytes: "BLOB", integer: "INTEGER" },
};

/** The statements that create what is missing. They may run any number of times. */
export function schemaSql(dialect: Dialect): string[] {
  const { bytes, integer } = types[dialect];
  return [
    `CREATE TABLE IF NOT EXISTS envelope_keys (
  id text PRIMARY KEY,
  purpose text NOT NULL,
  scope text,
  scope_hash text NOT NULL,
  state text NOT NULL,
  key_message ${bytes},
  created ${integer} NOT NULL,
  retired ${integer},
  used ${integer} NOT NULL DEFAULT 0
)`,
    `CREATE INDEX IF NOT EXISTS envelope_keys_scope ON envelope_keys (scope_hash, purpose, state)`,
    `CREATE TABLE IF NOT EXISTS envelope_fences (
  scope_hash text PRIMARY KEY,
  fenced ${integer} NOT NULL,
  receipt text
)`,
    `CREATE TABLE IF NOT EXISTS envelope_passes (
  name text PRIMARY KEY,
  state text NOT NULL,
  updated ${integer} NOT NULL
)`,
  ];
}

/** Creates the tables of this package where they are missing. */
export async function migrate(client: SqlClient): Promise<void> {
  for (const statement of schemaSql(client.dialect)) await client.query(statement);
}
