/**
 * The part of a KMS client that this package calls, as a type of its own. `KmsClient` of `@env/kms` fits it, and so does a
 * fake of ten lines.
 *
 * @module
 */
import type { Bytes, Context } from "@env/core";

interface KeyRequest {
  readonly KeyId: string;
  readonly EncryptionContext: Context;
}

/** The bytes belong to the caller. `KeyId` is the ARN of the key that was used. */
export interface Encrypted {
  readonly CiphertextBlob: Bytes;
  readonly KeyId: string;
}

interface Decrypted {
  readonly Plaintext: Bytes;
  readonly KeyId: string;
}

export interface LocalFileClient {
  generateDataKey(
    request: KeyRequest & { readonly KeySpec: "AES_256" },
  ): Promise<Encrypted & Decrypted>;
  encrypt(request: KeyRequest & { readonly Plaintext: Bytes }): Promise<Encrypted>;
  decrypt(request: KeyRequest & { readonly CiphertextBlob: Bytes }): Promise<Decrypted>;
  reEncrypt(request: {
    readonly CiphertextBlob: Bytes;
    readonly SourceKeyId: string;
    readonly SourceEncryptionContext: Context;
    readonly DestinationKeyId: string;
    readonly DestinationEncryptionContext: Context;
  }): Promise<Encrypted>;
  describeKey(request: { readonly KeyId: string }): Promise<{ readonly KeyMetadata: KeyFacts }>;
}

/** Everything except the id is only for `doctor`. */
export interface KeyFacts {
  readonly KeyId: string;
  readonly KeyState?: string;
  readonly KeyUsage?: string;
  readonly KeySpec?: string;
}
