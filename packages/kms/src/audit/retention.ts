/**
 * Cutting off old records. The head then says where the log begins: verification starts there, and a record that is missing
 * after it was not cut off.
 *
 * One piece at a time is verified, its archive is written to disk, and it is deleted in one transaction that moves the head
 * and records the cut. After a crash, records may be both archived and in the log, but never neither.
 *
 * Source: spec/audit-v1.md#retention
 *
 * @module
 */
import { DAY_MS } from "../store/store.ts";
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { ArchiveWriter } from "./archive.ts";
import type { Chain, Link } from "./chain.ts";
import type { Chains, LogChain } from "./chains.ts";
import { malformed, type AuditStore } from "./rows.ts";

/** What is kept. If both limits are given, whatever exceeds either of them is cut off. */
export interface AuditRetention {
  /** Days: 1 to 36,500. */
  readonly maxAgeDays?: number;
  /** Records: 1 or more. */
  readonly maxRecords?: number;
  /** A folder for files of what is cut off, which are not encrypted. Default: none, the records are deleted. */
  readonly archive?: string;
}

export interface RetentionReport {
  /** Records that were cut off. */
  readonly removed: number;
  /** Paths of the archives they are in. */
  readonly archives: readonly string[];
}

/** A log must not fill the disk. This is about 1.4 GB at 1.4 kB per record. */
export const defaultRetention: AuditRetention = { maxRecords: 1_000_000 };

interface RetentionSource {
  readonly store: AuditStore;
  readonly chains: Chains;
  readonly chain: Chain;
  readonly keystoreId: string;
  /** Cuts off all records of a chain up to a place, and records the cut with these facts. */
  readonly cut: (of: LogChain, end: Link, facts: Readonly<Record<string, unknown>>) => void;
}

/** Bytes of the records of a piece. Deleting it takes about ten milliseconds, in which nobody else can write. */
const PIECE_BYTES = 8 << 20;
const PAGE_ROWS = 256;

/** @throws TypeError, RangeError for limits out of bounds. */
export function parseRetention(retention: AuditRetention): AuditRetention {
  const { maxAgeDays, maxRecords, archive } = retention;
  if (maxAgeDays === undefined && maxRecords === undefined) {
    throw new TypeError("audit.retention needs maxAgeDays or maxRecords");
  }
  if (maxAgeDays !== undefined && !(maxAgeDays >= 1 && maxAgeDays <= 36_500)) {
    throw new RangeError("audit.retention.maxAgeDays must be 1 to 36,500");
  }
  if (maxRecords !== undefined && !(Number.isSafeInteger(maxRecords) && maxRecords >= 1)) {
    throw new RangeError("audit.retention.maxRecords must be an integer, 1 or more");
  }
  if (archive !== undefined && (typeof archive !== "string" || archive === "")) {
    throw new TypeError("audit.retention.archive must be the path of a folder");
  }
  return retention;
}

export class Retention {
  readonly #source: RetentionSource;
  #underway:
    | { readonly limits: AuditRetention; readonly done: Promise<RetentionReport> }
    | undefined;

  constructor(source: RetentionSource) {
    this.#source = source;
  }

  /**
   * Cuts off everything beyond the limits. One at a time in a process; of several processes, one gets each piece.
   *
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for records that do not verify, which stay as evidence.
   * `ERR_ENVELOPE_KEYSTORE_IO` if an archive cannot be written.
   */
  apply(limits: AuditRetention): Promise<RetentionReport> {
    if (this.#underway?.limits === limits) return this.#underway.done;
    const before = this.#underway?.done.catch(() => undefined);
    const done = Promise.resolve(before)
      .then(() => this.#apply(limits))
      .finally(() => {
        if (this.#underway?.done === done) this.#underway = undefined;
      });
    this.#underway = { limits, done };
    return done;
  }

  async #apply(limits: AuditRetention): Promise<RetentionReport> {
    const archives: string[] = [];
    let removed = 0;
    // Those that a file has from a time in PostgreSQL grow no longer, but their records also grow old.
    for (const chain of await this.#source.chains.writable()) {
      for (;;) {
        const piece = await this.#nextPiece(chain, limits);
        if (piece === undefined) break;
        const { base, end } = piece;
        const path = this.#archive(piece, limits.archive);
        if (!(await this.#cut(chain, base, end, path))) {
          if (!(await this.#source.chains.writable()).includes(chain)) break;
          continue;
        }
        removed += end.sequence - base.sequence;
        if (path !== undefined) archives.push(path);
      }
    }
    return { removed, archives };
  }

  /** The next piece to cut off, verified. */
  async #nextPiece(of: LogChain, limits: AuditRetention): Promise<Piece | undefined> {
    const { store, chain } = this.#source;
    const { rows } = of;
    const { maxRecords = Number.MAX_SAFE_INTEGER, maxAgeDays = Infinity, archive } = limits;
    const begun = await store.read(() => ({
      head: rows.head(),
      now: store.now(),
      chain: store.chain,
    }));
    const { base, last } = begun.head;
    const oldest = begun.now - maxAgeDays * DAY_MS;
    const isFull = last.sequence - base.sequence > maxRecords;
    if (!isFull && limits.maxAgeDays === undefined) return undefined;
    // The record of the cut takes a place in its chain.
    const more = of.number === begun.chain ? 1 : 0;
    const most = isFull ? last.sequence - maxRecords + more : 0;
    const records: Uint8Array[] = [];
    let end = base;
    for (let bytes = 0; end.sequence < last.sequence && bytes < PIECE_BYTES;) {
      const { sequence } = end;
      const { page, isCut } = await store.read(() => ({
        page: store.auditRows.after(sequence, last.sequence, PAGE_ROWS),
        isCut: rows.head().base.sequence !== base.sequence,
      }));
      // Another process was first.
      if (isCut) return this.#nextPiece(of, limits);
      if (page.length === 0) throw malformed(`record ${sequence + 1} is missing`);
      for (const row of page) {
        const isKept = row.sequence > most && row.time >= oldest;
        if (isKept || bytes >= PIECE_BYTES) return toPiece(base, end, records);
        const { previous, record } = rows.open(row);
        // The digest also covers the number.
        if (Buffer.compare(previous, end.digest) !== 0) {
          throw malformed(`record ${row.sequence} does not follow record ${end.sequence}`);
        }
        end = chain.next(end, record);
        bytes += record.length;
        if (archive !== undefined) records.push(record);
      }
      await setImmediate();
    }
    return toPiece(base, end, records);
  }

  #archive({ base, end, records }: Piece, folder: string | undefined): string | undefined {
    if (folder === undefined) return undefined;
    const writer = new ArchiveWriter(folder, this.#source.keystoreId, base, end);
    try {
      for (const record of records) writer.add(record);
      return writer.finish();
    } catch (error) {
      writer.abandon();
      throw error;
    }
  }

  /** Cuts off a piece. `false`: another process has cut off some of it, or has taken the chain over. */
  #cut(of: LogChain, base: Link, end: Link, path: string | undefined): Promise<boolean> {
    const { store, cut } = this.#source;
    return store.write(() => {
      const isOurs = !store.isShared || store.chain === of.number;
      if (!isOurs || of.rows.head().base.sequence !== base.sequence) return false;
      cut(of, end, {
        FirstRecord: base.sequence + 1,
        LastRecord: end.sequence,
        Digest: Buffer.from(end.digest).toString("hex"),
        Archive: path === undefined ? undefined : basename(path),
      });
      return true;
    });
  }
}

interface Piece {
  /** The place before the first of them. */
  readonly base: Link;
  readonly end: Link;
  /** Canonical JSON of all of them, if an archive is written. */
  readonly records: readonly Uint8Array[];
}

function toPiece(base: Link, end: Link, records: readonly Uint8Array[]): Piece | undefined {
  return end.sequence === base.sequence ? undefined : { base, end, records };
}
