/**
 * The databases that tests run on: SQLite always, PostgreSQL where it is installed. `describeDatabases` runs the
 * same tests on each.
 */
import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { pg, sqlite, type SqlClient } from "@env/columns";
import { Pool } from "pg";
import { afterEach, beforeEach, describe, inject } from "vitest";

export interface TestDatabase {
  readonly client: SqlClient;
  /** The type of bytes in `CREATE TABLE`. */
  readonly bytes: string;
  close(): Promise<void>;
}

const found = inject("postgres");
/** Why tests on PostgreSQL are skipped. */
export const noPostgres: string | undefined = "missing" in found ? found.missing : undefined;

/** Creates a database in the PostgreSQL of the tests, and returns its URL. */
export async function newPostgresDatabase(): Promise<string> {
  if ("missing" in found) throw new Error(found.missing);
  const name = `t${randomBytes(8).toString("hex")}`;
  const admin = new Pool({ connectionString: found.url, max: 1 });
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  return found.url.replace(/postgres$/, name);
}

async function postgresDatabase(): Promise<TestDatabase> {
  const pool = new Pool({ connectionString: await newPostgresDatabase(), max: 8 });
  return { client: pg(pool), bytes: "bytea", close: () => pool.end() };
}

async function sqliteDatabase(): Promise<TestDatabase> {
  const database = new DatabaseSync(":memory:");
  return { client: sqlite(database), bytes: "BLOB", close: async () => database.close() };
}

/** Runs `tests` with each kind of database, a new one for each test. */
export function describeDatabases(
  name: string,
  tests: (database: () => TestDatabase) => void,
): void {
  const suite = (open: () => Promise<TestDatabase>): void => {
    let database: TestDatabase;
    beforeEach(async () => {
      database = await open();
    });
    afterEach(() => database.close());
    tests(() => database);
  };
  describe(`${name}, on SQLite`, () => {
    suite(sqliteDatabase);
  });
  describe.skipIf(noPostgres !== undefined)(`${name}, on PostgreSQL`, () => {
    suite(postgresDatabase);
  });
}
