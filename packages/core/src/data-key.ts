/**
 * A plaintext data key, which exists for as short a time as possible.
 *
 * @module
 */
import { cryptoBackend } from "./backend.ts";
import type { Bytes } from "./bytes.ts";
import { EnvelopeError } from "./error.ts";

/** The length of a data key in bytes; any other length from a KMS is an error. */
export const DATA_KEY_BYTES = 32;

/**
 * Holds one data key until it is disposed. It cannot reach a log by accident: `toString`, `JSON` and
 * `console.log` show only its kind. Wiping is best effort: the runtime, or the SDK that returned the
 * bytes, may have copied them before.
 *
 * @example
 * ```ts
 * using dataKey = await cmk.unwrapDataKey(entry, { context });
 * dataKey.use((bytes) => hmac.update(bytes));
 * ```
 */
export class DataKey implements Disposable {
  #bytes: Bytes | undefined;

  /**
   * Takes ownership of `bytes`: the caller must not use them again. Throws RangeError unless there are
   * 32.
   */
  constructor(bytes: Bytes) {
    if (bytes.length !== DATA_KEY_BYTES) {
      throw new RangeError(`a data key has ${DATA_KEY_BYTES} bytes, got ${bytes.length}`);
    }
    this.#bytes = bytes;
  }

  /**
   * Lends the bytes to `fn`, which must neither keep nor change them.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_CLOSED` once disposed.
   */
  use<T>(fn: (bytes: Bytes) => T): T {
    if (this.#bytes === undefined) {
      throw new EnvelopeError("ERR_ENVELOPE_CLOSED", "the data key was disposed");
    }
    return fn(this.#bytes);
  }

  /** Whether `other` is the same key, in constant time. */
  equals(other: DataKey): boolean {
    return this.use((a) => other.use((b) => cryptoBackend().equal(a, b)));
  }

  /** Wipes the bytes. Idempotent. */
  [Symbol.dispose](): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  toString(): string {
    return "DataKey(redacted)";
  }

  toJSON(): string {
    return this.toString();
  }
}
