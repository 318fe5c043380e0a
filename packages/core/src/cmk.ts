/**
 * The customer master key (CMK), independent of which KMS holds it.
 *
 * This is a class rather than an interface on purpose: behaviour that must be the same for every KMS
 * exists once, and a new method breaks no adapter. Adapters implement {@link CmkDriver} and return a
 * `Cmk` from their one public factory.
 *
 * @module
 */
import {
  CmkCalls,
  type GeneratedDataKey,
  type RewrappedEntry,
  type WrappedDataKey,
} from "./cmk-calls.ts";
import { bindContext, type Context } from "./context.ts";
import type { DataKey } from "./data-key.ts";
import type { CmkDriver } from "./driver.ts";
import { EnvelopeError } from "./error.ts";
import { isEntry, isKeyId, isProvider, type Entry } from "./key-block.ts";
import type { Observer } from "./observer.ts";
import { checkOptions } from "./options.ts";

export interface CmkOptions {
  /**
   * Canonical ids of further keys that may unwrap, for example after an alias was moved to a new key.
   * Wrapping always uses the driver's own key. Default: none.
   */
  readonly alsoUnwrap?: readonly string[];
}

export interface CmkCallOptions {
  /** Must be equal at wrap and unwrap. Not secret. */
  readonly context: Context;
  readonly signal?: AbortSignal | undefined;
  readonly observer?: Observer | undefined;
}

/** Gives this package's own modules access to the internals of a `Cmk`. */
export let callsOf: (cmk: Cmk) => CmkCalls;

const OPTIONS = new Set(["alsoUnwrap"]);

/** A customer master key held by a KMS. It wraps and unwraps data keys. */
export class Cmk {
  readonly #calls: CmkCalls;

  /** Used by adapters. Applications call an adapter's factory: `awsKms()`, `localFile()`, …
   *
   * @throws TypeError for a provider or key id that the format cannot represent.
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
    this.#calls = new CmkCalls(driver, [...alsoUnwrap]);
  }

  static {
    callsOf = (cmk) => cmk.#calls;
  }

  /** The kind of KMS that holds the key: `aws-kms`, `local-file`. */
  get provider(): string {
    return this.#calls.provider;
  }

  /** The key as the application named it. */
  get keyId(): string {
    return this.#calls.keyId;
  }

  /**
   * Whether `entry` names this CMK, so that calling {@link unwrapDataKey} makes sense. At most, it asks
   * the KMS for the canonical id behind an alias.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_KMS_…` if that request failed, `ERR_ENVELOPE_CLOSED`.
   */
  async matches(entry: Entry, options: Omit<CmkCallOptions, "context"> = {}): Promise<boolean> {
    requireEntry(entry);
    return (await this.#calls.findKeyId(entry, options)) !== undefined;
  }

  /**
   * Creates a data key and wraps it, in a single KMS call if the KMS supports that.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`, `ERR_ENVELOPE_KMS_KEY_NOT_FOUND`,
   * `ERR_ENVELOPE_KMS_KEY_STATE`, `ERR_ENVELOPE_KMS_ACCESS_DENIED`, `ERR_ENVELOPE_KMS_THROTTLED`,
   * `ERR_ENVELOPE_KMS_UNAVAILABLE`, `ERR_ENVELOPE_KMS_ERROR`, `ERR_ENVELOPE_DRIVER`, `ERR_ENVELOPE_CLOSED`; the signal's
   * reason once it aborts.
   */
  async generateDataKey(options: CmkCallOptions): Promise<GeneratedDataKey> {
    return this.#calls.generate(bindContext(options.context), options);
  }

  /** Wraps an existing data key, for example under a further CMK. Throws like {@link generateDataKey}. */
  async wrapDataKey(dataKey: DataKey, options: CmkCallOptions): Promise<WrappedDataKey> {
    return this.#calls.wrap(dataKey, bindContext(options.context), options);
  }

  /**
   * Wraps like {@link wrapDataKey}, then unwraps the result once to verify it. Meant for a rewrap,
   * after which the old wrapped key is discarded. Needs permission to unwrap.
   */
  async wrapVerified(dataKey: DataKey, options: CmkCallOptions): Promise<WrappedDataKey> {
    return this.#calls.wrapVerified(dataKey, bindContext(options.context), options);
  }

  /**
   * Unwraps a data key.
   *
   * @returns The data key, which the caller disposes.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_NO_KEY` for an entry that does not name this CMK,
   * `ERR_ENVELOPE_KMS_REJECTED` for another key, another context or altered bytes alike, otherwise like
   * {@link generateDataKey}; TypeError for an entry that the format cannot represent.
   */
  async unwrapDataKey(entry: Entry, options: CmkCallOptions): Promise<DataKey> {
    const context = bindContext(options.context);
    const keyId = await this.#requireKeyId(entry, options);
    return this.#calls.unwrap(entry, keyId, context, options);
  }

  /**
   * Wraps the data key of `entry` under the key's current version: inside the KMS if it supports that,
   * otherwise by unwrapping and wrapping in this process. The result is verified before it is returned.
   * Inside the KMS this means that the KMS must be able to rewrap its own result.
   *
   * @throws like {@link unwrapDataKey}.
   */
  async rewrapEntry(entry: Entry, options: CmkCallOptions): Promise<RewrappedEntry> {
    const context = bindContext(options.context);
    const keyId = await this.#requireKeyId(entry, options);
    return this.#calls.rewrap(entry, keyId, context, options);
  }

  /** Releases what the driver opened. Idempotent; later calls throw `ERR_ENVELOPE_CLOSED`. */
  close(): Promise<void> {
    return this.#calls.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #requireKeyId(entry: Entry, options: CmkCallOptions): Promise<string> {
    requireEntry(entry);
    const keyId = await this.#calls.findKeyId(entry, options);
    if (keyId !== undefined) return keyId;
    throw new EnvelopeError(
      "ERR_ENVELOPE_NO_KEY",
      `the entry of ${entry.provider} ${entry.keyId} does not name ${this.provider} ${this.keyId}`,
    );
  }
}

function requireEntry(entry: Entry): void {
  if (!isEntry(entry)) throw new TypeError("entry must be one that the format can carry");
}
