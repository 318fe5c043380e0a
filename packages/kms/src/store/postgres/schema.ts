/**
 * The tables in PostgreSQL: those of a file with its columns, and four more.
 *
 * Source: spec/kms-store-v1.md#postgresql
 *
 * @module
 */
import { format, keystoreError } from "../file-errors.ts";
import type { Connection } from "./connection.ts";
import type { TableChanges } from "./replica.ts";
import type { Table } from "../tables.ts";
import { changeTable, definition, Parameters } from "./sql.ts";

/** Rows of one statement. */
const ROWS = 1000;
/** The version of the specification's section. */
const FORMAT_VERSION = 1;

/** What a file does not have, without the schema. */
const ownTables: Readonly<Record<string, string>> = {
  keystore: "version BIGINT NOT NULL PRIMARY KEY",
  change: "revision BIGINT NOT NULL PRIMARY KEY, keys TEXT NOT NULL",
  chain:
    "number BIGINT NOT NULL PRIMARY KEY, owner TEXT, commits BIGINT NOT NULL, touched TIMESTAMPTZ NOT NULL, sealed BYTEA NOT NULL",
  audit: "seq BIGINT NOT NULL PRIMARY KEY, time BIGINT NOT NULL, sealed BYTEA NOT NULL",
};

/** The statements that make the tables. */
function definitions(schema: string, tables: readonly Table[]): readonly string[] {
  return [
    ...tables.map((table) => definition(schema, table)),
    ...Object.entries(ownTables).map(
      ([name, columns]) => `CREATE TABLE ${schema}.${name} (${columns})`,
    ),
    `CREATE INDEX audit_by_time ON ${schema}.audit (time, seq)`,
  ];
}

/**
 * Makes the tables and fills them, in one transaction. A schema that exists is used.
 *
 * @param chains - The rows of the first chains.
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO` if there is a keystore.
 */
export async function createTables(
  connection: Connection,
  tables: readonly Table[],
  rows: readonly TableChanges[],
  chains: readonly (readonly [number: number, commits: number, sealed: Uint8Array])[],
): Promise<void> {
  const { schema, shownAs } = connection.address;
  await connection.transaction("BEGIN", async () => {
    const found = await findSchema(connection);
    if (found?.hasTables === true) {
      throw keystoreError(
        "ERR_ENVELOPE_KEYSTORE_IO",
        shownAs,
        "there is a keystore, and a keystore is never overwritten; choose another schema",
      );
    }
    if (found === undefined) await connection.query(`CREATE SCHEMA ${schema}`);
    for (const statement of definitions(schema, tables)) await connection.query(statement);
    for (const { table, written } of rows) {
      for (let at = 0; at < written.length; at += ROWS) {
        const page = { table, written: written.slice(at, at + ROWS), deleted: [] };
        const parameters = new Parameters();
        for (const statement of changeTable(schema, page, parameters, "true")) {
          await connection.query(statement, parameters.values);
        }
      }
    }
    for (const chain of chains) {
      await connection.query(
        `INSERT INTO ${schema}.chain (number, commits, touched, sealed) VALUES ($1, $2, now(), $3)`,
        chain,
      );
    }
    await connection.query(`INSERT INTO ${schema}.keystore VALUES (${FORMAT_VERSION})`);
  });
}

/** Whether there is a keystore in the schema; `undefined`: there is no such schema. */
export async function findSchema(
  connection: Connection,
): Promise<{ readonly hasTables: boolean } | undefined> {
  const [found] = await connection.query(
    "SELECT (SELECT count(*) FROM pg_tables WHERE schemaname = nspname AND tablename = 'keystore') AS tables FROM pg_namespace WHERE nspname = $1",
    [connection.address.schema],
  );
  return found && { hasTables: found["tables"] === 1 };
}

/** Removes the tables. The schema stays, since it may have been there before. */
export async function removeTables(
  connection: Connection,
  tables: readonly Table[],
): Promise<void> {
  const { schema } = connection.address;
  const names = [...tables.map(({ name }) => name), ...Object.keys(ownTables)];
  await connection.query(`DROP TABLE ${names.map((name) => `${schema}.${name}`).join(", ")}`);
}

/** @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for tables of another version; PostgreSQL's error where there are none. */
export async function requireTables(connection: Connection): Promise<void> {
  const { schema, shownAs } = connection.address;
  const rows = await connection.query(`SELECT version FROM ${schema}.keystore`);
  const version = rows[0]?.["version"];
  if (version === FORMAT_VERSION && rows.length === 1) return;
  throw format(
    shownAs,
    `format version ${String(version)}; this build reads version ${FORMAT_VERSION}`,
  );
}
