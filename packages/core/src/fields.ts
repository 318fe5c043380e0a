/**
 * A synchronous cipher for small values: for ORMs, serialisers and other code that cannot await.
 *
 * Data keys are unwrapped in advance and held outside the JavaScript heap, within the limits of a
 * data-key cache. A data key that is not held is unavailable synchronously, which is an error that says
 * what to await. Replacements are fetched in the background while the current key is still in use.
 *
 * @module
 */
import { requireBytes, type Bytes } from "./bytes.ts";
import {
  checkCacheOptions,
  DEFAULT_LIMITS,
  type DataKeyCache,
  type DataKeyCacheOptions,
  type HeldKey,
} from "./cache.ts";
import { plaintextLength } from "./chunks.ts";
import { bindContext, type Aad, type BoundContext, type Context } from "./context.ts";
import type { Awaitable } from "./awaitable.ts";
import { bindPayload, requireEntries, resolveContext } from "./decrypting.ts";
import { sealMessage } from "./encrypting.ts";
import { checkOptions } from "./options.ts";
import { EnvelopeError, errorFacts } from "./error.ts";
import { hashAad } from "./kdf.ts";
import { nameOfEntries, type Entry } from "./key-block.ts";
import type { KeySource } from "./key-source.ts";
import { decodePlaintext, encodePlaintext } from "./plaintext.ts";
import { openPayload } from "./payload.ts";
import { encodeText, readText } from "./text.ts";

export interface FieldsOptions {
  /** The context of all values. Not secret. */
  readonly context: Context;
  /**
   * Limits of held data keys. Default: those of the `Envelope`, otherwise 5 minutes, 2^20 messages and
   * 64 GiB.
   */
  readonly dataKeyCache?: DataKeyCacheOptions;
  readonly signal?: AbortSignal | undefined;
}

export interface FieldOptions {
  /** Binds the value to its place: `{ table, column, id }`. Default: none. */
  readonly aad?: Aad | undefined;
}

/** Encrypts and decrypts without awaiting. Every method throws instead of rejecting. */
export interface Fields extends Disposable {
  /**
   * @throws `ERR_ENVELOPE_NOT_HELD` once the held data key has reached its limits and no other has
   * arrived; `ERR_ENVELOPE_LIMIT` for a value larger than `maxBytes`.
   */
  encrypt(plaintext: Uint8Array, options?: FieldOptions): Bytes;
  /**
   * Values that this object encrypted must also be {@link prepare}d: only the KMS decides whether they
   * may be decrypted.
   *
   * @throws `ERR_ENVELOPE_NOT_HELD` for a value that was not prepared; otherwise like
   * `Envelope.decrypt`.
   */
  decrypt(message: Uint8Array, options?: FieldOptions): Bytes;
  /** Encrypts text to the text form. Otherwise like {@link encrypt}. */
  encryptText(plaintext: string, options?: FieldOptions): string;
  /** Decrypts the text form to text. Otherwise like {@link decrypt}. */
  decryptText(text: string, options?: FieldOptions): string;
  /**
   * Unwraps the data keys of these values, each once, so that the values can be decrypted for the next
   * `maxAge`. Values that share a data key need only one KMS call.
   *
   * @throws like `Envelope.decrypt`, for the first value that fails.
   */
  prepare(values: Iterable<Uint8Array | string>, options?: { signal?: AbortSignal }): Promise<void>;
  /** Fetches a data key for encryption, unless a held one has had room for every value so far. */
  refresh(options?: { signal?: AbortSignal }): Promise<void>;
  /** Forgets all held data keys; later calls throw `ERR_ENVELOPE_CLOSED`. */
  [Symbol.dispose](): void;
}

const OPTIONS = new Set(["context", "dataKeyCache", "signal"]);
/** The number of concurrent unwraps in {@link Fields.prepare}. */
const PARALLEL = 16;

export async function openFields(source: KeySource, options: FieldsOptions): Promise<Fields> {
  source.requireOpen();
  checkOptions(options, OPTIONS);
  if (options.dataKeyCache !== undefined) checkCacheOptions(options.dataKeyCache);
  const limits = options.dataKeyCache ?? source.cacheLimits ?? DEFAULT_LIMITS;
  const cipher = new FieldCipher(source, bindContext(options.context), limits);
  await cipher.refresh(options.signal === undefined ? {} : { signal: options.signal });
  return cipher;
}

class FieldCipher implements Fields {
  readonly #source: KeySource;
  readonly #context: BoundContext;
  readonly #keys: DataKeyCache;
  #disposed = false;

  constructor(source: KeySource, context: BoundContext, limits: DataKeyCacheOptions) {
    this.#source = source;
    this.#context = context;
    this.#keys = source.openCache(limits);
  }

  encrypt(plaintext: Uint8Array, { aad }: FieldOptions = {}): Bytes {
    requireBytes(plaintext, "plaintext");
    this.#requireOpen();
    if (!this.#keys.encryption.admits(plaintext.length)) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_LIMIT",
        `a value of ${plaintext.length} bytes is more than dataKeyCache.maxBytes allows`,
      );
    }
    const held = this.#keys.encryption.leaseHeld(this.#context.name, plaintext.length, this.#make);
    if (held === undefined) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_NOT_HELD",
        "no data key with room for this value is held: await refresh() first",
      );
    }
    return now(sealMessage(held, this.#context, now(hashAad(aad)), {}, plaintext));
  }

  decrypt(message: Uint8Array, { aad }: FieldOptions = {}): Bytes {
    requireBytes(message, "message");
    this.#requireOpen();
    const { preamble, entries, payload } = this.#parse(message);
    const held = this.#source.cmks.findHeld(entries, this.#context, this.#keys.decryption);
    if (held.length === 0) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_NOT_HELD",
        "the data key of this value is not held: await prepare() with it first",
      );
    }
    const info = now(bindPayload(preamble, payload, this.#context, aad));
    for (const inputKey of held) {
      const plaintext = now(openPayload(inputKey, info, payload));
      if (plaintext === undefined) continue;
      this.#keys.decryption.hit();
      return plaintext;
    }
    throw new EnvelopeError("ERR_ENVELOPE_DECRYPT", errorFacts.ERR_ENVELOPE_DECRYPT.meaning);
  }

  encryptText(plaintext: string, options?: FieldOptions): string {
    return encodeText(this.encrypt(encodePlaintext(plaintext), options));
  }

  decryptText(text: string, options?: FieldOptions): string {
    return decodePlaintext(this.decrypt(readText(text), options));
  }

  async prepare(
    values: Iterable<Uint8Array | string>,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<void> {
    this.#requireOpen();
    const distinct = new Map<string, readonly Entry[]>();
    for (const value of values) {
      const { entries } = this.#parse(typeof value === "string" ? readText(value) : value);
      distinct.set(nameOfEntries(entries), entries);
    }
    const queue = [...distinct.values()];
    const worker = async (): Promise<void> => {
      for (let entries = queue.pop(); entries !== undefined; entries = queue.pop()) {
        await this.#source.cmks.unwrap(
          entries,
          this.#context,
          this.#keys.decryption,
          accept,
          signal,
        );
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
  }

  async refresh({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    this.#requireOpen();
    await this.#keys.encryption.hold(this.#context.name, this.#make, signal);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#keys.clear();
  }

  #requireOpen(): void {
    this.#source.requireOpen();
    if (this.#disposed) throw new EnvelopeError("ERR_ENVELOPE_CLOSED", "the fields were disposed");
  }

  readonly #make = (signal: AbortSignal | undefined): Promise<HeldKey> =>
    this.#source.cmks.newKey(this.#context, signal);

  #parse(message: Uint8Array): { preamble: Bytes; entries: readonly Entry[]; payload: Uint8Array } {
    const header = this.#source.parseHeader(message);
    resolveContext(header, this.#context);
    const payload = message.subarray(header.length);
    plaintextLength(payload.length);
    return { preamble: header.preamble, entries: requireEntries(header.entries), payload };
  }
}

/** Accepts any data key. The commitment needs the aad, so decrypt() compares it. */
function accept(): true {
  return true;
}

/** Returns the value that a synchronous backend has already computed. */
function now<T>(value: Awaitable<T>): T {
  if (value instanceof Promise) throw new TypeError("the backend answered with a promise");
  return value;
}
