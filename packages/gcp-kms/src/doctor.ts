/**
 * What these credentials may do with a key, by doing it once with a data key that is thrown away.
 *
 * Cloud KMS has no dry runs. Without a wrapped key to try, the doctor unwraps bytes that are not a
 * ciphertext: permissions are checked first, so a complaint about the bytes shows that the permission exists.
 *
 * @module
 */
import {
  isEnvelopeError,
  type Cmk,
  type Context,
  type Entry,
  type EnvelopeErrorCode,
} from "@env/core";
import {
  checkDoctorOptions,
  type DoctorCheck,
  type DoctorOptions,
  type DoctorProblem,
  type DoctorReport,
} from "@env/core/driver";
import { Calls } from "./calls.ts";
import type { CryptoKeyOutput } from "./client.ts";
import { cmkOf } from "./driver.ts";
import { classify, GcpKmsError } from "./errors.ts";
import { parseVersionName } from "./name.ts";
import { checkOptions, type GcpKmsOptions } from "./options.ts";

/**
 * Probes a key with the credentials at hand. Changes nothing in Cloud KMS; a handful of calls, billed
 * and logged as such.
 *
 * @param options - As for `gcpKms`; what `parseGcpKmsUri` returns will do.
 * @throws TypeError or RangeError for options, {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`, and the signal's
 * reason. Everything else is in the report.
 */
export async function doctor(
  options: GcpKmsOptions,
  doctorOptions: DoctorOptions = {},
): Promise<DoctorReport> {
  const settings = checkOptions(options);
  const { context, signal } = checkDoctorOptions(doctorOptions);
  const calls = new Calls(settings);
  await using cmk = cmkOf(options.key, settings, calls);
  return await examine(cmk, settings.alsoUnwrap, new Probes(cmk, calls, context, signal));
}

async function examine(
  cmk: Cmk,
  alsoUnwrap: readonly string[],
  probes: Probes,
): Promise<DoctorReport> {
  const key = await probes.describe();
  const nothing = {
    provider: cmk.provider,
    keyId: cmk.keyId,
    label: undefined,
    reachable: false,
    mayGenerate: undefined,
    mayWrap: undefined,
    mayUnwrap: undefined,
    mayRewrap: undefined,
    keyVersion: undefined,
    latencyMs: undefined,
  };
  if (!probes.reached) return { ...nothing, problems: probes.problems };
  const { mayWrap, made } = await probes.wrap();
  const mayUnwrap = await probes.unwrap(made?.entry, alsoUnwrap);
  return {
    ...nothing,
    label: made?.entry.keyId ?? key?.name ?? undefined,
    reachable: true,
    mayGenerate: mayWrap,
    mayWrap,
    mayUnwrap,
    mayRewrap: probes.rewrap(),
    keyVersion: made?.keyVersion ?? parseVersionName(key?.primary?.name ?? "")?.version,
    latencyMs: probes.latencyMs,
    problems: probes.problems,
  };
}

const order: readonly DoctorCheck[] = ["reach", "key", "generate", "wrap", "unwrap", "rewrap"];

/** Codes that mean a refusal, as opposed to no answer. */
const refusals: ReadonlySet<EnvelopeErrorCode> = new Set([
  "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  "ERR_ENVELOPE_KMS_KEY_STATE",
  "ERR_ENVELOPE_KMS_REJECTED",
]);

/** Errors that are not an answer of Cloud KMS. */
const unanswered: ReadonlySet<string> = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "TimeoutError",
  "UnreadableAnswer",
  "CredentialsError",
  "SdkMissing",
  "UnknownError",
]);

type Made = Awaited<ReturnType<Cmk["generateDataKey"]>>;

class Probes {
  readonly #cmk: Cmk;
  readonly #calls: Calls;
  readonly #context: Context;
  readonly #signal: AbortSignal | undefined;
  readonly #problems: DoctorProblem[] = [];
  reached = false;
  latencyMs: number | undefined;

  constructor(cmk: Cmk, calls: Calls, context: Context, signal: AbortSignal | undefined) {
    this.#cmk = cmk;
    this.#calls = calls;
    this.#context = context;
    this.#signal = signal;
  }

  /** What was found, in the order of the checks. */
  get problems(): readonly DoctorProblem[] {
    return this.#problems.toSorted((a, b) => order.indexOf(a.check) - order.indexOf(b.check));
  }

  async describe(): Promise<CryptoKeyOutput | undefined> {
    const { keyId: name } = this.#cmk;
    try {
      const key = await this.#timed(() =>
        this.#calls.call("GetCryptoKey", this.#signal, (client, options) =>
          client.getCryptoKey({ name }, options),
        ),
      );
      this.#examine(key);
      return key;
    } catch (error) {
      this.#add([this.reached ? "key" : "reach"], error, "cloudkms.cryptoKeys.get");
      return undefined;
    }
  }

  /** Generating is wrapping what was made here: one call tells of both. */
  async wrap(): Promise<{ readonly mayWrap: boolean | undefined; readonly made?: Made }> {
    try {
      const made = await this.#timed(() => this.#cmk.generateDataKey(this.#options));
      made.dataKey[Symbol.dispose]();
      return { mayWrap: true, made };
    } catch (error) {
      const permission = "cloudkms.cryptoKeyVersions.useToEncrypt";
      return { mayWrap: this.#add(["generate", "wrap"], error, permission) };
    }
  }

  /** Tries each key, until one may not be used. */
  async unwrap(
    made: Entry | undefined,
    alsoUnwrap: readonly string[],
  ): Promise<boolean | undefined> {
    const { provider, keyId } = this.#cmk;
    const none = { provider, wrapped: new Uint8Array(1) };
    for (const entry of [
      made ?? { ...none, keyId },
      ...alsoUnwrap.map((further) => ({ ...none, keyId: further })),
    ]) {
      try {
        const dataKey = await this.#timed(() => this.#cmk.unwrapDataKey(entry, this.#options));
        dataKey[Symbol.dispose]();
      } catch (error) {
        const refusedBytes = isEnvelopeError(error, "ERR_ENVELOPE_KMS_REJECTED") && entry !== made;
        if (refusedBytes) continue;
        const permission = `cloudkms.cryptoKeyVersions.useToDecrypt on ${entry.keyId}`;
        return this.#add(["unwrap"], error, permission);
      }
    }
    return true;
  }

  /** Unwraps and wraps here: what is missing for either is missing for it, a refusal first. */
  rewrap(): boolean | undefined {
    const missing = this.problems.filter(({ check }) => check === "wrap" || check === "unwrap");
    const problem = missing.find(({ code }) => refusals.has(code)) ?? missing[0];
    if (problem === undefined) return true;
    this.#problems.push({ ...problem, check: "rewrap" });
    return refusals.has(problem.code) ? false : undefined;
  }

  get #options(): { readonly context: Context; readonly signal: AbortSignal | undefined } {
    return { context: this.#context, signal: this.#signal };
  }

  /** Records that an answer came, and how long it took. */
  async #timed<T>(call: () => Promise<T>): Promise<T> {
    const started = performance.now();
    let answered = true;
    try {
      return await call();
    } catch (error) {
      answered = isAnswer(causeOf(error));
      throw error;
    } finally {
      if (answered) {
        this.reached = true;
        const took = performance.now() - started;
        this.latencyMs = Math.min(this.latencyMs ?? took, took);
      }
    }
  }

  #examine({ purpose, primary }: CryptoKeyOutput): void {
    const code = "ERR_ENVELOPE_KMS_KEY_STATE";
    // By name or, from a client that keeps numbers, by number.
    if (purpose !== "ENCRYPT_DECRYPT" && purpose !== 1) {
      const message = "the key is not for symmetric encryption; make one with that purpose";
      this.#problems.push({ check: "key", code, message });
    } else if (primary === undefined || primary === null) {
      const message = "the key has no primary version; make one of its versions primary";
      this.#problems.push({ check: "key", code, message });
    } else if (primary.state !== "ENABLED" && primary.state !== 1) {
      const message = "the primary version is not enabled; enable it, or make another one primary";
      this.#problems.push({ check: "key", code, message });
    }
  }

  /** @returns `false` for a refusal, `undefined` where there was no answer. */
  #add(checks: readonly DoctorCheck[], error: unknown, permission: string): false | undefined {
    if (this.#signal?.aborted === true) throw this.#signal.reason;
    const cause = causeOf(error);
    const code = isEnvelopeError(error) ? error.code : classify(error);
    const reason = cause instanceof Error ? cause.message : "no reason";
    const denied = code === "ERR_ENVELOPE_KMS_ACCESS_DENIED" && this.reached;
    const next = denied && !reason.includes("; allow ") ? `; allow ${permission}` : "";
    const message = `${reason}${next}`;
    for (const check of checks) this.#problems.push({ check, code, message });
    return refusals.has(code) ? false : undefined;
  }
}

/** What the driver threw, of an error of `Cmk`. */
function causeOf(error: unknown): unknown {
  return isEnvelopeError(error) && error.cause !== undefined ? error.cause : error;
}

function isAnswer(error: unknown): boolean {
  return error instanceof GcpKmsError && !unanswered.has(error.name);
}
