/**
 * The report of an adapter's `doctor`: whether a CMK can be used with the current credentials. Each
 * adapter has its own, since only the adapter knows what its KMS reveals without a real operation.
 *
 * @module
 */
import { encodeContext, type Context } from "../context.ts";
import type { EnvelopeErrorCode } from "../error.ts";
import { checkOptions } from "../options.ts";

/** The checks, in the order in which they run. */
export type DoctorCheck = "reach" | "key" | "generate" | "wrap" | "unwrap" | "rewrap";

/** Why a check did not succeed. Safe to log. */
export interface DoctorProblem {
  readonly check: DoctorCheck;
  /** The code that the same call through a `Cmk` would give. */
  readonly code: EnvelopeErrorCode;
  /** What is wrong, and the next step. */
  readonly message: string;
}

export interface DoctorReport {
  readonly provider: string;
  /** The key as configured. */
  readonly keyId: string;
  /** The canonical id that entries carry; `undefined` if it could not be determined. */
  readonly label: string | undefined;
  /** Whether the KMS answered at all, even with a refusal. */
  readonly reachable: boolean;
  /** `undefined` if this could not be determined; `problems` says why. */
  readonly mayGenerate: boolean | undefined;
  readonly mayWrap: boolean | undefined;
  readonly mayUnwrap: boolean | undefined;
  readonly mayRewrap: boolean | undefined;
  /** The version of the key that wraps now, if the KMS reports versions. */
  readonly keyVersion: string | undefined;
  /** Latency of the quickest answer in milliseconds; `undefined` if none arrived. */
  readonly latencyMs: number | undefined;
  readonly problems: readonly DoctorProblem[];
}

export interface DoctorOptions {
  /** Context of the probes, for policies with conditions on it. Default: only `env:format`. */
  readonly context?: Context;
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = new Set(["context", "signal"]);

/**
 * Checks the options of a `doctor` before anything is called.
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
