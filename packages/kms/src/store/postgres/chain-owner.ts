/**
 * Which chain of the log this process writes. Its row in PostgreSQL names the owner, a random text.
 *
 * Source: spec/kms-store-v1.md#chains
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { Connection, ResultRow } from "./connection.ts";
import { unknownOutcome } from "./errors.ts";
import { NEVER, type PostgresLog } from "./shared-log.ts";

/** How long a chain must not have been written for another process to take it over, in seconds. */
const IDLE_SECONDS = 60;

export class ChainOwner {
  readonly #connection: Connection;
  readonly #chain: string;
  #name = randomUUID();

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#chain = `${connection.address.schema}.chain`;
  }

  /** What the row of this process's chain has in `owner`. */
  get name(): string {
    return this.#name;
  }

  /** Takes over a chain that nobody writes, or begins another. */
  async claim(log: PostgresLog): Promise<void> {
    const connection = this.#connection;
    const rows = await connection.query(
      `SELECT number, commits, sealed, owner, (owner IS NULL OR owner = $1 OR touched < now() - interval '${IDLE_SECONDS} seconds') AS free FROM ${this.#chain} ORDER BY number`,
      [this.#name],
    );
    const chains = rows.map((row) => ({
      row: log.open(row),
      owner: row["owner"],
      isFree: row["free"] === true,
    }));
    for (const { row, owner, isFree } of chains) {
      if (!isFree) continue;
      const taken = await connection.query(
        `UPDATE ${this.#chain} SET owner = $1, touched = now() WHERE number = $2 AND owner IS NOT DISTINCT FROM $3 AND commits = $4 RETURNING 1`,
        [this.#name, row.number, owner, row.commits],
      );
      if (taken.length === 1) return log.claim(row);
    }
    const number = Math.max(-1, ...chains.map(({ row }) => row.number)) + 1;
    const row = { number, commits: 0, heads: new Map(), used: NEVER };
    const made = await connection.query(
      `INSERT INTO ${this.#chain} (number, owner, commits, touched, sealed) VALUES ($1, $2, 0, now(), $3) ON CONFLICT (number) DO NOTHING RETURNING 1`,
      [number, this.#name, log.seal(row)],
    );
    // Others begin theirs at the same moment.
    return made.length === 1 ? log.claim(row) : this.claim(log);
  }

  /**
   * Whether a transaction has happened whose answer was lost. The chain's row says so, once nobody can write it any more for
   * this process: PostgreSQL may still be busy with the transaction.
   *
   * @param commits - How often the chain was written if it has.
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_UNKNOWN_OUTCOME`
   */
  async hasCommitted(log: PostgresLog, chain: number, commits: number): Promise<boolean> {
    const [before, after] = [this.#name, randomUUID()];
    const { shownAs } = this.#connection.address;
    let found: readonly ResultRow[];
    try {
      found = await this.#connection.patiently(() =>
        this.#connection.query(
          `UPDATE ${this.#chain} SET owner = $1, touched = now() WHERE number = $2 AND owner IN ($1, $3) RETURNING commits`,
          [after, chain, before],
        ),
      );
    } catch (cause) {
      log.release();
      throw unknownOutcome(shownAs, cause);
    }
    this.#name = after;
    const written = found[0]?.["commits"];
    if (written === commits) return true;
    log.release();
    if (written === commits - 1) return false;
    throw unknownOutcome(shownAs);
  }

  /** Lets another process continue the chain at once. */
  async release(): Promise<void> {
    const sql = `UPDATE ${this.#chain} SET owner = NULL WHERE owner = $1`;
    await this.#connection.query(sql, [this.#name]);
  }

  /** Takes all chains from their owners. A transaction that has begun holds the row of its chain, or finds it without its owner. */
  async fence(): Promise<void> {
    await this.#connection.query(`UPDATE ${this.#chain} SET owner = NULL`);
  }
}
