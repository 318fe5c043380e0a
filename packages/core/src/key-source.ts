/**
 * What the messages of one `Envelope` share: its CMKs, the data keys that it holds, its observer, and the
 * contexts and the header that it remembers. Every message is started or opened with a data key from here.
 *
 * @module
 */
import { andThen, type Awaitable } from "./awaitable.ts";
import type { Bytes } from "./bytes.ts";
import { DataKeyCache, type DataKeyCacheOptions, type HeldKey } from "./cache.ts";
import type { Cmk } from "./cmk.ts";
import type { CmkSet } from "./cmk-set.ts";
import { rememberContexts, type bindContext, type BoundContext } from "./context.ts";
import type { HmacKey } from "./crypto-backend.ts";
import { bindPayload, requireEntries, type DecryptOptions } from "./decrypting.ts";
import type { EncryptOptions } from "./encrypting.ts";
import { EnvelopeError } from "./error.ts";
import { rememberHeader, type parseHeader } from "./header.ts";
import { hashAad } from "./kdf.ts";
import type { Entry } from "./key-block.ts";
import type { Observer } from "./observer.ts";

export class KeySource {
  readonly cmks: CmkSet;
  readonly observer: Observer | undefined;
  readonly cacheLimits: DataKeyCacheOptions | undefined;
  readonly bindContext: typeof bindContext = rememberContexts();
  readonly parseHeader: typeof parseHeader = rememberHeader();
  readonly #cache: DataKeyCache | undefined;
  /**
   * The caches of `fields()`. References are weak, since the application may drop those objects at any
   * time.
   */
  readonly #others = new Set<WeakRef<DataKeyCache>>();
  #forgotten: FinalizationRegistry<WeakRef<DataKeyCache>> | undefined;
  #owned: readonly Cmk[] = [];
  #closed: Promise<void> | undefined;

  constructor(
    cmks: CmkSet,
    cacheLimits: DataKeyCacheOptions | undefined,
    observer: Observer | undefined,
  ) {
    this.cmks = cmks;
    this.observer = observer;
    this.cacheLimits = cacheLimits;
    this.#cache = cacheLimits && new DataKeyCache(cacheLimits, observer);
  }

  /**
   * Uses a data key for a message of `bytes` of plaintext; `undefined` means that the length is not known yet.
   * Synchronous if a data key is held and `use` is synchronous.
   */
  encrypt<T>(
    context: BoundContext,
    { aad, signal }: Pick<EncryptOptions, "aad" | "signal">,
    bytes: number | undefined,
    use: (held: HeldKey, aadHash: Bytes) => Awaitable<T>,
  ): Awaitable<T> {
    this.requireOpen();
    const hashing = hashAad(aad); // Hashed now, because the caller may change the bytes during the KMS call.
    return andThen(this.#heldKey(context, bytes, signal), (held) =>
      andThen(hashing, (aadHash) => use(held, aadHash)),
    );
  }

  /**
   * Unwraps the data key of a message. Synchronous if the data key is held and `open` is synchronous.
   *
   * @param payload - Its beginning, with the salt.
   * @param open - Returns `undefined` if the data key does not belong to the message.
   * @throws {@link EnvelopeError} as steps 4 to 6 of spec/envelope-v1.md#decrypting say.
   */
  decrypt<T>(
    preamble: Bytes,
    payload: Uint8Array,
    entries: readonly Entry[] | undefined,
    context: BoundContext,
    { aad, signal }: Pick<DecryptOptions, "aad" | "signal">,
    open: (inputKey: HmacKey, info: Bytes) => Awaitable<T | undefined>,
  ): Awaitable<T> {
    this.requireOpen();
    const candidates = requireEntries(entries);
    return andThen(bindPayload(preamble, payload, context, aad), (info) =>
      this.unwrap(candidates, context, signal, (inputKey) => open(inputKey, info)),
    );
  }

  /** Tries the data keys of these entries, held ones first, until one `fits`. */
  unwrap<T>(
    entries: readonly Entry[],
    context: BoundContext,
    signal: AbortSignal | undefined,
    fits: (inputKey: HmacKey) => Awaitable<T | undefined>,
  ): Awaitable<T> {
    this.requireOpen();
    return this.cmks.unwrap(entries, context, this.#cache?.decryption, fits, signal);
  }

  /** Creates another cache, which {@link clear} and {@link close} also empty. */
  openCache(limits: DataKeyCacheOptions): DataKeyCache {
    const cache = new DataKeyCache(limits, this.observer);
    const ref = new WeakRef(cache);
    this.#others.add(ref);
    this.#forgotten ??= new FinalizationRegistry((gone) => this.#others.delete(gone));
    this.#forgotten.register(cache, ref);
    return cache;
  }

  /** Forgets all held data keys. */
  clear(): void {
    this.#cache?.clear();
    for (const ref of this.#others) ref.deref()?.clear();
  }

  /** Makes {@link close} also close these CMKs, which were opened for this `Envelope`. */
  own(cmks: readonly Cmk[]): void {
    this.#owned = cmks;
  }

  /** Forgets all held data keys and ends all use. Idempotent. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  /** @throws {@link EnvelopeError} `ERR_ENVELOPE_CLOSED` */
  requireOpen(): void {
    if (this.#closed === undefined) return;
    throw new EnvelopeError("ERR_ENVELOPE_CLOSED", "the Envelope is closed");
  }

  async #close(): Promise<void> {
    this.clear();
    await Promise.all(this.#owned.map((cmk) => cmk.close()));
  }

  #heldKey(
    context: BoundContext,
    bytes: number | undefined,
    signal: AbortSignal | undefined,
  ): Awaitable<HeldKey> {
    const make = (inner: AbortSignal | undefined): Promise<HeldKey> =>
      this.cmks.newKey(context, inner);
    const keys = this.#cache?.encryption;
    // An unknown length cannot be reserved.
    return bytes !== undefined && keys?.admits(bytes) === true
      ? keys.lease(context.name, bytes, make, signal)
      : make(signal);
  }
}
