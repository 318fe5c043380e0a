/**
 * Data keys that an application keeps as messages of its own, such as rows of a table, and payloads under
 * them: for formats in which many small values share a data key and name it by a reference.
 *
 * A data key is kept as a message with an empty plaintext. Its commitment binds the data key to context and
 * aad, its key block can be rewrapped, and `inspect` reads it. Unwrapped data keys are held outside the
 * JavaScript heap, under a name that the caller chooses, within the limits of a data-key cache.
 *
 * @module
 */
import { andThen, type Awaitable } from "./awaitable.ts";
import { cryptoBackend } from "./backend.ts";
import { concat, requireBytes, unshared, type Bytes } from "./bytes.ts";
import {
  checkCacheOptions,
  DEFAULT_LIMITS,
  type DataKeyCache,
  type DataKeyCacheOptions,
} from "./cache.ts";
import { plaintextLength, PREFIX_BYTES, SALT_BYTES, sealedLength } from "./chunks.ts";
import { bindContext, type Aad, type Context } from "./context.ts";
import type { HmacKey } from "./crypto-backend.ts";
import { bindPayload, requireEntries, resolveContext } from "./decrypting.ts";
import { sealMessage } from "./encrypting.ts";
import { keysOf, type Envelope } from "./envelope.ts";
import { EnvelopeError, errorFacts } from "./error.ts";
import { hashAad, hashContext, payloadInfo } from "./kdf.ts";
import type { KeySource } from "./key-source.ts";
import {
  openPayloads as openAll,
  sealPayloads as sealAll,
  type BoundPayload,
} from "./many-payloads.ts";
import { openPayload as tryPayload } from "./payload.ts";

/** A data key outside the JavaScript heap. Only the functions of this module can use it. */
export type HeldDataKey = HmacKey;

/** What a kept data key is bound to. */
export interface DataKeyBinding {
  /** Authenticated by the KMS, which may log it. */
  readonly context: Context;
  /** Only in the key derivation: which row this is. Default: none. */
  readonly aad?: Aad | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Creates and opens data keys that are kept as messages, and holds them by name. `clearDataKeyCache` and
 * `close` of the envelope also empty it.
 */
export class DataKeys {
  readonly #source: KeySource;
  readonly #cache: DataKeyCache;

  /**
   * @param limits - Limits of held data keys. `maxMessages` and `maxBytes` are the caller's to keep:
   * opening a data key says nothing about its use. Default: those of the envelope, otherwise 5 minutes.
   * @throws TypeError, RangeError.
   */
  constructor(envelope: Envelope, limits?: DataKeyCacheOptions) {
    if (limits !== undefined) checkCacheOptions(limits);
    this.#source = keysOf(envelope);
    this.#cache = this.#source.openCache(limits ?? this.#source.cacheLimits ?? DEFAULT_LIMITS);
  }

  /**
   * Creates a data key.
   *
   * @param name - What {@link held} finds it by.
   * @returns The message to keep, a new array.
   * @throws like `Envelope.encrypt`.
   */
  async create(name: string, { context, aad, signal }: DataKeyBinding): Promise<Bytes> {
    this.#source.requireOpen();
    const bound = bindContext(context);
    const aadHash = await hashAad(aad);
    let message: Bytes | undefined;
    await this.#cache.decryption.fetch(
      name,
      async (flight) => {
        const held = await this.#source.cmks.newKey(bound, flight);
        message = await sealMessage(held, bound, aadHash, {}, new Uint8Array(0));
        return held.inputKey;
      },
      signal,
    );
    if (message === undefined) throw new TypeError("a data key of this name is being opened");
    return message;
  }

  /**
   * Unwraps a kept data key, unless it is held: one KMS call for all concurrent callers.
   *
   * @param name - Names this message alone, for as long as this object lives.
   * @param message - A result of {@link create}, rewrapped or not.
   * @throws like `Envelope.decrypt`; `ERR_ENVELOPE_FORMAT` for a message with a plaintext.
   */
  async open(
    name: string,
    message: Uint8Array,
    { context, aad, signal }: DataKeyBinding,
  ): Promise<HeldDataKey> {
    requireBytes(message, "message");
    const held = this.held(name);
    if (held !== undefined) return held;
    const { cmks } = this.#source;
    const bound = bindContext(context);
    const header = this.#source.parseHeader(message);
    resolveContext(header, bound);
    const entries = requireEntries(header.entries);
    const payload = message.slice(header.length);
    if (plaintextLength(payload.length) !== 0) {
      throw new EnvelopeError("ERR_ENVELOPE_FORMAT", "the message of a data key has a plaintext");
    }
    const info = await bindPayload(header.preamble, payload, bound, aad);
    const check = (candidate: HmacKey): Awaitable<HmacKey | undefined> =>
      andThen(tryPayload(candidate, info, payload), (plaintext) => plaintext && candidate);
    return this.#cache.decryption.fetch(
      name,
      async (flight) => cmks.unwrap(entries, bound, undefined, check, flight),
      signal,
    );
  }

  /** Returns the data key of this name if it is held. */
  held(name: string): HeldDataKey | undefined {
    this.#source.requireOpen();
    return this.#cache.decryption.get(name);
  }

  /** Forgets all held data keys of this object. */
  clear(): void {
    this.#cache.clear();
  }
}

/**
 * Seals a payload: salt, commitment and chunks.
 *
 * @param info - What the payload is bound to: Cobblestone's `context`, in parts that are concatenated. It
 * starts with a label of the caller's format, which no other format uses.
 * @param plaintext - Borrowed until the result is there.
 * @returns 72 bytes more than the plaintext, and 16 for each full 16 KiB. A promise only where the
 * runtime's cryptography is asynchronous.
 */
export function sealPayload(
  dataKey: HeldDataKey,
  info: readonly Uint8Array[],
  plaintext: Uint8Array,
): Awaitable<Bytes> {
  const backend = cryptoBackend();
  const salt = backend.randomPublic(SALT_BYTES);
  const payload = new Uint8Array(PREFIX_BYTES + sealedLength(plaintext.length, true));
  payload.set(salt);
  const sealed = payload.subarray(SALT_BYTES);
  return andThen(
    backend.sealPayload(dataKey, payloadInfo(salt, ...info), unshared(plaintext), sealed),
    () => payload,
  );
}

/**
 * Seals payloads under one data key, such as those of a table's rows.
 *
 * @param infos - What each payload is bound to, as for {@link sealPayload}.
 * @returns One payload per plaintext, as {@link sealPayload} returns it.
 * @throws RangeError where there are not as many of both: a value would be bound to nothing.
 */
export function sealPayloads(
  dataKey: HeldDataKey,
  infos: readonly (readonly Uint8Array[])[],
  plaintexts: readonly Uint8Array[],
): Awaitable<Bytes[]> {
  if (infos.length !== plaintexts.length) {
    throw new RangeError("infos must have one element for each plaintext");
  }
  const bound = plaintexts.map((plaintext, at) => {
    const salt = cryptoBackend().randomPublic(SALT_BYTES);
    return { salt, info: payloadInfo(salt, ...(infos[at] ?? [])), plaintext };
  });
  return andThen(sealAll(dataKey, bound), (sealed) =>
    bound.map(({ salt }, at) => concat(salt, sealed[at] ?? new Uint8Array(0))),
  );
}

/**
 * Opens a payload. Nothing is decrypted before the commitment has matched.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` for an impossible length, `ERR_ENVELOPE_DECRYPT`.
 */
export function openPayload(
  dataKey: HeldDataKey,
  info: readonly Uint8Array[],
  payload: Uint8Array,
): Awaitable<Bytes> {
  plaintextLength(payload.length);
  const bound = payloadInfo(payload.subarray(0, SALT_BYTES), ...info);
  return andThen(tryPayload(dataKey, bound, payload), (plaintext) => {
    if (plaintext !== undefined) return plaintext;
    throw new EnvelopeError("ERR_ENVELOPE_DECRYPT", errorFacts.ERR_ENVELOPE_DECRYPT.meaning);
  });
}

/**
 * Opens payloads under one data key, such as those of a result set.
 *
 * @param infos - What each payload is bound to, as for {@link openPayload}.
 * @returns One plaintext per payload; `undefined` where {@link openPayload} would throw.
 */
export function openPayloads(
  dataKey: HeldDataKey,
  infos: readonly (readonly Uint8Array[])[],
  payloads: readonly Uint8Array[],
): Awaitable<(Bytes | undefined)[]> {
  const results: (Bytes | undefined)[] = payloads.map(() => undefined);
  const bound: BoundPayload[] = [];
  const places: number[] = [];
  for (const [at, payload] of payloads.entries()) {
    if (!isPayloadLength(payload.length)) continue;
    const salt = payload.subarray(0, SALT_BYTES);
    bound.push({ info: payloadInfo(salt, ...(infos[at] ?? [])), payload });
    places.push(at);
  }
  return andThen(openAll(dataKey, bound), (opened) => {
    for (const [i, one] of opened.entries()) {
      const at = places[i];
      if (typeof one !== "number" && at !== undefined) results[at] = one;
    }
    return results;
  });
}

function isPayloadLength(bytes: number): boolean {
  try {
    plaintextLength(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Computes the hash of a context that payloads are bound to: spec/envelope-v1.md#key-derivation. */
export function contextHash(context: Context): Awaitable<Bytes> {
  return hashContext(bindContext(context));
}

/** Computes HMAC-SHA-512 with a data key: for subkeys and keyed hashes, with a label in `data`. */
export function hmacWith(dataKey: HeldDataKey, data: Uint8Array): Awaitable<Bytes> {
  return cryptoBackend().hmacSha512(dataKey, unshared(data));
}

/**
 * Creates a key for {@link hmacWith} from the first 32 bytes of an HMAC with a data key.
 *
 * @param label - Separates it from all other uses of the data key.
 */
export function deriveHmacKey(dataKey: HeldDataKey, label: Uint8Array): Awaitable<HeldDataKey> {
  return andThen(hmacWith(dataKey, label), (bytes) => {
    const key = cryptoBackend().hmacKey(bytes.subarray(0, 32));
    return andThen(key, (derived) => {
      bytes.fill(0);
      return derived;
    });
  });
}
