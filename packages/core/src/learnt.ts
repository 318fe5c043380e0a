/**
 * A fact that a driver learnt from its KMS: what an alias stands for, or what kind of key it calls.
 *
 * Such a fact is not asked for at every call. It may change behind the driver's back, so it is asked for
 * again after a while, and a driver that sees an answer that contradicts the fact forgets it.
 *
 * @module
 */

import type { Awaitable } from "./crypto.ts";

export interface LearntOptions<T> {
  /** Asks the KMS. */
  readonly ask: () => Promise<T>;
  /** Milliseconds for which an answer is believed. */
  readonly maxAge: number;
}

export class Learnt<T> {
  readonly #ask: () => Promise<T>;
  readonly #maxAge: number;
  #fact: { readonly value: T } | undefined;
  #at = -Infinity;
  #asking: Promise<T> | undefined;

  constructor({ ask, maxAge }: LearntOptions<T>) {
    this.#ask = ask;
    this.#maxAge = maxAge;
  }

  /** The fact, however old. `undefined`: it was never learnt, or it was forgotten. */
  get known(): T | undefined {
    return this.#fact?.value;
  }

  /**
   * The fact, if it was learnt within `maxAge`; else what the KMS answers now. Callers that wait at the
   * same time share one question.
   *
   * @throws what `ask` throws; {@link known} stays as it was.
   */
  async get(): Promise<T> {
    const fresh = this.#fresh;
    if (fresh !== undefined) return fresh.value;
    const asking = (this.#asking ??= this.#ask());
    try {
      const value = await asking;
      // Else it was forgotten meanwhile: this answer may be from before.
      if (this.#asking === asking) this.learn(value);
      return value;
    } finally {
      if (this.#asking === asking) this.#asking = undefined;
    }
  }

  /**
   * Whether the fact passes `test`. Answers at once where it was learnt within `maxAge`. An older fact holds
   * where the KMS cannot be asked: whether it is still true shows in the calls.
   *
   * @throws what `ask` throws, where nothing was learnt.
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

  /** Takes a fact that another answer of the KMS told. */
  learn(value: T): void {
    this.#fact = { value };
    this.#at = performance.now();
  }

  /** Something contradicts the fact: the next {@link get} asks anew. */
  forget(): void {
    this.#fact = undefined;
    this.#asking = undefined;
  }

  get #fresh(): { readonly value: T } | undefined {
    return performance.now() - this.#at < this.#maxAge ? this.#fact : undefined;
  }
}
