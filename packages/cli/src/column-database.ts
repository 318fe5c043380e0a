/**
 * The database of `envelope db`, and the definitions of its tables.
 *
 * @module
 */
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { Option } from "@commander-js/extra-typings";
import {
  Columns,
  fileFences,
  pg,
  sqlite,
  type AnyColumns,
  type PgPool,
  type SqlClient,
  type TableDefinitions,
} from "@env/columns";
import type { Envelope } from "@env/core";
import { CommandError, usageError } from "./errors.ts";

/** The variable with the URL of the database: on a command line, others would see the password in it. */
const DATABASE = "DATABASE_URL";

export type DatabaseOptions = {
  readonly database?: string | undefined;
  readonly tables: string;
  readonly fences?: string | undefined;
  /** Milliseconds. */
  readonly writeLease?: number | undefined;
};

export function databaseOption(): Option<"--database <database>"> {
  return new Option(
    "--database <database>",
    `postgres://… or the path of an SQLite file (default: what ${DATABASE} says)`,
  );
}

export function fencesOption(): Option<"--fences <file>"> {
  return new Option(
    "--fences <file>",
    "a file that also keeps what was shredded, and that no restore touches",
  );
}

/** Opens the database, runs `use` and closes it. */
export async function withDatabase<T>(
  { database = process.env[DATABASE] }: Pick<DatabaseOptions, "database">,
  use: (client: SqlClient) => Promise<T>,
): Promise<T> {
  if (database === undefined)
    throw usageError("which database?", `add --database, or set ${DATABASE}`);
  if (/^postgres(?:ql)?:\/\//.test(database)) {
    const pool = await openPool(database);
    try {
      return await use(pg(pool));
    } finally {
      await pool.end();
    }
  }
  if ((await stat(database).catch(() => undefined))?.isFile() !== true) {
    throw usageError(
      "--database: there is no such SQLite file",
      "a database of PostgreSQL begins with postgres://",
    );
  }
  const file = new DatabaseSync(database, { timeout: 10_000 });
  try {
    return await use(sqlite(file));
  } finally {
    file.close();
  }
}

/** Opens the database and the columns in it. */
export async function withColumns<T>(
  options: DatabaseOptions,
  envelope: Envelope,
  use: (columns: AnyColumns) => Promise<T>,
): Promise<T> {
  const { writeLease } = options;
  const tables = await readTables(options.tables);
  const fences = options.fences === undefined ? [] : [fileFences(options.fences)];
  return withDatabase(options, async (client) => {
    const columns: AnyColumns = await misuse(
      () => new Columns({ envelope, client, tables, fences, writeLease }),
    );
    return use(columns);
  });
}

/** Reads definitions: JSON, or what a module exports as `tables` or by default. */
async function readTables(path: string): Promise<TableDefinitions> {
  const found: unknown = path.endsWith(".json")
    ? JSON.parse(await readFile(path, "utf8"))
    : tablesOf(await import(pathToFileURL(resolve(path)).href));
  if (typeof found === "object" && found !== null) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Columns checks them
    return found as TableDefinitions;
  }
  throw usageError(`--tables: ${path} has no definitions`, "export them as tables, or by default");
}

function tablesOf(module: object): unknown {
  if ("tables" in module) return module.tables;
  return "default" in module ? module.default : undefined;
}

/** Runs something whose TypeErrors and RangeErrors are about the options of the command. */
export async function misuse<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw usageError(error.message);
    throw error;
  }
}

async function openPool(connectionString: string): Promise<PgPool & { end(): Promise<void> }> {
  try {
    const { default: module } = await import("pg");
    const pool = new module.Pool({ connectionString, max: 4 });
    // Of a connection that is lost while nothing uses it. The next statement connects again.
    pool.on("error", () => undefined);
    return pool;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND"))
      throw error;
    throw new CommandError(
      "ERR_CLI_USAGE",
      "the package pg is not installed",
      "npm install pg",
      error,
    );
  }
}
