/**
 * How many calls a principal may make per second. A bucket fills all the time.
 *
 * @module
 */
import { WireError } from "./wire-error.ts";

/** Buckets that are kept. A bucket that is dropped is full again, so nobody is throttled by mistake. */
const MAX_BUCKETS = 10_000;

interface Bucket {
  calls: number;
  /** Milliseconds since the process started. */
  filled: number;
}

export class Rate {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /**
   * @param now - Milliseconds. Default: since the process started.
   * @param burst - What a full bucket holds. Default: one second's worth.
   */
  constructor(
    perSecond: number,
    now: () => number = () => performance.now(),
    burst: number = Math.max(1, perSecond),
  ) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
  }

  /** @throws {@link WireError} `ThrottlingException` */
  count(principal: string): void {
    const now = this.#now();
    const most = this.#burst;
    const { calls, filled } = this.#buckets.get(principal) ?? { calls: most, filled: now };
    const left = Math.min(most, calls + ((now - filled) / 1000) * this.#perSecond);
    // The one used last is the newest.
    this.#buckets.delete(principal);
    this.#buckets.set(principal, { calls: left < 1 ? left : left - 1, filled: now });
    const [oldest] = this.#buckets.size > MAX_BUCKETS ? this.#buckets.keys() : [];
    if (oldest !== undefined) this.#buckets.delete(oldest);
    if (left < 1) throw throttled();
  }
}

/** The refusal of a call beyond what a caller, or the server, may have at once. */
export function throttled(): WireError {
  return new WireError(
    "ThrottlingException",
    "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
  );
}
