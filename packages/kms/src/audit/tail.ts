/**
 * Following the log. Records of this process are seen at once, those of other processes at the next poll.
 *
 * @module
 */
import type { Link } from "./chain.ts";
import type { AuditEntry } from "./query.ts";
import type { Chains } from "./chains.ts";
import type { AuditStore, Step } from "./rows.ts";
import { chainOf, CHAIN_NUMBERS } from "../store/store.ts";

export interface AuditTailOptions {
  /**
   * Number of the record to continue after; 0 for all records. Default: only new records. Where several machines write, the
   * log is continued after it in that record's chain, and with new records in the others.
   */
  readonly after?: number;
  /** Begins with so many of the records that there are. Not together with `after`. Default: 0. */
  readonly latest?: number;
  /** How often to look for records of other processes, in ms: 10 to 60,000. Default: 250. */
  readonly pollMs?: number;
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal;
}

export interface TailSource {
  readonly store: AuditStore;
  readonly chains: Chains;
  /** Calls the listener when this process has written. Returns a function that stops it. */
  readonly onWritten: (listener: () => void) => () => void;
  readonly isClosed: () => boolean;
}

const ROWS = 256;

/**
 * If retention cuts off records that were not yielded yet, the iteration continues after the cut: numbers then have a gap.
 *
 * @yields Records in the order of their numbers, those of several chains by their times as they are found.
 * @throws RangeError; EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` for a record that does not verify or
 * does not follow the one before it.
 */
export async function* tail(
  source: TailSource,
  { after, latest = 0, pollMs = 250, signal }: AuditTailOptions,
): AsyncGenerator<AuditEntry, void, undefined> {
  if (!(pollMs >= 10 && pollMs <= 60_000)) throw new RangeError("pollMs must be 10 to 60,000");
  if (after !== undefined && !(Number.isSafeInteger(after) && after >= 0)) {
    throw new RangeError("after must be the number of a record");
  }
  if (!(Number.isSafeInteger(latest) && latest >= 0) || (after !== undefined && latest > 0)) {
    throw new RangeError("latest must be a number of records, and without after");
  }
  const { store, chains, isClosed } = source;
  const doorbell = new Doorbell(source, pollMs, signal);
  const isOver = (): boolean => isClosed() || signal?.aborted === true;
  try {
    const places = new Map<number, number | Link>();
    const begun = await store.read(() => {
      for (const { number, rows } of chains.all()) {
        const { base, last } = rows.head();
        const isMeant = after !== undefined && (after === 0 || chainOf(after) === number);
        const from = Math.max(last.sequence - latest, base.sequence);
        places.set(
          number,
          isMeant ? Math.max(after, number * CHAIN_NUMBERS) : latest > 0 ? from : last,
        );
      }
      return chains.all().map(({ rows, number }) => rows.after(places.get(number) ?? 0, latest));
    });
    const first = latest === 0 ? [] : [...merged(begun)];
    for (const { link } of first) places.set(chainOf(link.sequence), link);
    for (const { record, link } of first.slice(-latest)) {
      yield { sequence: link.sequence, record };
      if (isOver()) return;
    }
    while (!isOver()) {
      const pages = await store.read(() =>
        chains
          .all()
          .map(({ number, rows }) =>
            rows.after(places.get(number) ?? number * CHAIN_NUMBERS, ROWS),
          ),
      );
      for (const { record, link } of merged(pages)) {
        places.set(chainOf(link.sequence), link);
        yield { sequence: link.sequence, record };
        if (isOver()) return;
      }
      if (pages.every((page) => page.length < ROWS)) await doorbell.wait();
    }
  } finally {
    doorbell.close();
  }
}

/**
 * Joins the chains by the times of their records.
 *
 * @yields The records of each chain in its own order, also where a clock went back.
 */
function* merged(pages: readonly (readonly Step[])[]): Generator<Step, void, undefined> {
  const rest = pages.map((page) => [...page].toReversed());
  for (;;) {
    const [first] = rest
      .filter((page) => page.length > 0)
      .toSorted((a, b) => ((timeOf(a) ?? "") < (timeOf(b) ?? "") ? -1 : 1));
    const step = first?.pop();
    if (step === undefined) return;
    yield step;
  }
}

function timeOf(page: readonly Step[]): string | undefined {
  return page.at(-1)?.record.eventTime;
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
