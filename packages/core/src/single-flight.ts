/**
 * At most one call in flight per key, however many callers wait for it.
 *
 * A caller that aborts stops waiting. The call itself is aborted only when no caller is left, so one
 * impatient request cannot fail the others. A failure reaches all waiting callers and is not cached.
 *
 * @module
 */
import { untilAborted } from "./until-aborted.ts";

/**
 * Milliseconds after which callers no longer join a call. Ending a call is the driver's responsibility,
 * and a driver that never does must not block all later callers.
 */
const JOIN_WITHIN = 60_000;

/** A call that several callers can wait for. */
export class Flight<T> {
  readonly #result: Promise<T>;
  readonly #abort = new AbortController();
  readonly #started: number = performance.now();
  readonly #ended: () => void;
  #waiting = 0;

  /**
   * @param make - Starts the call; its signal aborts when no caller is left.
   * @param ended - Runs once the call has ended or is aborted.
   */
  constructor(make: (signal: AbortSignal) => Promise<T>, ended: () => void) {
    this.#ended = ended;
    this.#result = make(this.#abort.signal);
    this.#result.then(ended, ended);
  }

  /** Whether a caller may still join: the call is younger than a minute, and than `maxAge` milliseconds. */
  isJoinable(maxAge: number = JOIN_WITHIN): boolean {
    return performance.now() - this.#started < Math.min(maxAge, JOIN_WITHIN);
  }

  /** @throws what the call throws, or the caller's own abort reason. */
  async join(signal: AbortSignal | undefined): Promise<T> {
    this.#waiting++;
    try {
      return await untilAborted(this.#result, signal);
    } finally {
      if (--this.#waiting === 0 && signal?.aborted) {
        this.#ended();
        this.#abort.abort(signal.reason);
      }
    }
  }
}

export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** Whether {@link run} would join a call for `key`. */
  has(key: string): boolean {
    return this.#flights.get(key)?.isJoinable() === true;
  }

  /**
   * Joins the pending call for `key`, or starts one.
   *
   * @throws what `make` threw, or the caller's own abort reason.
   */
  async run(
    key: string,
    make: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key);
    return (flight?.isJoinable() === true ? flight : this.#start(key, make)).join(signal);
  }

  /** Lets pending calls finish for their callers, and starts new calls for later callers. */
  clear(): void {
    this.#flights.clear();
  }

  #start(key: string, make: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const flight = new Flight(make, () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    this.#flights.set(key, flight);
    return flight;
  }
}
