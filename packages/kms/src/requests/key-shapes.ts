/**
 * Keys and what is attached to them: metadata, aliases, tags, deletion, rotation.
 *
 * @module
 */
import type {
  EncapsulationAlgorithm,
  EncryptionAlgorithm,
  KeyAgreementAlgorithm,
  KeySpec,
  KeyUsage,
  MacAlgorithm,
  SigningAlgorithm,
} from "../catalogue/key-specs.ts";
import type { KeyState } from "../catalogue/key-states.ts";
import type {
  KeyIdResponse,
  KeyRequest,
  Page,
  PageRequest,
  Tag,
  WithGrantTokens,
} from "./common-shapes.ts";

/** Operations on keys and what is attached to them. */
export interface KeyOperations {
  createKey(request?: CreateKeyRequest): Promise<KeyMetadataResponse>;

  describeKey(request: DescribeKeyRequest): Promise<KeyMetadataResponse>;

  /** The last call that used the key for cryptography. */
  getKeyLastUsage(request: KeyRequest): Promise<GetKeyLastUsageResponse>;

  listKeys(request?: PageRequest): Promise<ListKeysResponse>;

  enableKey(request: KeyRequest): Promise<void>;

  disableKey(request: KeyRequest): Promise<void>;

  updateKeyDescription(request: UpdateKeyDescriptionRequest): Promise<void>;

  /** The key, its material and its aliases are deleted for good once the window is over. */
  scheduleKeyDeletion(request: ScheduleKeyDeletionRequest): Promise<ScheduleKeyDeletionResponse>;

  /** Leaves the key disabled. */
  cancelKeyDeletion(request: KeyRequest): Promise<KeyIdResponse>;

  /** Makes a key with the same id and material in another region. */
  replicateKey(request: ReplicateKeyRequest): Promise<ReplicateKeyResponse>;

  /** Makes a replica the primary key, and the primary key a replica. */
  updatePrimaryRegion(request: UpdatePrimaryRegionRequest): Promise<void>;

  createAlias(request: AliasTargetRequest): Promise<void>;

  /** Points an alias at another key of the same kind. */
  updateAlias(request: AliasTargetRequest): Promise<void>;

  deleteAlias(request: AliasRequest): Promise<void>;

  listAliases(request?: ListAliasesRequest): Promise<ListAliasesResponse>;

  enableKeyRotation(request: EnableKeyRotationRequest): Promise<void>;

  disableKeyRotation(request: KeyRequest): Promise<void>;

  getKeyRotationStatus(request: KeyRequest): Promise<GetKeyRotationStatusResponse>;

  /** Adds a version, which encrypts from now on. Older versions go on decrypting. */
  rotateKeyOnDemand(request: KeyRequest): Promise<KeyIdResponse>;

  /** Oldest first. */
  listKeyRotations(request: ListKeyRotationsRequest): Promise<ListKeyRotationsResponse>;

  tagResource(request: TagResourceRequest): Promise<void>;

  untagResource(request: UntagResourceRequest): Promise<void>;

  listResourceTags(request: ListResourceTagsRequest): Promise<ListResourceTagsResponse>;
}

/** One of the lists: the one that fits the key's usage. */
export interface AlgorithmLists {
  readonly EncryptionAlgorithms?: EncryptionAlgorithm[];
  readonly SigningAlgorithms?: SigningAlgorithm[];
  readonly MacAlgorithms?: MacAlgorithm[];
  readonly KeyAgreementAlgorithms?: KeyAgreementAlgorithm[];
  readonly EncapsulationAlgorithms?: EncapsulationAlgorithm[];
}

export interface KeyMetadata extends AlgorithmLists {
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
  /** Only in the state `PendingReplicaDeletion`: the days that begin once the last replica is deleted. */
  readonly PendingDeletionWindowInDays?: number;
  /** When imported material expires; only where it does. */
  readonly ValidTo?: Date;
  readonly Origin: "AWS_KMS" | "EXTERNAL";
  /** Only for imported material. */
  readonly ExpirationModel?: "KEY_MATERIAL_EXPIRES" | "KEY_MATERIAL_DOES_NOT_EXPIRE";
  readonly KeyManager: "AWS" | "CUSTOMER";
  readonly CustomerMasterKeySpec: KeySpec;
  readonly KeySpec: KeySpec;
  readonly MultiRegion: boolean;
  /** Only for multi-Region keys. */
  readonly MultiRegionConfiguration?: MultiRegionConfiguration;
  /** 64 hex digits; only for symmetric encryption keys that have material. */
  readonly CurrentKeyMaterialId?: string;
}

export interface MultiRegionConfiguration {
  readonly MultiRegionKeyType: "PRIMARY" | "REPLICA";
  readonly PrimaryKey: MultiRegionKey;
  readonly ReplicaKeys: MultiRegionKey[];
}

export interface MultiRegionKey {
  readonly Arn: string;
  readonly Region: string;
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
  /** There are none: any id is a `CustomKeyStoreNotFoundException`. */
  readonly CustomKeyStoreId?: string | undefined;
  /** JSON. Default: the account decides, through IAM policies. */
  readonly Policy?: string | undefined;
  readonly BypassPolicyLockoutSafetyCheck?: boolean | undefined;
  /** At most 50. */
  readonly Tags?: readonly Tag[] | undefined;
}

export interface KeyMetadataResponse {
  readonly KeyMetadata: KeyMetadata;
}

export interface ReplicateKeyRequest extends KeyRequest {
  /** 1 to 32 of a-z, 0-9 and dashes. */
  readonly ReplicaRegion: string | undefined;
  /** JSON. Default: the account decides, through IAM policies. */
  readonly Policy?: string | undefined;
  readonly BypassPolicyLockoutSafetyCheck?: boolean | undefined;
  readonly Description?: string | undefined;
  /** At most 50. Default: none, whatever tags the primary key has. */
  readonly Tags?: readonly Tag[] | undefined;
}

export interface ReplicateKeyResponse {
  readonly ReplicaKeyMetadata: KeyMetadata;
  readonly ReplicaPolicy: string;
  readonly ReplicaTags: Tag[];
}

export interface UpdatePrimaryRegionRequest extends KeyRequest {
  /** The region of a replica. */
  readonly PrimaryRegion: string | undefined;
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
  /** Absent for a primary key that has replicas: its waiting period begins when the last of them is deleted. */
  readonly DeletionDate?: Date;
  readonly KeyState: "PendingDeletion" | "PendingReplicaDeletion";
  readonly PendingWindowInDays: number;
}

export interface EnableKeyRotationRequest extends KeyRequest {
  /** 90 to 2560. Default: 365. */
  readonly RotationPeriodInDays?: number | undefined;
}

export interface GetKeyLastUsageResponse {
  readonly KeyId: string;
  readonly KeyLastUsage: KeyLastUsage;
  /** When the key was created: every use since is known. */
  readonly TrackingStartDate: Date;
  readonly KeyCreationDate: Date;
}

/** Empty: the key has not been used. */
export interface KeyLastUsage {
  /** `Encrypt`, `Sign`, …: an operation that uses keys for cryptography. */
  readonly Operation?: string;
  readonly Timestamp?: Date;
  /** The `eventID` of the record in the audit log. */
  readonly CloudTrailEventId?: string;
  /** The id that a server in front gave to the request. Absent: there was no server. */
  readonly KmsRequestId?: string;
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
  /** `PENDING_MULTI_REGION_IMPORT_AND_ROTATION`: it is yet to be imported into a related multi-Region key. */
  readonly KeyMaterialState:
    | "CURRENT"
    | "NON_CURRENT"
    | "PENDING_ROTATION"
    | "PENDING_MULTI_REGION_IMPORT_AND_ROTATION";
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
