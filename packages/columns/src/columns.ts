/**
 * Encrypted columns: what applications call.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, Envelope } from "@env/core";
import { DataKeys } from "@env/core/data-keys";
import { checkOptions } from "@env/core/driver";
import type { FenceStore } from "./fences.ts";
import { toScope, type Scope } from "./place.ts";
import { migrate } from "./schema.ts";
import { ScopeKeys } from "./scope-keys.ts";
import type { SqlClient } from "./sql.ts";
import { TableColumns } from "./table-columns.ts";
import { checkTables, requireInteger, type TableDefinitions } from "./tables.ts";

export interface ColumnsOptions<T extends TableDefinitions> {
  /** Whose CMKs wrap the data keys. It stays the caller's to close. */
  readonly envelope: Envelope;
  /** The database with the key table. It stays the caller's. */
  readonly client: SqlClient;
  readonly tables: T;
  /** When a scope gets a new data key. Default: after 90 days or 2^24 values. */
  readonly rotation?:
    | {
        /** Milliseconds, at least 1000. */
        readonly maxAge?: number | undefined;
        /** Values of one data key, 1 to 2^40. */
        readonly maxValues?: number | undefined;
      }
    | undefined;
  /** Milliseconds for which a data key is held in memory. Default: 300,000. */
  readonly holdFor?: number | undefined;
  /** How many data keys are held in memory. Default: 10,000. */
  readonly holdAtMost?: number | undefined;
  /**
   * Milliseconds for which a process goes on writing with a data key before it sees that the key was retired,
   * at most. Default: 60,000.
   */
  readonly writeLease?: number | undefined;
  /** Where fences are kept besides the database of the key table. */
  readonly fences?: readonly FenceStore[] | undefined;
}

const OPTIONS = new Set([
  "envelope",
  "client",
  "tables",
  "rotation",
  "holdFor",
  "holdAtMost",
  "writeLease",
  "fences",
]);
const ROTATION = new Set(["maxAge", "maxValues"]);
const DAY = 86_400_000;

/** What the modules of this package share of a {@link Columns}. */
export interface ColumnsParts {
  readonly envelope: Envelope;
  readonly client: SqlClient;
  readonly keys: ScopeKeys;
  /** Those besides the database of the key table. */
  readonly fences: readonly FenceStore[];
  readonly writeLease: number;
}

/** Encrypted columns of any tables. */
export type AnyColumns = Columns<TableDefinitions>;

/** Gives this package's own modules access to the internals of a {@link Columns}. */
export let partsOf: (columns: AnyColumns) => ColumnsParts;

/**
 * The encrypted columns of a database.
 *
 * @example
 * ```ts
 * const tables = defineTables({
 *   users: {
 *     key: ["id"],
 *     scope: { tenant: "tenant" },
 *     columns: { email: { type: "text", index: { column: "email_index", rule: "email" } } },
 *   },
 * });
 * const columns = new Columns({ envelope, client: pg(pool), tables });
 * await columns.migrate();
 * const row = await columns.table("users").seal({ id, tenant: "acme", email: "ada@example.com" });
 * ```
 *
 * Source: spec/columns-v1.md
 */
export class Columns<const T extends TableDefinitions> {
  readonly tables: T;
  readonly #parts: ColumnsParts;
  readonly #scope = new AsyncLocalStorage<Scope>();
  readonly #tables = new Map<string, object>();
  readonly #plaintextReads = new Map<string, number>();

  /** @throws TypeError, RangeError for options that cannot work. */
  constructor(options: ColumnsOptions<T>) {
    checkOptions(options, OPTIONS);
    const { envelope, client, tables, rotation = {}, fences = [] } = options;
    checkTables(tables);
    checkOptions(rotation, ROTATION, "rotation");
    const { maxAge = 90 * DAY, maxValues = 2 ** 24 } = rotation;
    const { holdFor = 300_000, holdAtMost = 10_000, writeLease = 60_000 } = options;
    requireInteger("rotation.maxAge", maxAge, 1000, Number.MAX_SAFE_INTEGER);
    requireInteger("rotation.maxValues", maxValues, 1, 2 ** 40);
    requireInteger("holdFor", holdFor, 1, DAY);
    requireInteger("holdAtMost", holdAtMost, 1, 2 ** 24);
    requireInteger("writeLease", writeLease, 1, DAY);
    if (client.dialect !== "postgres" && client.dialect !== "sqlite") {
      throw new TypeError('client: wrap it with pg(), postgres() or sqlite() of "@env/columns"');
    }
    const held = new DataKeys(envelope, {
      maxAge: holdFor,
      maxEntries: holdAtMost,
      maxMessages: 2 ** 32,
      maxBytes: Number.MAX_SAFE_INTEGER,
    });
    const keys = new ScopeKeys(client, held, { maxAge, maxValues, lease: writeLease }, fences);
    this.tables = tables;
    this.#parts = { envelope, client, keys, fences, writeLease };
  }

  static {
    partsOf = (columns) => columns.#parts;
  }

  /** Creates the tables of this package, where they are missing: `schemaSql` has the statements. */
  async migrate(): Promise<void> {
    await migrate(this.#parts.client);
  }

  /** The encrypted columns of one table. */
  table<N extends keyof T & string>(name: N): TableColumns<T[N]> {
    const definition = Object.hasOwn(this.tables, name) ? this.tables[name] : undefined;
    if (definition === undefined)
      throw new TypeError(`no table ${JSON.stringify(name)} is defined`);
    let table = this.#tables.get(name);
    if (table === undefined) {
      const count = (column: string): void => {
        const place = `${name}.${column}`;
        this.#plaintextReads.set(place, (this.#plaintextReads.get(place) ?? 0) + 1);
      };
      table = new TableColumns(name, definition, this.#parts.keys, this.#scope, count);
      this.#tables.set(name, table);
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made from this table's definition
    return table as TableColumns<T[N]>;
  }

  /**
   * Runs `work` in a scope, with the scope's data keys held: the synchronous converters of ORMs then need nothing
   * else. Once per request or job.
   */
  async within<R>(pairs: Context, work: () => R | Promise<R>): Promise<R> {
    const scope = toScope(pairs);
    await this.#parts.keys.hold(scope);
    return this.#scope.run(scope, work);
  }

  /** How many values were read as plaintext, by `table.column`: only columns that are being migrated have any. */
  get plaintextReads(): ReadonlyMap<string, number> {
    return this.#plaintextReads;
  }
}
