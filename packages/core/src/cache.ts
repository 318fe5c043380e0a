/**
 * The data-key cache saves KMS calls, within limits that the application chooses.
 *
 * A data key may protect many messages, since every message has its own salt. The limits bound the
 * damage that one leaked data key can do. A message's share of them is reserved before the key is used.
 * A key that approaches its limits is replaced in the background; once it has reached them it is never
 * used, even if no replacement is available. Failures are never cached.
 *
 * One cache belongs to one `Envelope`, and therefore to one set of CMKs and one suite, so encryption
 * keys are looked up by context alone. Held keys are outside the JavaScript heap.
 *
 * @module
 */
import type { Awaitable } from "./awaitable.ts";
import type { Bytes } from "./bytes.ts";
import type { HmacKey } from "./crypto-backend.ts";
import type { Entry } from "./key-block.ts";
import { notify, type CacheEvent, type Observer, type Wrapping } from "./observer.ts";
import { checkOptions, requireInteger } from "./options.ts";
import { RecentlyBorn } from "./recent.ts";
import { Flight, SingleFlight } from "./single-flight.ts";

/**
 * Limits of the cache. The required ones have no default: each trades security against KMS calls, so
 * the application must decide.
 */
export interface DataKeyCacheOptions {
  /** Milliseconds for which a data key is used, counted from the request to the KMS. At least 1. */
  readonly maxAge: number;
  /** Messages per data key. 1 to 2^32. */
  readonly maxMessages: number;
  /**
   * Plaintext bytes per data key. At least 1. A larger message gets its own data key, and so does a
   * stream whose length is not announced: the bytes are reserved before the data key is used.
   */
  readonly maxBytes: number;
  /** The number of data keys held for encryption, and again for decryption. Default: 1000. */
  readonly maxEntries?: number;
}

/** A data key that is ready for use, with its wrapped copies. */
export interface HeldKey {
  readonly inputKey: HmacKey;
  readonly entries: readonly Entry[];
  readonly wrapping: Wrapping;
  /** The header of a message without stored context or padding. Messages share it: never change it. */
  readonly header: Bytes;
  readonly contextHash: Bytes;
}

type Make<T> = (signal: AbortSignal | undefined) => Promise<T>;

const LIMITS = new Set(["maxAge", "maxMessages", "maxBytes", "maxEntries"]);
const DEFAULT_MAX_ENTRIES = 1000;
/** The fraction of a limit after which a replacement is fetched while the key is still in use. */
const REFRESH_AT = 0.8;

/** The limits of data keys that are held in advance, where the caller has set none. */
export const DEFAULT_LIMITS: DataKeyCacheOptions = {
  maxAge: 300_000,
  maxMessages: 1_048_576,
  maxBytes: 68_719_476_736,
};

/** @throws TypeError, RangeError */
export function checkCacheOptions(options: DataKeyCacheOptions): void {
  checkOptions(options, LIMITS, "dataKeyCache");
  const { maxAge, maxMessages, maxBytes, maxEntries = DEFAULT_MAX_ENTRIES } = options;
  requireInteger("dataKeyCache.maxAge", maxAge, 1, Number.MAX_SAFE_INTEGER);
  requireInteger("dataKeyCache.maxMessages", maxMessages, 1, 2 ** 32);
  requireInteger("dataKeyCache.maxBytes", maxBytes, 1, Number.MAX_SAFE_INTEGER);
  requireInteger("dataKeyCache.maxEntries", maxEntries, 1, 2 ** 24);
}

/**
 * A data key that is held or being fetched. Messages are counted while it is being fetched, so that no
 * caller has to wait twice.
 */
interface Slot {
  readonly flight: Flight<HeldKey>;
  held: HeldKey | undefined;
  readonly born: number;
  messages: number;
  bytes: number;
  /** Whether it had too little room for some message. */
  refused: boolean;
  /** No refresh is attempted before this time, so that a failing KMS is not flooded with calls. */
  quietUntil: number;
}

/** Data keys for encryption. */
export class EncryptionKeys {
  readonly #limits: DataKeyCacheOptions;
  readonly #held: RecentlyBorn<Slot>;
  /** Data keys that are being fetched: the most recently requested one for each cache key. */
  readonly #fetches = new Map<string, Slot>();
  readonly #observer: Observer | undefined;

  constructor(limits: DataKeyCacheOptions, observer: Observer | undefined) {
    this.#limits = limits;
    this.#held = new RecentlyBorn(limits.maxEntries ?? DEFAULT_MAX_ENTRIES, limits.maxAge);
    this.#observer = observer;
  }

  /** Whether a message of `bytes` may share a data key at all. */
  admits(bytes: number): boolean {
    return bytes <= this.#limits.maxBytes;
  }

  /**
   * Returns a data key for one message of `bytes` of plaintext, which {@link admits} allows. Returns it
   * synchronously if one is held.
   */
  lease(
    key: string,
    bytes: number,
    make: Make<HeldKey>,
    signal: AbortSignal | undefined,
  ): Awaitable<HeldKey> {
    return this.leaseHeld(key, bytes, make) ?? this.#leaseComing(key, bytes, make, signal);
  }

  /** Does what {@link lease} does with held keys only; returns `undefined` if none has room. */
  leaseHeld(key: string, bytes: number, make: Make<HeldKey>): HeldKey | undefined {
    const slot = this.#held.get(key);
    if (slot === undefined) return undefined;
    if (!this.#reserve(slot, bytes)) {
      slot.refused = true;
      return undefined;
    }
    this.#report("hit");
    if (this.#isNearItsEnd(slot)) this.#refresh(key, slot, make);
    return slot.held;
  }

  /** Fetches a data key, unless a held one has had room for every message so far. */
  async hold(key: string, make: Make<HeldKey>, signal: AbortSignal | undefined): Promise<void> {
    const slot = this.#held.get(key);
    if (slot !== undefined && !slot.refused) return;
    signal?.throwIfAborted();
    await this.#coming(key, make, () => true).flight.join(signal);
  }

  clear(): void {
    this.#held.clear();
    this.#fetches.clear(); // Pending fetches still serve their waiters, but are not kept.
  }

  async #leaseComing(
    key: string,
    bytes: number,
    make: Make<HeldKey>,
    signal: AbortSignal | undefined,
  ): Promise<HeldKey> {
    signal?.throwIfAborted();
    return this.#coming(key, make, (slot) => this.#reserve(slot, bytes)).flight.join(signal);
  }

  /**
   * Returns a pending slot that `takes` the message: the one requested last, or else a new one. A burst
   * of callers thus fetches all the data keys it needs in parallel, and no others.
   */
  #coming(key: string, make: Make<HeldKey>, takes: (slot: Slot) => boolean): Slot {
    const slot = this.#fetches.get(key);
    if (slot?.flight.isJoinable(this.#limits.maxAge) === true && takes(slot)) {
      this.#report("joined");
      return slot;
    }
    this.#report("miss");
    const fresh = this.#fetch(key, make);
    takes(fresh);
    return fresh;
  }

  #fetch(key: string, make: Make<HeldKey>): Slot {
    const forget = (): boolean => this.#fetches.get(key) === slot && this.#fetches.delete(key);
    const keep = async (signal: AbortSignal): Promise<HeldKey> => {
      const held = await make(signal);
      slot.held = held;
      if (forget()) this.#held.set(key, slot);
      return held;
    };
    const slot: Slot = {
      born: performance.now(),
      flight: new Flight(keep, forget),
      held: undefined,
      messages: 0,
      bytes: 0,
      refused: false,
      quietUntil: 0,
    };
    this.#fetches.set(key, slot);
    return slot;
  }

  #refresh(key: string, slot: Slot, make: Make<HeldKey>): void {
    if (this.#fetches.has(key) || performance.now() < slot.quietUntil) return;
    slot.quietUntil = performance.now() + (this.#limits.maxAge * (1 - REFRESH_AT)) / 4;
    this.#report("refresh");
    // No caller waits for this: a failure is reported as a kms-call event, and the old key stays in
    // use.
    this.#fetch(key, make)
      .flight.join(undefined)
      .catch(() => undefined);
  }

  #reserve(slot: Slot, bytes: number): boolean {
    const { maxMessages, maxBytes } = this.#limits;
    if (slot.messages >= maxMessages || slot.bytes + bytes > maxBytes) return false;
    slot.messages++;
    slot.bytes += bytes;
    return true;
  }

  #isNearItsEnd(slot: Slot): boolean {
    const { maxAge, maxMessages, maxBytes } = this.#limits;
    return (
      performance.now() - slot.born >= maxAge * REFRESH_AT ||
      slot.messages >= maxMessages * REFRESH_AT ||
      slot.bytes >= maxBytes * REFRESH_AT
    );
  }

  #report(outcome: CacheEvent["outcome"]): void {
    notify(this.#observer, { type: "cache", side: "encrypt", outcome });
  }
}

/** Data keys for decryption, looked up by CMK, context and wrapped key. */
export class DecryptionKeys {
  readonly #keys: RecentlyBorn<{ readonly inputKey: HmacKey; readonly born: number }>;
  readonly #flights = new SingleFlight<HmacKey>();
  readonly #observer: Observer | undefined;
  #generation = 0;

  constructor(limits: DataKeyCacheOptions, observer: Observer | undefined) {
    this.#keys = new RecentlyBorn(limits.maxEntries ?? DEFAULT_MAX_ENTRIES, limits.maxAge);
    this.#observer = observer;
  }

  /** Returns the data key that was unwrapped for `key` at most `maxAge` ago. */
  get(key: string): HmacKey | undefined {
    return this.#keys.get(key)?.inputKey;
  }

  /** Reports that a held key matched the message. */
  hit(): void {
    this.#report("hit");
  }

  /** Unwraps a data key, once for all concurrent callers. */
  async fetch(key: string, make: Make<HmacKey>, signal: AbortSignal | undefined): Promise<HmacKey> {
    signal?.throwIfAborted();
    this.#report(this.#flights.has(key) ? "joined" : "miss");
    const keep = async (flight: AbortSignal): Promise<HmacKey> => {
      const generation = this.#generation;
      const born = performance.now();
      const inputKey = await make(flight);
      if (generation === this.#generation) this.#keys.set(key, { inputKey, born });
      return inputKey;
    };
    return this.#flights.run(key, keep, signal);
  }

  clear(): void {
    this.#generation++;
    this.#keys.clear();
    this.#flights.clear();
  }

  #report(outcome: CacheEvent["outcome"]): void {
    notify(this.#observer, { type: "cache", side: "decrypt", outcome });
  }
}

/** The caches of both sides, with the same limits. */
export class DataKeyCache {
  readonly encryption: EncryptionKeys;
  readonly decryption: DecryptionKeys;

  constructor(limits: DataKeyCacheOptions, observer: Observer | undefined) {
    this.encryption = new EncryptionKeys(limits, observer);
    this.decryption = new DecryptionKeys(limits, observer);
  }

  clear(): void {
    this.encryption.clear();
    this.decryption.clear();
  }
}
