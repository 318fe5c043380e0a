/**
 * Requests and responses, named and shaped as in AWS KMS (PascalCase members, as in the SDK's
 * aggregated client), so that one structural client type fits both.
 *
 * Requests allow `undefined` wherever a member may be left out. Response bytes are the caller's own.
 *
 * @module
 */
import type { Bytes } from "@env/core";
import type {
  DataKeyPairSpec,
  EncryptionAlgorithm,
  KeyAgreementAlgorithm,
  KeySpec,
  KeyUsage,
  MacAlgorithm,
  SigningAlgorithm,
} from "./material/key-specs.ts";
import type { KeyState } from "./states.ts";

export type {
  DataKeyPairSpec,
  EncryptionAlgorithm,
  KeyAgreementAlgorithm,
  KeySpec,
  KeyUsage,
  MacAlgorithm,
  SigningAlgorithm,
} from "./material/key-specs.ts";

/** Strings to strings: authenticated, not secret. */
export type EncryptionContext = Readonly<Record<string, string>>;

export interface KeyMetadata {
  readonly AWSAccountId: string;
  readonly KeyId: string;
  readonly Arn: string;
  readonly CreationDate: Date;
  readonly Enabled: boolean;
  readonly Description: string;
  readonly KeyUsage: KeyUsage;
  readonly KeyState: KeyState;
  /** Only while pending deletion. */
  readonly DeletionDate?: Date;
  /** When imported material expires; only where it does. */
  readonly ValidTo?: Date;
  readonly Origin: "AWS_KMS" | "EXTERNAL";
  /** Only for imported material. */
  readonly ExpirationModel?: "KEY_MATERIAL_EXPIRES" | "KEY_MATERIAL_DOES_NOT_EXPIRE";
  readonly KeyManager: "AWS" | "CUSTOMER";
  readonly CustomerMasterKeySpec: KeySpec;
  readonly KeySpec: KeySpec;
  /** One of the four lists: the one that fits `KeyUsage`. */
  readonly EncryptionAlgorithms?: EncryptionAlgorithm[];
  readonly SigningAlgorithms?: SigningAlgorithm[];
  readonly MacAlgorithms?: MacAlgorithm[];
  readonly KeyAgreementAlgorithms?: KeyAgreementAlgorithm[];
  readonly MultiRegion: boolean;
  /** Only for multi-Region keys. */
  readonly MultiRegionConfiguration?: MultiRegionConfiguration;
  /** 64 hex digits; only for symmetric encryption keys that have material. */
  readonly CurrentKeyMaterialId?: string;
}

/** There is one region here, so a multi-Region key is a primary without replicas. */
export interface MultiRegionConfiguration {
  readonly MultiRegionKeyType: "PRIMARY";
  readonly PrimaryKey: { readonly Arn: string; readonly Region: string };
  readonly ReplicaKeys: [];
}

/** A key id or key ARN. */
export interface KeyRequest {
  readonly KeyId: string | undefined;
}

export interface PageRequest {
  readonly Limit?: number | undefined;
  readonly Marker?: string | undefined;
}

export interface Page {
  readonly Truncated: boolean;
  /** Only where `Truncated`. */
  readonly NextMarker?: string;
}

/** Calls that can be tried: they then end in DryRunOperationException where they would succeed. */
export interface DryRun {
  readonly DryRun?: boolean | undefined;
}

/** Calls that a grant may allow. */
export interface WithGrantTokens {
  /** At most 10. */
  readonly GrantTokens?: readonly string[] | undefined;
}

export interface Tag {
  /** 1 to 128 characters, not beginning with `aws:`. */
  readonly TagKey: string;
  /** At most 256 characters. */
  readonly TagValue: string;
}

export interface CreateKeyRequest {
  /** At most 8192 characters. Default: none. */
  readonly Description?: string | undefined;
  /** Default: `SYMMETRIC_DEFAULT`. */
  readonly KeySpec?: string | undefined;
  /** The old name of `KeySpec`. */
  readonly CustomerMasterKeySpec?: string | undefined;
  /** Default: the only one of the spec; required where there are several. */
  readonly KeyUsage?: string | undefined;
  /** `AWS_KMS` (default), or `EXTERNAL` for material that is to be imported. */
  readonly Origin?: string | undefined;
  /** Gives a key id `mrk-…`. Default: false. */
  readonly MultiRegion?: boolean | undefined;
  /** JSON. Default: the account decides, through IAM policies. */
  readonly Policy?: string | undefined;
  readonly BypassPolicyLockoutSafetyCheck?: boolean | undefined;
  /** At most 50. */
  readonly Tags?: readonly Tag[] | undefined;
}

export interface KeyMetadataResponse {
  readonly KeyMetadata: KeyMetadata;
}

export interface DescribeKeyRequest extends KeyRequest, WithGrantTokens {}

export interface ListKeysResponse extends Page {
  readonly Keys: { readonly KeyId: string; readonly KeyArn: string }[];
}

export interface AliasRequest {
  /** `alias/` and letters, digits, `/`, `_`, `-`: at most 256 characters. */
  readonly AliasName: string | undefined;
}

export interface AliasTargetRequest extends AliasRequest {
  readonly TargetKeyId: string | undefined;
}

export interface ListAliasesRequest extends PageRequest {
  readonly KeyId?: string | undefined;
}

export interface AliasListEntry {
  readonly AliasName: string;
  readonly AliasArn: string;
  /** Absent for an alias under `alias/aws/` whose key has not been used yet. */
  readonly TargetKeyId?: string;
  readonly CreationDate?: Date;
  readonly LastUpdatedDate?: Date;
}

export interface ListAliasesResponse extends Page {
  readonly Aliases: AliasListEntry[];
}

export interface ScheduleKeyDeletionRequest extends KeyRequest {
  /** 7 to 30. Default: 30. */
  readonly PendingWindowInDays?: number | undefined;
}

export interface ScheduleKeyDeletionResponse {
  readonly KeyId: string;
  readonly DeletionDate: Date;
  readonly KeyState: "PendingDeletion";
  readonly PendingWindowInDays: number;
}

/** The ARN of the key that a call was about. */
export interface KeyIdResponse {
  readonly KeyId: string;
}

export interface EnableKeyRotationRequest extends KeyRequest {
  /** 90 to 2560. Default: 365. */
  readonly RotationPeriodInDays?: number | undefined;
}

export interface GetKeyRotationStatusResponse {
  readonly KeyId: string;
  readonly KeyRotationEnabled: boolean;
  /** Only where enabled. */
  readonly RotationPeriodInDays?: number;
  readonly NextRotationDate?: Date;
}

export interface ListKeyRotationsRequest extends KeyRequest, PageRequest {
  /** `ROTATIONS_ONLY` (default) or `ALL_KEY_MATERIAL`. */
  readonly IncludeKeyMaterial?: string | undefined;
}

export interface KeyRotation {
  readonly KeyId: string;
  readonly KeyMaterialId: string;
  readonly KeyMaterialState: "CURRENT" | "NON_CURRENT" | "PENDING_ROTATION";
  /** None: the material that the key was created with. */
  readonly RotationDate?: Date;
  readonly RotationType?: "AUTOMATIC" | "ON_DEMAND";
  /** The last three only for imported material. */
  readonly ImportState?: "IMPORTED" | "PENDING_IMPORT";
  readonly ExpirationModel?: "KEY_MATERIAL_EXPIRES" | "KEY_MATERIAL_DOES_NOT_EXPIRE";
  readonly ValidTo?: Date;
  readonly KeyMaterialDescription?: string;
}

export interface ListKeyRotationsResponse extends Page {
  readonly Rotations: KeyRotation[];
}

export interface UpdateKeyDescriptionRequest extends KeyRequest {
  readonly Description: string | undefined;
}

export interface GetKeyPolicyRequest extends KeyRequest {
  /** Only `default` exists. */
  readonly PolicyName?: string | undefined;
}

export interface GetKeyPolicyResponse {
  /** JSON text. */
  readonly Policy: string;
  readonly PolicyName: "default";
}

export interface PutKeyPolicyRequest extends GetKeyPolicyRequest {
  /** JSON, at most 32,768 bytes. */
  readonly Policy: string | undefined;
  /** Sets even a policy under which the caller could not set another. Default: false. */
  readonly BypassPolicyLockoutSafetyCheck?: boolean | undefined;
}

export interface ListKeyPoliciesRequest extends KeyRequest, PageRequest {}

export interface ListKeyPoliciesResponse extends Page {
  readonly PolicyNames: string[];
}

export interface TagResourceRequest extends KeyRequest {
  readonly Tags: readonly Tag[] | undefined;
}

export interface UntagResourceRequest extends KeyRequest {
  readonly TagKeys: readonly string[] | undefined;
}

export interface ListResourceTagsRequest extends KeyRequest, PageRequest {}

export interface ListResourceTagsResponse extends Page {
  readonly Tags: Tag[];
}

/** At most one of the two: what a request's encryption context must be, or hold. */
export interface GrantConstraints {
  readonly EncryptionContextEquals?: EncryptionContext | undefined;
  readonly EncryptionContextSubset?: EncryptionContext | undefined;
}

export interface CreateGrantRequest extends KeyRequest, WithGrantTokens, DryRun {
  /** ARN of the principal that gets the permissions, or a service's name. */
  readonly GranteePrincipal: string | undefined;
  /** Who may retire the grant. */
  readonly RetiringPrincipal?: string | undefined;
  /** `Decrypt`, `GenerateDataKey`, … */
  readonly Operations: readonly string[] | undefined;
  readonly Constraints?: GrantConstraints | undefined;
  /** Makes the call idempotent: the same request gets the same grant. */
  readonly Name?: string | undefined;
}

export interface CreateGrantResponse {
  readonly GrantId: string;
  /** Makes the grant count before it has become effective everywhere. Not a secret, and shown once. */
  readonly GrantToken: string;
}

export interface ListGrantsRequest extends KeyRequest, PageRequest {
  readonly GrantId?: string | undefined;
  readonly GranteePrincipal?: string | undefined;
}

export interface ListRetirableGrantsRequest extends PageRequest {
  readonly RetiringPrincipal: string | undefined;
}

export interface GrantListEntry {
  readonly KeyId: string;
  readonly GrantId: string;
  /** Empty: none. */
  readonly Name: string;
  readonly CreationDate: Date;
  readonly GranteePrincipal: string;
  readonly RetiringPrincipal?: string;
  readonly IssuingAccount: string;
  readonly Operations: string[];
  readonly Constraints?: GrantConstraints;
}

export interface ListGrantsResponse extends Page {
  readonly Grants: GrantListEntry[];
}

/** Either the token, or key and grant. */
export interface RetireGrantRequest extends DryRun {
  readonly GrantToken?: string | undefined;
  /** A key ARN. */
  readonly KeyId?: string | undefined;
  readonly GrantId?: string | undefined;
}

export interface RevokeGrantRequest extends KeyRequest, DryRun {
  readonly GrantId: string | undefined;
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

export interface DecryptRequest extends WithGrantTokens, DryRun {
  readonly CiphertextBlob: Uint8Array | undefined;
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

export interface ReEncryptRequest extends WithGrantTokens, DryRun {
  readonly CiphertextBlob: Uint8Array | undefined;
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
}

export interface GenerateRandomResponse {
  readonly Plaintext: Bytes;
}

// Messages, signatures, pairs and imported material: operations/{mac,sign,asymmetric,data-key-pairs,import}.ts

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
  /** Of ECDSA in DER. */
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

export interface GetPublicKeyResponse {
  readonly KeyId: string;
  /** SubjectPublicKeyInfo in DER. */
  readonly PublicKey: Bytes;
  readonly CustomerMasterKeySpec: KeySpec;
  readonly KeySpec: KeySpec;
  readonly KeyUsage: KeyUsage;
  /** Of the three lists, the one that fits the key's usage. */
  readonly EncryptionAlgorithms?: EncryptionAlgorithm[];
  readonly SigningAlgorithms?: SigningAlgorithm[];
  readonly KeyAgreementAlgorithms?: KeyAgreementAlgorithm[];
}

export interface DeriveSharedSecretRequest extends KeyRequest, WithGrantTokens, DryRun {
  /** `ECDH`. */
  readonly KeyAgreementAlgorithm: string | undefined;
  /** The peer's, on the key's curve: SubjectPublicKeyInfo in DER. */
  readonly PublicKey: Uint8Array | undefined;
}

export interface DeriveSharedSecretResponse {
  readonly KeyId: string;
  /** As it is: derive keys from it, with a key derivation function. */
  readonly SharedSecret: Bytes;
  readonly KeyAgreementAlgorithm: KeyAgreementAlgorithm;
  readonly KeyOrigin: "AWS_KMS" | "EXTERNAL";
}

export interface GenerateDataKeyPairRequest extends KeyRequest, WithGrantTokens, DryRun {
  readonly KeyPairSpec: string | undefined;
  readonly EncryptionContext?: EncryptionContext | undefined;
}

export interface GenerateDataKeyPairWithoutPlaintextResponse {
  /** For Decrypt, with the same encryption context. */
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

export interface GetParametersForImportRequest extends KeyRequest {
  readonly WrappingAlgorithm: string | undefined;
  /** `RSA_2048`, `RSA_3072` or `RSA_4096`. */
  readonly WrappingKeySpec: string | undefined;
}

export interface GetParametersForImportResponse {
  readonly KeyId: string;
  readonly ImportToken: Bytes;
  /** To wrap the material with: SubjectPublicKeyInfo in DER. */
  readonly PublicKey: Bytes;
  /** 24 hours from now. */
  readonly ParametersValidTo: Date;
}

export interface ImportKeyMaterialRequest extends KeyRequest {
  readonly ImportToken: Uint8Array | undefined;
  /** Raw for secrets, PKCS #8 in DER for private keys; wrapped as the token says. */
  readonly EncryptedKeyMaterial: Uint8Array | undefined;
  /** Within 365 days. Required where the material expires. */
  readonly ValidTo?: Date | undefined;
  /** Default: `KEY_MATERIAL_EXPIRES`. */
  readonly ExpirationModel?: string | undefined;
  /** The last three only for symmetric keys. Default: new the first time, existing afterwards. */
  readonly ImportType?: string | undefined;
  /** At most 256 characters. Default: as it was. */
  readonly KeyMaterialDescription?: string | undefined;
  /** Of existing material: which. */
  readonly KeyMaterialId?: string | undefined;
}

export interface ImportKeyMaterialResponse {
  readonly KeyId: string;
  /** Only for symmetric keys. */
  readonly KeyMaterialId?: string;
}

export interface DeleteImportedKeyMaterialRequest extends KeyRequest {
  /** Default: the current material. */
  readonly KeyMaterialId?: string | undefined;
}

export type DeleteImportedKeyMaterialResponse = ImportKeyMaterialResponse;
