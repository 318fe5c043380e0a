/**
 * The one error type of all packages, and the table of its codes.
 *
 * Act on `code`, never on `message`: messages may be reworded in any release, codes only in a major
 * one. Neither holds plaintext, key bytes, tokens, ciphertext or context values, so both are safe to
 * log. Misuse by the programmer (a wrong type, an impossible option) is a TypeError or RangeError.
 *
 * @module
 */

/** One row per code: the source of the type, of `docs/errors.md` and of the tests. */
const table = {
  ERR_ENVELOPE_FORMAT: {
    meaning: "The bytes are not an envelope message, or break a rule of the format.",
    next: "Check that the whole message was stored and read back as bytes, unchanged.",
  },
  ERR_ENVELOPE_UNSUPPORTED: {
    meaning:
      "A version, suite or flag this build does not read, or a call this runtime cannot serve.",
    next: "Update the package; the message names what it met.",
  },
  ERR_ENVELOPE_TRUNCATED: {
    meaning: "The payload has no possible length, or ends without its final chunk.",
    next: "Fetch the message again; part of it is missing or something was appended.",
  },
  ERR_ENVELOPE_NO_KEY: {
    meaning:
      "No entry of the key block names a CMK that was configured, or the key block was not passed.",
    next: "Configure one of the CMKs that the error lists, or name a moved key in `alsoUnwrap`.",
  },
  ERR_ENVELOPE_DECRYPT: {
    meaning: "Wrong key, context or aad, or altered bytes: not told apart, on purpose.",
    next: "Check context and aad first; `attempts` says what each CMK answered.",
  },
  ERR_ENVELOPE_INVALID_CONTEXT: {
    meaning: "The context breaks a rule of the format, or none was given.",
    next: "Pass strings to strings, within the limits; write `{}` if no context is meant.",
  },
  ERR_ENVELOPE_LIMIT: {
    meaning: "More data than the format or a given limit allows.",
    next: "Split the data, or raise the limit that the message names.",
  },
  ERR_ENVELOPE_NOT_HELD: {
    meaning: "A synchronous call needs a data key that is not held.",
    next: "Await `prepare()` with the values, or `refresh()` before encrypting.",
  },
  ERR_ENVELOPE_KMS_REJECTED: {
    meaning: "The CMK refused to unwrap: another key, another context, or altered bytes.",
    next: "Check that the context equals the one used to encrypt.",
  },
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: {
    meaning: "The KMS knows no such key.",
    next: "Check the key's name, region and account.",
  },
  ERR_ENVELOPE_KMS_KEY_STATE: {
    meaning: "The key exists but is disabled, pending deletion, or of another usage.",
    next: "Enable the key, or cancel its deletion.",
  },
  ERR_ENVELOPE_KMS_ACCESS_DENIED: {
    meaning: "The KMS denies the call, or the credentials are missing or expired.",
    next: "Check the key policy for this principal and the credentials.",
  },
  ERR_ENVELOPE_KMS_THROTTLED: {
    meaning: "The KMS sheds load.",
    next: "Try again later; a data-key cache lowers the number of calls.",
    retryable: true,
  },
  ERR_ENVELOPE_KMS_UNAVAILABLE: {
    meaning: "The KMS could not be reached, or timed out.",
    next: "Try again; `attempts` says what each CMK answered.",
    retryable: true,
  },
  ERR_ENVELOPE_KMS_ERROR: {
    meaning: "The KMS failed in a way the driver cannot name.",
    next: "Look at `cause`.",
  },
  ERR_ENVELOPE_DRIVER: {
    meaning: "A CMK driver broke its contract.",
    next: "Report it to the driver's author; the message names the clause.",
  },
  ERR_ENVELOPE_CLOSED: {
    meaning: "A call after `close()`, or use of a disposed data key.",
    next: "Keep the object open for as long as it is used.",
  },
  ERR_ENVELOPE_CONFIG: {
    meaning: "A CMK URI or a configuration file is malformed, or names what does not exist.",
    next: "Correct the configuration; the message names the place.",
  },
  ERR_ENVELOPE_KEYSTORE_FORMAT: {
    meaning: "The file is not a keystore, is one of another version, or was altered.",
    next: "Check the path, or restore the keystore from a backup.",
  },
  ERR_ENVELOPE_KEYSTORE_ROOT_KEY: {
    meaning: "The keystore's root key is missing, or is not the one it was made with.",
    next: "Provide the key file, environment variable, passphrase or CMK it was created with.",
  },
  ERR_ENVELOPE_KEYSTORE_BUSY: {
    meaning: "Another process holds the keystore's write lock for too long.",
    next: "Try again; if it stays, find the process that holds the file.",
    retryable: true,
  },
  ERR_ENVELOPE_KEYSTORE_IO: {
    meaning:
      "The keystore cannot be read or written: missing, a folder, read-only, or a full disk.",
    next: "Check the path, its permissions and the free space. Nothing was changed.",
  },
} as const;

/** Stable names of what can go wrong. */
export type EnvelopeErrorCode = keyof typeof table;

/** What a code means, what to do next, and whether the same call may succeed later. */
export interface ErrorCodeRow {
  readonly meaning: string;
  readonly next: string;
  readonly retryable?: boolean;
}

/** The table of codes, for documentation and tools. */
export const errorCodes: Readonly<Record<EnvelopeErrorCode, ErrorCodeRow>> = table;

/** The codes a driver may answer with: how one call to a KMS failed. */
export type KmsFailureCode = Extract<EnvelopeErrorCode, `ERR_ENVELOPE_KMS_${string}`>;

/** Whether `code` is one a driver may answer with. */
export function isKmsFailureCode(code: string): code is KmsFailureCode {
  return code.startsWith("ERR_ENVELOPE_KMS_") && Object.hasOwn(errorCodes, code);
}

/** What one CMK answered. Holds no secret, so it is safe to log. */
export interface Attempt {
  readonly provider: string;
  readonly keyId: string;
  readonly code: EnvelopeErrorCode;
}

export interface EnvelopeErrorOptions {
  /** What the driver or the runtime threw. */
  readonly cause?: unknown;
  /** One per CMK that was called, in the order of the calls. */
  readonly attempts?: readonly Attempt[];
}

// A registered symbol and not `instanceof`: two copies of this package in one process (two versions,
// or a package manager's peer variants) must still recognise each other's errors.
const brand = Symbol.for("@env/core:error");

/** Everything that goes wrong in data, configuration or a KMS. */
export class EnvelopeError extends Error {
  override readonly name = "EnvelopeError";
  readonly code: EnvelopeErrorCode;
  /** Empty where no CMK was called. */
  readonly attempts: readonly Attempt[];

  constructor(code: EnvelopeErrorCode, message: string, options: EnvelopeErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.attempts = options.attempts ?? [];
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether the same call, unchanged, may succeed later. */
  get retryable(): boolean {
    return errorCodes[this.code].retryable ?? false;
  }
}

/**
 * Tells whether `error` is an {@link EnvelopeError}, and of `code` where one is given. Works across
 * copies of the package.
 *
 * @example
 * ```ts
 * try {
 *   await envelope.decrypt(message, { context });
 * } catch (error) {
 *   if (!isEnvelopeError(error, "ERR_ENVELOPE_DECRYPT")) throw error;
 *   for (const { provider, keyId, code } of error.attempts) console.error(provider, keyId, code);
 * }
 * ```
 */
export function isEnvelopeError(error: unknown, code?: EnvelopeErrorCode): error is EnvelopeError {
  return (
    typeof error === "object" &&
    error !== null &&
    brand in error &&
    (code === undefined || ("code" in error && error.code === code))
  );
}
