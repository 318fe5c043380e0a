/**
 * The portable customer master key.
 *
 * A class and not an interface on purpose: what must be the same for every KMS lives here once, and
 * a new method breaks no adapter. Adapters implement {@link CmkDriver} and return a `Cmk` from their
 * one public factory.
 *
 * @module
 */
import { backend } from "#crypto";
import { bindContext, kmsContext, type Context, type KmsContext } from "./context.ts";
import { DATA_KEY_BYTES, DataKey } from "./data-key.ts";
import type { CmkDriver } from "./driver.ts";
import { DriverCalls, type WrappedAnswer } from "./driver-calls.ts";
import { EnvelopeError } from "./error.ts";
import { isEntry, isKeyId, isProvider, type Entry } from "./key-block.ts";
import type { Observer } from "./observer.ts";
import { checkOptions } from "./options.ts";

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

const OPTIONS = new Set(["alsoUnwrap"]);

/** A customer master key, held by some KMS: wraps and unwraps data keys. */
export class Cmk {
  readonly #driver: CmkDriver;
  readonly #calls: DriverCalls;
  readonly #alsoUnwrap: readonly string[];
  #closed: Promise<void> | undefined;

  /**
   * For adapters. Applications use an adapter's factory: `awsKms()`, `localFile()`, …
   *
   * @throws TypeError for a provider or key id that the format cannot carry.
   */
  constructor(driver: CmkDriver, options: CmkOptions = {}) {
    checkOptions(options, OPTIONS);
    const { alsoUnwrap = [] } = options;
    if (!isProvider(driver.provider)) {
      throw new TypeError("provider must match [a-z0-9][a-z0-9.-]{0,31}");
    }
    if (!isKeyId(driver.keyId)) throw new TypeError("keyId must be 1 to 512 bytes of text");
    if (!Array.isArray(alsoUnwrap) || !alsoUnwrap.every(isKeyId)) {
      throw new TypeError("alsoUnwrap must be a list of key ids, each 1 to 512 bytes of text");
    }
    this.#driver = driver;
    this.#calls = new DriverCalls(driver);
    this.#alsoUnwrap = [...alsoUnwrap];
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
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_KMS_…` where that question failed, `ERR_ENVELOPE_CLOSED`.
   */
  async matches(entry: Entry, options: Omit<CmkCallOptions, "context"> = {}): Promise<boolean> {
    this.#requireOpen();
    return (await this.#keyIdFor(entry, options)) !== undefined;
  }

  /**
   * Makes a data key and wraps it, in one KMS call where the KMS can.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`, `ERR_ENVELOPE_KMS_KEY_NOT_FOUND`,
   * `ERR_ENVELOPE_KMS_KEY_STATE`, `ERR_ENVELOPE_KMS_ACCESS_DENIED`, `ERR_ENVELOPE_KMS_THROTTLED`,
   * `ERR_ENVELOPE_KMS_UNAVAILABLE`, `ERR_ENVELOPE_KMS_ERROR`, `ERR_ENVELOPE_DRIVER`, `ERR_ENVELOPE_CLOSED`; the signal's
   * reason once it aborts.
   */
  async generateDataKey(options: CmkCallOptions): Promise<GeneratedDataKey> {
    const context = this.#enter(options);
    const { generate } = this.#calls;
    if (generate !== undefined) return generate(context, options);
    const dataKey = new DataKey(backend.random(DATA_KEY_BYTES));
    try {
      return { dataKey, ...(await this.#calls.wrap(dataKey, context, options)) };
    } catch (error) {
      dataKey[Symbol.dispose]();
      throw error;
    }
  }

  /** Wraps an existing data key, as for a further CMK. Throws as {@link generateDataKey}. */
  async wrapDataKey(dataKey: DataKey, options: CmkCallOptions): Promise<WrappedDataKey> {
    return this.#calls.wrap(dataKey, this.#enter(options), options);
  }

  /**
   * As {@link wrapDataKey}, and unwraps the result once: for a rewrap, after which an old wrapped key
   * is dropped. Needs the permission to unwrap.
   */
  async wrapVerified(dataKey: DataKey, options: CmkCallOptions): Promise<WrappedDataKey> {
    const context = this.#enter(options);
    const made = await this.#calls.wrap(dataKey, context, options);
    const { wrapped } = made.entry;
    const { dataKey: again } = await this.#calls.unwrap(wrapped, this.keyId, context, options);
    try {
      if (dataKey.equals(again)) return made;
      throw this.#calls.broken("what was wrapped unwraps to the same bytes");
    } finally {
      again[Symbol.dispose]();
    }
  }

  /**
   * Unwraps a data key.
   *
   * @returns The key, which the caller disposes.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_NO_KEY` for an entry that does not name this CMK,
   * `ERR_ENVELOPE_KMS_REJECTED` for another key, another context or altered bytes alike, else as
   * {@link generateDataKey}; TypeError for an entry the format cannot carry.
   */
  async unwrapDataKey(entry: Entry, options: CmkCallOptions): Promise<DataKey> {
    const context = this.#enter(options);
    const keyId = await this.#requireKeyId(entry, options);
    const { dataKey } = await this.#calls.unwrap(entry.wrapped, keyId, context, options);
    return dataKey;
  }

  /**
   * Wraps the data key of `entry` under the key's current version: inside the KMS where it can, else
   * by unwrapping and wrapping here. The result is verified before it is returned, inside the KMS
   * too: there it must be able to rewrap what it made.
   *
   * @throws as {@link unwrapDataKey}.
   */
  async rewrapEntry(entry: Entry, options: CmkCallOptions): Promise<RewrappedEntry> {
    const context = this.#enter(options);
    const keyId = await this.#requireKeyId(entry, options);
    const { rewrap } = this.#calls;
    const made = await rewrap?.(entry.wrapped, keyId, context, options);
    if (rewrap === undefined || made === undefined) return this.#rewrapHere(entry, keyId, options);
    const result = rewrapped(entry, made, made.fromVersion, false);
    // Proves that the new wrapped key opens under this key and context, without the plaintext.
    if (result.changed) await rewrap(made.entry.wrapped, this.keyId, context, options);
    return result;
  }

  /** Frees what the driver opened. Idempotent; later calls throw `ERR_ENVELOPE_CLOSED`. */
  close(): Promise<void> {
    this.#closed ??= (async () => this.#driver.close?.())();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #rewrapHere(entry: Entry, keyId: string, options: CmkCallOptions): Promise<RewrappedEntry> {
    const context = this.#enter(options);
    const old = await this.#calls.unwrap(entry.wrapped, keyId, context, options);
    try {
      return rewrapped(entry, await this.wrapVerified(old.dataKey, options), old.keyVersion, true);
    } finally {
      old.dataKey[Symbol.dispose]();
    }
  }

  async #requireKeyId(entry: Entry, options: CmkCallOptions): Promise<string> {
    const keyId = await this.#keyIdFor(entry, options);
    if (keyId !== undefined) return keyId;
    throw new EnvelopeError(
      "ERR_ENVELOPE_NO_KEY",
      `the entry of ${entry.provider} ${entry.keyId} does not name ${this.provider} ${this.keyId}`,
    );
  }

  /** The key to call for `entry`: always one that was configured. The message selects, it never addresses. */
  async #keyIdFor(
    entry: Entry,
    options: Omit<CmkCallOptions, "context">,
  ): Promise<string | undefined> {
    if (!isEntry(entry)) throw new TypeError("entry must be one that the format can carry");
    if (entry.provider !== this.provider) return undefined;
    if (entry.keyId !== this.keyId && this.#alsoUnwrap.includes(entry.keyId)) return entry.keyId;
    return (await this.#calls.matches(entry.keyId, options)) ? this.keyId : undefined;
  }

  #enter({ context }: CmkCallOptions): KmsContext {
    this.#requireOpen();
    return kmsContext(bindContext(context));
  }

  #requireOpen(): void {
    if (this.#closed === undefined) return;
    throw new EnvelopeError("ERR_ENVELOPE_CLOSED", `${this.provider}: the CMK is closed`);
  }
}

function rewrapped(
  entry: Entry,
  { entry: made, keyVersion }: WrappedAnswer,
  fromVersion: string | undefined,
  plaintextSeen: boolean,
): RewrappedEntry {
  const current = keyVersion !== undefined && keyVersion === fromVersion;
  const changed = !current || made.keyId !== entry.keyId;
  return { entry: changed ? made : entry, changed, plaintextSeen, fromVersion, keyVersion };
}
