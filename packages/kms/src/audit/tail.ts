/**
 * Following the log. Records of this process are seen at once, those of other processes at the next poll.
 *
 * @module
 */
import type { Link } from "./chain.ts";
import type { AuditEntry } from "./query.ts";
import type { AuditStore, Rows } from "./rows.ts";

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
      const steps = await store.read(() => rows.after(start, ROWS));
      for (const { record, link } of steps) {
        place = link;
        yield { sequence: link.sequence, record };
        if (isOver()) return;
      }
      if (steps.length < ROWS) await doorbell.wait();
    }
  } finally {
    doorbell.close();
  }
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
