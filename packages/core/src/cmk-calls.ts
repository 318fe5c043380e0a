/**
 * The operations of a CMK: generate, wrap, unwrap, rewrap, and the choice of the key to call.
 *
 * `Cmk` checks its arguments and then calls these. An `Envelope` binds a context once for all of its
 * CMKs and finds the key of an entry once per call, so it uses this class directly.
 *
 * @module
 */
import { cryptoBackend } from "./backend.ts";
import { kmsContext, type BoundContext } from "./context.ts";
import { DATA_KEY_BYTES, DataKey } from "./data-key.ts";
import type { CmkDriver } from "./driver.ts";
import { DriverCalls, type DriverCallOptions, type WrappedAnswer } from "./driver-calls.ts";
import { EnvelopeError } from "./error.ts";
import type { Entry } from "./key-block.ts";

/** A data key wrapped by one CMK. */
export interface WrappedDataKey {
  readonly entry: Entry;
  /** The version of the CMK that wrapped it, if the KMS reports versions. */
  readonly keyVersion: string | undefined;
}

/** A data key and its first wrapped copy. The caller disposes the data key. */
export interface GeneratedDataKey extends WrappedDataKey {
  readonly dataKey: DataKey;
}

/** The result of rewrapping one entry. */
export interface RewrappedEntry extends WrappedDataKey {
  /** `false`: the entry was already wrapped by the current version and is returned unchanged. */
  readonly changed: boolean;
  /** Whether the plaintext data key was in this process. */
  readonly plaintextSeen: boolean;
  /** The version that had wrapped it before, if the KMS reports versions. */
  readonly fromVersion: string | undefined;
}

export class CmkCalls {
  readonly provider: string;
  readonly keyId: string;
  readonly driver: CmkDriver;
  readonly alsoUnwrap: readonly string[];
  readonly #calls: DriverCalls;
  #closed: Promise<void> | undefined;

  constructor(driver: CmkDriver, alsoUnwrap: readonly string[]) {
    this.provider = driver.provider;
    this.keyId = driver.keyId;
    this.driver = driver;
    this.alsoUnwrap = alsoUnwrap;
    this.#calls = new DriverCalls(driver);
  }

  /**
   * Returns the key to call for `entry`, or `undefined` if the entry names another CMK. It is always a
   * configured key: a message can only select among those, never supply the address to call.
   */
  async findKeyId(entry: Entry, options: DriverCallOptions): Promise<string | undefined> {
    this.requireOpen();
    if (entry.provider !== this.provider) return undefined;
    if (entry.keyId !== this.keyId && this.alsoUnwrap.includes(entry.keyId)) return entry.keyId;
    return (await this.#calls.matches(entry.keyId, options)) ? this.keyId : undefined;
  }

  async generate(context: BoundContext, options: DriverCallOptions): Promise<GeneratedDataKey> {
    this.requireOpen();
    const { generate } = this.#calls;
    if (generate !== undefined) return generate(kmsContext(context), options);
    const dataKey = new DataKey(cryptoBackend().random(DATA_KEY_BYTES));
    try {
      return { dataKey, ...(await this.wrap(dataKey, context, options)) };
    } catch (error) {
      dataKey[Symbol.dispose]();
      throw error;
    }
  }

  async wrap(
    dataKey: DataKey,
    context: BoundContext,
    options: DriverCallOptions,
  ): Promise<WrappedDataKey> {
    this.requireOpen();
    return this.#calls.wrap(dataKey, kmsContext(context), options);
  }

  /** Wraps a data key, then unwraps the result once to verify it. */
  async wrapVerified(
    dataKey: DataKey,
    context: BoundContext,
    options: DriverCallOptions,
  ): Promise<WrappedDataKey> {
    const made = await this.wrap(dataKey, context, options);
    const again = await this.unwrap(made.entry, this.keyId, context, options);
    try {
      if (dataKey.equals(again)) return made;
      throw this.#calls.broken("what was wrapped unwraps to the same bytes");
    } finally {
      again[Symbol.dispose]();
    }
  }

  /** @param keyId - The result of {@link findKeyId} for `entry`. */
  async unwrap(
    entry: Entry,
    keyId: string,
    context: BoundContext,
    options: DriverCallOptions,
  ): Promise<DataKey> {
    this.requireOpen();
    return (await this.#calls.unwrap(entry.wrapped, keyId, kmsContext(context), options)).dataKey;
  }

  /**
   * Wraps the data key again: inside the KMS if it supports that, otherwise by unwrapping and wrapping
   * here.
   *
   * @param keyId - The result of {@link findKeyId} for `entry`.
   */
  async rewrap(
    entry: Entry,
    keyId: string,
    context: BoundContext,
    options: DriverCallOptions,
  ): Promise<RewrappedEntry> {
    this.requireOpen();
    const { rewrap } = this.#calls;
    const made = await rewrap?.(entry.wrapped, keyId, kmsContext(context), options);
    if (rewrap !== undefined && made !== undefined) {
      const result = rewrapped(entry, made, made.fromVersion, false);
      // Proves that the new wrapped key opens under this key and context, without the plaintext.
      if (result.changed) {
        await rewrap(made.entry.wrapped, this.keyId, kmsContext(context), options);
      }
      return result;
    }
    const old = await this.#calls.unwrap(entry.wrapped, keyId, kmsContext(context), options);
    try {
      const again = await this.wrapVerified(old.dataKey, context, options);
      return rewrapped(entry, again, old.keyVersion, true);
    } finally {
      old.dataKey[Symbol.dispose]();
    }
  }

  /** @throws {@link EnvelopeError} `ERR_ENVELOPE_CLOSED` */
  requireOpen(): void {
    if (this.#closed === undefined) return;
    throw new EnvelopeError("ERR_ENVELOPE_CLOSED", `${this.provider}: the CMK is closed`);
  }

  close(): Promise<void> {
    this.#closed ??= (async () => this.driver.close?.())();
    return this.#closed;
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
