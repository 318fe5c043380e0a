/**
 * One call in flight per key, however many wait for it.
 *
 * A caller that aborts stops waiting; the call itself is aborted only when nobody waits any more, so
 * one impatient request cannot fail the others. Failures reach all who wait and are not remembered.
 *
 * @module
 */
import { untilAborted } from "./driver-calls.ts";

interface Flight<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** Whether a call for `key` is under way. */
  has(key: string): boolean {
    return this.#flights.has(key);
  }

  /**
   * Joins the call under way for `key`, or starts one.
   *
   * @param make - Starts the call; its signal aborts when the last caller has gone.
   * @throws what `make` threw, or the caller's own abort reason.
   */
  async run(
    key: string,
    make: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, make);
    flight.waiting++;
    try {
      return await untilAborted(flight.result, signal);
    } finally {
      if (--flight.waiting === 0 && signal?.aborted) {
        this.#forget(key, flight);
        flight.abort.abort(signal.reason);
      }
    }
  }

  /** Lets calls under way finish for those who wait, and starts anew for those who come. */
  clear(): void {
    this.#flights.clear();
  }

  #start(key: string, make: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const abort = new AbortController();
    const flight: Flight<T> = { result: make(abort.signal), abort, waiting: 0 };
    this.#flights.set(key, flight);
    const done = (): void => this.#forget(key, flight);
    flight.result.then(done, done);
    return flight;
  }

  #forget(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
