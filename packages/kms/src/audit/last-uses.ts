/**
 * The last use of each key, as a chain of the log has it.
 *
 * Writing it down with every record would double the cost of a call, so the table `last_use` follows the log at a distance. The
 * head `last-uses` is a place in the log, and a use before that place is in the table unless the key was used again after it.
 * The uses since then are remembered as long as nobody else writes, and otherwise read from the log. So a key that is used all the
 * time is never written down, and one that is used rarely is written down once.
 *
 * For use inside the store's `read` and `write`, except {@link LastUses.writeDown}.
 *
 * Source: spec/audit-v1.md#last-use
 *
 * @module
 */
import type { LastUseRecord } from "../store/iam-records.ts";
import { CHAIN_NUMBERS } from "../store/store.ts";
import { fromU64, u64, type Link } from "./chain.ts";
import { usesIn, type EncodedRecord, type KeyUse } from "./record.ts";
import { malformed, type AuditStore, type Rows } from "./rows.ts";

const HEAD = "last-uses";
/** The most recent records, whose uses are not written down. */
const DISTANCE = 2048;
/** Uses that one transaction writes down, in about two milliseconds. */
const PIECE = 64;
/** Records that one transaction reads, in about ten milliseconds. */
const PAGE = 256;
/** Pages that are read with others in between. If others write all the time, the rest is read at once. */
const MAX_PAGES = 64;

interface Known {
  readonly epoch: number;
  /** A number: nothing was read yet. */
  readonly place: Link | number;
}

export class LastUses {
  readonly #store: AuditStore;
  readonly #rows: Rows;
  readonly #chain: number;
  /** The uses after the head, with the numbers of their records. The key that was used least recently is the first. */
  #recent = new Map<string, { readonly use: LastUseRecord; readonly sequence: number }>();
  /** How far in the log they are known, in which epoch of the store. */
  #known: Known = { epoch: -1, place: 0 };

  /** @param chain - The number of the chain whose rows these are. */
  constructor(store: AuditStore, rows: Rows, chain: number) {
    this.#store = store;
    this.#rows = rows;
    this.#chain = chain;
  }

  /**
   * The last use that the chain has after its head; `undefined`: there is none, or it was written down.
   *
   * @param arn - ARN of a key.
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for a recent record that does not verify.
   */
  recent(arn: string): LastUseRecord | undefined {
    this.#catchUp(Infinity);
    return this.#recent.get(arn)?.use;
  }

  /** Notes what records say that were just written. */
  note(records: readonly EncodedRecord[]): void {
    const { last } = this.#rows.head();
    let sequence = last.sequence - records.length;
    const { epoch, place } = this.#knownNow();
    const follows = sequenceOf(place) === sequence;
    for (const { uses } of records) {
      sequence++;
      if (follows) this.#remember(uses, sequence);
      for (const { arn, use } of uses) if (use === undefined) this.#store.lastUses.delete(arn);
    }
    if (follows) this.#known = { epoch, place: last };
  }

  /** Writes down the uses before the most recent records, where there are many. Not for use inside a `write`. */
  async writeDown(): Promise<void> {
    const isFar = (): boolean => this.#rows.head().last.sequence - this.#head() > 2 * DISTANCE;
    if (!(await this.#store.read(isFar))) return;
    for (let page = 0, isKnown = false; page < MAX_PAGES && !isKnown; page++) {
      isKnown = await this.#store.read(() => this.#catchUp(PAGE));
    }
    for (let isMore = true; isMore;) {
      isMore = await this.#store.write(() => {
        const end = this.#rows.head().last.sequence - DISTANCE;
        return this.#writeDown(end, PIECE);
      });
      const written = await this.#store.read(() => this.#head());
      for (const [arn, { sequence }] of this.#recent) {
        if (sequence > written) break;
        this.#recent.delete(arn);
      }
    }
  }

  /** Writes down all uses up to the record `end`, which is about to be cut off. */
  keep(end: number): void {
    if (end > this.#head()) this.#writeDown(end, Infinity);
  }

  /** Whether there are more uses up to the record `end`. What was written is still remembered, as the change may fail. */
  #writeDown(end: number, limit: number): boolean {
    this.#catchUp(Infinity);
    const begin = this.#head();
    const left = [...this.#recent.values()].filter(({ sequence }) => sequence > begin);
    const due = left.filter(({ sequence }) => sequence <= end).slice(0, limit);
    for (const { use } of due) {
      const written = this.#store.lastUses.get(use.arn);
      // Another chain may have a later use.
      if (written === undefined || written.time <= use.time) this.#store.lastUses.put(use);
    }
    // Several keys may have been used by the call of the next one.
    const next = left[due.length]?.sequence ?? this.#rows.head().last.sequence + 1;
    this.#store.setHead(HEAD, u64(next - 1));
    return next <= end;
  }

  #head(): number {
    const bytes = this.#store.head(HEAD, this.#chain);
    return bytes === undefined ? this.#chain * CHAIN_NUMBERS : fromU64(bytes, 0);
  }

  /** Begins again at the head if others have written, or a change was taken back. */
  #knownNow(): Known {
    const { epoch } = this.#store;
    if (this.#known.epoch !== epoch) {
      this.#recent = new Map();
      this.#known = { epoch, place: this.#head() };
    }
    return this.#known;
  }

  /** Reads about so many records after those that are known. `true`: now all of them are. */
  #catchUp(most: number): boolean {
    const { last } = this.#rows.head();
    const { epoch } = this.#knownNow();
    for (let read = 0; sequenceOf(this.#known.place) < last.sequence; read += PAGE) {
      if (read >= most) return false;
      const steps = this.#rows.after(this.#known.place, PAGE);
      for (const { record, link } of steps) this.#remember(usesIn(record), link.sequence);
      const place = steps.at(-1)?.link;
      const isWhole =
        place !== undefined && (place.sequence < last.sequence || isSame(place, last));
      if (!isWhole) throw malformed("its last records are missing, or from another history");
      this.#known = { epoch, place };
    }
    return true;
  }

  #remember(uses: readonly KeyUse[], sequence: number): void {
    for (const { arn, use } of uses) {
      // Set anew, the key becomes the last one.
      this.#recent.delete(arn);
      if (use !== undefined) this.#recent.set(arn, { use, sequence });
    }
  }
}

function sequenceOf(place: Link | number): number {
  return typeof place === "number" ? place : place.sequence;
}

function isSame(a: Link, b: Link): boolean {
  return Buffer.compare(a.digest, b.digest) === 0;
}
