/**
 * What AWS KMS reveals about a key and these credentials without doing anything.
 *
 * Every probe is a dry run: AWS KMS checks key, state, policies and grants, answers that the request
 * would have succeeded, and creates nothing. A server that does not know dry runs may do the operation, so
 * its answer is wiped.
 *
 * Source: AWS KMS Developer Guide, "Testing your permissions"
 *
 * @module
 */
import { wipePlaintext, type Diagnostics } from "@env/core/driver";
import type { Calls } from "./calls.ts";
import type { DescribeKeyOutput } from "./client.ts";
import { AwsKmsError } from "./errors.ts";

type DryRun = NonNullable<Diagnostics["dryRun"]>;

/** @param own - The key as the application named it. */
export function diagnosticsOf(own: string, calls: Calls): Diagnostics {
  return {
    async ask(signal) {
      const { KeyMetadata: key } = await calls.call(
        "DescribeKey",
        signal,
        (client, tokens, options) => client.describeKey({ KeyId: own, ...tokens }, options),
      );
      return { label: key?.Arn, keyVersion: key?.CurrentKeyMaterialId, problems: problemsOf(key) };
    },

    async dryRun(operation, request) {
      try {
        wipePlaintext(await dryRun(own, calls, operation, request));
      } catch (error) {
        // The answer to a dry run that would have succeeded.
        if (error instanceof AwsKmsError && error.name === "DryRunOperationException") return;
        throw error;
      }
    },

    permission(operation, keyId) {
      if (operation === "ask") return "kms:DescribeKey";
      if (operation === "generate") return "kms:GenerateDataKey";
      if (operation === "wrap") return "kms:Encrypt";
      if (operation === "unwrap") return `kms:Decrypt with ${keyId}`;
      return `kms:ReEncryptFrom with ${keyId} and kms:ReEncryptTo`;
    },

    isAnswer(error) {
      if (!(error instanceof AwsKmsError) || error.httpStatus === undefined) return false;
      return error.name !== "Unknown" && error.name !== "UnreadableAnswer";
    },
  };
}

function dryRun(
  own: string,
  calls: Calls,
  operation: Parameters<DryRun>[0],
  { context, keyId, signal }: Parameters<DryRun>[1],
): Promise<object> {
  const EncryptionContext = context.map;
  const DryRun = true;
  /** Checks key and permission only. */
  const DryRunModifiers: "IGNORE_CIPHERTEXT"[] = ["IGNORE_CIPHERTEXT"];
  if (operation === "generate") {
    const input = { KeyId: own, KeySpec: "AES_256", EncryptionContext, DryRun } as const;
    return calls.call("GenerateDataKey", signal, (client, tokens, options) =>
      client.generateDataKey({ ...input, ...tokens }, options),
    );
  }
  if (operation === "wrap") {
    const input = { KeyId: own, Plaintext: new Uint8Array(32), EncryptionContext, DryRun };
    return calls.call("Encrypt", signal, (client, tokens, options) =>
      client.encrypt({ ...input, ...tokens }, options),
    );
  }
  if (operation === "unwrap") {
    const input = { KeyId: keyId, EncryptionContext, DryRun, DryRunModifiers };
    return calls.call("Decrypt", signal, (client, tokens, options) =>
      client.decrypt({ ...input, ...tokens }, options),
    );
  }
  const input = {
    SourceKeyId: keyId,
    SourceEncryptionContext: EncryptionContext,
    DestinationKeyId: own,
    DestinationEncryptionContext: EncryptionContext,
    DryRun,
    DryRunModifiers,
  };
  return calls.call("ReEncrypt", signal, (client, tokens, options) =>
    client.reEncrypt({ ...input, ...tokens }, options),
  );
}

function problemsOf(key: DescribeKeyOutput["KeyMetadata"]): string[] {
  const { KeyState, KeyUsage, KeySpec } = key ?? {};
  const problems: string[] = [];
  if (KeyState !== undefined && KeyState !== "Enabled") {
    problems.push(`the key is in state ${KeyState}; enable it, or cancel its deletion`);
  }
  if (
    KeyUsage !== undefined &&
    (KeyUsage !== "ENCRYPT_DECRYPT" || KeySpec !== "SYMMETRIC_DEFAULT")
  ) {
    problems.push("the key is not a symmetric key for encryption; make one that is");
  }
  return problems;
}
