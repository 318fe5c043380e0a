/**
 * The few things that this package asks of a database, over the client that the application has.
 *
 * @module
 */
import { bufferOf } from "./value.ts";

/** What parameters and results are made of. */
export type SqlValue = string | number | bigint | Uint8Array | null;
export type SqlRow = Readonly<Record<string, unknown>>;
export type Dialect = "postgres" | "sqlite";

/** A database. Adapters are in this package; anything with these members serves as well. */
export interface SqlClient {
  readonly dialect: Dialect;
  /** Runs one statement with parameters `$1`, `$2` and so on, and returns its rows. */
  query(sql: string, params?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  /** Runs `work` in a transaction, which is rolled back if `work` fails. */
  transaction<T>(work: (client: SqlClient) => Promise<T>): Promise<T>;
}

/** A `Pool` of the package `pg`. */
export interface PgPool {
  query(sql: string, params: unknown[]): Promise<{ readonly rows: SqlRow[] }>;
  connect(): Promise<PgPoolClient>;
}

interface PgPoolClient {
  query(sql: string, params?: unknown[]): Promise<{ readonly rows: SqlRow[] }>;
  release(error?: boolean): void;
  on(event: "error", listener: () => void): unknown;
  off(event: "error", listener: () => void): unknown;
}

/** Uses a `Pool` of `pg`. It stays the caller's to end. */
export function pg(pool: PgPool): SqlClient {
  return {
    dialect: "postgres",
    query: async (sql, params = []) => (await pool.query(sql, params.map(forPg))).rows,
    async transaction(work) {
      const client = await pool.connect();
      let broken = false;
      // A connection that is lost between two statements says so here alone. The next statement fails as well.
      const onLost = (): void => void (broken = true);
      client.on("error", onLost);
      try {
        await client.query("BEGIN");
        const result = await work(
          nested(
            "postgres",
            async (sql, params) => (await client.query(sql, params.map(forPg))).rows,
          ),
        );
        await client.query("COMMIT");
        return result;
      } catch (error) {
        // A connection that cannot roll back must not serve anybody else.
        await client.query("ROLLBACK").catch(() => (broken = true));
        throw error;
      } finally {
        if (!broken) client.off("error", onLost);
        client.release(broken);
      }
    },
  };
}

interface PostgresQueries {
  unsafe(sql: string, params?: never[]): PromiseLike<readonly SqlRow[]>;
}

/** A client of the package `postgres`. */
export interface PostgresSql extends PostgresQueries {
  begin(work: (sql: PostgresQueries) => Promise<unknown>): Promise<unknown>;
}

/** Uses a client of `postgres`. It stays the caller's to end. */
export function postgres(sql: PostgresSql): SqlClient {
  return {
    dialect: "postgres",
    query: (text, params = []) => unsafe(sql, text, params),
    async transaction<T>(work: (client: SqlClient) => Promise<T>): Promise<T> {
      let result: { readonly value: T } | undefined;
      await sql.begin(async (inner) => {
        result = {
          value: await work(nested("postgres", (text, params) => unsafe(inner, text, params))),
        };
      });
      if (result === undefined) throw new TypeError("the transaction did not run");
      return result.value;
    },
  };
}

async function unsafe(
  sql: PostgresQueries,
  text: string,
  params: readonly SqlValue[],
): Promise<readonly SqlRow[]> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library's own type has no name here
  return [...(await sql.unsafe(text, params.map(forPg) as never[]))];
}

/** A database of `better-sqlite3`, or a `DatabaseSync` of `node:sqlite`. */
export interface SqliteDatabase {
  prepare(sql: string): SqliteStatement;
  exec(sql: string): unknown;
}

interface SqliteStatement {
  /** `better-sqlite3` alone: whether the statement returns rows. */
  readonly reader?: boolean;
  all(...params: never[]): unknown[];
  run(...params: never[]): unknown;
}

/**
 * Uses a database of `better-sqlite3` or `node:sqlite`. It stays the caller's to close. Transactions of this
 * client wait for one another; the application's own statements on the same connection would be part of them.
 */
export function sqlite(database: SqliteDatabase): SqlClient {
  const statements = new Map<string, SqliteStatement>();
  const run = (sql: string, params: readonly SqlValue[]): readonly SqlRow[] => {
    const used: SqlValue[] = [];
    // Parameters by number are named ones to node:sqlite.
    const text = sql.replaceAll(/\$(\d+)/g, (_, number) => {
      used.push(params[Number(number) - 1] ?? null);
      return "?";
    });
    let statement = statements.get(text);
    if (statement === undefined) {
      if (statements.size > 200) statements.clear();
      statements.set(text, (statement = database.prepare(text)));
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both libraries take these values
    const values = used.map((value) =>
      value instanceof Uint8Array ? bufferOf(value) : value,
    ) as never[];
    if (statement.reader === false) {
      statement.run(...values);
      return [];
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both libraries return rows
    return statement.all(...values) as SqlRow[];
  };
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => T | Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
  return {
    dialect: "sqlite",
    query: (sql, params = []) => inTurn(() => run(sql, params)),
    transaction: (work) =>
      inTurn(async () => {
        run("BEGIN IMMEDIATE", []);
        try {
          const result = await work(nested("sqlite", async (sql, params) => run(sql, params)));
          run("COMMIT", []);
          return result;
        } catch (error) {
          try {
            run("ROLLBACK", []);
          } catch {
            // SQLite has rolled back by itself.
          }
          throw error;
        }
      }),
  };
}

/** The client in a transaction, whose own transactions are part of it. */
function nested(
  dialect: Dialect,
  run: (sql: string, params: readonly SqlValue[]) => Promise<readonly SqlRow[]>,
): SqlClient {
  const client: SqlClient = {
    dialect,
    query: (sql, params = []) => run(sql, params),
    transaction: (work) => work(client),
  };
  return client;
}

function forPg(value: SqlValue): unknown {
  if (value instanceof Uint8Array) return bufferOf(value);
  return typeof value === "bigint" ? value.toString() : value;
}

/** Quotes a name; a table may be preceded by its schema. The definition of tables has checked its characters. */
export function quote(name: string): string {
  return name
    .split(".")
    .map((part) => `"${part}"`)
    .join(".");
}

/** Reads a column of bytes of our own tables. */
export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError("the database client did not return bytes as a Uint8Array");
}
