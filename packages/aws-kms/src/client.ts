/**
 * The part of a KMS client that this package calls, as a type of its own. `KMS` of `@aws-sdk/client-kms`
 * fits it, and so does a fake of ten lines. This package's declarations contain no type of the SDK.
 *
 * Source: the AWS KMS API reference
 *
 * @module
 */
import type { Context } from "@env/core";

/** Members that every request may have. Only `doctor` sets `DryRun`. */
interface CallInput {
  readonly GrantTokens?: string[];
  readonly DryRun?: boolean;
}

interface KeyInput extends CallInput {
  readonly KeyId: string;
  readonly EncryptionContext: Context;
}

/** A dry run can check the permission to decrypt without a ciphertext. */
interface DryRunWithoutCiphertext {
  readonly DryRunModifiers?: "IGNORE_CIPHERTEXT"[];
}

interface CiphertextInput extends DryRunWithoutCiphertext {
  readonly CiphertextBlob?: Uint8Array;
}

/** All members are optional, as in the SDK. The driver notices what is missing. */
export interface EncryptOutput {
  readonly CiphertextBlob?: Uint8Array | undefined;
  /** The ARN of the key that was used. */
  readonly KeyId?: string | undefined;
}

interface DecryptOutput {
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

/** Ends a call early. */
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

/** The methods by which a client is recognized. */
export const clientMethods: readonly (keyof AwsKmsClient)[] = [
  "generateDataKey",
  "encrypt",
  "decrypt",
  "reEncrypt",
  "describeKey",
];
