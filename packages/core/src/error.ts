/**
 * The one error type of all packages, and the table of its codes.
 *
 * Act on `code`, never on `message`: messages may be reworded in any release, codes only in a major
 * one. Neither holds plaintext, key bytes, tokens, ciphertext or context values, so both are safe to
 * log. Misuse by the programmer (a wrong type, an impossible option) is a TypeError or RangeError.
 *
 * @module
 */

/**
 * What programs need to know of a code when something fails. The rest of what there is to say, which
 * only people read, is in `error-codes.ts`: a bundle for a browser leaves it out.
 */
const table = {
  ERR_ENVELOPE_DECRYPT: {
    meaning: "Decryption failed: wrong key, wrong context or aad, or the data was altered.",
  },
  ERR_ENVELOPE_KEY_UNUSABLE: {
    meaning: "The CMKs that could open the message are disabled, pending deletion or gone.",
  },
  ERR_ENVELOPE_KMS_REJECTED: {
    meaning: "The CMK refused to unwrap: another key, another context, or altered bytes.",
  },
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: {
    meaning: "The KMS knows no such key.",
  },
  ERR_ENVELOPE_KMS_KEY_STATE: {
    meaning: "The key exists but is disabled, pending deletion, or of another usage.",
  },
  ERR_ENVELOPE_KMS_ACCESS_DENIED: {
    meaning: "The KMS denies the call, or the credentials are missing or expired.",
  },
  ERR_ENVELOPE_KMS_THROTTLED: {
    meaning: "The KMS is throttling requests.",
    retryable: true,
  },
  ERR_ENVELOPE_KMS_UNAVAILABLE: {
    meaning: "The KMS could not be reached, or timed out.",
    retryable: true,
  },
  ERR_ENVELOPE_KMS_ERROR: {
    meaning: "The KMS failed in a way the driver cannot name.",
  },
  ERR_ENVELOPE_DRIVER: {
    meaning: "A CMK driver broke its contract.",
  },
  ERR_ENVELOPE_KEYSTORE_BUSY: {
    meaning: "Another process holds the keystore's write lock for too long.",
    retryable: true,
  },
} as const;

/** The codes that no row is needed for. */
type PlainCode =
  | "ERR_ENVELOPE_FORMAT"
  | "ERR_ENVELOPE_UNSUPPORTED"
  | "ERR_ENVELOPE_TRUNCATED"
  | "ERR_ENVELOPE_NO_KEY"
  | "ERR_ENVELOPE_INVALID_CONTEXT"
  | "ERR_ENVELOPE_LIMIT"
  | "ERR_ENVELOPE_NOT_HELD"
  | "ERR_ENVELOPE_CLOSED"
  | "ERR_ENVELOPE_CONFIG"
  | "ERR_ENVELOPE_KEYSTORE_FORMAT"
  | "ERR_ENVELOPE_KEYSTORE_ROOT_KEY"
  | "ERR_ENVELOPE_KEYSTORE_IO"
  | "ERR_ENVELOPE_KEYSTORE_SQLITE";

/** Codes that this package explains in messages, or that are retryable. */
export type DescribedCode = keyof typeof table;

/** Stable names of what can go wrong. */
export type EnvelopeErrorCode = DescribedCode | PlainCode;

/** What a code means, and whether the same call may succeed later. */
export interface ErrorFacts {
  readonly meaning: string;
  readonly retryable?: boolean;
}

/** The facts of the codes that have a row. */
export const errorFacts: Readonly<Record<DescribedCode, ErrorFacts>> = table;

/** The facts of any code. */
export function factsOf(code: EnvelopeErrorCode): ErrorFacts | undefined {
  const facts: Readonly<Partial<Record<EnvelopeErrorCode, ErrorFacts>>> = errorFacts;
  return facts[code];
}

/** The codes a driver may answer with: how one call to a KMS failed. */
export type KmsFailureCode = Extract<EnvelopeErrorCode, `ERR_ENVELOPE_KMS_${string}`>;

/** Whether `code` is one a driver may answer with. */
export function isKmsFailureCode(code: string): code is KmsFailureCode {
  return code.startsWith("ERR_ENVELOPE_KMS_") && Object.hasOwn(errorFacts, code);
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
    return factsOf(this.code)?.retryable ?? false;
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
