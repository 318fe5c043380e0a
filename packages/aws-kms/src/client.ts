/**
 * The part of a KMS client this package calls, as a type of its own: `KMS` of `@aws-sdk/client-kms`
 * fits, and so does a ten-line fake. No type of the SDK shows in this package's declarations.
 *
 * Source: the AWS KMS API reference
 *
 * @module
 */
import type { Context } from "@env/core";

/** What every call may carry beside its own members. `DryRun` comes from `doctor` alone. */
interface CallInput {
  readonly GrantTokens?: string[];
  readonly DryRun?: boolean;
}

interface KeyInput extends CallInput {
  readonly KeyId: string;
  readonly EncryptionContext: Context;
}

/** Lets a permission to decrypt be asked for without a ciphertext. */
interface DryRunWithoutCiphertext {
  readonly DryRunModifiers?: "IGNORE_CIPHERTEXT"[];
}

interface CiphertextInput extends DryRunWithoutCiphertext {
  readonly CiphertextBlob?: Uint8Array;
}

/** Everything optional, as an SDK has it: what is missing is noticed by the driver. */
export interface EncryptOutput {
  readonly CiphertextBlob?: Uint8Array | undefined;
  /** ARN of the key that was used. */
  readonly KeyId?: string | undefined;
}

export interface DecryptOutput {
  readonly Plaintext?: Uint8Array | undefined;
  readonly KeyId?: string | undefined;
  readonly KeyMaterialId?: string | undefined;
}

interface ReEncryptOutput extends EncryptOutput {
  readonly SourceKeyId?: string | undefined;
  readonly SourceKeyMaterialId?: string | undefined;
  readonly DestinationKeyMaterialId?: string | undefined;
}

export interface DescribeKeyOutput {
  readonly KeyMetadata?:
    | {
        readonly Arn?: string | undefined;
        readonly KeyState?: string | undefined;
        readonly KeyUsage?: string | undefined;
        readonly KeySpec?: string | undefined;
        readonly CurrentKeyMaterialId?: string | undefined;
      }
    | undefined;
}

/** How a call is ended early. */
export interface SendOptions {
  readonly abortSignal: AbortSignal;
}

export interface AwsKmsClient {
  generateDataKey(
    input: KeyInput & { readonly KeySpec: "AES_256" },
    options: SendOptions,
  ): Promise<EncryptOutput & DecryptOutput>;
  encrypt(
    input: KeyInput & { readonly Plaintext: Uint8Array },
    options: SendOptions,
  ): Promise<EncryptOutput>;
  decrypt(input: KeyInput & CiphertextInput, options: SendOptions): Promise<DecryptOutput>;
  reEncrypt(
    input: CallInput &
      CiphertextInput & {
        readonly SourceKeyId: string;
        readonly SourceEncryptionContext: Context;
        readonly DestinationKeyId: string;
        readonly DestinationEncryptionContext: Context;
      },
    options: SendOptions,
  ): Promise<ReEncryptOutput>;
  describeKey(
    input: { readonly KeyId: string; readonly GrantTokens?: string[] },
    options: SendOptions,
  ): Promise<DescribeKeyOutput>;
}

/** The methods, for a check that what was passed is such a client. */
export const clientMethods: readonly (keyof AwsKmsClient)[] = [
  "generateDataKey",
  "encrypt",
  "decrypt",
  "reEncrypt",
  "describeKey",
];
