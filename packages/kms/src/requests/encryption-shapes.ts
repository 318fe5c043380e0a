/**
 * What symmetric keys are for, and RSA keys that encrypt: data keys and blobs.
 *
 * @module
 */
import type { Bytes } from "@env/core";
import type { DataKeyPairSpec, EncryptionAlgorithm } from "../catalogue/key-specs.ts";
import type {
  DryRun,
  DryRunModifiers,
  EncryptionContext,
  KeyRequest,
  WithGrantTokens,
} from "./common-shapes.ts";

/** Operations that encrypt, and those that generate data keys. */
export interface EncryptionOperations {
  generateDataKey(request: GenerateDataKeyRequest): Promise<GenerateDataKeyResponse>;

  generateDataKeyWithoutPlaintext(
    request: GenerateDataKeyRequest,
  ): Promise<GenerateDataKeyWithoutPlaintextResponse>;

  encrypt(request: EncryptRequest): Promise<EncryptResponse>;

  decrypt(request: DecryptRequest): Promise<DecryptResponse>;

  /** Decrypts and encrypts anew: another key, the key's newest version, another context. */
  reEncrypt(request: ReEncryptRequest): Promise<ReEncryptResponse>;

  generateRandom(request: GenerateRandomRequest): Promise<GenerateRandomResponse>;

  generateDataKeyPair(request: GenerateDataKeyPairRequest): Promise<GenerateDataKeyPairResponse>;

  generateDataKeyPairWithoutPlaintext(
    request: GenerateDataKeyPairRequest,
  ): Promise<GenerateDataKeyPairWithoutPlaintextResponse>;
}

export interface GenerateDataKeyRequest extends KeyRequest, WithGrantTokens, DryRun {
  /** Either this, `AES_256` or `AES_128`, or `NumberOfBytes`. */
  readonly KeySpec?: string | undefined;
  /** 1 to 1024. */
  readonly NumberOfBytes?: number | undefined;
  readonly EncryptionContext?: EncryptionContext | undefined;
}

export interface GenerateDataKeyWithoutPlaintextResponse {
  readonly CiphertextBlob: Bytes;
  readonly KeyId: string;
  readonly KeyMaterialId: string;
}

export interface GenerateDataKeyResponse extends GenerateDataKeyWithoutPlaintextResponse {
  readonly Plaintext: Bytes;
}

export interface EncryptRequest extends KeyRequest, WithGrantTokens, DryRun {
  /** 1 to 4096 bytes; less for RSA keys. */
  readonly Plaintext: Uint8Array | undefined;
  readonly EncryptionContext?: EncryptionContext | undefined;
  /** Default: `SYMMETRIC_DEFAULT`. */
  readonly EncryptionAlgorithm?: string | undefined;
}

export interface EncryptResponse {
  readonly CiphertextBlob: Bytes;
  readonly KeyId: string;
  readonly EncryptionAlgorithm: EncryptionAlgorithm;
}

export interface DecryptRequest extends WithGrantTokens, DryRunModifiers {
  /** Required, except with `DryRunModifiers`. */
  readonly CiphertextBlob?: Uint8Array | undefined;
  /** Default: the key that the blob names. Give it: a blob should not choose the key. */
  readonly KeyId?: string | undefined;
  readonly EncryptionContext?: EncryptionContext | undefined;
  readonly EncryptionAlgorithm?: string | undefined;
}

export interface DecryptResponse {
  readonly Plaintext: Bytes;
  readonly KeyId: string;
  readonly EncryptionAlgorithm: EncryptionAlgorithm;
  /** Only for symmetric keys. */
  readonly KeyMaterialId?: string;
}

export interface ReEncryptRequest extends WithGrantTokens, DryRunModifiers {
  /** Required, except with `DryRunModifiers`. */
  readonly CiphertextBlob?: Uint8Array | undefined;
  readonly SourceKeyId?: string | undefined;
  readonly SourceEncryptionContext?: EncryptionContext | undefined;
  readonly SourceEncryptionAlgorithm?: string | undefined;
  readonly DestinationKeyId: string | undefined;
  readonly DestinationEncryptionContext?: EncryptionContext | undefined;
  readonly DestinationEncryptionAlgorithm?: string | undefined;
}

export interface ReEncryptResponse {
  readonly CiphertextBlob: Bytes;
  readonly SourceKeyId: string;
  readonly KeyId: string;
  readonly SourceEncryptionAlgorithm: EncryptionAlgorithm;
  readonly DestinationEncryptionAlgorithm: EncryptionAlgorithm;
  /** The last two only for symmetric keys. */
  readonly SourceKeyMaterialId?: string;
  readonly DestinationKeyMaterialId?: string;
}

export interface GenerateRandomRequest {
  /** 1 to 1024. */
  readonly NumberOfBytes?: number | undefined;
  /** There are none: any id is a `CustomKeyStoreNotFoundException`. */
  readonly CustomKeyStoreId?: string | undefined;
}

export interface GenerateRandomResponse {
  readonly Plaintext: Bytes;
}

export interface GenerateDataKeyPairRequest extends KeyRequest, WithGrantTokens, DryRun {
  readonly KeyPairSpec: string | undefined;
  readonly EncryptionContext?: EncryptionContext | undefined;
}

export interface GenerateDataKeyPairWithoutPlaintextResponse {
  /** The private key, which Decrypt opens with the same encryption context. */
  readonly PrivateKeyCiphertextBlob: Bytes;
  /** SubjectPublicKeyInfo in DER. */
  readonly PublicKey: Bytes;
  readonly KeyId: string;
  readonly KeyPairSpec: DataKeyPairSpec;
  readonly KeyMaterialId: string;
}

export interface GenerateDataKeyPairResponse extends GenerateDataKeyPairWithoutPlaintextResponse {
  /** PKCS #8 in DER. */
  readonly PrivateKeyPlaintext: Bytes;
}
