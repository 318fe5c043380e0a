/**
 * The audit log of a keystore: one record for every call, in the order in which the records reached the file.
 *
 * The record of a change is in the transaction of the change: both exist or neither. Other records are written together, see
 * pending.ts. A call whose record cannot be written is refused.
 *
 * Source: spec/audit-v1.md
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { EnvelopeError } from "@env/core";
import type { Realm } from "../arn.ts";
import { verifyArchive, type ArchiveReport } from "./archive.ts";
import type { LastUseRecord } from "../store/iam-records.ts";
import { Chain, type Link } from "./chain.ts";
import type { AuditEvent, AuditSink } from "./event.ts";
import { Chains } from "./chains.ts";
import { Pending, type AuditDurability, type AuditFailure } from "./pending.ts";
import {
  page,
  query,
  type AuditEntry,
  type AuditPage,
  type AuditPageQuery,
  type AuditQuery,
} from "./query.ts";
import { encodeRecord, toRecord, type AuditRecord, type EncodedRecord } from "./record.ts";
import {
  defaultRetention,
  parseRetention,
  Retention,
  type AuditRetention,
  type RetentionReport,
} from "./retention.ts";
import type { AuditStore } from "./rows.ts";
import { tail, type AuditTailOptions } from "./tail.ts";
import {
  ANCHORED,
  toAnchor,
  toPlace,
  verify,
  type AuditAnchor,
  type AuditReport,
  type AuditVerifyOptions,
} from "./verify.ts";

export interface AuditOptions {
  /** Default: `synced`. */
  readonly durability?: AuditDurability;
  /** Default: `refuse`. */
  readonly onFailure?: AuditFailure;
  /**
   * Which records are kept, checked once per thousand calls. Every cut is itself recorded. `none` keeps everything.
   * Default: the last 1,000,000 records; the first cut in a process emits a warning, since nobody asked for it.
   */
  readonly retention?: AuditRetention | "none";
  /** Where records go instead of the file; only with `readOnly`. `none` answers calls without a record. */
  readonly sink?: AuditRecordSink | "none";
}

/**
 * Takes the record of a call to a keystore that is opened read-only. The call is answered once it returns, or the promise
 * that it returns fulfils, and refused if it fails.
 */
export type AuditRecordSink = (record: AuditRecord) => void | Promise<void>;

/** Whose log it is. */
export interface AuditFacts extends Realm {
  readonly keystoreId: string;
}

/** Calls between two checks of the retention, and of what the log keeps of the uses of keys. */
const UPKEEP_INTERVAL = 1000;

export class AuditLog implements AuditSink {
  readonly #sink: AuditRecordSink | "none" | undefined;
  readonly #store: AuditStore;
  readonly #realm: Realm;
  readonly #chain: Chain;
  readonly #chains: Chains;
  readonly #pending: Pending;
  readonly #retention: Retention;
  /** What is kept; `undefined`: everything. */
  readonly #limits: AuditRetention | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #keystoreId: string;
  #untilUpkeep = 1;
  #warned = false;
  #closed = false;

  /** @throws TypeError, RangeError for options out of bounds. */
  constructor(store: AuditStore, root: KeyObject, facts: AuditFacts, options: AuditOptions = {}) {
    const {
      durability = "synced",
      onFailure = "refuse",
      retention = defaultRetention,
      sink,
    } = options;
    requireDurability(durability);
    if (onFailure !== "refuse" && onFailure !== "continue") {
      throw new TypeError("audit.onFailure must be refuse or continue");
    }
    if (sink !== undefined && sink !== "none" && typeof sink !== "function") {
      throw new TypeError('audit.sink must be a function or "none"');
    }
    this.#sink = sink;
    this.#store = store;
    this.#realm = facts;
    this.#keystoreId = facts.keystoreId;
    this.#chain = new Chain(root, facts.keystoreId);
    if (store.isShared && (durability !== "synced" || onFailure !== "refuse")) {
      throw new TypeError(
        "a keystore that several machines write records every call in the transaction that answers it: audit.durability must be synced and audit.onFailure refuse",
      );
    }
    this.#chains = new Chains(store, this.#chain);
    this.#limits = retention === "none" ? undefined : parseRetention(retention);
    this.#retention = new Retention({
      store,
      chains: this.#chains,
      chain: this.#chain,
      keystoreId: facts.keystoreId,
      cut: ({ rows, lastUses }, end, cut) => {
        lastUses.keep(end.sequence);
        rows.cut(end);
        this.#write([this.#serviceRecord("RotateAuditLog", cut)]);
      },
    });
    this.#pending = new Pending({
      store,
      durability,
      onFailure,
      write: (records) => this.#write(records),
      holds: (link) => this.#holds(link),
      lost: (count) => this.#serviceRecord("AuditRecordsLost", { Count: count }),
      written: (count) => this.#written(count),
    });
  }

  /**
   * Records a call. Inside a write transaction, the record is written at once and commits with it. Elsewhere, the promise
   * settles when the record is as durable as the options say: await it before answering.
   *
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO`, `ERR_ENVELOPE_KEYSTORE_BUSY`, `ERR_ENVELOPE_KEYSTORE_FORMAT`,
   * `ERR_ENVELOPE_CLOSED`: the call was not recorded, and must not be answered.
   */
  append(event: AuditEvent): void | Promise<void> {
    if (this.#sink !== undefined) return this.#give(event, this.#sink);
    const record = encodeRecord(toRecord(event, this.#realm));
    if (!this.#store.writing) return this.#pending.add(record);
    this.#write([record]);
    // It may not be committed by then: whoever follows the log checks for itself.
    setImmediate(() => this.#written(1));
    return undefined;
  }

  /**
   * The last use of a key for cryptography, for use inside the store's `read` and `write`. Not for applications: they call
   * GetKeyLastUsage.
   *
   * @param arn - ARN of the key.
   */
  lastUse(arn: string): LastUseRecord | undefined {
    return this.#chains.lastUse(arn);
  }

  /** The number of this process's records that are not known to be on disk. */
  get backlog(): number {
    return this.#pending.backlog;
  }

  /** Settles when everything appended before is on disk. */
  flush(): Promise<void> {
    return this.#pending.flush();
  }

  /** Streams the records that match `filter`, without those that are written in the meantime. */
  query(filter: AuditQuery = {}): AsyncGenerator<AuditEntry, void, undefined> {
    return query(this.#store, this.#chains, filter);
  }

  /** Returns the records that match `filter`, one page at a time. */
  page(filter: AuditPageQuery = {}): Promise<AuditPage> {
    return page(this.#store, this.#chains, filter);
  }

  /** Yields records as they are written, including those of other processes. Ends with `signal`, or when the keystore closes. */
  tail(options: AuditTailOptions = {}): AsyncGenerator<AuditEntry, void, undefined> {
    return tail(
      {
        store: this.#store,
        chains: this.#chains,
        onWritten: (listener) => this.#listen(listener),
        isClosed: () => this.#closed,
      },
      options,
    );
  }

  /** Checks every record, and names those that were removed, altered, moved or put back. */
  verify(options: AuditVerifyOptions = {}): Promise<AuditReport> {
    return verify(this.#store, this.#chains, this.#chain, options);
  }

  /**
   * The place of the newest record. Keep it where those who can write the file cannot write: `verify({ anchor })` then also
   * detects that the whole file was replaced by an older one. Where several machines write, it is that of a new record, which
   * contains the places of all chains.
   */
  anchor(): Promise<AuditAnchor> {
    const chains = this.#chains;
    if (!this.#store.isShared)
      return this.#store.read(() => toAnchor(chains.of(0).rows.head().last));
    return this.#store.write(() => {
      const Places = chains.all().map(({ rows }) => toPlace(rows.head().last));
      return toAnchor(this.#write([this.#serviceRecord(ANCHORED, { Places })]));
    });
  }

  /**
   * Cuts off the oldest records beyond some limits, and writes them to `archive` first if that is given. The cut is
   * itself recorded, and the log verifies from there on.
   *
   * @param retention - Default: what the keystore was opened with, which is also applied every thousand records.
   * @throws TypeError, RangeError for limits out of bounds; EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for records
   * that do not verify, which stay as evidence, `ERR_ENVELOPE_KEYSTORE_IO` if the archive cannot be written.
   */
  async applyRetention(retention?: AuditRetention): Promise<RetentionReport> {
    const limits = retention === undefined ? this.#limits : parseRetention(retention);
    if (limits === undefined) return { removed: 0, archives: [] };
    const report = await this.#retention.apply(limits);
    // The cuts were recorded.
    if (report.removed > 0) this.#ring();
    return report;
  }

  /** Checks whether an archive file contains what was cut off, unaltered and complete. */
  verifyArchive(path: string): Promise<ArchiveReport> {
    return verifyArchive(path, this.#chain);
  }

  /**
   * Writes pending records synchronously. Must be called before the store is closed.
   *
   * @throws EnvelopeError if that fails. Then the records are lost, and waiting callers receive the error.
   */
  close(): void {
    this.#closed = true;
    this.#ring();
    this.#pending.close();
  }

  async #give(event: AuditEvent, sink: AuditRecordSink | "none"): Promise<void> {
    if (this.#closed) throw new EnvelopeError("ERR_ENVELOPE_CLOSED", "the keystore is closed");
    if (sink === "none") return;
    try {
      await sink(toRecord(event, this.#realm));
    } catch (cause) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_KEYSTORE_IO",
        "audit.sink did not take the record of the call, which was refused; look at the cause",
        { cause },
      );
    }
  }

  #write(records: readonly EncodedRecord[]): Link {
    const { rows, lastUses } = this.#chains.own;
    const before = rows.append(records);
    lastUses.note(before, records);
    return rows.head().last;
  }

  #holds(link: Link): boolean {
    const [row] = this.#store.auditRows.after(link.sequence - 1, link.sequence, 1);
    if (row === undefined) return false;
    const { previous, record } = this.#chains.own.rows.open(row);
    const found = this.#chain.next({ sequence: link.sequence - 1, digest: previous }, record);
    return Buffer.compare(found.digest, link.digest) === 0;
  }

  #written(count: number): void {
    this.#ring();
    this.#untilUpkeep -= count;
    if (this.#untilUpkeep > 0 || this.#closed) return;
    this.#untilUpkeep = UPKEEP_INTERVAL;
    this.#upkeep().catch((error: unknown) => {
      // No call has failed, and the next thousand calls will try again, but the operator should know.
      if (!this.#closed) process.emitWarning(error instanceof Error ? error : String(error));
    });
  }

  async #upkeep(): Promise<void> {
    if (this.#limits !== undefined) this.#warnOfDefault((await this.applyRetention()).removed);
    const { lastUses } = await this.#chains.current();
    await lastUses.writeDown();
  }

  /** A limit that nobody chose must not delete records in silence. */
  #warnOfDefault(removed: number): void {
    if (removed === 0 || this.#warned || this.#limits !== defaultRetention) return;
    this.#warned = true;
    process.emitWarning(
      `the audit log of keystore ${this.#keystoreId} has more than ${defaultRetention.maxRecords} records; the oldest ${removed} were deleted. Set the retention that you want, with an archive folder to keep them`,
      { code: "ENVELOPE_AUDIT_RETENTION" },
    );
  }

  /** Wakes up whoever follows the log. */
  #ring(): void {
    for (const listener of this.#listeners) listener();
  }

  #listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #serviceRecord(operation: string, facts: Readonly<Record<string, unknown>>): EncodedRecord {
    return encodeRecord(
      toRecord(
        {
          time: this.#store.now(),
          operation,
          principal: "kms.amazonaws.com",
          accountId: this.#realm.accountId,
          readOnly: false,
          resources: [],
          parameters: facts,
          decisions: [],
        },
        this.#realm,
      ),
    );
  }
}

function requireDurability(durability: AuditDurability): void {
  if (durability === "synced") return;
  const { maxDelayMs, maxEvents } = durability;
  requireInteger("maxDelayMs", maxDelayMs, 60_000);
  requireInteger("maxEvents", maxEvents, 100_000);
}

function requireInteger(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new RangeError(`audit.durability.${name} must be an integer from 1 to ${max}`);
}
