/**
 * The data-key cache: fewer KMS calls, within limits the application chose.
 *
 * A data key may protect many messages, since every message has a salt of its own. What the limits
 * bound is the damage of one leaked data key. They are reserved before the key is used. A key nearing
 * its end is replaced in the background; past its hard limits it is never used, even if no other can
 * be had. Failures are never kept.
 *
 * One cache belongs to one `Envelope`, so to one set of CMKs and one suite; the context completes the
 * key. Held keys lie outside the JavaScript heap.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import type { Awaitable, HmacKey } from "./crypto.ts";
import type { Entry } from "./key-block.ts";
import { notify, type CacheEvent, type Observer, type Wrapping } from "./observer.ts";
import { checkOptions, requireInteger } from "./options.ts";
import { RecentlyBorn } from "./recent.ts";
import { Flight, SingleFlight } from "./single-flight.ts";

/** All required limits: a cache without them is a decision nobody took. */
export interface DataKeyCacheOptions {
  /** Milliseconds until a data key is used no more, counted from when the KMS was asked. At least 1. */
  readonly maxAge: number;
  /** Messages per data key. 1 to 2^32. */
  readonly maxMessages: number;
  /**
   * Plaintext bytes per data key. At least 1. A larger message gets a data key of its own, and so does a
   * stream whose length is not announced: what a data key protects is reserved before it is used.
   */
  readonly maxBytes: number;
  /** Data keys held for encryption, and as many for decryption. Default: 1000. */
  readonly maxEntries?: number;
}

/** A data key ready for use, and its wrapped copies. */
export interface HeldKey {
  readonly inputKey: HmacKey;
  readonly entries: readonly Entry[];
  readonly wrapping: Wrapping;
  /** Of a message that stores no context and has no padding. Shared by messages: not to be changed. */
  readonly header: Bytes;
  readonly contextHash: Bytes;
}

type Make<T> = (signal: AbortSignal | undefined) => Promise<T>;

const LIMITS = new Set(["maxAge", "maxMessages", "maxBytes", "maxEntries"]);
const DEFAULT_MAX_ENTRIES = 1000;
/** The part of a limit after which a key is replaced while it still serves. */
const REFRESH_AT = 0.8;

/** @throws TypeError, RangeError */
export function checkCacheOptions(options: DataKeyCacheOptions): void {
  checkOptions(options, LIMITS, "dataKeyCache");
  const { maxAge, maxMessages, maxBytes, maxEntries = DEFAULT_MAX_ENTRIES } = options;
  requireInteger("dataKeyCache.maxAge", maxAge, 1, Number.MAX_SAFE_INTEGER);
  requireInteger("dataKeyCache.maxMessages", maxMessages, 1, 2 ** 32);
  requireInteger("dataKeyCache.maxBytes", maxBytes, 1, Number.MAX_SAFE_INTEGER);
  requireInteger("dataKeyCache.maxEntries", maxEntries, 1, 2 ** 24);
}

/** A data key, held or on its way. What it is to protect is counted from the start, so that nobody has to wait twice. */
interface Slot {
  readonly flight: Flight<HeldKey>;
  held: HeldKey | undefined;
  readonly born: number;
  messages: number;
  bytes: number;
  /** It had no room for a message. */
  refused: boolean;
  /** Before this time no refresh is tried: lets a failing KMS breathe. */
  quietUntil: number;
}

/** Data keys for encryption. */
export class EncryptionKeys {
  readonly #limits: DataKeyCacheOptions;
  readonly #held: RecentlyBorn<Slot>;
  /** On their way: for each key the one that was asked for last. */
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
   * A data key for one message of `bytes` of plaintext, which {@link admits} allows. Answers at once where
   * one is held.
   */
  lease(
    key: string,
    bytes: number,
    make: Make<HeldKey>,
    signal: AbortSignal | undefined,
  ): Awaitable<HeldKey> {
    return this.leaseHeld(key, bytes, make) ?? this.#leaseComing(key, bytes, make, signal);
  }

  /** As {@link lease}, from held keys only; `undefined` where there is none with room. */
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

  /** Fetches a data key unless one is held that has refused nothing yet. */
  async hold(key: string, make: Make<HeldKey>, signal: AbortSignal | undefined): Promise<void> {
    const slot = this.#held.get(key);
    if (slot !== undefined && !slot.refused) return;
    signal?.throwIfAborted();
    await this.#coming(key, make, () => true).flight.join(signal);
  }

  clear(): void {
    this.#held.clear();
    this.#fetches.clear(); // What is under way serves those who wait, and is not kept.
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
   * A slot on its way that `takes` the message: the one that was asked for last, else a new one. So a burst
   * of callers has all the data keys that it needs fetched at once, and none that it does not.
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
    // Nobody waits: a failure was reported as a kms-call event, and the old key serves on.
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

/** Data keys for decryption, by CMK, context and wrapped key. */
export class DecryptionKeys {
  readonly #keys: RecentlyBorn<{ readonly inputKey: HmacKey; readonly born: number }>;
  readonly #flights = new SingleFlight<HmacKey>();
  readonly #observer: Observer | undefined;
  #generation = 0;

  constructor(limits: DataKeyCacheOptions, observer: Observer | undefined) {
    this.#keys = new RecentlyBorn(limits.maxEntries ?? DEFAULT_MAX_ENTRIES, limits.maxAge);
    this.#observer = observer;
  }

  /** The key that was unwrapped for `key` no longer than `maxAge` ago. */
  get(key: string): HmacKey | undefined {
    return this.#keys.get(key)?.inputKey;
  }

  /** Reports that a held key was the message's own. */
  hit(): void {
    this.#report("hit");
  }

  /** Unwraps, once for all who ask meanwhile. */
  async fetch(key: string, make: Make<HmacKey>, signal: AbortSignal | undefined): Promise<HmacKey> {
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

/** Both sides, under the same limits. */
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
