/**
 * The interface that an adapter package implements. Applications use {@link Cmk} instead.
 *
 * `Cmk` validates, copies, limits, falls back, maps errors once, wipes and honours abort signals. A
 * driver speaks to one KMS and classifies its errors. So a driver
 *
 * - may assume that its arguments are valid, and must neither keep nor change them;
 * - returns results that belong to the caller: it neither keeps nor changes them afterwards;
 * - throws whatever its SDK threw, and classifies it in {@link CmkDriver.classify};
 * - binds the context or refuses the call. Silently ignoring the context is the one unforgivable bug;
 * - passes `signal` to its SDK if the SDK takes one. If not, `Cmk` still stops waiting. A driver sets
 *   its own deadline, with `withDeadline`.
 *
 * The numbered clauses are test cases in `@env/conformance`, which is the real definition of this
 * contract.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import type { KmsContext } from "./context.ts";
import type { Awaitable } from "./awaitable.ts";
import type { KmsFailureCode } from "./error.ts";

/** The part that all requests to a KMS have. */
export interface DriverRequest {
  /** The context, which the KMS must authenticate: either the map or the bytes. */
  readonly context: KmsContext;
  readonly signal: AbortSignal | undefined;
}

export interface WrapRequest extends DriverRequest {
  /** The data key, 32 bytes, lent for the call. */
  readonly plaintext: Bytes;
}

export interface UnwrapRequest extends DriverRequest {
  readonly wrapped: Bytes;
  /**
   * The key to call: the driver's own `keyId`, or one of the application's `alsoUnwrap`. Never a string
   * from the message. D4: it must be sent to the KMS, which must not choose a key by itself.
   */
  readonly keyId: string;
}

/** A wrapped data key. */
export interface Wrapped {
  /** 1 to 4096 bytes, which only the KMS can interpret. */
  readonly wrapped: Bytes;
  /** The entry's label: the canonical id of the key used (an ARN, a resource name), never an alias. */
  readonly keyId: string;
  /**
   * The version of the key that wrapped it, if the KMS reports versions. Used for reports; the format
   * has no field for it.
   */
  readonly keyVersion?: string;
}

export interface Generated extends Wrapped {
  /** The data key, 32 bytes. It then belongs to the caller, who wipes it. */
  readonly plaintext: Bytes;
}

export interface Unwrapped {
  /** The data key, 32 bytes. It then belongs to the caller, who wipes it. */
  readonly plaintext: Bytes;
  /** The version of the key that had wrapped it, if the KMS reports versions. */
  readonly keyVersion?: string;
}

export interface Rewrapped extends Wrapped {
  /** The version that had wrapped it before. If it equals `keyVersion`, the old entry is kept. */
  readonly fromVersion?: string;
}

/** An operation of a driver that the doctor tries. */
export type ProbedOperation = "generate" | "wrap" | "unwrap" | "rewrap";

/** What a KMS reports about a key. */
export interface KeyReport {
  /** The canonical id of the key, as entries carry it. */
  readonly label?: string | undefined;
  /** The version that wraps now. */
  readonly keyVersion?: string | undefined;
  /** Why the key is not suitable, each with the next step; an error that the driver classifies, or a text. */
  readonly problems: readonly (string | Error)[];
}

/** What only the driver knows about its KMS, for the doctor. */
export interface Diagnostics {
  /** Asks the KMS about the key. May throw what its SDK threw. */
  readonly ask: (signal: AbortSignal | undefined) => Promise<KeyReport>;
  /** Whether the KMS itself answered with this error, and not something in front of it. */
  readonly isAnswer: (error: unknown) => boolean;
  /** What to allow for an operation on a key that was denied; `undefined` if a permission would not help. */
  readonly permission: (
    operation: ProbedOperation | "ask",
    keyId: string,
    error: unknown,
  ) => string | undefined;
  /** What to say of an error, with the next step. Default: its message. */
  readonly words?: (error: unknown, operation: ProbedOperation | "ask") => string;
  /**
   * Asks the KMS whether an operation would be allowed, without doing it; throws otherwise. `request.keyId`
   * is the key to unwrap with, or to rewrap from. Default: the operation is done.
   */
  readonly dryRun?: (
    operation: ProbedOperation,
    request: DriverRequest & { readonly keyId: string },
  ) => Promise<void>;
  /** Whether the KMS rewraps from this key by itself. Default: from all keys, if the driver has `rewrap`. */
  readonly rewrapsFrom?: (keyId: string) => boolean;
  /**
   * Bytes in the form of a wrapped key which no key wrapped: if a KMS checks permissions first, its refusal
   * of the bytes shows that the caller may unwrap. `undefined` if that takes a label that is not known.
   * Default: nothing is unwrapped that this key has not wrapped.
   */
  readonly madeUp?: (label: string | undefined) => Bytes | undefined;
  /** Whether an error is a refusal of such bytes. Default: `ERR_ENVELOPE_KMS_REJECTED`. */
  readonly refusesBytes?: (error: unknown) => boolean;
}

export interface CmkDriver {
  /** `[a-z0-9][a-z0-9.-]{0,31}`: `aws-kms`, `vault-transit`; reverse DNS outside this project. */
  readonly provider: string;
  /** The key to call, as the application named it. An alias is allowed if the KMS has aliases. */
  readonly keyId: string;

  /** Wraps a data key under the key's current version. D1: equal requests give different results. */
  wrap(request: WrapRequest): Promise<Wrapped>;

  /** Unwraps a data key. Refuses altered bytes (D2), another context (D3) and another key (D4). */
  unwrap(request: UnwrapRequest): Promise<Unwrapped>;

  /**
   * Optional: has the KMS generate a data key. Without this method, `Cmk` generates one with the
   * system's CSPRNG and wraps it.
   */
  generate?(request: DriverRequest): Promise<Generated>;

  /**
   * Optional: rewraps inside the KMS, from `request.keyId` to this driver's own key, so that the
   * plaintext never leaves the KMS. Returns `undefined`, without a call, if the KMS cannot rewrap from
   * that key; it must be able to within its own key. `Cmk` then unwraps and wraps, as it does without
   * this method, and reports that it saw the data key.
   */
  rewrap?(request: UnwrapRequest): Promise<Rewrapped | undefined>;

  /**
   * Optional: whether an entry with this label was wrapped by this key. Default: `label === keyId`. It
   * may ask the KMS once for the canonical id behind an alias, and may throw what its SDK threw. An
   * answer that needs no call must be returned synchronously: a promise counts as a call.
   */
  matches?(label: string, signal: AbortSignal | undefined): Awaitable<boolean>;

  /**
   * D5: classifies any error that the driver threw. `ERR_ENVELOPE_KMS_ERROR` is for unforeseen errors
   * only.
   */
  classify(error: unknown): KmsFailureCode;

  /** Optional: what the doctor cannot find out by itself. Makes no call. */
  describe?(): Diagnostics;

  /** Optional: releases what the driver itself opened. A client that was passed in belongs to the caller. */
  close?(): Promise<void>;
}
