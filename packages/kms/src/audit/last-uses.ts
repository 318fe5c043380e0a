/**
 * The last use of each key, as a chain of the log has it.
 *
 * Writing it down with every record would double the cost of a call, so the table `last_use` follows the log at a distance. The
 * head `last-uses` is a place in the log, and a use before that place is in the table unless the key was used again after it.
 * The uses since then are read from the log once and remembered. So a key that is used all the time is never written down,
 * and one that is used rarely is written down once.
 *
 * What this process has written is remembered without reading it, but apart until a transaction can no longer take it back.
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

interface Recent extends KeyUse {
  /** The number of the record. */
  readonly sequence: number;
}

/** Records that this process has written at once. */
interface Written {
  readonly before: Link;
  readonly uses: readonly Recent[];
  readonly last: Link;
}

export class LastUses {
  readonly #store: AuditStore;
  readonly #rows: Rows;
  readonly #chain: number;
  /** The uses after the head. The key that was used least recently is the first. */
  readonly #recent = new Map<string, Recent>();
  /** How far in the log those are known. A number: nothing was read yet. */
  #known: Link | number | undefined;
  /** What was written since then, and may be taken back. */
  readonly #written: Written[] = [];

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
    for (const { uses } of this.#written.toReversed()) {
      const found = uses.findLast((one) => one.arn === arn);
      if (found !== undefined) return found.use;
    }
    return this.#recent.get(arn)?.use;
  }

  /**
   * Notes what records say that were just written.
   *
   * @param before - The place after which they were written.
   */
  note(before: Link, records: readonly EncodedRecord[]): void {
    this.#forgetAfter(before);
    const uses = records.flatMap((record, i) => numbered(record.uses, before.sequence + 1 + i));
    this.#written.push({ before, uses, last: this.#rows.head().last });
    for (const { arn, use } of uses) if (use === undefined) this.#store.lastUses.delete(arn);
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
      await this.#store.read(() => this.#catchUp(PAGE));
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
    const uses = new Map(this.#recent);
    for (const written of this.#written) remember(uses, written.uses);
    const left = [...uses.values()].filter(({ sequence }) => sequence > begin);
    const due = left.filter(({ sequence }) => sequence <= end).slice(0, limit);
    for (const { use } of due) {
      if (use === undefined) continue;
      const written = this.#store.lastUses.get(use.arn);
      // Another chain may have a later use.
      if (written === undefined || written.time <= use.time) this.#store.lastUses.put(use);
    }
    // Several keys may have been used by the call of the next one.
    const next = left[due.length]?.sequence ?? this.#rows.head().last.sequence + 1;
    this.#store.setHead(HEAD, this.#chain, u64(next - 1));
    return next <= end;
  }

  #head(): number {
    const bytes = this.#store.head(HEAD, this.#chain);
    return bytes === undefined ? this.#chain * CHAIN_NUMBERS : fromU64(bytes, 0);
  }

  /** Reads about so many records after those that are known. `true`: now all of them are. */
  #catchUp(most: number): boolean {
    const { last } = this.#rows.head();
    this.#forgetAfter(last);
    // Whatever is before the first record of ours can no longer be taken back.
    const end = this.#written[0]?.before ?? last;
    let known = this.#known ?? this.#head();
    for (let read = 0; sequenceOf(known) < end.sequence; read += PAGE) {
      if (read >= most) return false;
      const steps = this.#rows.after(known, PAGE, end.sequence);
      for (const { record, link } of steps) {
        remember(this.#recent, numbered(usesIn(record), link.sequence));
      }
      const place = steps.at(-1)?.link;
      if (place === undefined) throw malformed(TORN);
      known = this.#known = place;
    }
    if (typeof known !== "number" && !isSame(known, end)) throw malformed(TORN);
    if (!this.#store.writing) this.#settle(last);
    return true;
  }

  /** Joins what was written to the rest, and forgets what the table has. Outside of `write`, all of it is committed. */
  #settle(last: Link): void {
    for (const { uses } of this.#written) remember(this.#recent, uses);
    if (this.#written.length > 0) this.#known = last;
    this.#written.length = 0;
    const head = this.#head();
    for (const [arn, { sequence }] of this.#recent) {
      if (sequence > head) break;
      this.#recent.delete(arn);
    }
  }

  /** Forgets what was written after a place: it was taken back, or others have written meanwhile. */
  #forgetAfter(place: Link): void {
    for (;;) {
      const newest = this.#written.at(-1);
      if (newest === undefined || isSame(newest.last, place)) return;
      this.#written.pop();
    }
  }
}

const TORN = "its last records are missing, or from another history";

/** Set anew, a key becomes the last one. */
function remember(uses: Map<string, Recent>, more: readonly Recent[]): void {
  for (const one of more) {
    uses.delete(one.arn);
    if (one.use !== undefined) uses.set(one.arn, one);
  }
}

function numbered(uses: readonly KeyUse[], sequence: number): readonly Recent[] {
  return uses.map(({ arn, use }) => ({ arn, use, sequence }));
}

function sequenceOf(place: Link | number): number {
  return typeof place === "number" ? place : place.sequence;
}

function isSame(a: Link, b: Link): boolean {
  return a.sequence === b.sequence && Buffer.compare(a.digest, b.digest) === 0;
}
