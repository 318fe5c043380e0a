/**
 * What the `doctor` of an adapter reports: whether a CMK can be used with the credentials at hand. Each
 * adapter has one, since only it knows what its KMS tells without being used.
 *
 * @module
 */
import { encodeContext, type Context } from "./context.ts";
import type { EnvelopeErrorCode } from "./error.ts";
import { checkOptions } from "./options.ts";

/** What is probed, in this order. */
export type DoctorCheck = "reach" | "key" | "generate" | "wrap" | "unwrap" | "rewrap";

/** Why a check did not succeed. Safe to log. */
export interface DoctorProblem {
  readonly check: DoctorCheck;
  /** As the same call through a `Cmk` would give. */
  readonly code: EnvelopeErrorCode;
  /** What is wrong, and the next step. */
  readonly message: string;
}

export interface DoctorReport {
  readonly provider: string;
  /** The key as configured. */
  readonly keyId: string;
  /** The canonical id that entries carry; `undefined` where it was not learnt. */
  readonly label: string | undefined;
  /** Whether the KMS answered anything, a refusal included. */
  readonly reachable: boolean;
  /** `undefined`: could not be told; `problems` says why. */
  readonly mayGenerate: boolean | undefined;
  readonly mayWrap: boolean | undefined;
  readonly mayUnwrap: boolean | undefined;
  readonly mayRewrap: boolean | undefined;
  /** Which version of the key wraps now, where the KMS tells. */
  readonly keyVersion: string | undefined;
  /** Of the quickest answer, in milliseconds; `undefined` where none came. */
  readonly latencyMs: number | undefined;
  readonly problems: readonly DoctorProblem[];
}

export interface DoctorOptions {
  /** Context of the probes, for policies with conditions on it. Default: none but `env:format`. */
  readonly context?: Context;
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = new Set(["context", "signal"]);

/**
 * Options of a `doctor`, checked before anything is called.
 *
 * @throws TypeError for a misspelt option, {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`.
 */
export function checkDoctorOptions(options: DoctorOptions): {
  readonly context: Context;
  readonly signal: AbortSignal | undefined;
} {
  checkOptions(options, OPTIONS);
  const { context = {}, signal } = options;
  encodeContext(context); // For its checks.
  return { context, signal };
}
