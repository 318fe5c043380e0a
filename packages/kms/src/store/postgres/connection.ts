/**
 * One connection to PostgreSQL, made again when it is lost. A keystore needs only one: its calls share transactions, which
 * follow each other.
 *
 * @module
 */
import { setTimeout } from "node:timers/promises";
import { EnvelopeError, isEnvelopeError } from "@env/core";
import type { PostgresAddress } from "./address.ts";
import {
  ConnectionLost,
  keystoreProblem,
  statementError,
  takesNoChanges,
  unreachable,
} from "./errors.ts";

/** What is used of `pg`'s client. */
interface Client {
  connect(): Promise<unknown>;
  query(query: {
    readonly name?: string;
    readonly text: string;
    readonly values: readonly unknown[];
  }): Promise<{ readonly rows: readonly ResultRow[] }>;
  end(): Promise<void>;
  on(event: "error", listener: (error: unknown) => void): unknown;
}

type ClientClass = new (options: Readonly<Record<string, unknown>>) => Client;

export type ResultRow = Readonly<Record<string, unknown>>;

/** Between two tries to connect, in ms. */
const PAUSE_MS = 100;
/** How much longer than PostgreSQL this side waits for an answer, in ms. */
const GRACE_MS = 1000;
const INT8 = 20;

/** PostgreSQL's numbers of 64 bits come as text, because not all of them are numbers of JavaScript. Ours are. */
async function loadDriver(): Promise<{ readonly Client: ClientClass; readonly types: object }> {
  let module: { readonly default: { readonly Client: ClientClass; readonly types: Types } };
  try {
    // What is used of it is typed above. A program that uses files alone does not need it.
    module = await import("pg");
  } catch (cause) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_KEYSTORE_IO",
      "a keystore in PostgreSQL needs the package pg: npm install pg",
      { cause },
    );
  }
  const { Client, types } = module.default;
  const getTypeParser: Types["getTypeParser"] = (type, form) =>
    type === INT8 ? Number : types.getTypeParser(type, form);
  return { Client, types: { getTypeParser } };
}

interface Types {
  getTypeParser(type: number, form?: string): unknown;
}

export class Connection {
  readonly address: PostgresAddress;
  /** How long to wait for the database, in ms. */
  readonly patience: number;
  #client: Client | undefined;
  #isInTransaction = false;
  #closed = false;

  constructor(address: PostgresAddress, patience: number) {
    this.address = address;
    this.patience = patience;
  }

  /**
   * Runs one statement.
   *
   * @param name - Under which PostgreSQL keeps its plan. Default: the plan is not kept.
   * @throws {@link ConnectionLost}, or PostgreSQL's error.
   */
  async query(
    text: string,
    values: readonly unknown[] = [],
    name?: string,
  ): Promise<readonly ResultRow[]> {
    if (this.#client === undefined && this.#isInTransaction) {
      // Another connection would not be in the transaction.
      this.#isInTransaction = false;
      throw new ConnectionLost("it was cut in a transaction");
    }
    const client = this.#client ?? (await this.#connect());
    try {
      const query = name === undefined ? { text, values } : { name, text, values };
      return (await client.query(query)).rows;
    } catch (error) {
      const problem = statementError(error);
      if (problem instanceof ConnectionLost || takesNoChanges(error)) {
        this.#isInTransaction = false;
        this.#drop(client);
      }
      throw problem;
    }
  }

  get isInTransaction(): boolean {
    return this.#isInTransaction;
  }

  /** Begins a transaction: until {@link finish}, everything is in it or fails. */
  async begin(statement: string): Promise<void> {
    await this.query(statement);
    this.#isInTransaction = true;
  }

  async finish(statement: "COMMIT" | "ROLLBACK"): Promise<void> {
    if (!this.#isInTransaction) return;
    try {
      await this.query(statement);
    } finally {
      this.#isInTransaction = false;
    }
  }

  /** Runs `fn` in a transaction. */
  async transaction<T>(begin: string, fn: () => Promise<T>): Promise<T> {
    await this.begin(begin);
    try {
      const result = await fn();
      await this.finish("COMMIT");
      return result;
    } catch (error) {
      await this.finish("ROLLBACK").catch(() => undefined);
      throw error;
    }
  }

  /** Runs `fn`, which only reads, on one state of the database. In a transaction: in that one. */
  snapshot<T>(fn: () => Promise<T>): Promise<T> {
    if (this.#isInTransaction) return fn();
    return this.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", fn);
  }

  /** Tries `fn`, which may run more than once, until the database answers or the patience is at its end. */
  async patiently<T>(fn: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.patience;
    for (;;) {
      try {
        return await fn();
      } catch (error) {
        const problem = keystoreProblem(error, this.address.shownAs);
        const mayPass = isEnvelopeError(problem, "ERR_ENVELOPE_KEYSTORE_BUSY");
        if (this.#closed || !mayPass || performance.now() >= deadline) throw problem;
        await setTimeout(PAUSE_MS * (0.5 + Math.random()));
      }
    }
  }

  /** Ends the connection, as soon as what is under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  /** The first of the hosts that takes changes. */
  async #connect(): Promise<Client> {
    if (this.#closed) throw new EnvelopeError("ERR_ENVELOPE_CLOSED", "the keystore is closed");
    const { Client, types } = await loadDriver();
    const failures: unknown[] = [];
    for (const host of this.address.hosts) {
      const client = new Client({
        connectionString: host,
        types,
        application_name: "envelope",
        keepAlive: true,
        connectionTimeoutMillis: this.patience,
        statement_timeout: this.patience,
        idle_in_transaction_session_timeout: this.patience,
        query_timeout: this.patience + GRACE_MS,
      });
      client.on("error", () => this.#drop(client));
      try {
        await client.connect();
        const { rows } = await client.query({ text: IS_READ_ONLY, values: [] });
        if (rows[0]?.["off"] === true) {
          this.#client = client;
          return client;
        }
        failures.push(new Error("it takes no changes: a standby, or read-only"));
      } catch (error) {
        failures.push(error);
      }
      void client.end().catch(() => undefined);
    }
    throw unreachable(this.address.shownAs, failures);
  }

  #drop(client: Client): void {
    if (this.#client === client) this.#client = undefined;
    void client.end().catch(() => undefined);
  }
}

const IS_READ_ONLY = "SELECT current_setting('transaction_read_only') = 'off' AS off";
