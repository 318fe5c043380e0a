/**
 * Records on their way to the disk. Records that arrive during a transaction share the next one, and so one wait for the
 * disk.
 *
 * `synced` answers when the record is on disk. Batches answer at once: a power cut can lose what arrived in the last
 * `maxDelayMs`, at most `maxEvents` records. If a batch cannot be written, the following calls wait for the disk again, and
 * are refused until it takes records.
 *
 * Source: spec/audit-v1.md#durability
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { EnvelopeError } from "@env/core";
import type { Link } from "./chain.ts";
import type { EncodedRecord } from "./record.ts";
import type { AuditStore } from "./rows.ts";

/** When a call is answered. Times in ms. */
export type AuditDurability =
  | "synced"
  | {
      /** The longest time between appending a record and writing it: 1 to 60,000. */
      readonly maxDelayMs: number;
      /** The most records whose calls were answered and that are not on disk: 1 to 100,000. */
      readonly maxEvents: number;
    };

/** What happens to a call whose record cannot be written: it is refused, or answered while records wait in memory. */
export type AuditFailure = "refuse" | "continue";

export interface PendingOptions {
  readonly store: AuditStore;
  readonly durability: AuditDurability;
  readonly onFailure: AuditFailure;
  /** Writes records inside a transaction, and returns the place of the last one. */
  readonly write: (records: readonly EncodedRecord[]) => Link;
  /** Whether the record of `link` is in the file. Called inside a transaction. */
  readonly holds: (link: Link) => boolean;
  /** Makes the record that says how many were lost. */
  readonly lost: (count: number) => EncodedRecord;
  /** Called when so many records have reached the disk. */
  readonly written: (count: number) => void;
}

/** Records of one transaction: many enough to share the disk, few enough to share the thread. */
const MAX_GROUP = 1024;
/** The most records that wait in memory for a disk that does not take them. */
const MAX_KEPT = 10_000;
const RETRY_MS = 1000;

interface Entry {
  /** Absent if the entry only waits for those before it. */
  readonly record?: EncodedRecord;
  /** Absent if the call was answered already. */
  readonly waiter?: Waiter | undefined;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Pending {
  readonly #options: PendingOptions;
  readonly #batch: { readonly maxDelayMs: number; readonly maxEvents: number } | undefined;
  /** Entries that are not known to be on disk, oldest first. */
  #queue: Entry[] = [];
  #timer: NodeJS.Timeout | undefined;
  #draining = false;
  /** What the current transaction has written: the number of entries, and the link of the last one. */
  #underway: { readonly count: number; readonly link: Link } | undefined;
  #failing = false;
  #lost = 0;
  #closed = false;

  constructor(options: PendingOptions) {
    this.#options = options;
    this.#batch = options.durability === "synced" ? undefined : options.durability;
  }

  /** The number of records that are not known to be on disk. */
  get backlog(): number {
    return this.#queue.length;
  }

  /** Settles when the record is as durable as the options say; `undefined`: it is already. */
  add(record: EncodedRecord): Promise<void> | undefined {
    if (this.#closed) return Promise.reject(closed());
    const batch = this.#batch;
    if (batch === undefined || this.#failing || this.#queue.length >= batch.maxEvents) {
      return this.#wait(record);
    }
    this.#queue.push({ record });
    if (this.#queue.length >= batch.maxEvents) void this.#drain();
    else this.#drainIn(batch.maxDelayMs);
    return undefined;
  }

  /** Settles when everything added before is on disk. */
  flush(): Promise<void> {
    if (this.#closed) return Promise.reject(closed());
    return this.#queue.length === 0 ? Promise.resolve() : this.#wait();
  }

  /** Writes what is left. Later records are refused. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#queue.length === 0) return;
    try {
      const { store, write, holds, lost } = this.#options;
      store.writeSync(() => {
        // A transaction may have ended whose answer is still on its way.
        const done = this.#underway !== undefined && holds(this.#underway.link);
        const left = this.#queue.slice(done ? this.#underway?.count : 0);
        const records = left.flatMap(({ record }) => record ?? []);
        if (this.#lost > 0) records.push(lost(this.#lost));
        if (records.length > 0) write(records);
      });
      for (const { waiter } of this.#queue) waiter?.resolve();
    } catch (error) {
      for (const { waiter } of this.#queue) waiter?.reject(error);
      throw error;
    } finally {
      this.#queue = [];
    }
  }

  #wait(record?: EncodedRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      this.#queue.push(record === undefined ? { waiter } : { record, waiter });
      void this.#drain();
    });
  }

  #drainIn(ms: number): void {
    this.#timer ??= setTimeout(() => void this.#drain(), ms);
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      while (this.#queue.length > 0) {
        await this.#gather();
        if (this.#closed) return;
        await this.#writeGroup();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#draining = false;
    }
  }

  /**
   * Waits for records that are about to arrive: as long as every turn of the event loop brings more, as the requests of a
   * busy server do.
   */
  async #gather(): Promise<void> {
    for (let known = 0; known < this.#queue.length && known < MAX_GROUP;) {
      known = this.#queue.length;
      await setImmediate();
    }
  }

  async #writeGroup(): Promise<void> {
    const { store, write, lost, written } = this.#options;
    let count = 0;
    let reported = 0;
    // The queue is read when the transaction runs, and again if it is repeated.
    await store.write(() => {
      const group = this.#queue.slice(0, MAX_GROUP);
      const records = group.flatMap(({ record }) => record ?? []);
      reported = this.#lost;
      if (reported > 0) records.push(lost(reported));
      count = group.length;
      this.#underway = records.length === 0 ? undefined : { count, link: write(records) };
    });
    this.#underway = undefined;
    this.#failing = false;
    this.#lost -= reported;
    const done = this.#queue.splice(0, count);
    for (const { waiter } of done) waiter?.resolve();
    written(done.length);
  }

  #fail(error: unknown): void {
    this.#underway = undefined;
    // Calls continue, so nobody else would notice.
    if (this.#options.onFailure === "continue" && !this.#failing) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
    this.#failing = true;
    const queue = this.#queue;
    this.#queue = [];
    for (const entry of queue) {
      const { record, waiter } = entry;
      if (waiter !== undefined && (record === undefined || this.#options.onFailure === "refuse")) {
        waiter.reject(error);
      } else {
        waiter?.resolve();
        this.#queue.push({ ...entry, waiter: undefined });
      }
    }
    this.#lost += this.#queue.splice(Math.max(MAX_KEPT, this.#batch?.maxEvents ?? 0)).length;
    if (this.#queue.length > 0 && !this.#closed) this.#drainIn(RETRY_MS);
  }
}

function closed(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_CLOSED", "the keystore is closed");
}
