/**
 * Requests and responses, named and shaped as in AWS KMS (PascalCase members, as in the SDK's
 * aggregated client), so that one structural client type fits both.
 *
 * Requests allow `undefined` wherever a member may be left out. Response bytes are the caller's own.
 *
 * @module
 */
import type { Bytes } from "@env/core";

/** Strings to strings: authenticated, not secret. */
export type EncryptionContext = Readonly<Record<string, string>>;

export type EncryptionAlgorithm = "SYMMETRIC_DEFAULT";

export interface KeyMetadata {
  readonly AWSAccountId: string;
  readonly KeyId: string;
  readonly Arn: string;
  readonly CreationDate: Date;
  readonly Enabled: boolean;
  readonly Description: string;
  readonly KeyUsage: "ENCRYPT_DECRYPT";
  readonly KeyState: "Enabled" | "Disabled" | "PendingDeletion";
  /** Only while pending deletion. */
  readonly DeletionDate?: Date;
  readonly Origin: "AWS_KMS";
  readonly KeyManager: "CUSTOMER";
  readonly CustomerMasterKeySpec: "SYMMETRIC_DEFAULT";
  readonly KeySpec: "SYMMETRIC_DEFAULT";
  readonly EncryptionAlgorithms: EncryptionAlgorithm[];
  readonly MultiRegion: false;
  /** 64 hex digits. */
  readonly CurrentKeyMaterialId: string;
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

export interface CreateKeyRequest {
  /** At most 8192 characters. Default: none. */
  readonly Description?: string | undefined;
  readonly KeySpec?: string | undefined;
  readonly CustomerMasterKeySpec?: string | undefined;
  readonly KeyUsage?: string | undefined;
  readonly Origin?: string | undefined;
  readonly MultiRegion?: boolean | undefined;
}

export interface KeyMetadataResponse {
  readonly KeyMetadata: KeyMetadata;
}

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
  readonly TargetKeyId: string;
  readonly CreationDate: Date;
  readonly LastUpdatedDate: Date;
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

export interface ListKeyRotationsRequest extends KeyRequest, PageRequest {
  readonly IncludeKeyMaterial?: string | undefined;
}

export interface KeyRotation {
  readonly KeyId: string;
  readonly KeyMaterialId: string;
  readonly KeyMaterialState: "CURRENT" | "NON_CURRENT";
  /** None: the material that the key was created with. */
  readonly RotationDate?: Date;
  readonly RotationType?: "ON_DEMAND";
}

export interface ListKeyRotationsResponse extends Page {
  readonly Rotations: KeyRotation[];
}

export interface UpdateKeyDescriptionRequest extends KeyRequest {
  readonly Description: string | undefined;
}

export interface GenerateDataKeyRequest extends KeyRequest, DryRun {
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

export interface EncryptRequest extends KeyRequest, DryRun {
  /** 1 to 4096 bytes. */
  readonly Plaintext: Uint8Array | undefined;
  readonly EncryptionContext?: EncryptionContext | undefined;
  readonly EncryptionAlgorithm?: string | undefined;
}

export interface EncryptResponse {
  readonly CiphertextBlob: Bytes;
  readonly KeyId: string;
  readonly EncryptionAlgorithm: EncryptionAlgorithm;
}

export interface DecryptRequest extends DryRun {
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
  readonly KeyMaterialId: string;
}

export interface ReEncryptRequest extends DryRun {
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
  readonly SourceKeyMaterialId: string;
  readonly DestinationKeyMaterialId: string;
}

export interface GenerateRandomRequest {
  /** 1 to 1024. */
  readonly NumberOfBytes?: number | undefined;
}

export interface GenerateRandomResponse {
  readonly Plaintext: Bytes;
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
