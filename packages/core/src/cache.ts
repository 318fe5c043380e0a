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
import type { Awaitable, HmacKey } from "./crypto.ts";
import type { Bytes } from "./bytes.ts";
import type { Entry } from "./key-block.ts";
import { notify, type CacheEvent, type Observer } from "./observer.ts";
import { Recent } from "./recent.ts";
import { SingleFlight } from "./single-flight.ts";

/** All required limits: a cache without them is a decision nobody took. */
export interface DataKeyCacheOptions {
  /** Milliseconds until a data key is used no more, counted from when the KMS was asked. At least 1. */
  readonly maxAge: number;
  /** Messages per data key. 1 to 2^32. */
  readonly maxMessages: number;
  /**
   * Plaintext bytes per data key. At least 1. A larger message gets a data key of its own. A stream of
   * unknown length counts as it passes: one that goes beyond ends the data key's service for others.
   */
  readonly maxBytes: number;
  /** Data keys held for encryption, and as many for decryption. Default: 1000. */
  readonly maxEntries?: number;
}

/** A data key ready for use, and its wrapped copies. */
export interface HeldKey {
  readonly inputKey: HmacKey;
  readonly entries: readonly Entry[];
  /** Of a message that stores no context and has no padding. Shared by messages: not to be changed. */
  readonly header: Bytes;
  readonly contextHash: Bytes;
}

/** A held key and the right to protect one message with it. */
export interface Lease {
  readonly held: HeldKey;
  /** Counts further plaintext, for messages whose length was unknown at the start. Call it before use. */
  spend(bytes: number): void;
}

type Make<T> = (signal: AbortSignal | undefined) => Promise<T>;

const DEFAULT_MAX_ENTRIES = 1000;
/** The part of a limit after which a key is replaced while it still serves. */
const REFRESH_AT = 0.8;

export function checkCacheOptions(options: DataKeyCacheOptions): void {
  const { maxAge, maxMessages, maxBytes, maxEntries = DEFAULT_MAX_ENTRIES } = options;
  within("maxAge", maxAge, 1, Number.MAX_SAFE_INTEGER);
  within("maxMessages", maxMessages, 1, 2 ** 32);
  within("maxBytes", maxBytes, 1, Number.MAX_SAFE_INTEGER);
  within("maxEntries", maxEntries, 1, 2 ** 24);
}

function within(name: string, value: number, min: number, max: number): void {
  if (typeof value !== "number") throw new TypeError(`dataKeyCache.${name} must be a number`);
  if (!(value >= min && value <= max)) {
    throw new RangeError(`dataKeyCache.${name} must be from ${min} to ${max}, got ${value}`);
  }
}

interface Slot {
  readonly held: HeldKey;
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
  readonly #slots: Recent<Slot>;
  readonly #flights = new SingleFlight<Slot>();
  readonly #observer: Observer | undefined;
  #generation = 0;

  constructor(limits: DataKeyCacheOptions, observer: Observer | undefined) {
    this.#limits = limits;
    this.#slots = new Recent(limits.maxEntries ?? DEFAULT_MAX_ENTRIES);
    this.#observer = observer;
  }

  /** Whether a message of `bytes` may share a data key at all. */
  admits(bytes: number): boolean {
    return bytes <= this.#limits.maxBytes;
  }

  /**
   * A data key for one message of `bytes` of plaintext (0 where unknown: then {@link Lease.spend}).
   * Answers at once where one is held.
   */
  lease(
    key: string,
    bytes: number,
    make: Make<HeldKey>,
    signal: AbortSignal | undefined,
  ): Awaitable<Lease> {
    return this.leaseHeld(key, bytes, make) ?? this.#leaseNew(key, bytes, make, signal);
  }

  /** As {@link lease}, from held keys only; `undefined` where there is none with room. */
  leaseHeld(key: string, bytes: number, make: Make<HeldKey>): Lease | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined || this.#isOver(slot)) return undefined;
    if (!this.#reserve(slot, bytes)) {
      slot.refused = true;
      return undefined;
    }
    this.#report("hit");
    if (this.#isNearItsEnd(slot)) this.#refresh(key, slot, make);
    return this.#lease(slot);
  }

  /** Fetches a data key unless one is held that has refused nothing yet. */
  async hold(key: string, make: Make<HeldKey>, signal: AbortSignal | undefined): Promise<void> {
    const slot = this.#slots.get(key);
    if (slot !== undefined && !this.#isOver(slot) && !slot.refused) return;
    this.#report("miss");
    await this.#flights.run(key, (flight) => this.#fetch(key, make, flight), signal);
  }

  clear(): void {
    this.#generation++;
    this.#slots.clear();
    this.#flights.clear();
  }

  async #leaseNew(
    key: string,
    bytes: number,
    make: Make<HeldKey>,
    signal: AbortSignal | undefined,
  ): Promise<Lease> {
    this.#report("miss");
    // More callers may wait than one key has room for: those who find none left fly again. Its age
    // does not matter here: a KMS slower than maxAge would have them fly for ever.
    for (;;) {
      const slot = await this.#flights.run(key, (flight) => this.#fetch(key, make, flight), signal);
      if (this.#reserve(slot, bytes)) return this.#lease(slot);
      const newer = this.leaseHeld(key, bytes, make);
      if (newer !== undefined) return newer;
    }
  }

  async #fetch(key: string, make: Make<HeldKey>, signal: AbortSignal | undefined): Promise<Slot> {
    const generation = this.#generation;
    const born = performance.now();
    const held = await make(signal);
    const slot: Slot = { held, born, messages: 0, bytes: 0, refused: false, quietUntil: 0 };
    if (generation === this.#generation) {
      this.#slots.removeWhere((other) => this.#isOver(other));
      this.#slots.set(key, slot);
    }
    return slot;
  }

  #refresh(key: string, slot: Slot, make: Make<HeldKey>): void {
    if (this.#flights.has(key) || performance.now() < slot.quietUntil) return;
    slot.quietUntil = performance.now() + (this.#limits.maxAge * (1 - REFRESH_AT)) / 4;
    this.#report("refresh");
    // Nobody waits: a failure was reported as a kms-call event, and the old key serves on.
    this.#flights
      .run(key, (flight) => this.#fetch(key, make, flight), undefined)
      .catch(() => undefined);
  }

  #lease(slot: Slot): Lease {
    return {
      held: slot.held,
      spend: (bytes) => {
        slot.bytes += bytes;
      },
    };
  }

  #reserve(slot: Slot, bytes: number): boolean {
    const { maxMessages, maxBytes } = this.#limits;
    if (slot.messages >= maxMessages || slot.bytes + bytes > maxBytes) return false;
    slot.messages++;
    slot.bytes += bytes;
    return true;
  }

  #isOver(slot: Slot): boolean {
    const { maxAge, maxMessages, maxBytes } = this.#limits;
    return (
      performance.now() - slot.born >= maxAge ||
      slot.messages >= maxMessages ||
      slot.bytes >= maxBytes
    );
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
  readonly #maxAge: number;
  readonly #keys: Recent<{ readonly inputKey: HmacKey; readonly born: number }>;
  readonly #flights = new SingleFlight<HmacKey>();
  readonly #observer: Observer | undefined;
  #generation = 0;

  constructor(limits: DataKeyCacheOptions, observer: Observer | undefined) {
    this.#maxAge = limits.maxAge;
    this.#keys = new Recent(limits.maxEntries ?? DEFAULT_MAX_ENTRIES);
    this.#observer = observer;
  }

  /** The key that was unwrapped for `key` no longer than `maxAge` ago. */
  get(key: string): HmacKey | undefined {
    const found = this.#keys.get(key);
    if (found === undefined || performance.now() - found.born >= this.#maxAge) return undefined;
    this.#report("hit");
    return found.inputKey;
  }

  /** Unwraps, once for all who ask meanwhile. */
  async fetch(key: string, make: Make<HmacKey>, signal: AbortSignal | undefined): Promise<HmacKey> {
    this.#report("miss");
    return this.#flights.run(
      key,
      async (flight) => {
        const generation = this.#generation;
        const born = performance.now();
        const inputKey = await make(flight);
        if (generation === this.#generation) {
          this.#keys.removeWhere((other) => performance.now() - other.born >= this.#maxAge);
          this.#keys.set(key, { inputKey, born });
        }
        return inputKey;
      },
      signal,
    );
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
