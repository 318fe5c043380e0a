/**
 * What an adapter package implements. Applications want {@link Cmk} instead.
 *
 * The division of labour: `Cmk` validates, copies, limits, falls back, maps errors once, wipes and
 * honours abort signals; a driver speaks to one KMS and names its errors. So a driver
 *
 * - may assume that its arguments are valid, and must neither keep nor change them;
 * - gives results that are the caller's own: it neither keeps nor changes them afterwards;
 * - throws whatever its SDK threw, and names it in {@link CmkDriver.classify};
 * - binds the context or refuses it. Dropping it silently is the one unforgivable bug;
 * - hands `signal` to its SDK where that takes one. Where not, `Cmk` stops waiting all the same. Its
 *   deadline is its own: `withDeadline`.
 *
 * The numbered clauses are cases in `@env/conformance`, which is this contract's real definition.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import type { KmsContext } from "./context.ts";
import type { Awaitable } from "./crypto.ts";
import type { KmsFailureCode } from "./error.ts";

/** What every call to a KMS carries. */
export interface DriverRequest {
  /** To be authenticated by the KMS: as the map, or as the bytes. */
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
   * The key to call: the driver's own `keyId`, or one of the application's `alsoUnwrap`. Never a
   * string from the message. D4: must reach the KMS, which must not pick a key by itself.
   */
  readonly keyId: string;
}

/** A wrapped data key. */
export interface Wrapped {
  /** 1 to 4096 bytes, opaque to everybody else. */
  readonly wrapped: Bytes;
  /** The entry's label: the canonical id of the key used (an ARN, a resource name), never an alias. */
  readonly keyId: string;
  /** Which version of the key wrapped it, where the KMS tells. For reports; the format has no field for it. */
  readonly keyVersion?: string;
}

export interface Generated extends Wrapped {
  /** The data key, 32 bytes; becomes the caller's to wipe. */
  readonly plaintext: Bytes;
}

export interface Unwrapped {
  /** The data key, 32 bytes; becomes the caller's to wipe. */
  readonly plaintext: Bytes;
  /** Which version of the key had wrapped it, where the KMS tells. */
  readonly keyVersion?: string;
}

export interface Rewrapped extends Wrapped {
  /** Which version had wrapped it before. Equal to `keyVersion`: nothing to gain, the old entry stays. */
  readonly fromVersion?: string;
}

export interface CmkDriver {
  /** `[a-z0-9][a-z0-9.-]{0,31}`: `aws-kms`, `vault-transit`; reverse DNS outside this project. */
  readonly provider: string;
  /** The key as the application named it: what is called. An alias is fine where the KMS has them. */
  readonly keyId: string;

  /** Wraps a data key under the key's current version. D1: equal requests give different results. */
  wrap(request: WrapRequest): Promise<Wrapped>;

  /** Unwraps one. D2: refuses altered bytes; D3: another context; D4: another key. */
  unwrap(request: UnwrapRequest): Promise<Unwrapped>;

  /** Optional: a data key made by the KMS. Without it `Cmk` makes one from the system's CSPRNG and wraps it. */
  generate?(request: DriverRequest): Promise<Generated>;

  /**
   * Optional: wraps anew inside the KMS, from `request.keyId` to this driver's own key; the plaintext
   * never leaves it. Gives `undefined`, without a call, where the KMS cannot from that key; within its
   * own key it has to. `Cmk` then unwraps and wraps, as it does without this method, and reports that
   * it saw the data key.
   */
  rewrap?(request: UnwrapRequest): Promise<Rewrapped | undefined>;

  /**
   * Optional: whether an entry with this label was wrapped by this key. Default: `label === keyId`.
   * May ask the KMS for the canonical id behind an alias, once; may throw what its SDK threw. What it
   * knows without a call it answers at once: a promise counts as a call.
   */
  matches?(label: string, signal: AbortSignal | undefined): Awaitable<boolean>;

  /** D5: names any error the driver threw. `ERR_ENVELOPE_KMS_ERROR` is for the truly unforeseen. */
  classify(error: unknown): KmsFailureCode;

  /** Optional: frees what the driver opened itself. A client that was passed in is not its own. */
  close?(): Promise<void>;
}
