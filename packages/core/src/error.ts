/**
 * The error type that all packages share, and the table of its codes.
 *
 * Act on `code`, never on `message`: messages may be reworded in any release, codes only in a major
 * one. Neither contains plaintext, key bytes, tokens, ciphertext or context values, so both are safe to
 * log. Misuse by the programmer (a wrong type, an invalid option) is a TypeError or RangeError.
 *
 * @module
 */

/**
 * What programs need to know about a code when something fails. Texts that only people read are in
 * `error-codes.ts`, so that a bundle for a browser omits them.
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
    meaning: "The KMS has no such key.",
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
    meaning: "The KMS failed unexpectedly.",
  },
  ERR_ENVELOPE_DRIVER: {
    meaning: "A CMK driver broke its contract.",
  },
  ERR_ENVELOPE_KEYSTORE_BUSY: {
    meaning: "Another process has held the keystore's write lock too long.",
    retryable: true,
  },
} as const;

/** Codes that need no row in the table. */
type PlainCode =
  | "ERR_ENVELOPE_FORMAT"
  | "ERR_ENVELOPE_UNSUPPORTED"
  | "ERR_ENVELOPE_TRUNCATED"
  | "ERR_ENVELOPE_NO_KEY"
  | "ERR_ENVELOPE_INVALID_CONTEXT"
  | "ERR_ENVELOPE_LIMIT"
  | "ERR_ENVELOPE_NOT_HELD"
  | "ERR_ENVELOPE_SHREDDED"
  | "ERR_ENVELOPE_CLOSED"
  | "ERR_ENVELOPE_CONFIG"
  | "ERR_ENVELOPE_KEYSTORE_FORMAT"
  | "ERR_ENVELOPE_KEYSTORE_ROOT_KEY"
  | "ERR_ENVELOPE_KEYSTORE_IO"
  | "ERR_ENVELOPE_KEYSTORE_UNKNOWN_OUTCOME"
  | "ERR_ENVELOPE_KEYSTORE_MOVED"
  | "ERR_ENVELOPE_KEYSTORE_SQLITE";

/** Codes that this package explains in error messages, or that are retryable. */
export type DescribedCode = keyof typeof table;

/** The stable error codes. */
export type EnvelopeErrorCode = DescribedCode | PlainCode;

/** What a code means, and whether the same call may succeed later. */
export interface ErrorFacts {
  readonly meaning: string;
  readonly retryable?: boolean;
}

/** The facts about the codes that have a row. */
export const errorFacts: Readonly<Record<DescribedCode, ErrorFacts>> = table;

/** Returns the facts about any code, or `undefined` if it has no row. */
export function factsOf(code: EnvelopeErrorCode): ErrorFacts | undefined {
  const facts: Readonly<Partial<Record<EnvelopeErrorCode, ErrorFacts>>> = errorFacts;
  return facts[code];
}

/** The codes that a driver may return: they say how one call to a KMS failed. */
export type KmsFailureCode = Extract<EnvelopeErrorCode, `ERR_ENVELOPE_KMS_${string}`>;

/** Whether `code` is one that a driver may return. */
export function isKmsFailureCode(code: string): code is KmsFailureCode {
  return code.startsWith("ERR_ENVELOPE_KMS_") && Object.hasOwn(errorFacts, code);
}

/** The answer of one CMK. It contains no secrets, so it is safe to log. */
export interface Attempt {
  readonly provider: string;
  readonly keyId: string;
  readonly code: EnvelopeErrorCode;
}

export interface EnvelopeErrorOptions {
  /** The error that the driver or the runtime threw. */
  readonly cause?: unknown;
  /** One attempt per CMK that was called, in the order of the calls. */
  readonly attempts?: readonly Attempt[];
}

// A registered symbol rather than `instanceof`, because two copies of this package in one process (two
// versions, or a package manager's peer variants) must recognise each other's errors.
const brand = Symbol.for("@env/core:error");

/** An error caused by data, configuration or a KMS. */
export class EnvelopeError extends Error {
  override readonly name = "EnvelopeError";
  readonly code: EnvelopeErrorCode;
  /** The answers of the CMKs; empty if none was called. */
  readonly attempts: readonly Attempt[];

  constructor(code: EnvelopeErrorCode, message: string, options: EnvelopeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.attempts = options.attempts ?? [];
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether the same call, unchanged, may succeed later. */
  get retryable(): boolean {
    return factsOf(this.code)?.retryable === true;
  }
}

/**
 * Whether `error` is an {@link EnvelopeError} and, if `code` is given, has that code. Works across
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
