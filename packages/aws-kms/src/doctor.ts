/**
 * What these credentials may do with a key, asked without doing it.
 *
 * Every probe is a dry run: AWS KMS checks key, state, policies and grants, answers that the request
 * would have succeeded, and makes nothing. A server that does not know dry runs may do what is asked;
 * what it answers is wiped.
 *
 * Source: AWS KMS Developer Guide, "Testing your permissions"
 *
 * @module
 */
import type { Context, EnvelopeErrorCode } from "@env/core";
import {
  checkDoctorOptions,
  type DoctorCheck,
  type DoctorOptions,
  type DoctorProblem,
  type DoctorReport,
} from "@env/core/driver";
import { Calls, wipePlaintext, type Operation, type Send } from "./calls.ts";
import type { DescribeKeyOutput } from "./client.ts";
import { AwsKmsError, classify } from "./errors.ts";
import { checkOptions, type AwsKmsOptions } from "./options.ts";

/**
 * Probes a key with the credentials at hand. Changes nothing in AWS KMS; a handful of calls, billed
 * and logged as such.
 *
 * @param options - As for `awsKms`; what `parseAwsKmsUri` returns will do.
 * @throws TypeError or RangeError for options, {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`, and the signal's
 * reason. Everything else is in the report.
 */
export async function doctor(
  options: AwsKmsOptions,
  doctorOptions: DoctorOptions = {},
): Promise<DoctorReport> {
  const settings = checkOptions(options);
  const { context, signal } = checkDoctorOptions(doctorOptions);
  const calls = new Calls(settings);
  try {
    const probes = new Probes(calls, { ...context, "env:format": "1" }, signal);
    return await examine(options.key, settings.alsoUnwrap, probes);
  } finally {
    await calls.close();
  }
}

async function examine(
  keyId: string,
  alsoUnwrap: readonly string[],
  probes: Probes,
): Promise<DoctorReport> {
  const key = await probes.describe(keyId);
  const nothing = {
    provider: "aws-kms",
    keyId,
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
  const [mayGenerate, mayWrap, mayUnwrap, mayRewrap] = await Promise.all([
    probes.generate(keyId),
    probes.wrap(keyId),
    probes.unwrap([keyId, ...alsoUnwrap]),
    probes.rewrap(keyId, [keyId, ...alsoUnwrap]),
  ]);
  return {
    ...nothing,
    label: key?.Arn,
    reachable: true,
    mayGenerate,
    mayWrap,
    mayUnwrap,
    mayRewrap,
    keyVersion: key?.CurrentKeyMaterialId,
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

class Probes {
  readonly #calls: Calls;
  readonly #context: Context;
  readonly #signal: AbortSignal | undefined;
  readonly #problems: DoctorProblem[] = [];
  reached = false;
  latencyMs: number | undefined;

  constructor(calls: Calls, context: Context, signal: AbortSignal | undefined) {
    this.#calls = calls;
    this.#context = context;
    this.#signal = signal;
  }

  /** What was found, in the order of the checks. */
  get problems(): readonly DoctorProblem[] {
    return this.#problems.toSorted((a, b) => order.indexOf(a.check) - order.indexOf(b.check));
  }

  async describe(KeyId: string): Promise<DescribeKeyOutput["KeyMetadata"]> {
    try {
      const { KeyMetadata } = await this.#timed("DescribeKey", (client, tokens, options) =>
        client.describeKey({ KeyId, ...tokens }, options),
      );
      this.#examine(KeyMetadata);
      return KeyMetadata;
    } catch (error) {
      this.#add(this.reached ? "key" : "reach", error, "kms:DescribeKey");
      return undefined;
    }
  }

  generate(KeyId: string): Promise<boolean | undefined> {
    return this.#may(
      "generate",
      "kms:GenerateDataKey",
      "GenerateDataKey",
      (client, tokens, options) =>
        client.generateDataKey(
          { KeyId, KeySpec: "AES_256", EncryptionContext: this.#context, DryRun: true, ...tokens },
          options,
        ),
    );
  }

  wrap(KeyId: string): Promise<boolean | undefined> {
    const Plaintext = new Uint8Array(32);
    return this.#may("wrap", "kms:Encrypt", "Encrypt", (client, tokens, options) =>
      client.encrypt(
        { KeyId, Plaintext, EncryptionContext: this.#context, DryRun: true, ...tokens },
        options,
      ),
    );
  }

  /** Asks for each key, until one may not be used. */
  async unwrap(keyIds: readonly string[]): Promise<boolean | undefined> {
    for (const KeyId of keyIds) {
      const may = await this.#may(
        "unwrap",
        `kms:Decrypt with ${KeyId}`,
        "Decrypt",
        (client, tokens, options) =>
          client.decrypt(
            { KeyId, EncryptionContext: this.#context, ...withoutCiphertext, ...tokens },
            options,
          ),
      );
      if (may !== true) return may;
    }
    return true;
  }

  /** Asks for a rewrap from each key to this one. */
  async rewrap(DestinationKeyId: string, keyIds: readonly string[]): Promise<boolean | undefined> {
    const from = this.#context;
    for (const SourceKeyId of keyIds) {
      const actions = `kms:ReEncryptFrom with ${SourceKeyId} and kms:ReEncryptTo`;
      const may = await this.#may("rewrap", actions, "ReEncrypt", (client, tokens, options) =>
        client.reEncrypt(
          {
            SourceKeyId,
            SourceEncryptionContext: from,
            DestinationKeyId,
            DestinationEncryptionContext: from,
            ...withoutCiphertext,
            ...tokens,
          },
          options,
        ),
      );
      if (may !== true) return may;
    }
    return true;
  }

  async #may<T extends object>(
    check: DoctorCheck,
    action: string,
    operation: Operation,
    send: Send<T>,
  ): Promise<boolean | undefined> {
    try {
      wipePlaintext(await this.#timed(operation, send));
      return true;
    } catch (error) {
      if (error instanceof AwsKmsError && error.name === "DryRunOperationException") return true;
      this.#add(check, error, action);
      return refusals.has(classify(error)) ? false : undefined;
    }
  }

  /** Records that an answer came, and how long it took. */
  async #timed<T extends object>(operation: Operation, send: Send<T>): Promise<T> {
    const started = performance.now();
    let answered = true;
    try {
      return await this.#calls.call(operation, this.#signal, send);
    } catch (error) {
      if (this.#signal?.aborted === true) throw error;
      answered = error instanceof AwsKmsError && isAnswer(error);
      throw error;
    } finally {
      if (answered) {
        this.reached = true;
        const took = performance.now() - started;
        this.latencyMs = Math.min(this.latencyMs ?? took, took);
      }
    }
  }

  #examine(key: DescribeKeyOutput["KeyMetadata"]): void {
    const { KeyState, KeyUsage, KeySpec } = key ?? {};
    const code = "ERR_ENVELOPE_KMS_KEY_STATE";
    if (KeyState !== undefined && KeyState !== "Enabled") {
      this.#push("key", code, `the key is in state ${KeyState}; enable it, or cancel its deletion`);
    }
    if (
      KeyUsage !== undefined &&
      (KeyUsage !== "ENCRYPT_DECRYPT" || KeySpec !== "SYMMETRIC_DEFAULT")
    ) {
      this.#push("key", code, "the key is not a symmetric key for encryption; make one that is");
    }
  }

  #add(check: DoctorCheck, error: unknown, action: string): void {
    if (this.#signal?.aborted === true) throw this.#signal.reason;
    const code = classify(error);
    const reason = error instanceof Error ? error.message : "no reason";
    const next =
      code === "ERR_ENVELOPE_KMS_ACCESS_DENIED" && this.reached ? `; allow ${action}` : "";
    this.#push(check, code, `${reason}${next}`);
  }

  #push(check: DoctorCheck, code: EnvelopeErrorCode, message: string): void {
    this.#problems.push({ check, code, message });
  }
}

/** Checks permission and key only. */
const withoutCiphertext: { DryRun: true; DryRunModifiers: "IGNORE_CIPHERTEXT"[] } = {
  DryRun: true,
  DryRunModifiers: ["IGNORE_CIPHERTEXT"],
};

/** Whether KMS spoke, and not something in front of it. */
function isAnswer({ httpStatus, name }: AwsKmsError): boolean {
  return httpStatus !== undefined && name !== "Unknown" && name !== "UnreadableAnswer";
}
