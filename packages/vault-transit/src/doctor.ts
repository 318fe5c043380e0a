/**
 * What this token may do with a key, found out by doing it.
 *
 * Transit has no dry runs: the probes are real calls with data keys that are discarded, and with a made-up
 * ciphertext, whose refusal shows that unwrapping is allowed. They change nothing, and cannot create a key.
 *
 * @module
 */
import {
  DataKey,
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
import { Calls, type Data } from "./calls.ts";
import { cmkOf } from "./driver.ts";
import { classify, VaultTransitError } from "./errors.ts";
import { describeKey, problemOf } from "./key-check.ts";
import { labelOf, parseLabel } from "./key-name.ts";
import { checkOptions, type Settings, type VaultTransitOptions } from "./options.ts";

/**
 * Probes a key with the token at hand: a handful of calls, which Vault's audit log records. Keeps no data key.
 *
 * @param options - As for `vaultTransit`; what `parseVaultTransitUri` returns will do.
 * @throws TypeError or RangeError for options, {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`, and the signal's
 * reason. Everything else is in the report.
 */
export async function doctor(
  options: VaultTransitOptions,
  doctorOptions: DoctorOptions = {},
): Promise<DoctorReport> {
  const settings = checkOptions(options);
  const { context, signal } = checkDoctorOptions(doctorOptions);
  const calls = new Calls(settings);
  try {
    return await new Probes(settings, calls, { context, signal }).report();
  } finally {
    await calls.close();
  }
}

const order: readonly DoctorCheck[] = ["reach", "key", "generate", "wrap", "unwrap", "rewrap"];

/** Codes that mean a refusal, as opposed to no answer. */
const refusals: ReadonlySet<EnvelopeErrorCode> = new Set([
  "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  "ERR_ENVELOPE_KMS_KEY_STATE",
]);

/** A ciphertext of version 1 with 60 zero bytes, which no key wrote. */
const madeUp = new TextEncoder().encode(`vault:v1:${"A".repeat(80)}`);

class Probes {
  readonly #settings: Settings;
  readonly #calls: Calls;
  readonly #cmk: Cmk;
  readonly #options: { readonly context: Context; readonly signal: AbortSignal | undefined };
  readonly #problems: DoctorProblem[] = [];
  #reached = false;
  #latencyMs: number | undefined;
  #keyVersion: string | undefined;
  /** One that this key wrapped just now. */
  #entry: Entry | undefined;

  constructor(
    settings: Settings,
    calls: Calls,
    options: { readonly context: Context; readonly signal: AbortSignal | undefined },
  ) {
    this.#settings = settings;
    this.#calls = calls;
    this.#cmk = cmkOf(settings, calls);
    this.#options = options;
  }

  async report(): Promise<DoctorReport> {
    const label = labelOf(this.#settings.key);
    const nothing = {
      provider: "vault-transit",
      keyId: label,
      label,
      reachable: false,
      mayGenerate: undefined,
      mayWrap: undefined,
      mayUnwrap: undefined,
      mayRewrap: undefined,
      keyVersion: undefined,
      latencyMs: undefined,
    };
    await this.#describe();
    if (!this.#reached) return { ...nothing, problems: this.#problems };
    const derived = this.#settings.mode === "derived";
    const mayUnwrap = await this.#unwrap();
    const generated = derived ? await this.#generate() : undefined;
    const mayWrap = await this.#wrap();
    // Data keys are made here and wrapped there.
    const mayGenerate = derived ? generated : this.#as("generate", "wrap", mayWrap);
    const inside = derived ? await this.#rewrap() : true;
    // What Vault does not rewrap by itself is unwrapped and wrapped here.
    const here =
      derived && this.#settings.alsoUnwrap.length === 0
        ? true
        : mayUnwrap === true
          ? this.#as("rewrap", "wrap", mayWrap)
          : this.#as("rewrap", "unwrap", mayUnwrap);
    const mayRewrap = inside === true ? here : inside;
    return {
      ...nothing,
      reachable: true,
      mayGenerate,
      mayWrap,
      mayUnwrap,
      mayRewrap,
      keyVersion: this.#keyVersion,
      latencyMs: this.#latencyMs,
      problems: this.#problems.toSorted((a, b) => order.indexOf(a.check) - order.indexOf(b.check)),
    };
  }

  async #describe(): Promise<void> {
    const { key, mode } = this.#settings;
    try {
      const description = await this.#timed(() =>
        this.#calls.run("read", this.#options.signal, (request) => describeKey(key, request)),
      );
      const { latest_version: version } = description;
      if (typeof version === "number") this.#keyVersion = String(version);
      const problem = problemOf(description, key, mode);
      if (problem !== undefined) this.#add("key", problem, "");
      this.#examine(description);
    } catch (error) {
      this.#add(this.#reached ? "key" : "reach", error, `read on ${key.mount}/keys/${key.name}`);
    }
  }

  #examine(description: Data): void {
    const { exportable, allow_plaintext_backup: backup, soft_deleted: deleted } = description;
    const code = "ERR_ENVELOPE_KMS_KEY_STATE";
    const push = (message: string): void => {
      this.#problems.push({ check: "key", code, message });
    };
    if (exportable === true) push("the key can be exported; make one that cannot, and rewrap");
    if (backup === true)
      push("the key can be backed up unencrypted; make one that cannot, and rewrap");
    if (deleted === true) push("the key is soft-deleted; restore it");
    if (description["convergent_encryption"] === true) {
      push(
        "the key is convergent: one data key wrapped twice gives the same bytes; make one that is not, and rewrap",
      );
    }
  }

  #generate(): Promise<boolean | undefined> {
    const { mount, name } = this.#settings.key;
    return this.#may("generate", `${mount}/datakey/plaintext/${name}`, async () => {
      const { dataKey, entry, keyVersion } = await this.#cmk.generateDataKey(this.#options);
      dataKey[Symbol.dispose]();
      this.#entry = entry;
      this.#keyVersion ??= keyVersion;
    });
  }

  #wrap(): Promise<boolean | undefined> {
    const { mount, name } = this.#settings.key;
    return this.#may("wrap", `${mount}/encrypt/${name}`, async () => {
      const dataKey = new DataKey(crypto.getRandomValues(new Uint8Array(32)));
      const { entry, keyVersion } = await this.#cmk
        .wrapDataKey(dataKey, this.#options)
        .finally(() => dataKey[Symbol.dispose]());
      this.#entry = entry;
      this.#keyVersion ??= keyVersion;
    });
  }

  /** Tries this key and all of `alsoUnwrap`, until one may not be used. */
  async #unwrap(): Promise<boolean | undefined> {
    const { alsoUnwrap, key } = this.#settings;
    const { provider } = this.#cmk;
    for (const keyId of [labelOf(key), ...alsoUnwrap]) {
      const { mount, name } = parseLabel(keyId, key.namespace) ?? key;
      const may = await this.#may("unwrap", `${mount}/decrypt/${name}`, async () => {
        await this.#cmk
          .unwrapDataKey({ provider, keyId, wrapped: madeUp }, this.#options)
          .then((dataKey) => dataKey[Symbol.dispose](), orRefused);
      });
      if (may !== true) return may;
    }
    return true;
  }

  #rewrap(): Promise<boolean | undefined> {
    const { mount, name } = this.#settings.key;
    return this.#may("rewrap", `${mount}/rewrap/${name}`, async () => {
      const { provider, keyId } = this.#cmk;
      const entry = this.#entry ?? { provider, keyId, wrapped: madeUp };
      await this.#cmk.rewrapEntry(entry, this.#options).catch((error: unknown) => {
        if (this.#entry !== undefined) throw error;
        orRefused(error);
      });
    });
  }

  /** A check whose outcome is that of another. */
  #as(check: DoctorCheck, of: DoctorCheck, may: boolean | undefined): boolean | undefined {
    const problem = this.#problems.find((known) => known.check === of);
    if (may !== true && problem !== undefined) this.#problems.push({ ...problem, check });
    return may;
  }

  /** @param path - What `update` has to be allowed on. */
  async #may(
    check: DoctorCheck,
    path: string,
    probe: () => Promise<void>,
  ): Promise<boolean | undefined> {
    try {
      await this.#timed(probe);
      return true;
    } catch (error) {
      const problem = this.#add(check, error, `update on ${path}`);
      return refusals.has(problem.code) ? false : undefined;
    }
  }

  /** Records that an answer came, and how long it took. */
  async #timed<T>(probe: () => Promise<T>): Promise<T> {
    const started = performance.now();
    let answered = true;
    try {
      return await probe();
    } catch (error) {
      answered = isAnswer(isEnvelopeError(error) ? error.cause : error);
      throw error;
    } finally {
      if (answered) {
        this.#reached = true;
        const took = performance.now() - started;
        this.#latencyMs = Math.min(this.#latencyMs ?? took, took);
      }
    }
  }

  #add(check: DoctorCheck, error: unknown, permission: string): DoctorProblem {
    if (this.#options.signal?.aborted === true) throw this.#options.signal.reason;
    const code = isEnvelopeError(error) ? error.code : classify(error);
    const cause = isEnvelopeError(error) ? (error.cause ?? error) : error;
    const reason = cause instanceof Error ? cause.message : "no reason";
    const denied = cause instanceof VaultTransitError && cause.name === "AccessDenied";
    // A key that cannot be tried has said what to allow.
    const next = denied && !reason.includes("; allow ") ? `; allow ${permission}` : "";
    const problem = { check, code, message: `${reason}${next}` };
    this.#problems.push(problem);
    return problem;
  }
}

/** Accepts the refusal of the made-up ciphertext, which shows that the key was used. */
function orRefused(error: unknown): void {
  const cause = isEnvelopeError(error) ? error.cause : undefined;
  const name = cause instanceof VaultTransitError ? cause.name : undefined;
  if (name !== "InvalidCiphertext" && name !== "KeyVersionRetired") throw error;
}

/** Whether Vault spoke, and not something in front of it. */
function isAnswer(error: unknown): boolean {
  if (!(error instanceof VaultTransitError)) return false;
  return error.httpStatus !== undefined && error.name !== "UnreadableAnswer";
}
