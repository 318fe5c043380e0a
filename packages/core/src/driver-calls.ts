/**
 * Calls to a driver. This is the only place that calls one, measures its time, classifies its errors
 * and checks its answers. Waiting ends with the caller's signal, whether or not the SDK obeys it.
 *
 * Arguments are copies that are lent to the driver and wiped when it is done. Results are copied, since
 * an SDK's buffer may be a slice of a pool, and the driver's plaintext is then wiped.
 *
 * @module
 */
import type { KmsContext } from "./context.ts";
import { DATA_KEY_BYTES, DataKey } from "./data-key.ts";
import type { CmkDriver, Wrapped } from "./driver.ts";
import {
  EnvelopeError,
  errorFacts,
  isKmsFailureCode,
  type EnvelopeErrorCode,
  type KmsFailureCode,
} from "./error.ts";
import { isKeyId, keyBlockLimits, type Entry } from "./key-block.ts";
import { notify, type KmsCallEvent, type Observer } from "./observer.ts";
import { SingleFlight } from "./single-flight.ts";
import { untilAborted } from "./until-aborted.ts";

export interface DriverCallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly observer?: Observer | undefined;
}

/** A checked answer to a wrap. */
export interface WrappedAnswer {
  readonly entry: Entry;
  readonly keyVersion: string | undefined;
}

type Operation = KmsCallEvent["operation"];

export class DriverCalls {
  readonly #driver: CmkDriver;
  readonly #questions = new SingleFlight<boolean>();

  constructor(driver: CmkDriver) {
    this.#driver = driver;
  }

  /** `undefined` if the driver has no such method: the caller then generates and wraps. */
  get generate():
    | ((
        context: KmsContext,
        options: DriverCallOptions,
      ) => Promise<WrappedAnswer & { dataKey: DataKey }>)
    | undefined {
    const driver = this.#driver;
    if (driver.generate === undefined) return undefined;
    const generate = driver.generate.bind(driver);
    return (context, options) =>
      this.#call("generate", driver.keyId, options, {
        run: (signal) => generate({ context, signal }),
        check: (answer) => {
          const dataKey = this.#dataKey(answer);
          if (dataKey === undefined) throw this.broken(`generate gives ${DATA_KEY_BYTES} bytes`);
          try {
            return { dataKey, ...this.#wrapped(answer) };
          } catch (error) {
            dataKey[Symbol.dispose]();
            throw error;
          }
        },
        drop: wipePlaintext,
      });
  }

  wrap(dataKey: DataKey, context: KmsContext, options: DriverCallOptions): Promise<WrappedAnswer> {
    return this.#call("wrap", this.#driver.keyId, options, {
      run: async (signal) => {
        const plaintext = dataKey.use((bytes) => new Uint8Array(bytes));
        try {
          return await this.#driver.wrap({ plaintext, context, signal });
        } finally {
          plaintext.fill(0);
        }
      },
      check: (answer) => this.#wrapped(answer),
    });
  }

  unwrap(
    wrapped: Uint8Array,
    keyId: string,
    context: KmsContext,
    options: DriverCallOptions,
  ): Promise<{ dataKey: DataKey; keyVersion: string | undefined }> {
    return this.#call("unwrap", keyId, options, {
      run: (signal) =>
        this.#driver.unwrap({ wrapped: new Uint8Array(wrapped), keyId, context, signal }),
      check: (answer) => {
        const dataKey = this.#dataKey(answer);
        // This is not the driver's fault: this key and context may have wrapped something other than a
        // data key.
        if (dataKey === undefined) throw this.#failure("ERR_ENVELOPE_KMS_REJECTED", keyId);
        return { dataKey, keyVersion: this.#version(answer.keyVersion) };
      },
      drop: wipePlaintext,
    });
  }

  /** `undefined` if the KMS cannot rewrap. The answer is `undefined` if it cannot do so from that key. */
  get rewrap():
    | ((
        wrapped: Uint8Array,
        keyId: string,
        context: KmsContext,
        options: DriverCallOptions,
      ) => Promise<(WrappedAnswer & { fromVersion: string | undefined }) | undefined>)
    | undefined {
    const driver = this.#driver;
    if (driver.rewrap === undefined) return undefined;
    const rewrap = driver.rewrap.bind(driver);
    return (wrapped, keyId, context, options) =>
      this.#call("rewrap", keyId, options, {
        run: (signal) => rewrap({ wrapped: new Uint8Array(wrapped), keyId, context, signal }),
        check: (answer) =>
          answer && { ...this.#wrapped(answer), fromVersion: this.#version(answer.fromVersion) },
        mayDecline: keyId !== driver.keyId,
      });
  }

  /**
   * Whether the driver knows `label` as a name of its own key. Only an answer that is a promise counts
   * as a call to the KMS, and concurrent callers with the same label share it.
   */
  async matches(label: string, options: DriverCallOptions): Promise<boolean> {
    const driver = this.#driver;
    if (label === driver.keyId) return true;
    if (driver.matches === undefined) return false;
    const { signal, observer } = options;
    const ask = (asking: AbortSignal): Promise<boolean> =>
      this.#ask(label, { signal: asking, observer });
    return this.#questions.run(label, ask, signal);
  }

  async #ask(label: string, options: DriverCallOptions): Promise<boolean> {
    const driver = this.#driver;
    const answer = attempt(() => driver.matches?.(label, options.signal));
    if (typeof answer === "boolean") return answer;
    return this.#call("matches", driver.keyId, options, {
      run: async () => answer,
      check: (later) => {
        if (typeof later !== "boolean") throw this.broken("matches gives a boolean");
        return later;
      },
    });
  }

  /** Creates the error for a driver that breaks the contract in driver.ts. */
  broken(clause: string, cause?: unknown): EnvelopeError {
    const { provider } = this.#driver;
    const message = `${provider} driver breaks its contract: ${clause}`;
    return this.#error("ERR_ENVELOPE_DRIVER", this.#driver.keyId, message, cause);
  }

  async #call<A, T>(
    operation: Operation,
    keyId: string,
    { signal, observer }: DriverCallOptions,
    steps: {
      run: (signal: AbortSignal | undefined) => Promise<A>;
      check: (answer: A) => T;
      /** Receives an answer that arrived too late. */
      drop?: (late: A) => void;
      /** Whether `undefined` is a valid answer, which means that no KMS was called. */
      mayDecline?: boolean;
    },
  ): Promise<T> {
    signal?.throwIfAborted();
    const { provider } = this.#driver;
    const started = performance.now();
    let outcome: KmsCallEvent["outcome"] | undefined = "ok";
    try {
      const answer = await this.#named(keyId, signal, () =>
        untilAborted(steps.run(signal), signal, steps.drop),
      );
      if (answer === undefined && steps.mayDecline === true) outcome = undefined;
      else if (answer === undefined || answer === null)
        throw this.broken(`${operation} gives an answer`);
      return steps.check(answer);
    } catch (error) {
      outcome = error instanceof EnvelopeError ? error.code : "aborted";
      throw error;
    } finally {
      if (outcome !== undefined) {
        const durationMs = performance.now() - started;
        notify(observer, { type: "kms-call", operation, provider, keyId, outcome, durationMs });
      }
    }
  }

  /** Runs `fn`. Throws its error as the driver classifies it, or the signal's reason. */
  async #named<A>(
    keyId: string,
    signal: AbortSignal | undefined,
    fn: () => Promise<A>,
  ): Promise<A> {
    try {
      return await fn();
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      throw this.#failure(this.#classify(cause), keyId, cause);
    }
  }

  #classify(cause: unknown): KmsFailureCode {
    const clause = "classify gives one of the ERR_ENVELOPE_KMS_ codes";
    let code: unknown;
    try {
      code = this.#driver.classify(cause);
    } catch {
      throw this.broken(clause, cause);
    }
    if (typeof code === "string" && isKmsFailureCode(code)) return code;
    throw this.broken(clause, cause);
  }

  #failure(code: KmsFailureCode, keyId: string, cause?: unknown): EnvelopeError {
    const message = `${this.#driver.provider} ${keyId}: ${errorFacts[code].meaning}`;
    return this.#error(code, keyId, message, cause);
  }

  #error(code: EnvelopeErrorCode, keyId: string, message: string, cause: unknown): EnvelopeError {
    const attempts = [{ provider: this.#driver.provider, keyId, code }];
    return new EnvelopeError(code, message, { attempts, cause });
  }

  #wrapped({ wrapped, keyId, keyVersion }: Wrapped): WrappedAnswer {
    const max = keyBlockLimits.wrappedBytes;
    if (!(wrapped instanceof Uint8Array) || wrapped.length < 1 || wrapped.length > max) {
      throw this.broken(`a wrapped key has 1 to ${max} bytes`);
    }
    if (!isKeyId(keyId)) {
      throw this.broken("wrap names the key it used, in 1 to 512 bytes of text");
    }
    const entry = { provider: this.#driver.provider, keyId, wrapped: new Uint8Array(wrapped) };
    return { entry, keyVersion: this.#version(keyVersion) };
  }

  #version(version: unknown): string | undefined {
    if (version === undefined || typeof version === "string") return version;
    throw this.broken("a key version is a string");
  }

  /** Takes the plaintext out of an answer; `undefined` if it does not have the length of a data key. */
  #dataKey({ plaintext }: { readonly plaintext: Uint8Array }): DataKey | undefined {
    if (!(plaintext instanceof Uint8Array)) throw this.broken("a plaintext is a Uint8Array");
    try {
      if (plaintext.length !== DATA_KEY_BYTES) return undefined;
      return new DataKey(new Uint8Array(plaintext));
    } finally {
      plaintext.fill(0);
    }
  }
}

function wipePlaintext(late: { readonly plaintext?: unknown } | undefined): void {
  if (late?.plaintext instanceof Uint8Array) late.plaintext.fill(0);
}

/** Returns the result of `fn`, or a promise that rejects with what it throws. */
function attempt<T>(fn: () => T): T | Promise<never> {
  try {
    return fn();
  } catch (error) {
    return Promise.reject(error);
  }
}
