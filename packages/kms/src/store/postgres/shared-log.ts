/**
 * The audit log in PostgreSQL: rows that are not in the replica, and a chain for each process that writes at the same time.
 *
 * A chain has a row with its heads, sealed with the number of times that it was written. Only the process that owns the row
 * writes it, in each of its transactions. So the row says whether a transaction has happened, and a process whose chain was
 * taken over notices before it records anything. The state keeps numbers of an earlier time, and this process those that it
 * has seen: an older row is not believed.
 *
 * Reading is synchronous, in functions that may run more than once. What they ask for is not here yet, so they are ended,
 * and run again when it has been fetched.
 *
 * Source: spec/kms-store-v1.md#chains
 *
 * @module
 */
import { boundsOf, MAX_SEALED_BYTES } from "../audit-table.ts";
import type { SharedLog, UsedTime } from "../engine.ts";
import { Fault } from "../file-errors.ts";
import { decodeCommits, encodeCommits, pledgeName, type LogEnd } from "../log-ends.ts";
import type { RowSealer } from "../row-sealer.ts";
import { chainOf, MAX_TIME, type AuditRow, type AuditRows, type TimePlace } from "../store.ts";
import type { ResultRow } from "./connection.ts";

export interface Question {
  readonly sql: string;
  readonly values: readonly number[];
}

/** A row of the table `chain`. */
export interface ChainRow extends LogEnd {
  /** The latest time that its writer has used. */
  readonly used: UsedTime;
}

type ChainRows = ReadonlyMap<number, ChainRow>;

/** What a transaction writes. */
export interface LogChanges {
  readonly rows: readonly AuditRow[];
  /** The number up to which the rows of the chain are deleted. */
  readonly cut: number | undefined;
  /** The chain's row. */
  readonly sealed: Uint8Array;
}

interface Pending {
  readonly rows: readonly AuditRow[];
  readonly cut: number | undefined;
  readonly heads: ChainRow["heads"];
  readonly used: UsedTime;
}

/** How long the newest number of a chain may be nowhere but in its own row, in ms. */
const PLEDGE_MS = 60_000;
const MAX_CHAIN_BYTES = 4096;

/** Ends a run that asked for something that is not here. The log remembers it, whoever catches this. */
class Missing extends Error {}

export const NEVER: UsedTime = { time: 0, resets: 0 };

export class PostgresLog implements SharedLog {
  readonly rows: AuditRows;
  readonly #sealer: RowSealer;
  readonly #schema: string;
  readonly #pledged: (name: string) => Uint8Array | undefined;
  /** The most commits that were seen of each chain. */
  readonly #seen = new Map<number, number>();
  #own: ChainRow | undefined;
  /** The latest time that is known since the latest reset of the clock that is. */
  #used = NEVER;
  #pledgeDue = 0;
  /** The chains with which a new keystore begins. */
  #first: readonly ChainRow[] = [{ number: 0, commits: 0, heads: new Map(), used: NEVER }];
  #pending: Pending = NOTHING;
  /** What was fetched for the runs of this transaction, and what the current one lacks. */
  readonly #answers = new Map<string, readonly ResultRow[]>();
  readonly #missing = new Map<string, Question>();
  /** The rows of the chains, and what is in them. */
  #opened: { readonly rows: readonly ResultRow[]; readonly ends: ChainRows } | undefined;

  /**
   * @param schema - Of the tables.
   * @param pledged - What the state has kept of {@link PostgresLog.pledge}.
   */
  constructor(
    sealer: RowSealer,
    schema: string,
    pledged: (name: string) => Uint8Array | undefined,
  ) {
    this.#sealer = sealer;
    this.#schema = schema;
    this.#pledged = pledged;
    this.rows = {
      insert: (row) => this.#insert(row),
      cut: (sequence) => void (this.#pending = { ...this.#pending, cut: sequence }),
      after: (sequence, last, limit) => this.#after(sequence, last, limit),
      forwards: (start, end, limit) => this.#forwards(start, end, limit),
      backwards: (start, from, limit) => this.#backwards(start, from, limit),
      outside: (base, last) => this.#outside(base, last),
      // PostgreSQL keeps its indexes; what it does not return cannot be told from what it does not have.
      isIndexed: () => true,
    };
  }

  time(resets: number): number {
    return this.#used.resets === resets ? this.#used.time : 0;
  }

  get chain(): number | undefined {
    return this.#own?.number;
  }

  /** The row of {@link PostgresLog.chain}. */
  get own(): Pick<ChainRow, "number" | "commits"> | undefined {
    return this.#own;
  }

  chains(): readonly number[] {
    return [...this.#all().keys()];
  }

  ends(): readonly LogEnd[] {
    return [...this.#all().values()];
  }

  arrive(ends: readonly LogEnd[], used: UsedTime): void {
    this.#first = ends.map((end) => ({ ...end, used }));
  }

  /** The rows of a new keystore, sealed. */
  firstRows(): readonly (readonly [number: number, commits: number, sealed: Uint8Array])[] {
    return this.#first.map((row) => [row.number, row.commits, this.seal(row)]);
  }

  head(name: string, chain: number): Uint8Array<ArrayBuffer> | undefined {
    const isOwn = chain === this.#own?.number;
    const heads = isOwn ? this.#pending.heads : this.#all().get(chain)?.heads;
    return heads?.get(name)?.slice();
  }

  setHead(name: string, bytes: Uint8Array): void {
    const heads = new Map(this.#pending.heads).set(name, new Uint8Array(bytes));
    this.#pending = { ...this.#pending, heads };
  }

  save(): () => void {
    const pending = this.#pending;
    return () => {
      this.#pending = pending;
    };
  }

  pledge(): { readonly name: string; readonly bytes: Uint8Array; readonly isDue: boolean } {
    const { number, commits } = this.requireOwn();
    const bytes = encodeCommits(commits + 1);
    return { name: pledgeName(number), bytes, isDue: performance.now() >= this.#pledgeDue };
  }

  flush(used: UsedTime): void {
    this.#pending = { ...this.#pending, used };
  }

  /** Begins a run of a transaction, again if the last one has asked for something. */
  begin(): void {
    const { heads, used } = this.#own ?? NOTHING;
    this.#pending = { rows: [], cut: undefined, heads, used };
    this.#missing.clear();
  }

  /** What has to be fetched before the transaction can run again; nothing: it is complete. */
  get missing(): readonly Question[] {
    return [...this.#missing.values()];
  }

  /** All answers until {@link PostgresLog.end} must be of one state of the log. */
  answer(question: Question, rows: readonly ResultRow[]): void {
    this.#answers.set(keyOf(question), rows);
  }

  /** Forgets what was fetched. */
  end(): void {
    this.#answers.clear();
  }

  /** What the transaction writes. */
  changes(): LogChanges {
    const { rows, cut, heads, used } = this.#pending;
    const { number, commits } = this.requireOwn();
    return { rows, cut, sealed: this.seal({ number, commits: commits + 1, heads, used }) };
  }

  /** @param hasPledged - Whether the state was written. */
  committed(hasPledged: boolean): void {
    const { number, commits } = this.requireOwn();
    const { heads, used } = this.#pending;
    this.#own = { number, commits: commits + 1, heads, used };
    this.#note(this.#own);
    if (hasPledged) this.#pledgeDue = performance.now() + PLEDGE_MS;
  }

  /** Takes a chain over. */
  claim(row: ChainRow): void {
    this.#own = row;
    this.#pledgeDue = performance.now() + PLEDGE_MS;
  }

  /** Gives the chain up, until another is claimed. */
  release(): void {
    this.#own = undefined;
  }

  /** Reads a row of the table, which must not be older than what is known. Throws a {@link Fault}. */
  open({ number, commits, sealed }: ResultRow): ChainRow {
    const title = `chain ${String(number)} of the audit log`;
    if (typeof number !== "number" || typeof commits !== "number") {
      throw new Fault(title, "its row is out of bounds");
    }
    const isWhole = sealed instanceof Uint8Array && sealed.length <= MAX_CHAIN_BYTES;
    const plaintext = isWhole ? this.#sealer.open(nameOf(number, commits), sealed) : undefined;
    if (plaintext === undefined) throw new Fault(title, "its row was altered");
    const pledged = decodeCommits(this.#pledged(pledgeName(number)));
    if (commits < Math.max(pledged, this.#seen.get(number) ?? 0)) {
      throw new Fault(title, "an older row of it was put back");
    }
    const row = { number, commits, ...decode(plaintext) };
    this.#note(row);
    return row;
  }

  seal({ number, commits, heads, used }: ChainRow): Uint8Array {
    const texts = Object.fromEntries(
      [...heads].map(([name, bytes]) => [
        name,
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64"),
      ]),
    );
    const plaintext = Buffer.from(JSON.stringify({ ...used, heads: texts }));
    return this.#sealer.seal(nameOf(number, commits), plaintext);
  }

  #note({ number, commits, used }: ChainRow): void {
    this.#seen.set(number, commits);
    const { time, resets } = this.#used;
    const isLater = used.resets === resets ? used.time > time : used.resets > resets;
    if (isLater) this.#used = used;
  }

  /** {@link PostgresLog.own}, inside of a transaction that writes. */
  requireOwn(): ChainRow {
    if (this.#own === undefined) throw new TypeError("must be called inside write");
    return this.#own;
  }

  #all(): ChainRows {
    const sql = `SELECT number, commits, sealed FROM ${this.#schema}.chain ORDER BY number`;
    const rows = this.#ask(sql, []);
    if (this.#opened?.rows !== rows) {
      const opened = rows.map((row) => this.open(row));
      this.#opened = { rows, ends: new Map(opened.map((row) => [row.number, row])) };
    }
    return this.#opened.ends;
  }

  #insert(row: AuditRow): void {
    this.#pending = { ...this.#pending, rows: [...this.#pending.rows, row] };
  }

  /** Also what this transaction has written. */
  #after(sequence: number, last: number, limit: number): readonly AuditRow[] {
    const written = this.#pending.rows.filter(
      (row) => row.sequence > sequence && row.sequence <= last,
    );
    const end = Math.min(last, (written[0]?.sequence ?? Infinity) - 1);
    const sql = `SELECT ${COLUMNS} FROM ${this.#schema}.audit WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3`;
    const found = end > sequence ? this.#ask(sql, [sequence, end, limit]).map(toRow) : [];
    return [...found, ...written].slice(0, limit);
  }

  #forwards({ time, sequence }: TimePlace, end: number, limit: number): readonly AuditRow[] {
    const sql = `SELECT ${COLUMNS} FROM ${this.#schema}.audit WHERE (time, seq) > ($1, $2) AND time < $3 ORDER BY time, seq LIMIT $4`;
    return this.#ask(sql, [time, sequence, end, limit]).map(toRow);
  }

  #backwards({ time, sequence }: TimePlace, from: number, limit: number): readonly AuditRow[] {
    const sql = `SELECT ${COLUMNS} FROM ${this.#schema}.audit WHERE (time, seq) < ($1, $2) AND time >= $3 ORDER BY time DESC, seq DESC LIMIT $4`;
    return this.#ask(sql, [time, sequence, from, limit]).map(toRow);
  }

  #outside(base: number, last: number): readonly (readonly [number, number])[] {
    const bounds = boundsOf(chainOf(last), this.chains());
    const start = Math.max(bounds.start, -MAX_NUMBER);
    const end = Math.min(bounds.end, MAX_NUMBER);
    const sql = `SELECT min(seq) AS first, max(seq) AS last FROM ${this.#schema}.audit WHERE seq > $1 AND seq <= $2`;
    const ranges = [this.#ask(sql, [start, base])[0], this.#ask(sql, [last, end])[0]];
    return ranges.flatMap((row): (readonly [number, number])[] => {
      const [first, until] = [row?.["first"], row?.["last"]];
      return typeof first === "number" && typeof until === "number" ? [[first, until]] : [];
    });
  }

  #ask(sql: string, values: readonly number[]): readonly ResultRow[] {
    const question = { sql, values };
    const key = keyOf(question);
    const answer = this.#answers.get(key);
    if (answer !== undefined) return answer;
    this.#missing.set(key, question);
    throw new Missing();
  }
}

const NOTHING: Pending = { rows: [], cut: undefined, heads: new Map(), used: NEVER };
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;
const COLUMNS = `seq, time, CASE WHEN octet_length(sealed) <= ${MAX_SEALED_BYTES} THEN sealed END AS sealed`;

function keyOf({ sql, values }: Question): string {
  return `${sql} ${values.join(" ")}`;
}

function nameOf(chain: number, commits: number): string {
  return `h${chain}/${commits}`;
}

function toRow({ seq, time, sealed }: ResultRow): AuditRow {
  const isTime = typeof time === "number" && time >= 0 && time <= MAX_TIME;
  return {
    sequence: Number(seq),
    time: isTime ? time : -1,
    sealed: sealed instanceof Uint8Array ? sealed : new Uint8Array(),
  };
}

/** The row was sealed under the root key, so its form is what this build or another has written. */
function decode(plaintext: Uint8Array): Pick<ChainRow, "heads" | "used"> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { heads, ...used } = JSON.parse(Buffer.from(plaintext).toString()) as UsedTime & {
    heads: Record<string, string>;
  };
  return {
    used,
    heads: new Map(
      Object.entries(heads).map(([name, text]) => [
        name,
        new Uint8Array(Buffer.from(text, "base64")),
      ]),
    ),
  };
}
