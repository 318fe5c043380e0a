/**
 * The CMKs of one `Envelope`, in the application's order: wrap with all, unwrap with any.
 *
 * This is where one data key meets several KMSs. It decides which CMK is called, in which order and how
 * often, and which error results when none of them can open a message. A message can only select among
 * the CMKs that are configured here.
 *
 * Source: spec/envelope-v1.md#encrypting, #decrypting
 *
 * @module
 */
import { Attempts, isAttempt, summary } from "./attempts.ts";
import { andThen, type Awaitable } from "./awaitable.ts";
import { toHmacKey } from "./backend.ts";
import { byteName, concat } from "./bytes.ts";
import { callsOf, type Cmk } from "./cmk.ts";
import type { CmkCalls } from "./cmk-calls.ts";
import type { BoundContext } from "./context.ts";
import type { HmacKey } from "./crypto-backend.ts";
import type { DecryptionKeys, HeldKey } from "./cache.ts";
import type { DataKey } from "./data-key.ts";
import { isEnvelopeError, type EnvelopeError } from "./error.ts";
import type { DriverCallOptions } from "./driver-calls.ts";
import { encodeFront } from "./header.ts";
import { hashContext } from "./kdf.ts";
import { encodeKeyBlock, type Entry } from "./key-block.ts";
import { warn, type Observer } from "./observer.ts";
import {
  requireDistinct,
  rewrapEntries,
  type Candidate,
  type RewrapOutcome,
} from "./rewrap-entries.ts";

export interface CmkSetOptions {
  readonly cmks: readonly Cmk[];
  readonly minWrapped: number;
  readonly observer: Observer | undefined;
}

export class CmkSet {
  readonly #cmks: readonly CmkCalls[];
  readonly #minWrapped: number;
  readonly #observer: Observer | undefined;
  #warned = false;
  /** Compared by identity, so it only serves messages for which {@link KeySource} remembers both. */
  #last: { entries: readonly Entry[]; context: BoundContext; names: readonly string[] } | undefined;

  constructor({ cmks, minWrapped, observer }: CmkSetOptions) {
    this.#cmks = cmks.map(callsOf);
    this.#minWrapped = minWrapped;
    this.#observer = observer;
  }

  /** The number of configured CMKs. */
  get size(): number {
    return this.#cmks.length;
  }

  /** Creates a data key that is wrapped by all CMKs, or by at least `minWrapped` of them. */
  async newKey(context: BoundContext, signal: AbortSignal | undefined): Promise<HeldKey> {
    const { dataKey, entries } = await this.#wrapNew(context, signal);
    this.#tellWrapped(entries.length);
    try {
      return {
        inputKey: await toHmacKey(dataKey),
        entries,
        wrapping: { wrapped: entries.length, cmks: this.size },
        header: concat(encodeFront(undefined), encodeKeyBlock(entries)),
        contextHash: await hashContext(context),
      };
    } finally {
      dataKey[Symbol.dispose]();
    }
  }

  /**
   * Tries the CMKs in order, with at most one unwrap each, until a data key `fits`. Keys in the cache
   * are tried first, since they cost no call.
   *
   * @param fits - Derives the message's keys, compares the commitment, and returns the result or
   * `undefined`.
   */
  unwrap<T>(
    entries: readonly Entry[],
    context: BoundContext,
    cache: DecryptionKeys | undefined,
    fits: Fits<T>,
    signal: AbortSignal | undefined,
  ): Awaitable<T> {
    const held = this.findHeld(entries, context, cache);
    const open = (at: number): Awaitable<T> => {
      const inputKey = held[at]; // By index: an iterator would cost a part of every message.
      if (inputKey === undefined) return this.#unwrapByCall(entries, context, cache, fits, signal);
      return andThen(fits(inputKey), (found) => {
        if (found === undefined) return open(at + 1);
        cache?.hit();
        return found;
      });
    };
    return open(0);
  }

  async #unwrapByCall<T>(
    entries: readonly Entry[],
    context: BoundContext,
    cache: DecryptionKeys | undefined,
    fits: Fits<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const attempts = new Attempts();
    for (const [index, cmk] of this.#cmks.entries()) {
      const found = await attempts.run(async () => {
        const candidate = await this.#select(cmk, entries, signal, attempts);
        if (candidate === undefined) return undefined;
        const unwrap = (inner: AbortSignal | undefined): Promise<HmacKey> =>
          this.#inputKey(candidate, context, inner);
        return fits(
          cache === undefined
            ? await unwrap(signal)
            : await cache.fetch(cacheKey(index, candidate.entry, context), unwrap, signal),
        );
      });
      if (found !== undefined) return found;
    }
    throw attempts.outcome(entries);
  }

  /** Returns the held keys that belong to these entries, in the order of the CMKs. */
  findHeld(
    entries: readonly Entry[],
    context: BoundContext,
    cache: DecryptionKeys | undefined,
  ): HmacKey[] {
    const held: HmacKey[] = [];
    if (cache === undefined) return held;
    for (const name of this.#cacheKeys(entries, context)) {
      const inputKey = cache.get(name);
      if (inputKey !== undefined) held.push(inputKey);
    }
    return held;
  }

  /**
   * Cache keys of these entries. The last result is kept: successive messages tend to share header and
   * context.
   */
  #cacheKeys(entries: readonly Entry[], context: BoundContext): readonly string[] {
    if (this.#last?.entries !== entries || this.#last.context !== context) {
      const names = this.#cmks.flatMap((_, index) =>
        entries.map((entry) => cacheKey(index, entry, context)),
      );
      this.#last = { entries, context, names };
    }
    return this.#last.names;
  }

  /** Replaces entries, as {@link rewrapEntries} says. */
  rewrap(
    entries: readonly Entry[],
    context: BoundContext,
    from: readonly Cmk[],
    signal: AbortSignal | undefined,
  ): Promise<RewrapOutcome> {
    const cmks = { own: this.#cmks, from: from.map(callsOf) };
    return rewrapEntries(entries, cmks, context, this.#options(signal));
  }

  async #wrapNew(
    context: BoundContext,
    signal: AbortSignal | undefined,
  ): Promise<{ dataKey: DataKey; entries: Entry[] }> {
    const options = this.#options(signal);
    const failures: EnvelopeError[] = [];
    const note = (error: unknown): void => {
      if (!isEnvelopeError(error)) throw error; // The caller's abort.
      failures.push(error);
    };
    const requireEnough = (): void => {
      if (this.#cmks.length - failures.length < this.#minWrapped) throw summary(failures);
    };
    for (const [index, cmk] of this.#cmks.entries()) {
      const made = await cmk.generate(context, options).catch(note);
      requireEnough();
      if (!made) continue;
      try {
        const others = this.#cmks.slice(index + 1);
        const wraps = await Promise.allSettled(
          others.map((other) => other.wrap(made.dataKey, context, options)),
        );
        const entries = [made.entry];
        for (const wrap of wraps) {
          if (wrap.status === "fulfilled") entries.push(wrap.value.entry);
          else note(wrap.reason);
        }
        requireEnough(); // Only now, so that the error names every CMK that failed.
        requireDistinct(entries);
        return { dataKey: made.dataKey, entries };
      } catch (error) {
        made.dataKey[Symbol.dispose]();
        throw error;
      }
    }
    throw summary(failures);
  }

  async #inputKey(
    { cmk, entry, keyId }: Candidate,
    context: BoundContext,
    signal: AbortSignal | undefined,
  ): Promise<HmacKey> {
    const dataKey = await cmk.unwrap(entry, keyId, context, this.#options(signal));
    try {
      return await toHmacKey(dataKey);
    } finally {
      dataKey[Symbol.dispose]();
    }
  }

  /**
   * Selects the entry of one CMK. A denied request for the canonical id is not an attempt to unwrap, so
   * it becomes a hint in the final error.
   */
  async #select(
    cmk: CmkCalls,
    entries: readonly Entry[],
    signal: AbortSignal | undefined,
    attempts: Attempts,
  ): Promise<Candidate | undefined> {
    try {
      for (const entry of entries) {
        const keyId = await cmk.findKeyId(entry, this.#options(signal));
        if (keyId === undefined) continue;
        const candidate = { cmk, entry, keyId };
        attempts.called(candidate);
        return candidate;
      }
    } catch (error) {
      if (!isEnvelopeError(error) || !isAttempt(error) || error.retryable) throw error;
      attempts.unresolved(cmk, error);
    }
    return undefined;
  }

  #options(signal: AbortSignal | undefined): DriverCallOptions {
    return { signal, observer: this.#observer };
  }

  /**
   * Warns if there is no observer: otherwise nobody would learn that a message depends on fewer CMKs
   * than configured.
   */
  #tellWrapped(wrapped: number): void {
    if (wrapped === this.size || this.#observer !== undefined || this.#warned) return;
    this.#warned = true;
    warn(
      "ENVELOPE_FEWER_WRAPPED",
      `a data key was wrapped by ${wrapped} of ${this.size} CMKs, as minWrapped allows`,
    );
  }
}

/** Returns the result for a data key, or `undefined` if it is not the message's data key. */
type Fits<T> = (inputKey: HmacKey) => Awaitable<T | undefined>;

function cacheKey(cmk: number, entry: Entry, context: BoundContext): string {
  // Lengths come first, so that two different triples never give the same string.
  const { keyId, wrapped } = entry;
  return `${cmk} ${keyId.length} ${wrapped.length} ${keyId}${byteName(wrapped)}${context.name}`;
}
