/**
 * The doctor: whether a CMK can be used with the current credentials, found out by using it.
 *
 * The probes are real calls with data keys that are thrown away, or dry runs where the driver has them.
 * Without a wrapped key to try, bytes that no key wrapped are unwrapped: permissions are checked first, so
 * the refusal of the bytes shows that the permission exists. Nothing is changed, and no data key is kept.
 *
 * @module
 */
import { callsOf, type Cmk } from "../cmk.ts";
import { bindContext, encodeContext, kmsContext, type Context } from "../context.ts";
import { DataKey } from "../data-key.ts";
import type { CmkDriver, Diagnostics, KeyReport, ProbedOperation } from "../driver.ts";
import { errorCodes } from "../error-codes.ts";
import { EnvelopeError, errorFacts, isEnvelopeError, type EnvelopeErrorCode } from "../error.ts";
import type { Entry } from "../key-block.ts";
import { checkOptions } from "../options.ts";
import { KmsCallError } from "./call-error.ts";

/** The checks, in the order in which they are reported. */
export type DoctorCheck = "reach" | "key" | ProbedOperation;

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
  /** `undefined` if this could not be determined; `problems` says why, unless the driver cannot try it. */
  readonly mayGenerate: boolean | undefined;
  readonly mayWrap: boolean | undefined;
  readonly mayUnwrap: boolean | undefined;
  readonly mayRewrap: boolean | undefined;
  /** The version of the key that wraps now, if the KMS reports versions. */
  readonly keyVersion: string | undefined;
  /** Latency of the quickest answer in milliseconds; `undefined` if none arrived. */
  readonly latencyMs: number | undefined;
  /** The problems in the order of the checks. */
  readonly problems: readonly DoctorProblem[];
}

export interface DoctorOptions {
  /** Context of the probes, for policies with conditions on it. Default: only `env:format`. */
  readonly context?: Context;
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = new Set(["context", "signal"]);

/**
 * Probes a CMK with the credentials at hand: a handful of calls, billed and logged as such. Does not close
 * the CMK.
 *
 * @throws TypeError for a misspelt option, {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`,
 * `ERR_ENVELOPE_CLOSED`, and the signal's reason. Everything else is in the report.
 */
export async function doctor(cmk: Cmk, options: DoctorOptions = {}): Promise<DoctorReport> {
  checkOptions(options, OPTIONS);
  const { context = {}, signal } = options;
  encodeContext(context); // For its checks.
  signal?.throwIfAborted();
  callsOf(cmk).requireOpen();
  return new Probes(cmk, { context, signal }).report();
}

/** {@link doctor} for a CMK that is opened for it and then closed. Throws for options what the adapter's factory throws. */
export type Doctor<Options> = (
  options: Options,
  doctorOptions?: DoctorOptions,
) => Promise<DoctorReport>;

const checks: readonly DoctorCheck[] = ["reach", "key", "generate", "wrap", "unwrap", "rewrap"];

/** Codes that mean a refusal, as opposed to a missing answer. */
const refusals: ReadonlySet<EnvelopeErrorCode> = new Set([
  "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  "ERR_ENVELOPE_KMS_KEY_STATE",
  "ERR_ENVELOPE_KMS_REJECTED",
]);

/** Whether an operation is allowed; `undefined` if there was no answer. */
type May = boolean | undefined;
type Made = Awaited<ReturnType<Cmk["wrapDataKey"]>>;

class Probes {
  readonly #cmk: Cmk;
  readonly #driver: CmkDriver;
  readonly #known: Partial<Diagnostics>;
  /** The configured keys, as they are called: this one first. */
  readonly #keyIds: readonly string[];
  readonly #call: { readonly context: Context; readonly signal: AbortSignal | undefined };
  readonly #problems: DoctorProblem[] = [];
  #reached = false;
  #latencyMs: number | undefined;
  #key: KeyReport | undefined;
  /** What this key has just wrapped. */
  #made: Made | undefined;

  constructor(
    cmk: Cmk,
    call: { readonly context: Context; readonly signal: AbortSignal | undefined },
  ) {
    const { driver, alsoUnwrap } = callsOf(cmk);
    this.#cmk = cmk;
    this.#driver = driver;
    this.#known = driver.describe?.() ?? {};
    this.#keyIds = [cmk.keyId, ...alsoUnwrap];
    this.#call = call;
  }

  async report(): Promise<DoctorReport> {
    const { ask } = this.#known;
    if (ask !== undefined) await this.#ask(ask);
    const tried = ask === undefined || this.#reached ? await this.#tryAll() : [];
    const [mayGenerate, mayWrap, mayUnwrap, mayRewrap] = this.#reached ? tried : [];
    return {
      provider: this.#cmk.provider,
      keyId: this.#cmk.keyId,
      label: this.#label,
      reachable: this.#reached,
      mayGenerate,
      mayWrap,
      mayUnwrap,
      mayRewrap,
      keyVersion: this.#made?.keyVersion ?? this.#key?.keyVersion,
      latencyMs: this.#latencyMs,
      problems: this.#problems.toSorted(
        (a, b) => checks.indexOf(a.check) - checks.indexOf(b.check),
      ),
    };
  }

  /** The id in entries of this key. A driver without `matches` knows its key by one name only. */
  get #label(): string | undefined {
    const known = this.#made?.entry.keyId ?? this.#key?.label;
    return known ?? (this.#driver.matches === undefined ? this.#cmk.keyId : undefined);
  }

  async #ask(ask: Diagnostics["ask"]): Promise<void> {
    try {
      this.#key = await this.#timed(() => this.#classified(() => ask(this.#call.signal)));
      for (const problem of this.#key.problems) {
        const [code, message] =
          typeof problem === "string"
            ? (["ERR_ENVELOPE_KMS_KEY_STATE", problem] as const)
            : [this.#driver.classify(problem), problem.message];
        this.#problems.push({ check: "key", code, message });
      }
    } catch (error) {
      this.#add("ask", this.#cmk.keyId, error);
    }
  }

  /** Tries the operations in the order of the report's members. */
  async #tryAll(): Promise<readonly May[]> {
    const all = [
      () => this.#generate(),
      () => this.#wrap(),
      () => this.#unwrap(),
      () => this.#rewrap(),
    ];
    // Dry runs do not need each other's results.
    if (this.#known.dryRun !== undefined) return Promise.all(all.map((attempt) => attempt()));
    const results: May[] = [];
    for (const attempt of all) {
      results.push(await attempt());
      if (!this.#reached) break;
    }
    return results;
  }

  #generate(): Promise<May> {
    return this.#may("generate", this.#cmk.keyId, async () => {
      const made = await this.#cmk.generateDataKey(this.#call);
      made.dataKey[Symbol.dispose]();
      this.#made = made;
    });
  }

  async #wrap(): Promise<May> {
    // Such a data key is made here and wrapped there, so one call shows both.
    if (this.#driver.generate === undefined) return this.#sameAs(["generate"], "wrap");
    return this.#may("wrap", this.#cmk.keyId, async () => {
      using dataKey = new DataKey(crypto.getRandomValues(new Uint8Array(32)));
      this.#made = await this.#cmk.wrapDataKey(dataKey, this.#call);
    });
  }

  async #unwrap(): Promise<May> {
    for (const keyId of this.#keyIds) {
      const may = await this.#mayWith("unwrap", keyId, async (entry) => {
        const dataKey = await this.#cmk.unwrapDataKey(entry, this.#call);
        dataKey[Symbol.dispose]();
      });
      if (may !== true) return may;
    }
    return true;
  }

  async #rewrap(): Promise<May> {
    const { rewrapsFrom = () => this.#driver.rewrap !== undefined } = this.#known;
    for (const keyId of this.#keyIds) {
      const may = rewrapsFrom(keyId)
        ? await this.#mayWith("rewrap", keyId, async (entry) => {
            await this.#cmk.rewrapEntry(entry, this.#call);
          })
        : this.#sameAs(["wrap", "unwrap"], "rewrap"); // What Cmk does instead.
      if (may !== true) return may;
    }
    return true;
  }

  /** Tries an operation on an entry of this key, or on bytes that no key wrapped. */
  async #mayWith(
    operation: ProbedOperation,
    keyId: string,
    probe: (entry: Entry) => Promise<void>,
  ): Promise<May> {
    if (this.#known.dryRun !== undefined) return this.#may(operation, keyId, async () => undefined);
    const isOwn = keyId === this.#cmk.keyId;
    if (isOwn && this.#made !== undefined) {
      const { entry } = this.#made;
      return this.#may(operation, entry.keyId, () => probe(entry));
    }
    const label = isOwn ? this.#label : keyId;
    const { madeUp, refusesBytes } = this.#known;
    if (madeUp === undefined) {
      this.#sameAs(["generate", "wrap"], operation);
      return undefined;
    }
    const wrapped = madeUp(label);
    // Without its label, no entry is known to belong to the key.
    if (wrapped === undefined) return this.#sameAs(["key"], operation);
    const entry = { provider: this.#cmk.provider, keyId: label ?? keyId, wrapped };
    return this.#may(operation, entry.keyId, () =>
      probe(entry).catch((error: unknown) => {
        const isRefused =
          refusesBytes?.(causeOf(error)) ?? isEnvelopeError(error, "ERR_ENVELOPE_KMS_REJECTED");
        if (!isRefused) throw error;
      }),
    );
  }

  async #may(operation: ProbedOperation, keyId: string, probe: () => Promise<void>): Promise<May> {
    const { dryRun } = this.#known;
    const { context, signal } = this.#call;
    try {
      await this.#timed(
        dryRun === undefined
          ? probe
          : () =>
              this.#classified(() =>
                dryRun(operation, { context: kmsContext(bindContext(context)), keyId, signal }),
              ),
      );
      return true;
    } catch (error) {
      return this.#add(operation, keyId, error);
    }
  }

  /** Gives a check the outcome of others: a refusal first. */
  #sameAs(of: readonly DoctorCheck[], check: DoctorCheck): May {
    const problems = this.#problems.filter((problem) => of.includes(problem.check));
    const problem = problems.find(({ code }) => refusals.has(code)) ?? problems[0];
    if (problem === undefined) return true;
    this.#problems.push({ ...problem, check });
    return refusals.has(problem.code) ? false : undefined;
  }

  /** Makes a call that a `Cmk` does not make, with the errors of one. */
  async #classified<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      const code = this.#driver.classify(cause);
      const { provider, keyId } = this.#cmk;
      throw new EnvelopeError(code, `${provider} ${keyId}: ${errorFacts[code].meaning}`, { cause });
    }
  }

  /** Notes whether an answer arrived, and how long it took. */
  async #timed<T>(call: () => Promise<T>): Promise<T> {
    const started = performance.now();
    let answered = true;
    try {
      return await call();
    } catch (error) {
      answered = this.#isAnswer(error);
      throw error;
    } finally {
      if (answered) {
        this.#reached = true;
        const took = performance.now() - started;
        this.#latencyMs = Math.min(this.#latencyMs ?? took, took);
      }
    }
  }

  #isAnswer(error: unknown): boolean {
    const { isAnswer } = this.#known;
    if (isAnswer !== undefined) return isAnswer(causeOf(error));
    return isEnvelopeError(error) && error.code !== "ERR_ENVELOPE_KMS_UNAVAILABLE";
  }

  /** @returns `false` for a refusal, `undefined` if there was no answer. */
  #add(operation: ProbedOperation | "ask", keyId: string, error: unknown): May {
    this.#call.signal?.throwIfAborted();
    if (!isEnvelopeError(error) || error.code === "ERR_ENVELOPE_CLOSED") throw error;
    const { code } = error;
    const cause = causeOf(error);
    let message = this.#known.words?.(cause, operation) ?? wordsOf(error);
    const denied = code === "ERR_ENVELOPE_KMS_ACCESS_DENIED" && this.#reached;
    if (denied && !message.includes("; allow ")) {
      const permission = this.#known.permission?.(operation, keyId, cause);
      if (permission !== undefined) message += `; allow ${permission}`;
    }
    const check = operation === "ask" ? "key" : operation;
    this.#problems.push({ check: this.#reached ? check : "reach", code, message });
    return refusals.has(code) ? false : undefined;
  }
}

/** An error that may be logged has its own words and next step; of any other, only the code is said. */
function wordsOf(error: EnvelopeError): string {
  const { cause, code, message } = error;
  return cause instanceof KmsCallError ? cause.message : `${message} ${errorCodes[code].next}`;
}

/** What the driver threw, if the error has it as a cause. */
function causeOf(error: unknown): unknown {
  return isEnvelopeError(error) && error.cause !== undefined ? error.cause : error;
}
