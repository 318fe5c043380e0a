/**
 * What other keys are for: MACs, signatures, public keys, shared secrets.
 *
 * @module
 */
import type { Bytes } from "@env/core";
import type {
  EncapsulationAlgorithm,
  KeyAgreementAlgorithm,
  KeySpec,
  KeyUsage,
  MacAlgorithm,
  SigningAlgorithm,
} from "../catalogue/key-specs.ts";
import type { DryRun, KeyRequest, WithGrantTokens } from "./common-shapes.ts";
import type { AlgorithmLists } from "./key-shapes.ts";

/** Operations on messages, and with the public keys of others. */
export interface MessageOperations {
  generateMac(request: GenerateMacRequest): Promise<GenerateMacResponse>;

  /** A MAC that is not the message's is a `KMSInvalidMacException`. */
  verifyMac(request: VerifyMacRequest): Promise<VerifyMacResponse>;

  sign(request: SignRequest): Promise<SignResponse>;

  /** A signature that is not the message's is a `KMSInvalidSignatureException`. */
  verify(request: VerifyRequest): Promise<VerifyResponse>;

  getPublicKey(request: GetPublicKeyRequest): Promise<GetPublicKeyResponse>;

  deriveSharedSecret(request: DeriveSharedSecretRequest): Promise<DeriveSharedSecretResponse>;

  /** A new shared secret, and the form of it that only the key's owner can decapsulate. */
  encapsulate(request: EncapsulateRequest): Promise<EncapsulateResponse>;

  /** A ciphertext that was altered, or is for another key, gives another secret and not an error. */
  decapsulate(request: DecapsulateRequest): Promise<DecapsulateResponse>;
}

export interface GenerateMacRequest extends KeyRequest, WithGrantTokens, DryRun {
  /** 1 to 4096 bytes. */
  readonly Message: Uint8Array | undefined;
  readonly MacAlgorithm: string | undefined;
}

export interface GenerateMacResponse {
  readonly Mac: Bytes;
  readonly MacAlgorithm: MacAlgorithm;
  readonly KeyId: string;
}

export interface VerifyMacRequest extends GenerateMacRequest {
  readonly Mac: Uint8Array | undefined;
}

export interface VerifyMacResponse {
  readonly KeyId: string;
  /** What is not valid is a KMSInvalidMacException. */
  readonly MacValid: true;
  readonly MacAlgorithm: MacAlgorithm;
}

export interface SignRequest extends KeyRequest, WithGrantTokens, DryRun {
  /** 1 to 4096 bytes; of type `DIGEST`, as many as the hash of the algorithm has. */
  readonly Message: Uint8Array | undefined;
  /** `RAW` (default) or `DIGEST`, which is not hashed again. */
  readonly MessageType?: string | undefined;
  readonly SigningAlgorithm: string | undefined;
}

export interface SignResponse {
  readonly KeyId: string;
  /** ECDSA signatures are in DER. */
  readonly Signature: Bytes;
  readonly SigningAlgorithm: SigningAlgorithm;
}

export interface VerifyRequest extends SignRequest {
  readonly Signature: Uint8Array | undefined;
}

export interface VerifyResponse {
  readonly KeyId: string;
  /** What is not valid is a KMSInvalidSignatureException. */
  readonly SignatureValid: true;
  readonly SigningAlgorithm: SigningAlgorithm;
}

export interface GetPublicKeyRequest extends KeyRequest, WithGrantTokens {}

export interface GetPublicKeyResponse extends Omit<AlgorithmLists, "MacAlgorithms"> {
  readonly KeyId: string;
  /** SubjectPublicKeyInfo in DER. */
  readonly PublicKey: Bytes;
  readonly CustomerMasterKeySpec: KeySpec;
  readonly KeySpec: KeySpec;
  readonly KeyUsage: KeyUsage;
}

export interface DeriveSharedSecretRequest extends KeyRequest, WithGrantTokens, DryRun {
  /** `ECDH`. */
  readonly KeyAgreementAlgorithm: string | undefined;
  /** The peer's, on the key's curve: SubjectPublicKeyInfo in DER. */
  readonly PublicKey: Uint8Array | undefined;
}

export interface DeriveSharedSecretResponse {
  readonly KeyId: string;
  /** The raw secret: derive keys from it, with a key derivation function. */
  readonly SharedSecret: Bytes;
  readonly KeyAgreementAlgorithm: KeyAgreementAlgorithm;
  readonly KeyOrigin: "AWS_KMS" | "EXTERNAL";
}

export interface EncapsulateRequest extends KeyRequest, WithGrantTokens, DryRun {
  /** `ML_KEM`. */
  readonly EncapsulationAlgorithm: string | undefined;
}

export interface EncapsulateResponse extends DecapsulateResponse {
  /** 768 bytes for `ML_KEM_512`, 1088 for `ML_KEM_768`, 1568 for `ML_KEM_1024`. */
  readonly SharedSecretCiphertextBlob: Bytes;
}

export interface DecapsulateRequest extends EncapsulateRequest {
  readonly SharedSecretCiphertextBlob: Uint8Array | undefined;
}

export interface DecapsulateResponse {
  readonly KeyId: string;
  /** 32 bytes. */
  readonly SharedSecret: Bytes;
  readonly EncapsulationAlgorithm: EncapsulationAlgorithm;
}
