/**
 * Following the log. Records of this process are seen at once, those of other processes at the next poll.
 *
 * @module
 */
import type { Chain, Link } from "./chain.ts";
import type { AuditEntry } from "./query.ts";
import { decodeRecord } from "./record.ts";
import { malformed, type AuditStore, type Rows } from "./rows.ts";

export interface AuditTailOptions {
  /** Number of the record to continue after; 0 for all records. Default: only new records. */
  readonly after?: number;
  /** How often to look for records of other processes, in ms: 10 to 60,000. Default: 250. */
  readonly pollMs?: number;
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal;
}

export interface TailSource {
  readonly store: AuditStore;
  readonly rows: Rows;
  readonly chain: Chain;
  /** Calls the listener when this process has written. Returns a function that stops it. */
  readonly onWritten: (listener: () => void) => () => void;
  readonly isClosed: () => boolean;
}

const ROWS = 256;

/**
 * If retention cuts off records that were not yielded yet, the iteration continues after the cut: numbers then have a gap.
 *
 * @yields Records in the order of their numbers.
 * @throws RangeError; EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for a record that does not verify or
 * does not follow the one before it.
 */
export async function* tail(
  source: TailSource,
  { after, pollMs = 250, signal }: AuditTailOptions,
): AsyncGenerator<AuditEntry, void, undefined> {
  if (!(pollMs >= 10 && pollMs <= 60_000)) throw new RangeError("pollMs must be 10 to 60,000");
  if (after !== undefined && !(Number.isSafeInteger(after) && after >= 0)) {
    throw new RangeError("after must be the number of a record");
  }
  const { store, rows, isClosed } = source;
  const doorbell = new Doorbell(source, pollMs, signal);
  const isOver = (): boolean => isClosed() || signal?.aborted === true;
  try {
    let place: number | Link = after ?? (await store.read(() => rows.head().last));
    while (!isOver()) {
      const start: number | Link = place;
      const steps: readonly Step[] = await store.read(() => stepsAfter(source, start));
      for (const { entry, link } of steps) {
        place = link;
        yield entry;
        if (isOver()) return;
      }
      if (steps.length < ROWS) await doorbell.wait();
    }
  } finally {
    doorbell.close();
  }
}

interface Step {
  readonly entry: AuditEntry;
  readonly link: Link;
}

function stepsAfter({ store, rows, chain }: TailSource, place: number | Link): readonly Step[] {
  const { base, last } = rows.head();
  // A number says where to begin, but not what must be there.
  let before = typeof place === "number" ? undefined : place;
  let sequence = typeof place === "number" ? place : place.sequence;
  if (sequence <= base.sequence) {
    before = base;
    sequence = base.sequence;
  }
  return store.auditRows.after(sequence, last.sequence, ROWS).map((row) => {
    const { previous, record } = rows.open(row);
    const expected = before ?? { sequence, digest: previous };
    if (row.sequence !== expected.sequence + 1 || Buffer.compare(previous, expected.digest) !== 0) {
      throw malformed(`record ${row.sequence} does not follow record ${expected.sequence}`);
    }
    const decoded = decodeRecord(record);
    if (decoded === undefined) throw malformed(`record ${row.sequence} is malformed`);
    before = chain.next(expected, record);
    return { entry: { sequence: row.sequence, record: decoded }, link: before };
  });
}

/** Rings when there may be new records, and remembers it while nobody waits. */
class Doorbell {
  readonly #pollMs: number;
  readonly #stop: () => void;
  #rung = false;
  #wake: (() => void) | undefined;

  constructor({ onWritten }: TailSource, pollMs: number, signal: AbortSignal | undefined) {
    this.#pollMs = pollMs;
    const ring = (): void => {
      this.#rung = true;
      this.#wake?.();
    };
    const off = onWritten(ring);
    signal?.addEventListener("abort", ring);
    this.#stop = () => {
      off();
      signal?.removeEventListener("abort", ring);
    };
  }

  async wait(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#pollMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#rung = false;
  }

  close(): void {
    this.#stop();
  }
}
