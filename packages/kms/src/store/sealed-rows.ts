/**
 * Rows of one table, each sealed as a whole. A row is opened again only if it has changed.
 *
 * A row is trusted if three things hold. It opens under its own name, so it does not belong to another record. Its mark is
 * the listed one, so it is the latest. And its unencrypted columns agree with its sealed content.
 *
 * Source: spec/kms-store-v1.md#sealing
 *
 * @module
 */
import type { Bytes } from "@env/core";
import type { Freshness } from "./freshness.ts";
import { RecordCache } from "./record-cache.ts";
import type { RecordName } from "./record-name.ts";
import { markOf, type RowSealer } from "./row-sealer.ts";

/** Bytes of a sealed record; a longer one is not read into memory. */
export const MAX_RECORD_BYTES: number = 1 << 20;

interface CacheEntry<T> {
  /** When the row was last compared with the file. */
  epoch: number;
  readonly sealed: Uint8Array;
  readonly bytes: number;
  readonly clear: string;
  readonly record: T;
}

/** What the rows of a table contain. */
export interface RowForm<T> {
  /** Reads a record and wipes the bytes. `undefined`: they are not such a record. */
  readonly decode: (name: RecordName, plaintext: Bytes) => T | undefined;
  /** Throws a `Fault` if the unencrypted columns of the row contradict the record in it. */
  readonly compare: (record: T, clear: string) => void;
}

export class SealedRows<T> {
  readonly #sealer: RowSealer;
  readonly #freshness: Freshness;
  readonly #form: RowForm<T>;
  readonly #cache = new RecordCache<CacheEntry<T>>();

  constructor(sealer: RowSealer, freshness: Freshness, form: RowForm<T>) {
    this.#sealer = sealer;
    this.#freshness = freshness;
    this.#form = form;
  }

  /** The record, if nothing else has written since it was verified. */
  known(name: RecordName): T | undefined {
    const entry = this.#cache.get(name.encoded);
    return entry?.epoch === this.#freshness.epoch ? entry.record : undefined;
  }

  /**
   * The record in a row.
   *
   * @param clear - The unencrypted columns of the row, as one text.
   */
  open(name: RecordName, sealed: Uint8Array, clear: string): T {
    const cached = this.#cache.get(name.encoded);
    const same = cached?.clear === clear && Buffer.compare(cached.sealed, sealed) === 0;
    const record = same ? cached.record : this.#unseal(name, sealed);
    const listed = this.#freshness.mark(name);
    if (listed === undefined) throw name.fault("it was deleted, and its row was put back");
    if (listed !== markOf(sealed)) throw name.fault("an older row of it was put back");
    const { epoch } = this.#freshness;
    if (same) {
      cached.epoch = epoch;
    } else {
      this.#form.compare(record, clear);
      this.#cache.offer(name.encoded, { epoch, sealed, bytes: sealed.length, clear, record });
    }
    return record;
  }

  /** Checks that a record without a row does not exist. */
  requireAbsent(name: RecordName): void {
    if (this.#freshness.mark(name) !== undefined) throw name.fault(ROW_REMOVED);
  }

  /** Seals a record's next state, which is the latest from now on. Wipes `plaintext`. */
  seal(name: RecordName, plaintext: Bytes): Bytes {
    try {
      const sealed = this.#sealer.seal(name.encoded, plaintext);
      if (sealed.length > MAX_RECORD_BYTES) throw new RangeError("a record has at most 1 MiB");
      this.#freshness.set(name, markOf(sealed));
      this.#cache.delete(name.encoded);
      return sealed;
    } finally {
      plaintext.fill(0);
    }
  }

  /** Notes that the record is deleted, together with its row. */
  drop(name: RecordName): void {
    this.#freshness.set(name, undefined);
    this.#cache.delete(name.encoded);
  }

  #unseal(name: RecordName, sealed: Uint8Array): T {
    const plaintext = this.#sealer.open(name.encoded, sealed);
    const record = plaintext === undefined ? undefined : this.#form.decode(name, plaintext);
    if (record !== undefined) return record;
    throw name.fault("it was altered, or belongs to another row or keystore");
  }
}

export const ROW_REMOVED = "its row was removed";
