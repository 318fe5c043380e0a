/**
 * The portable customer master key.
 *
 * A class and not an interface on purpose: what must be the same for every KMS lives here once, and
 * a new method breaks no adapter. Adapters implement {@link CmkDriver} and return a `Cmk` from their
 * one public factory.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import { encodeContext, kmsContext, type Context, type KmsContext } from "./context.ts";
import { backend } from "#crypto";
import { DATA_KEY_BYTES, DataKey } from "./data-key.ts";
import type { CmkDriver, Wrapped } from "./driver.ts";
import { EnvelopeError, errorCodes, isKmsFailureCode, type KmsFailureCode } from "./error.ts";
import { isKeyId, isProvider, keyBlockLimits, type Entry } from "./key-block.ts";
import { notify, type KmsCallEvent, type Observer } from "./observer.ts";

export interface CmkOptions {
  /**
   * Canonical ids of further keys that may unwrap, as after an alias was moved to a new key. What
   * wraps is always the driver's own key. Default: none.
   */
  readonly alsoUnwrap?: readonly string[];
}

export interface CmkCallOptions {
  /** Must be equal at wrap and unwrap. Not secret. */
  readonly context: Context;
  readonly signal?: AbortSignal | undefined;
  readonly observer?: Observer | undefined;
}

/** A data key wrapped by one CMK. */
export interface WrappedDataKey {
  readonly entry: Entry;
  /** Which version of the CMK wrapped it, where the KMS tells. */
  readonly keyVersion: string | undefined;
}

/** A data key and its first wrapped copy. The key is the caller's to dispose. */
export interface GeneratedDataKey extends WrappedDataKey {
  readonly dataKey: DataKey;
}

/** What became of one entry. */
export interface RewrappedEntry extends WrappedDataKey {
  /** `false`: the entry was wrapped by the current version already and is returned as it was. */
  readonly changed: boolean;
  /** Whether the plaintext data key was in this process. */
  readonly plaintextSeen: boolean;
  /** The version that had wrapped it, where the KMS tells. */
  readonly fromVersion: string | undefined;
}

/** A customer master key, held by some KMS: wraps and unwraps data keys. */
export class Cmk {
  readonly #driver: CmkDriver;
  readonly #alsoUnwrap: readonly string[];
  #closed = false;

  /** For adapters. Applications use an adapter's factory: `awsKms()`, `localFile()`, … */
  constructor(driver: CmkDriver, options: CmkOptions = {}) {
    if (!isProvider(driver.provider)) {
      throw new TypeError(`provider must match [a-z0-9][a-z0-9.-]{0,31}`);
    }
    if (!isKeyId(driver.keyId)) throw new TypeError("keyId must be 1 to 512 bytes of text");
    this.#driver = driver;
    this.#alsoUnwrap = [...(options.alsoUnwrap ?? [])];
    if (!this.#alsoUnwrap.every(isKeyId)) {
      throw new TypeError("alsoUnwrap must be a list of key ids, each 1 to 512 bytes of text");
    }
  }

  /** Which kind of KMS holds the key: `aws-kms`, `local-file`. */
  get provider(): string {
    return this.#driver.provider;
  }

  /** The key as the application named it. */
  get keyId(): string {
    return this.#driver.keyId;
  }

  /**
   * Whether `entry` names this CMK, so that {@link unwrapDataKey} is worth a call. Asks the KMS at
   * most for the canonical id behind an alias.
   *
   * @throws {@link EnvelopeError} `ERR_ENV_KMS_…` where that question failed.
   */
  async matches(entry: Entry, options: Omit<CmkCallOptions, "context"> = {}): Promise<boolean> {
    return (await this.#keyIdFor(entry, options)) !== undefined;
  }

  /**
   * Makes a data key and wraps it, in one KMS call where the KMS can.
   *
   * @throws {@link EnvelopeError} `ERR_ENV_INVALID_CONTEXT`, `ERR_ENV_KMS_KEY_NOT_FOUND`,
   * `ERR_ENV_KMS_KEY_STATE`, `ERR_ENV_KMS_ACCESS_DENIED`, `ERR_ENV_KMS_THROTTLED`,
   * `ERR_ENV_KMS_UNAVAILABLE`, `ERR_ENV_KMS_ERROR`, `ERR_ENV_DRIVER`, `ERR_ENV_CLOSED`; the signal's
   * reason once it aborts.
   */
  async generateDataKey(options: CmkCallOptions): Promise<GeneratedDataKey> {
    const driver = this.#driver;
    if (driver.generate === undefined) {
      const dataKey = new DataKey(backend.random(DATA_KEY_BYTES));
      try {
        return { dataKey, ...(await this.wrapDataKey(dataKey, options)) };
      } catch (error) {
        dataKey[Symbol.dispose]();
        throw error;
      }
    }
    const context = this.#enter(options);
    const generate = driver.generate.bind(driver);
    const made = await this.#call("generate", driver.keyId, options, {
      run: (signal) => generate({ context, signal }),
      drop: wipePlaintext,
    });
    const dataKey = this.#dataKey(made);
    if (dataKey === undefined) throw this.#broken(`generate gives ${DATA_KEY_BYTES} bytes`);
    try {
      return { dataKey, ...this.#wrapped(made) };
    } catch (error) {
      dataKey[Symbol.dispose]();
      throw error;
    }
  }

  /** Wraps an existing data key, as for a further CMK. Throws as {@link generateDataKey}. */
  async wrapDataKey(dataKey: DataKey, options: CmkCallOptions): Promise<WrappedDataKey> {
    const context = this.#enter(options);
    const plaintext = dataKey.use((bytes) => bytes.slice());
    const result = await this.#call("wrap", this.#driver.keyId, options, {
      run: async (signal) => {
        try {
          return await this.#driver.wrap({ plaintext, context, signal });
        } finally {
          plaintext.fill(0);
        }
      },
    });
    return this.#wrapped(result);
  }

  /**
   * As {@link wrapDataKey}, and unwraps the result once: for a rewrap, after which an old wrapped key
   * is dropped. Needs the permission to unwrap.
   */
  async wrapVerified(dataKey: DataKey, options: CmkCallOptions): Promise<WrappedDataKey> {
    const made = await this.wrapDataKey(dataKey, options);
    using again = await this.unwrapDataKey(made.entry, options);
    if (!dataKey.equals(again)) throw this.#broken("what was wrapped unwraps to the same bytes");
    return made;
  }

  /**
   * Unwraps a data key.
   *
   * @returns The key, which the caller disposes.
   * @throws {@link EnvelopeError} `ERR_ENV_NO_KEY` for an entry that does not name this CMK,
   * `ERR_ENV_KMS_REJECTED` for another key, another context or altered bytes alike, else as
   * {@link generateDataKey}.
   */
  async unwrapDataKey(entry: Entry, options: CmkCallOptions): Promise<DataKey> {
    const { dataKey } = await this.#unwrap(entry, options);
    return dataKey;
  }

  /**
   * Wraps the data key of `entry` under the key's current version: inside the KMS where it can, else
   * by unwrapping and wrapping here, with the result unwrapped once more before it is returned.
   *
   * @throws as {@link unwrapDataKey}.
   */
  async rewrapEntry(entry: Entry, options: CmkCallOptions): Promise<RewrappedEntry> {
    const context = this.#enter(options);
    const keyId = await this.#requireKeyId(entry, options);
    const driver = this.#driver;
    if (driver.rewrap !== undefined) {
      const rewrap = driver.rewrap.bind(driver);
      const wrapped = entry.wrapped.slice();
      const result = await this.#call("rewrap", keyId, options, {
        run: (signal) => rewrap({ wrapped, keyId, context, signal }),
      });
      return this.#rewrapped(entry, this.#wrapped(result), result.fromVersion, false);
    }
    const { dataKey, keyVersion: fromVersion } = await this.#unwrap(entry, options);
    try {
      return this.#rewrapped(entry, await this.wrapVerified(dataKey, options), fromVersion, true);
    } finally {
      dataKey[Symbol.dispose]();
    }
  }

  /** Frees what the driver opened. Idempotent; later calls throw `ERR_ENV_CLOSED`. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#driver.close?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #unwrap(
    entry: Entry,
    options: CmkCallOptions,
  ): Promise<{ dataKey: DataKey; keyVersion: string | undefined }> {
    const context = this.#enter(options);
    const keyId = await this.#requireKeyId(entry, options);
    const wrapped = entry.wrapped.slice();
    const result = await this.#call("unwrap", keyId, options, {
      run: (signal) => this.#driver.unwrap({ wrapped, keyId, context, signal }),
      drop: wipePlaintext,
    });
    const dataKey = this.#dataKey(result);
    // Not the driver's fault: the same key and context may have wrapped something that is no data key.
    if (dataKey === undefined) throw this.#failure("ERR_ENV_KMS_REJECTED", keyId);
    return { dataKey, keyVersion: result.keyVersion };
  }

  async #requireKeyId(entry: Entry, options: CmkCallOptions): Promise<string> {
    const keyId = await this.#keyIdFor(entry, options);
    if (keyId === undefined) {
      throw new EnvelopeError(
        "ERR_ENV_NO_KEY",
        `the entry of ${entry.provider} ${entry.keyId} does not name ${this.provider} ${this.keyId}`,
      );
    }
    return keyId;
  }

  /** The key to call for `entry`: always one that was configured. The message selects, it never addresses. */
  async #keyIdFor(
    entry: Entry,
    options: Omit<CmkCallOptions, "context">,
  ): Promise<string | undefined> {
    const driver = this.#driver;
    if (entry.provider !== driver.provider) return undefined;
    if (entry.keyId === driver.keyId) return driver.keyId;
    if (this.#alsoUnwrap.includes(entry.keyId)) return entry.keyId;
    if (driver.matches === undefined) return undefined;
    const matches = driver.matches.bind(driver);
    const own = await this.#call("matches", driver.keyId, options, {
      run: async (signal) => matches(entry.keyId, signal),
    });
    return own ? driver.keyId : undefined;
  }

  #enter(options: CmkCallOptions): KmsContext {
    if (this.#closed)
      throw new EnvelopeError("ERR_ENV_CLOSED", `${this.provider}: the CMK is closed`);
    encodeContext(options.context); // Refuses what the format does not allow.
    return kmsContext(options.context);
  }

  /**
   * One call to the driver: the only place where its errors are named, its time is taken and waiting
   * ends on abort, whether or not the SDK listens. `drop` gets a result that came too late.
   */
  async #call<T>(
    operation: KmsCallEvent["operation"],
    keyId: string,
    { signal, observer }: Omit<CmkCallOptions, "context">,
    {
      run,
      drop,
    }: { run: (signal: AbortSignal | undefined) => Promise<T>; drop?: (late: T) => void },
  ): Promise<T> {
    signal?.throwIfAborted();
    const started = performance.now();
    const report = (outcome: KmsCallEvent["outcome"]): void => {
      const durationMs = performance.now() - started;
      notify(observer, {
        type: "kms-call",
        operation,
        provider: this.provider,
        keyId,
        outcome,
        durationMs,
      });
    };
    try {
      const result = await untilAborted(run(signal), signal, drop);
      report("ok");
      return result;
    } catch (cause) {
      if (signal?.aborted) {
        report("aborted");
        throw signal.reason;
      }
      const error = this.#failure(this.#classify(cause), keyId, cause);
      report(error.code);
      throw error;
    }
  }

  #classify(cause: unknown): KmsFailureCode {
    const code: string = this.#driver.classify(cause);
    if (isKmsFailureCode(code)) return code;
    throw this.#broken("classify gives one of the ERR_ENV_KMS_ codes");
  }

  #failure(code: KmsFailureCode, keyId: string, cause?: unknown): EnvelopeError {
    const { provider } = this;
    return new EnvelopeError(code, `${provider} ${keyId}: ${errorCodes[code].meaning}`, {
      attempts: [{ provider, keyId, code }],
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #broken(clause: string): EnvelopeError {
    return new EnvelopeError(
      "ERR_ENV_DRIVER",
      `${this.provider} driver breaks its contract: ${clause}`,
    );
  }

  #wrapped({ wrapped, keyId, keyVersion }: Wrapped): WrappedDataKey {
    const max = keyBlockLimits.wrappedBytes;
    if (!(wrapped instanceof Uint8Array) || wrapped.length < 1 || wrapped.length > max) {
      throw this.#broken(`a wrapped key has 1 to ${max} bytes`);
    }
    if (typeof keyId !== "string" || !isKeyId(keyId)) {
      throw this.#broken("wrap names the key it used, in 1 to 512 bytes of text");
    }
    return { entry: { provider: this.provider, keyId, wrapped }, keyVersion };
  }

  #rewrapped(
    entry: Entry,
    made: WrappedDataKey,
    fromVersion: string | undefined,
    plaintextSeen: boolean,
  ): RewrappedEntry {
    const { keyVersion } = made;
    const current = keyVersion !== undefined && keyVersion === fromVersion;
    const unchanged = current && made.entry.keyId === entry.keyId;
    return {
      entry: unchanged ? entry : made.entry,
      changed: !unchanged,
      plaintextSeen,
      fromVersion,
      keyVersion,
    };
  }

  /** Moves the bytes to a buffer of their own: an SDK's may be a slice of a pool. */
  #dataKey({ plaintext }: { readonly plaintext: Bytes }): DataKey | undefined {
    if (!(plaintext instanceof Uint8Array)) throw this.#broken("a plaintext is a Uint8Array");
    try {
      return plaintext.length === DATA_KEY_BYTES
        ? new DataKey(new Uint8Array(plaintext))
        : undefined;
    } finally {
      plaintext.fill(0);
    }
  }
}

function wipePlaintext(late: { readonly plaintext: Bytes }): void {
  late.plaintext.fill(0);
}

/** `promise`, or the signal's reason if that comes first; then a late result goes to `drop`. */
export async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  drop?: (late: T) => void,
): Promise<T> {
  if (signal === undefined) return promise;
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([promise, aborted]);
  } catch (error) {
    if (signal.aborted) promise.then(drop, () => undefined);
    throw error;
  } finally {
    if (stop !== undefined) signal.removeEventListener("abort", stop);
  }
}
