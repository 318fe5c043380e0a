/**
 * A fact that a driver learnt from its KMS: which key an alias names, or what kind of key it calls.
 *
 * The driver does not ask for it at every call. The fact may change without the driver's knowledge, so
 * it is requested again after a while, and a driver forgets it on seeing an answer that contradicts it.
 *
 * @module
 */

import type { Awaitable } from "../awaitable.ts";

export interface LearntOptions<T> {
  /** Asks the KMS. */
  readonly ask: () => Promise<T>;
  /** Milliseconds for which an answer is trusted. */
  readonly maxAge: number;
  /** Whether an error of a call shows that the fact may no longer be true. Default: none does. */
  readonly contradictedBy?: (error: unknown) => boolean;
}

export class Learnt<T> {
  readonly #ask: () => Promise<T>;
  readonly #maxAge: number;
  readonly #contradictedBy: (error: unknown) => boolean;
  #fact: { readonly value: T } | undefined;
  #at = -Infinity;
  #asking: Promise<T> | undefined;

  constructor({ ask, maxAge, contradictedBy = () => false }: LearntOptions<T>) {
    this.#ask = ask;
    this.#maxAge = maxAge;
    this.#contradictedBy = contradictedBy;
  }

  /** The fact, however old it is; `undefined` if it was never learnt or has been forgotten. */
  get known(): T | undefined {
    return this.#fact?.value;
  }

  /**
   * Returns the fact if it was learnt within `maxAge`, otherwise asks the KMS. Concurrent callers share
   * one request.
   *
   * @throws what `ask` throws; {@link known} does not change.
   */
  async get(): Promise<T> {
    const fresh = this.#fresh;
    if (fresh !== undefined) return fresh.value;
    const asking = (this.#asking ??= this.#ask());
    try {
      const value = await asking;
      // Otherwise the fact was forgotten meanwhile, and this answer may predate that.
      if (this.#asking === asking) this.learn(value);
      return value;
    } finally {
      if (this.#asking === asking) this.#asking = undefined;
    }
  }

  /**
   * Whether the fact passes `test`. Synchronous if the fact was learnt within `maxAge`. If the KMS
   * cannot be asked, an older fact is used: later calls will show whether it is still true.
   *
   * @throws what `ask` throws, if nothing was ever learnt.
   */
  passes(test: (value: T) => boolean): Awaitable<boolean> {
    const fresh = this.#fresh;
    if (fresh !== undefined) return test(fresh.value);
    return this.get().then(test, (error: unknown) => {
      if (this.#fact === undefined) throw error;
      this.learn(this.#fact.value);
      return test(this.#fact.value);
    });
  }

  /** Makes a call to the KMS, and forgets the fact if the error of the call contradicts it. */
  async watch<R>(call: () => Promise<R>): Promise<R> {
    try {
      return await call();
    } catch (error) {
      if (this.#contradictedBy(error)) this.forget();
      throw error;
    }
  }

  /** Stores a fact that another answer of the KMS contained. */
  learn(value: T): void {
    this.#fact = { value };
    this.#at = performance.now();
  }

  /** Forgets the fact because something contradicts it: the next {@link get} asks again. */
  forget(): void {
    this.#fact = undefined;
    this.#asking = undefined;
  }

  get #fresh(): { readonly value: T } | undefined {
    return performance.now() - this.#at < this.#maxAge ? this.#fact : undefined;
  }
}
