/**
 * Finds out what a principal may do with a key of a keystore, by doing it.
 *
 * The probes are real calls with data keys that are thrown away. If the principal may not wrap, a made-up blob that names the
 * key is unwrapped: permissions are checked first, so a refusal of the blob itself shows that unwrapping is allowed. The
 * calls are in the keystore's audit log and change nothing else.
 *
 * @module
 */
import {
  DataKey,
  EnvelopeError,
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
import { isKmsError, sqliteVersion } from "@env/kms";
import type { KeyFacts } from "./client.ts";
import { cmkOptions, localFile, type LocalFileOptions } from "./driver.ts";
import { classify } from "./errors.ts";

export interface LocalFileDoctorReport extends DoctorReport {
  /** The version of SQLite in use; one that can lose changes is refused when a keystore is opened. */
  readonly sqliteVersion: string;
}

/**
 * Probes a key as the principal of `client`. Keeps no data key; the keystore stays the caller's to close.
 *
 * @param options - The options of `localFile`.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`, and the signal's reason. Everything else is in the report.
 */
export async function doctor(
  options: LocalFileOptions,
  doctorOptions: DoctorOptions = {},
): Promise<LocalFileDoctorReport> {
  const { context, signal } = checkDoctorOptions(doctorOptions);
  signal?.throwIfAborted();
  await using cmk = localFile(options);
  const report = await new Probes(options, cmk, { context, signal }).report();
  return { ...report, sqliteVersion: sqliteVersion() };
}

/** Codes of refusals, as opposed to missing answers. */
const refusals: ReadonlySet<EnvelopeErrorCode> = new Set([
  "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  "ERR_ENVELOPE_KMS_KEY_STATE",
  "ERR_ENVELOPE_KMS_REJECTED",
]);

interface ProbeOptions {
  readonly context: Context;
  readonly signal: AbortSignal | undefined;
}

class Probes {
  readonly #options: LocalFileOptions;
  readonly #cmk: Cmk;
  readonly #call: ProbeOptions;
  /** Problems, in the order of the checks. */
  readonly #problems: DoctorProblem[] = [];
  #reached = false;
  #latencyMs: number | undefined;
  #label: string | undefined;
  #keyVersion: string | undefined;
  /** An entry that this key has just wrapped. */
  #entry: Entry | undefined;

  constructor(options: LocalFileOptions, cmk: Cmk, call: ProbeOptions) {
    this.#options = options;
    this.#cmk = cmk;
    this.#call = call;
  }

  async report(): Promise<DoctorReport> {
    const { provider, keyId } = this.#cmk;
    await this.#describe();
    if (!this.#reached) {
      return {
        provider,
        keyId,
        label: undefined,
        reachable: false,
        mayGenerate: undefined,
        mayWrap: undefined,
        mayUnwrap: undefined,
        mayRewrap: undefined,
        keyVersion: undefined,
        latencyMs: undefined,
        problems: this.#problems,
      };
    }
    const mayGenerate = await this.#generate();
    const mayWrap = await this.#wrap();
    return {
      provider,
      keyId,
      label: this.#label,
      reachable: true,
      mayGenerate,
      mayWrap,
      mayUnwrap: await this.#unwrap(),
      mayRewrap: await this.#rewrap(),
      keyVersion: this.#keyVersion,
      latencyMs: this.#latencyMs,
      problems: this.#problems,
    };
  }

  async #describe(): Promise<void> {
    const { client, key } = this.#options;
    try {
      const { KeyMetadata } = await this.#timed(() =>
        client.describeKey({ KeyId: key }).catch((cause: unknown) => {
          throw new EnvelopeError(classify(cause), "DescribeKey", { cause });
        }),
      );
      this.#label = KeyMetadata.KeyId;
      this.#examine(KeyMetadata);
    } catch (error) {
      const check = this.#reached ? "key" : "reach";
      this.#add(check, error, "DescribeKey", "kms:DescribeKey, or name the key by its id");
    }
  }

  #examine({ KeyState, KeyUsage, KeySpec }: KeyFacts): void {
    const code = "ERR_ENVELOPE_KMS_KEY_STATE";
    if (KeyState !== undefined && KeyState !== "Enabled") {
      const message = `the key is in state ${KeyState}; enable it, or cancel its deletion`;
      this.#problems.push({ check: "key", code, message });
    }
    if (
      (KeyUsage !== undefined && KeyUsage !== "ENCRYPT_DECRYPT") ||
      (KeySpec !== undefined && KeySpec !== "SYMMETRIC_DEFAULT")
    ) {
      const message = "the key is not a symmetric key for encryption; create such a key";
      this.#problems.push({ check: "key", code, message });
    }
  }

  #generate(): Promise<boolean | undefined> {
    return this.#may("generate", "GenerateDataKey", "kms:GenerateDataKey", async () => {
      const made = await this.#cmk.generateDataKey(this.#call);
      made.dataKey[Symbol.dispose]();
      this.#learn(made);
    });
  }

  #wrap(): Promise<boolean | undefined> {
    return this.#may("wrap", "Encrypt", "kms:Encrypt", async () => {
      using dataKey = new DataKey(crypto.getRandomValues(new Uint8Array(32)));
      this.#learn(await this.#cmk.wrapDataKey(dataKey, this.#call));
    });
  }

  #learn({ entry, keyVersion }: Awaited<ReturnType<Cmk["wrapDataKey"]>>): void {
    this.#entry = entry;
    this.#label = entry.keyId;
    this.#keyVersion = keyVersion;
  }

  /** Unwraps with this key and all of `alsoUnwrap`, up to the first refusal. */
  #unwrap(): Promise<boolean | undefined> {
    return this.#each("unwrap", "Decrypt", "kms:Decrypt", async (entry) => {
      const dataKey = await this.#cmk.unwrapDataKey(entry, this.#call);
      dataKey[Symbol.dispose]();
    });
  }

  /** Rewraps from each of the keys to this one. */
  #rewrap(): Promise<boolean | undefined> {
    const actions = `kms:ReEncryptTo on ${this.#cmk.keyId} and kms:ReEncryptFrom`;
    return this.#each("rewrap", "ReEncrypt", actions, async (entry) => {
      await this.#cmk.rewrapEntry(entry, this.#call);
    });
  }

  async #each(
    check: DoctorCheck,
    operation: string,
    actions: string,
    probe: (entry: Entry) => Promise<void>,
  ): Promise<boolean | undefined> {
    if (this.#label === undefined) return this.#asKey(check);
    for (const keyId of [this.#label, ...cmkOptions(this.#options).alsoUnwrap]) {
      const made = keyId === this.#label ? this.#entry : undefined;
      const entry = made ?? { provider: this.#cmk.provider, keyId, wrapped: madeUpBlob(keyId) };
      const may = await this.#may(check, operation, `${actions} on ${keyId}`, () =>
        probe(entry).catch((error: unknown) => {
          if (made !== undefined || !isRefusedBlob(error)) throw error;
        }),
      );
      if (may !== true) return may;
    }
    return true;
  }

  /** Reports the problem with the key for a further check: without its id, no entry is known to belong to the key. */
  #asKey(check: DoctorCheck): boolean | undefined {
    const problem = this.#problems.find((known) => known.check === "key");
    if (problem === undefined) return undefined;
    this.#problems.push({ ...problem, check });
    return refusals.has(problem.code) ? false : undefined;
  }

  async #may(
    check: DoctorCheck,
    operation: string,
    actions: string,
    probe: () => Promise<void>,
  ): Promise<boolean | undefined> {
    try {
      await this.#timed(probe);
      return true;
    } catch (error) {
      const { code } = this.#add(check, error, operation, actions);
      return refusals.has(code) ? false : undefined;
    }
  }

  /** Notes that an answer arrived, and how long it took. */
  async #timed<T>(probe: () => Promise<T>): Promise<T> {
    const started = performance.now();
    let answered = true;
    try {
      return await probe();
    } catch (error) {
      answered = isKmsError(causeOf(error));
      throw error;
    } finally {
      if (answered) {
        this.#reached = true;
        const took = performance.now() - started;
        this.#latencyMs = Math.min(this.#latencyMs ?? took, took);
      }
    }
  }

  #add(check: DoctorCheck, error: unknown, operation: string, actions: string): DoctorProblem {
    this.#call.signal?.throwIfAborted();
    const cause = causeOf(error);
    const code = isEnvelopeError(error) ? error.code : classify(error);
    const what = isEnvelopeError(cause)
      ? cause.message
      : `${operation}: ${cause instanceof Error ? cause.name : "failed"}`;
    const next = code === "ERR_ENVELOPE_KMS_ACCESS_DENIED" ? `allow ${actions}` : nextSteps[code];
    const problem = { check, code, message: next === undefined ? what : `${what}; ${next}` };
    this.#problems.push(problem);
    return problem;
  }
}

const nextSteps: Readonly<Partial<Record<EnvelopeErrorCode, string>>> = {
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: "check the name of the key, and which keystore it is",
  ERR_ENVELOPE_KMS_KEY_STATE: "enable the key, cancel its deletion, or name another one",
  ERR_ENVELOPE_KMS_THROTTLED: "try again later",
  ERR_ENVELOPE_KMS_UNAVAILABLE: "try again once no other process holds the keystore",
};

/** What the keystore threw, if the error has it as a cause. */
function causeOf(error: unknown): unknown {
  return isEnvelopeError(error) && error.cause !== undefined ? error.cause : error;
}

/** Whether the made-up blob itself was refused, which happens after permissions were checked. */
function isRefusedBlob(error: unknown): boolean {
  return isKmsError(causeOf(error), "InvalidCiphertextException");
}

/** A blob that names the key and a version that no key has; the rest is zeros. Source: spec/envelope-v1.md#local-wrap */
function madeUpBlob(keyId: string): Uint8Array<ArrayBuffer> {
  const blob = new Uint8Array(93);
  blob[0] = 1;
  blob.set(Buffer.from(keyId.replace(/^mrk-/, "").replaceAll("-", ""), "hex"), 1);
  return blob;
}
