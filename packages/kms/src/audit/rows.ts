/**
 * Opens and seals what is in the rows of one chain of the log, and keeps its two ends. For use inside the store's `read` and
 * `write`.
 *
 * The store keeps the head fresh, so rows cannot be cut off unnoticed. Which rows belong between the two ends follows from
 * the chain.
 *
 * Source: spec/audit-v1.md#table, spec/audit-v1.md#head
 *
 * @module
 */
import { EnvelopeError } from "@env/core";
import type { AuditRow, Store } from "../store/store.ts";
import { decodeHead, encodeHead, type Chain, type Head, type Link, type Opened } from "./chain.ts";
import { decodeRecord, type AuditRecord, type EncodedRecord } from "./record.ts";

/** What the log needs of the keystore's store. */
export type AuditStore = Pick<
  Store,
  | "read"
  | "write"
  | "writeSync"
  | "writing"
  | "isShared"
  | "chain"
  | "chains"
  | "now"
  | "head"
  | "setHead"
  | "auditRows"
  | "lastUses"
>;

/** A record of the log, and the place in the chain that it makes. */
export interface Step {
  readonly record: AuditRecord;
  readonly link: Link;
}

const HEAD = "audit";

export class Rows {
  readonly #store: AuditStore;
  readonly #chain: Chain;
  readonly #number: number;

  /** @param number - Which of the {@link Store.chains}. */
  constructor(store: AuditStore, chain: Chain, number: number) {
    this.#store = store;
    this.#chain = chain;
    this.#number = number;
  }

  /** @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT`. */
  head(): Head {
    const head = decodeHead(this.#store.head(HEAD, this.#number), this.#number);
    if (head === undefined) throw malformed("its head is malformed");
    return head;
  }

  /** Writes records after the last one, whose place it returns. */
  append(records: readonly EncodedRecord[]): Link {
    const { base, last } = this.head();
    let link = last;
    for (const { time, bytes } of records) {
      const next = this.#chain.seal(link, time, bytes);
      ({ link } = next);
      this.#store.auditRows.insert({ sequence: link.sequence, time, sealed: next.sealed });
    }
    this.#store.setHead(HEAD, this.#number, encodeHead({ base, last: link }));
    return last;
  }

  /**
   * The records after a place, at most `limit`. After a cut, those after the cut.
   *
   * @param place - A number says where to begin, but not what must be there.
   * @param end - The number of the last one. Default: the newest.
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for a record that does not verify or does not follow the one
   * before it.
   */
  after(place: number | Link, limit: number, end?: number): readonly Step[] {
    const { base, last } = this.head();
    let before = typeof place === "number" ? undefined : place;
    let sequence = typeof place === "number" ? place : place.sequence;
    if (sequence <= base.sequence) {
      before = base;
      sequence = base.sequence;
    }
    return this.#store.auditRows.after(sequence, end ?? last.sequence, limit).map((row) => {
      const { previous, record } = this.open(row);
      const expected = before ?? { sequence, digest: previous };
      if (
        row.sequence !== expected.sequence + 1 ||
        Buffer.compare(previous, expected.digest) !== 0
      ) {
        throw malformed(`record ${row.sequence} does not follow record ${expected.sequence}`);
      }
      const decoded = decodeRecord(record);
      if (decoded === undefined) throw malformed(`record ${row.sequence} is malformed`);
      before = this.#chain.next(expected, record);
      return { record: decoded, link: before };
    });
  }

  /** Deletes all rows up to `base`, after which the log begins from now on. */
  cut(base: Link): void {
    const { last } = this.head();
    this.#store.auditRows.cut(base.sequence);
    this.#store.setHead(HEAD, this.#number, encodeHead({ base, last }));
  }

  /** @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for a row that was altered or moved. */
  open(row: AuditRow): Opened {
    const opened = this.#chain.open(row);
    if (opened === undefined || typeof opened === "number") {
      throw malformed(`record ${row.sequence} was altered, or belongs to another place`);
    }
    return opened;
  }
}

export function malformed(problem: string): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_KEYSTORE_FORMAT",
    `audit log: ${problem}. Verify the log, which names every record concerned, and keep the file as evidence`,
  );
}
