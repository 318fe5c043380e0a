/**
 * Envelope encryption: the class that applications use.
 *
 * @module
 */
import { openFields } from "#fields";
import { requireBytes, type Bytes } from "./bytes.ts";
import { checkCacheOptions, type DataKeyCacheOptions } from "./cache.ts";
import { plaintextLength } from "./chunks.ts";
import { Cmk } from "./cmk.ts";
import { CmkSet } from "./cmk-set.ts";
import { bindContext, type Context } from "./context.ts";
import {
  bindDecryptOptions,
  resolveContext,
  resolveEntries,
  type DecryptOptions,
} from "./decrypting.ts";
import {
  checkEncryptOptions,
  sealMessage,
  type EncryptOptions,
  type EncryptStreamOptions,
} from "./encrypting.ts";
import type { Fields, FieldsOptions } from "./fields.ts";
import { EnvelopeForContext } from "./for-context.ts";
import { keyBlockLimits } from "./key-block.ts";
import { KeySource } from "./key-source.ts";
import { Watch, type Observer, type Wrapping } from "./observer.ts";
import { checkOptions, requireInteger } from "./options.ts";
import { openPayload } from "./payload.ts";
import { decodePlaintext, encodePlaintext } from "./plaintext.ts";
import { rewrapMessage, type RewrapOptions, type RewrapResult } from "./rewrap.ts";
import { decryptStream, encryptStream } from "./stream.ts";
import { encodeText, readText } from "./text.ts";

export interface EnvelopeOptions {
  /**
   * 1 to 16 CMKs. All of them wrap each data key, and any of them can open the message; they are tried
   * in this order.
   */
  readonly cmks: readonly Cmk[];
  /** How many CMKs must succeed in wrapping before a message is written. Default: all of them. */
  readonly minWrapped?: number;
  /** Limits for reusing data keys. Default: every message has its own data key. */
  readonly dataKeyCache?: DataKeyCacheOptions;
  /** Receives an event for each KMS call, cache lookup and message. Events contain no secrets. */
  readonly observer?: Observer;
}

/** Gives this package's own modules access to the internals of an `Envelope`. */
export let keysOf: (envelope: Envelope) => KeySource;

const OPTIONS = new Set(["cmks", "minWrapped", "dataKeyCache", "observer"]);

/**
 * Encrypts and decrypts messages under one set of CMKs.
 *
 * @example
 * ```ts
 * const envelope = new Envelope({ cmks: [localFile({ client, key: "alias/app" })] });
 * const message = await envelope.encrypt(bytes, { context: { tenant: "acme" } });
 * const again = await envelope.decrypt(message, { context: { tenant: "acme" } });
 * ```
 *
 * Source: spec/envelope-v1.md
 */
export class Envelope {
  readonly #keys: KeySource;

  /** @throws TypeError, RangeError for invalid options. */
  constructor(options: EnvelopeOptions) {
    checkOptions(options, OPTIONS);
    const { cmks, dataKeyCache, observer } = options;
    checkCmks(cmks);
    const minWrapped = options.minWrapped ?? cmks.length;
    requireInteger("minWrapped", minWrapped, 1, cmks.length);
    if (dataKeyCache !== undefined) checkCacheOptions(dataKeyCache);
    if (observer !== undefined && typeof observer !== "function") {
      throw new TypeError("observer must be a function");
    }
    const set = new CmkSet({ cmks: [...cmks], minWrapped, observer });
    this.#keys = new KeySource(set, dataKeyCache && { ...dataKeyCache }, observer);
  }

  static {
    keysOf = (envelope) => envelope.#keys;
  }

  /**
   * Returns this envelope with its context bound.
   *
   * @param context - Copied at once.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`; TypeError.
   *
   * @example
   * ```ts
   * const acme = envelope.for({ tenant: "acme" });
   * const text = await acme.encryptText("4111 1111 1111 1111", { aad: { table: "cards", id: "42" } });
   * ```
   */
  for(context: Context): EnvelopeForContext {
    return new EnvelopeForContext(this, bindContext(context).map);
  }

  /**
   * Encrypts bytes. For large data use {@link encryptStream}: this method holds everything in memory.
   *
   * @param plaintext - Borrowed until the promise settles; do not change it meanwhile.
   * @returns A new array with the message: the header, 56 bytes, the ciphertext, and 16 bytes for each
   * chunk of up to 16 KiB.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`, `ERR_ENVELOPE_LIMIT`, `ERR_ENVELOPE_KMS_…`,
   * `ERR_ENVELOPE_DRIVER`, `ERR_ENVELOPE_CONFIG`; TypeError, RangeError for misuse; the signal's reason.
   */
  async encrypt(plaintext: Uint8Array, options: EncryptOptions): Promise<Bytes> {
    requireBytes(plaintext, "plaintext");
    checkEncryptOptions(options);
    const watch = new Watch(this.#keys.observer, "encrypt");
    try {
      const context = this.#keys.bindContext(options.context);
      let wrapping: Wrapping | undefined;
      const sealing = this.#keys.encrypt(context, options, plaintext.length, (held, aadHash) => {
        ({ wrapping } = held);
        return sealMessage(held, context, aadHash, options, plaintext);
      });
      const message = sealing instanceof Promise ? await sealing : sealing;
      watch.done(plaintext.length, wrapping);
      return message;
    } catch (error) {
      watch.failed(plaintext.length, error, options.signal);
      throw error;
    }
  }

  /**
   * Decrypts a message. Returns no plaintext unless every byte of the message has verified.
   *
   * @param message - The result of {@link encrypt}. Borrowed until the promise settles.
   * @returns The plaintext, in a new array.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`, `ERR_ENVELOPE_UNSUPPORTED`, `ERR_ENVELOPE_TRUNCATED`,
   * `ERR_ENVELOPE_INVALID_CONTEXT`, `ERR_ENVELOPE_NO_KEY`, `ERR_ENVELOPE_DECRYPT`, `ERR_ENVELOPE_KMS_UNAVAILABLE`,
   * `ERR_ENVELOPE_KMS_ACCESS_DENIED`, `ERR_ENVELOPE_KMS_ERROR`; TypeError for misuse; the signal's reason.
   */
  async decrypt(message: Uint8Array, options: DecryptOptions): Promise<Bytes> {
    requireBytes(message, "message");
    const given = bindDecryptOptions(options, this.#keys.bindContext);
    const watch = new Watch(this.#keys.observer, "decrypt");
    try {
      const header = this.#keys.parseHeader(message);
      const entries = resolveEntries(header, options.keyBlock);
      const context = resolveContext(header, given);
      const payload = message.subarray(header.length);
      plaintextLength(payload.length);
      const opening = this.#keys.decrypt(
        header.preamble,
        payload,
        entries,
        context,
        options,
        (inputKey, info) => openPayload(inputKey, info, payload),
      );
      const plaintext = opening instanceof Promise ? await opening : opening;
      watch.done(plaintext.length);
      return plaintext;
    } catch (error) {
      watch.failed(0, error, options.signal);
      throw error;
    }
  }

  /**
   * Encrypts text to text (`env1.…`), for columns and JSON. The message has at most 1 MiB.
   *
   * @param plaintext - Well-formed text: UTF-8 cannot represent a lone surrogate.
   * @throws like {@link encrypt}; `ERR_ENVELOPE_LIMIT` for more than 1 MiB.
   */
  async encryptText(plaintext: string, options: EncryptOptions): Promise<string> {
    return encodeText(await this.encrypt(encodePlaintext(plaintext), options));
  }

  /**
   * Decrypts the result of {@link encryptText}.
   *
   * @throws like {@link decrypt}; also `ERR_ENVELOPE_FORMAT` if the plaintext is not UTF-8 text.
   */
  async decryptText(text: string, options: DecryptOptions): Promise<string> {
    return decodePlaintext(await this.decrypt(readText(text), options));
  }

  /**
   * Returns a transform from plaintext to message, for data of any length. It buffers at most 16 KiB
   * besides the chunk being written. Errors are those of {@link encrypt}, on both sides of the stream.
   */
  encryptStream(options: EncryptStreamOptions): TransformStream<Uint8Array, Bytes> {
    return encryptStream(this.#keys, options);
  }

  /**
   * Returns a transform from message to plaintext. Every byte it emits has verified at its position,
   * but the message may still turn out to be truncated: the plaintext is complete only once the stream
   * has ended without an error. Errors are those of {@link decrypt}.
   */
  decryptStream(options: DecryptOptions): TransformStream<Uint8Array, Bytes> {
    return decryptStream(this.#keys, options);
  }

  /**
   * Returns a synchronous cipher for small values under data keys held in memory, for ORMs and
   * serialisers. Makes one KMS call to begin with.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_UNSUPPORTED` if the runtime has only asynchronous
   * cryptography (browsers, edge); otherwise like {@link encrypt}.
   */
  async fields(options: FieldsOptions): Promise<Fields> {
    return openFields(this.#keys, options);
  }

  /**
   * Rewraps the data key under the current version of every configured CMK, adding missing ones and
   * dropping those in `from`. The payload is not read, so a message's header is enough.
   *
   * Use it to retire a CMK or one of its versions. It does not help once a data key or plaintext has
   * leaked.
   *
   * @param message - Bytes or the text form; the result has the same form.
   * @throws like {@link decrypt}, except `ERR_ENVELOPE_TRUNCATED`.
   */
  async rewrap<T extends Uint8Array | string>(
    message: T,
    options: RewrapOptions,
  ): Promise<RewrapResult<T extends string ? string : Bytes>>;
  async rewrap(
    message: Uint8Array | string,
    options: RewrapOptions,
  ): Promise<RewrapResult<Bytes | string>> {
    if (typeof message !== "string") return rewrapMessage(this.#keys, message, options);
    const result = await rewrapMessage(this.#keys, readText(message), options);
    return { ...result, message: encodeText(result.message) };
  }

  /**
   * Forgets all held data keys; later calls throw `ERR_ENVELOPE_CLOSED`. CMKs that were passed in stay
   * open: whoever opened a CMK closes it, as `openEnvelope` does for its own. Idempotent.
   */
  async close(): Promise<void> {
    await this.#keys.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Forgets all held data keys, including those of {@link fields}. Pending calls finish, but their data
   * keys are not kept.
   */
  clearDataKeyCache(): void {
    this.#keys.clear();
  }
}

function checkCmks(cmks: readonly Cmk[]): void {
  if (!Array.isArray(cmks) || !cmks.every((cmk) => cmk instanceof Cmk)) {
    throw new TypeError("cmks must be a list of Cmk");
  }
  const max = keyBlockLimits.entries;
  if (cmks.length < 1 || cmks.length > max) {
    throw new RangeError(`1 to ${max} CMKs are allowed, got ${cmks.length}`);
  }
  // Compared by identity: one alias may name two keys, in two regions or keystores. Whether two names
  // are the same key shows in the entries, after they have wrapped.
  if (new Set(cmks).size < cmks.length) throw new TypeError("one of the CMKs is listed twice");
}
