/**
 * The last use of each key, as the log has it.
 *
 * Writing it down with every record would double the cost of a call, so the table `last_use` follows the log at a distance. The
 * head `last-uses` is a place in the log, and a use before that place is in the table unless the key was used again after it.
 * The uses since then are read from the log, and remembered as long as nobody else writes. So a key that is used all the time is
 * never written down, and one that is used rarely is written down once.
 *
 * For use inside the store's `read` and `write`, except {@link LastUses.writeDown}.
 *
 * Source: spec/audit-v1.md#last-use
 *
 * @module
 */
import type { LastUseRecord } from "../store/iam-records.ts";
import { fromU64, u64, type Link } from "./chain.ts";
import { usesIn, type EncodedRecord, type KeyUse } from "./record.ts";
import { malformed, type AuditStore, type Rows, type Step } from "./rows.ts";

const HEAD = "last-uses";
/** The most recent records, whose uses are not written down. */
const DISTANCE = 2048;
/** Uses that one transaction writes down, in about two milliseconds. */
const PIECE = 64;
const PAGE_ROWS = 256;

export class LastUses {
  readonly #store: AuditStore;
  readonly #rows: Rows;
  /** The uses after the head, with the numbers of their records. The key that was used least recently is the first. */
  #recent = new Map<string, { readonly use: LastUseRecord; readonly sequence: number }>();
  /** The state of the log that `#recent` is about. */
  #known = { epoch: -1, last: 0 };

  constructor(store: AuditStore, rows: Rows) {
    this.#store = store;
    this.#rows = rows;
  }

  /**
   * @param arn - ARN of a key.
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for a recent record that does not verify.
   */
  get(arn: string): LastUseRecord | undefined {
    this.#catchUp();
    return this.#recent.get(arn)?.use ?? this.#store.lastUses.get(arn);
  }

  /** Notes what records say that were just written. */
  note(records: readonly EncodedRecord[]): void {
    const { last } = this.#rows.head();
    let sequence = last.sequence - records.length;
    const follows = this.#isKnown(sequence);
    for (const { uses } of records) {
      sequence++;
      if (follows) this.#remember(uses, sequence);
      for (const { arn, use } of uses) if (use === undefined) this.#store.lastUses.delete(arn);
    }
    if (follows) this.#known.last = last.sequence;
  }

  /** Writes down the uses before the most recent records, where there are many. Not for use inside a `write`. */
  async writeDown(): Promise<void> {
    const isFar = (): boolean => this.#rows.head().last.sequence - this.#head() > 2 * DISTANCE;
    if (!(await this.#store.read(isFar))) return;
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
    this.#catchUp();
    const begin = this.#head();
    const due = [...this.#recent.values()].filter(
      ({ sequence }) => sequence > begin && sequence <= end,
    );
    for (const { use } of due.slice(0, limit)) this.#store.lastUses.put(use);
    const next = due[limit];
    // Several keys may have been used by one call.
    this.#store.setHead(HEAD, u64(next === undefined ? Math.max(begin, end) : next.sequence - 1));
    return next !== undefined;
  }

  #head(): number {
    const bytes = this.#store.head(HEAD);
    return bytes === undefined ? 0 : fromU64(bytes, 0);
  }

  #isKnown(last: number): boolean {
    return this.#known.epoch === this.#store.epoch && this.#known.last === last;
  }

  /** Reads what the log has after the head, if that is not known. */
  #catchUp(): void {
    const { last } = this.#rows.head();
    if (this.#isKnown(last.sequence)) return;
    this.#recent = new Map();
    let place: Link | number = this.#head();
    let steps: readonly Step[];
    do {
      steps = this.#rows.after(place, PAGE_ROWS);
      for (const { record, link } of steps) {
        this.#remember(usesIn(record), link.sequence);
        place = link;
      }
    } while (steps.length === PAGE_ROWS);
    const isWhole =
      typeof place === "number"
        ? place === last.sequence
        : Buffer.compare(place.digest, last.digest) === 0;
    if (!isWhole) throw malformed("its last records are missing, or from another history");
    this.#known = { epoch: this.#store.epoch, last: last.sequence };
  }

  #remember(uses: readonly KeyUse[], sequence: number): void {
    for (const { arn, use } of uses) {
      // Set anew, the key becomes the last one.
      this.#recent.delete(arn);
      if (use !== undefined) this.#recent.set(arn, { use, sequence });
    }
  }
}
