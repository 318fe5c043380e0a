/**
 * Envelope encryption, as applications call it.
 *
 * @module
 */
import { openFields } from "#fields";
import { requireBytes, type Bytes } from "./bytes.ts";
import { checkCacheOptions, type DataKeyCacheOptions } from "./cache.ts";
import { Cmk } from "./cmk.ts";
import { CmkSet } from "./cmk-set.ts";
import { bindContext, type Context } from "./context.ts";
import {
  bindDecryptOptions,
  resolveContext,
  resolveEntries,
  type DecryptOptions,
} from "./decrypting.ts";
import { checkEncryptOptions, type EncryptOptions } from "./encrypting.ts";
import type { Fields, FieldsOptions } from "./fields.ts";
import { EnvelopeForContext } from "./for-context.ts";
import { keyBlockLimits } from "./key-block.ts";
import { Messages, Watch } from "./messages.ts";
import type { Observer } from "./observer.ts";
import { checkOptions, requireInteger } from "./options.ts";
import { plaintextLength, PREFIX_BYTES, sealedLength } from "./payload.ts";
import { decodePlaintext, encodePlaintext } from "./plaintext.ts";
import { rewrapMessage, type RewrapOptions, type RewrapResult } from "./rewrap.ts";
import { decryptStream, encryptStream, type EncryptStreamOptions } from "./stream.ts";
import { decodeText, encodeText } from "./text.ts";

export interface EnvelopeOptions {
  /** 1 to 16. A message is wrapped with all of them and can be opened with any, tried in this order. */
  readonly cmks: readonly Cmk[];
  /** How many CMKs must wrap for a message to be written. Default: all of them. */
  readonly minWrapped?: number;
  /** Limits for reusing data keys. Default: every message has a data key of its own. */
  readonly dataKeyCache?: DataKeyCacheOptions;
  /** Gets an event for each KMS call, cache look-up and message. Never a secret. */
  readonly observer?: Observer;
}

/** The insides of an `Envelope`, for this package's own modules. */
export let messagesOf: (envelope: Envelope) => Messages;

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
  readonly #messages: Messages;

  /** @throws TypeError, RangeError for options that cannot work. */
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
    this.#messages = new Messages(set, dataKeyCache && { ...dataKeyCache }, observer);
  }

  static {
    messagesOf = (envelope) => envelope.#messages;
  }

  /**
   * This envelope with its context bound.
   *
   * @param context - Copied now.
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
   * Encrypts bytes. For large data use {@link encryptStream}: this holds all of it in memory.
   *
   * @param plaintext - Borrowed until the promise settles; do not change it meanwhile.
   * @returns A message of its own: header, 56 bytes, and 16 bytes for every 16 KiB begun.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`, `ERR_ENVELOPE_LIMIT`, `ERR_ENVELOPE_KMS_…`,
   * `ERR_ENVELOPE_DRIVER`, `ERR_ENVELOPE_CONFIG`; TypeError, RangeError for misuse; the signal's reason.
   */
  async encrypt(plaintext: Uint8Array, options: EncryptOptions): Promise<Bytes> {
    requireBytes(plaintext, "plaintext");
    checkEncryptOptions(options);
    const watch = new Watch(this.#messages.observer, "encrypt");
    try {
      const starting = this.#messages.start(options, plaintext.length);
      const started = starting instanceof Promise ? await starting : starting;
      const { header, prefix, codec } = started;
      const front = header.length + prefix.length;
      const message = new Uint8Array(front + sealedLength(plaintext.length, true));
      const sealing = codec.sealChunks(0, plaintext, true, message.subarray(front));
      if (sealing instanceof Promise) await sealing;
      message.set(header);
      message.set(prefix, header.length);
      watch.done(plaintext.length, started);
      return message;
    } catch (error) {
      watch.failed(plaintext.length, error, options.signal);
      throw error;
    }
  }

  /**
   * Decrypts a message. Gives nothing at all unless every byte of it has verified.
   *
   * @param message - As {@link encrypt} returned it. Borrowed until the promise settles.
   * @returns The plaintext, in an array of its own.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`, `ERR_ENVELOPE_UNSUPPORTED`, `ERR_ENVELOPE_TRUNCATED`,
   * `ERR_ENVELOPE_INVALID_CONTEXT`, `ERR_ENVELOPE_NO_KEY`, `ERR_ENVELOPE_DECRYPT`, `ERR_ENVELOPE_KMS_UNAVAILABLE`,
   * `ERR_ENVELOPE_KMS_ACCESS_DENIED`, `ERR_ENVELOPE_KMS_ERROR`; TypeError for misuse; the signal's reason.
   */
  async decrypt(message: Uint8Array, options: DecryptOptions): Promise<Bytes> {
    requireBytes(message, "message");
    const given = bindDecryptOptions(options, this.#messages.bindContext);
    const watch = new Watch(this.#messages.observer, "decrypt");
    try {
      const header = this.#messages.parseHeader(message);
      const entries = resolveEntries(header, options.keyBlock);
      const context = resolveContext(header, given);
      const payload = message.subarray(header.length);
      plaintextLength(payload.length);
      const prefix = payload.subarray(0, PREFIX_BYTES);
      const opening = this.#messages.open(header.preamble, prefix, entries, context, options);
      const codec = opening instanceof Promise ? await opening : opening;
      const plaintext = await codec.openChunks(0, payload.subarray(PREFIX_BYTES));
      watch.done(plaintext.length);
      return plaintext;
    } catch (error) {
      watch.failed(0, error, options.signal);
      throw error;
    }
  }

  /**
   * Encrypts text to text (`env1.…`), for columns and JSON. Message bytes: at most 1 MiB.
   *
   * @param plaintext - Well-formed: a lone surrogate would not come back.
   * @throws as {@link encrypt}; `ERR_ENVELOPE_LIMIT` for more than 1 MiB.
   */
  async encryptText(plaintext: string, options: EncryptOptions): Promise<string> {
    return encodeText(await this.encrypt(encodePlaintext(plaintext), options));
  }

  /**
   * Decrypts what {@link encryptText} wrote.
   *
   * @throws as {@link decrypt}; `ERR_ENVELOPE_FORMAT` also where the plaintext is no UTF-8 text.
   */
  async decryptText(text: string, options: DecryptOptions): Promise<string> {
    return decodePlaintext(await this.decrypt(decodeText(text), options));
  }

  /**
   * A transform from plaintext to message, for data of any length: 16 KiB are held back at most, beside
   * what is written at once. Errors as {@link encrypt}, on both sides of the stream.
   */
  encryptStream(options: EncryptStreamOptions): TransformStream<Uint8Array, Bytes> {
    return encryptStream(this.#messages, options);
  }

  /**
   * A transform from message to plaintext. Every byte it gives has verified at its position, but the
   * message may still turn out to be cut: what was read is complete only once the stream has ended
   * without an error. Errors as {@link decrypt}.
   */
  decryptStream(options: DecryptOptions): TransformStream<Uint8Array, Bytes> {
    return decryptStream(this.#messages, options);
  }

  /**
   * A synchronous cipher for small values under data keys held in memory, for ORMs and serialisers.
   * Makes one KMS call now.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_UNSUPPORTED` where the runtime's cryptography is asynchronous
   * only (browsers, edge), else as {@link encrypt}.
   */
  async fields(options: FieldsOptions): Promise<Fields> {
    return openFields(this.#messages, options);
  }

  /**
   * Wraps the data key anew: under the current version of each configured CMK, under CMKs that were
   * added, no more under those of `from`. The payload is not read; a message's header alone will do.
   *
   * This retires a CMK or a version of it. It does not help once a data key or plaintext has leaked.
   *
   * @param message - Bytes, or a text form; the result has the same form.
   * @throws as {@link decrypt}, except `ERR_ENVELOPE_TRUNCATED`.
   */
  async rewrap<T extends Uint8Array | string>(
    message: T,
    options: RewrapOptions,
  ): Promise<RewrapResult<T extends string ? string : Bytes>>;
  async rewrap(
    message: Uint8Array | string,
    options: RewrapOptions,
  ): Promise<RewrapResult<Bytes | string>> {
    if (typeof message !== "string") return rewrapMessage(this.#messages, message, options);
    const result = await rewrapMessage(this.#messages, decodeText(message), options);
    return { ...result, message: encodeText(result.message) };
  }

  /**
   * Forgets all held data keys; later calls throw `ERR_ENVELOPE_CLOSED`. CMKs that were passed in stay open:
   * whoever opened one closes it, as `openEnvelope` does with its own. Idempotent.
   */
  async close(): Promise<void> {
    await this.#messages.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Forgets all data keys that are held, those of {@link fields} too. Calls under way finish, and what they
   * get is not kept.
   */
  clearDataKeyCache(): void {
    this.#messages.clear();
  }
}

function checkCmks(cmks: readonly Cmk[]): void {
  if (!Array.isArray(cmks) || !cmks.every((cmk) => cmk instanceof Cmk)) {
    throw new TypeError("cmks must be a list of Cmk, as adapters' factories make them");
  }
  const max = keyBlockLimits.entries;
  if (cmks.length < 1 || cmks.length > max) {
    throw new RangeError(`1 to ${max} CMKs are allowed, got ${cmks.length}`);
  }
  // By identity: one alias may name two keys, in two regions or keystores. Whether two names are one key
  // shows in the entries, when they have wrapped.
  if (new Set(cmks).size < cmks.length) throw new TypeError("one of the CMKs is there twice");
}
