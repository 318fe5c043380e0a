/**
 * The operations of this KMS, one row each: what AWS says of them. How each is carried out is under
 * operations/, the shapes of its request and response under requests/.
 *
 * Sources: the API reference and API model of AWS KMS; "Actions, resources, and condition keys for AWS Key
 * Management Service" in the service authorization reference; "Cross-account use" in the API reference;
 * "Key states", "Request quotas" and "Grants" in the AWS KMS developer guide; for `logged`, "Logging AWS KMS
 * API calls with AWS CloudTrail" there.
 *
 * @module
 */
import type { OperationRow } from "./row.ts";

export const operations = {
  CancelKeyDeletion: {
    on: "key",
    mode: "write",
    states: "cancelDeletion",
    quota: 5,
    request: "KeyId",
    logged: "KeyId",
  },
  ConnectCustomKeyStore: {
    on: "account",
    mode: "write",
    quota: 5,
    request: "CustomKeyStoreId",
  },
  CreateAlias: {
    on: "alias",
    mode: "write",
    states: "label",
    quota: 5,
    request: "AliasName TargetKeyId",
  },
  CreateCustomKeyStore: {
    on: "account",
    mode: "write",
    quota: 5,
    request:
      "CustomKeyStoreName CloudHsmClusterId TrustAnchorCertificate KeyStorePassword CustomKeyStoreType XksProxyUriEndpoint XksProxyUriPath XksProxyVpcEndpointServiceName XksProxyVpcEndpointServiceOwner XksProxyAuthenticationCredential XksProxyConnectivity",
  },
  CreateGrant: {
    on: "key",
    mode: "write",
    states: "grant",
    quota: 50,
    open: ["accounts", "grant"],
    request:
      "KeyId GranteePrincipal GranteeServicePrincipal RetiringPrincipal RetiringServicePrincipal Operations Constraints Name GrantTokens DryRun",
    conditions: {
      "kms:GrantOperations": null,
      "kms:GranteePrincipal": null,
      "kms:GranteeServicePrincipal": null,
      "kms:RetiringPrincipal": null,
      "kms:RetiringServicePrincipal": null,
      "kms:GrantConstraintType": null,
      "kms:GrantConstraintSourceArn": null,
      "kms:GrantIsForAWSResource": null,
      "kms:EncryptionContext:": null,
      "kms:EncryptionContextKeys": null,
    },
    logged: "KeyId GrantId",
  },
  CreateKey: {
    on: "account",
    mode: "write",
    quota: 5,
    request:
      "Description KeySpec CustomerMasterKeySpec KeyUsage Origin MultiRegion CustomKeyStoreId Policy BypassPolicyLockoutSafetyCheck Tags",
    refused: "XksKeyId",
    conditions: {
      "kms:KeySpec": "SYMMETRIC_DEFAULT",
      "kms:KeyUsage": "ENCRYPT_DECRYPT",
      "kms:KeyOrigin": "AWS_KMS",
      "kms:MultiRegion": false,
      "kms:MultiRegionKeyType": null,
      "kms:CustomerMasterKeySpec": null,
      "kms:CustomerMasterKeyUsage": null,
      "kms:BypassPolicyLockoutSafetyCheck": null,
      "kms:ViaService": null,
      "aws:RequestTag/": null,
      "aws:TagKeys": null,
    },
    logged: "KeyMetadata",
  },
  Decapsulate: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "ENCAPSULATE_DECAPSULATE",
    open: ["accounts", "alias", "grant"],
    request: "KeyId SharedSecretCiphertextBlob EncapsulationAlgorithm GrantTokens DryRun",
  },
  Decrypt: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "ENCRYPT_DECRYPT",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request:
      "KeyId CiphertextBlob EncryptionContext EncryptionAlgorithm GrantTokens DryRun DryRunModifiers",
    refused: "Recipient",
    conditions: { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT" },
  },
  DeleteAlias: { on: "alias", mode: "write", states: "look", quota: 15, request: "AliasName" },
  DeleteCustomKeyStore: {
    on: "account",
    mode: "write",
    quota: 5,
    request: "CustomKeyStoreId",
  },
  DeleteImportedKeyMaterial: {
    on: "key",
    mode: "write",
    states: "deleteMaterial",
    quota: 15,
    request: "KeyId KeyMaterialId",
    logged: "KeyId KeyMaterialId",
  },
  DeriveSharedSecret: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "KEY_AGREEMENT",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request: "KeyId KeyAgreementAlgorithm PublicKey GrantTokens DryRun",
    refused: "Recipient",
    conditions: { "kms:KeyAgreementAlgorithm": null },
  },
  DescribeCustomKeyStores: {
    on: "account",
    mode: "read",
    quota: 5,
    request: "CustomKeyStoreId CustomKeyStoreName Limit Marker",
  },
  DescribeKey: {
    on: "key",
    mode: "read",
    states: "look",
    quota: 2000,
    open: ["accounts", "alias", "grant"],
    request: "KeyId GrantTokens",
  },
  DisableKey: {
    on: "key",
    mode: "write",
    states: "enable",
    quota: 5,
    request: "KeyId",
    conditions: { "kms:TrailingDaysWithoutKeyUsage": null },
  },
  DisableKeyRotation: { on: "key", mode: "write", states: "rotation", quota: 5, request: "KeyId" },
  DisconnectCustomKeyStore: {
    on: "account",
    mode: "write",
    quota: 5,
    request: "CustomKeyStoreId",
  },
  EnableKey: { on: "key", mode: "write", states: "enable", quota: 5, request: "KeyId" },
  EnableKeyRotation: {
    on: "key",
    mode: "write",
    states: "rotation",
    quota: 15,
    request: "KeyId RotationPeriodInDays",
    conditions: { "kms:RotationPeriodInDays": 365 },
  },
  Encapsulate: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "ENCAPSULATE_DECAPSULATE",
    open: ["accounts", "alias", "grant"],
    request: "KeyId EncapsulationAlgorithm GrantTokens DryRun",
  },
  Encrypt: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "ENCRYPT_DECRYPT",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request: "KeyId Plaintext EncryptionContext EncryptionAlgorithm GrantTokens DryRun",
    conditions: { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT" },
  },
  GenerateDataKey: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "ENCRYPT_DECRYPT",
    keys: "symmetric",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request: "KeyId KeySpec NumberOfBytes EncryptionContext GrantTokens DryRun",
    refused: "Recipient",
    conditions: { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT" },
  },
  GenerateDataKeyPair: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "ENCRYPT_DECRYPT",
    keys: "symmetric",
    quota: "dataKeyPair",
    open: ["accounts", "alias", "grant"],
    request: "KeyId KeyPairSpec EncryptionContext GrantTokens DryRun",
    refused: "Recipient",
    conditions: { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "kms:DataKeyPairSpec": null },
  },
  GenerateDataKeyPairWithoutPlaintext: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "ENCRYPT_DECRYPT",
    keys: "symmetric",
    quota: "dataKeyPair",
    open: ["accounts", "alias", "grant"],
    request: "KeyId KeyPairSpec EncryptionContext GrantTokens DryRun",
    conditions: { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "kms:DataKeyPairSpec": null },
  },
  GenerateDataKeyWithoutPlaintext: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "ENCRYPT_DECRYPT",
    keys: "symmetric",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request: "KeyId KeySpec NumberOfBytes EncryptionContext GrantTokens DryRun",
    conditions: { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT" },
  },
  GenerateMac: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "GENERATE_VERIFY_MAC",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request: "KeyId Message MacAlgorithm GrantTokens DryRun",
    conditions: { "kms:MacAlgorithm": null },
  },
  GenerateRandom: {
    on: "account",
    mode: "read",
    quota: "cryptographic",
    request: "NumberOfBytes CustomKeyStoreId",
    refused: "Recipient",
  },
  GetKeyLastUsage: { on: "key", mode: "read", states: "look", quota: 5, request: "KeyId" },
  GetKeyPolicy: {
    on: "key",
    mode: "read",
    states: "look",
    quota: 1000,
    request: "KeyId PolicyName",
  },
  GetKeyRotationStatus: {
    on: "key",
    mode: "read",
    states: "rotationStatus",
    quota: 1000,
    open: ["accounts"],
    request: "KeyId",
  },
  GetParametersForImport: {
    on: "key",
    mode: "read",
    states: "import",
    quota: 1,
    request: "KeyId WrappingAlgorithm WrappingKeySpec",
    conditions: { "kms:WrappingAlgorithm": null, "kms:WrappingKeySpec": null },
  },
  GetPublicKey: {
    on: "key",
    mode: "read",
    states: "use",
    keys: "asymmetric",
    quota: 2000,
    open: ["accounts", "alias", "grant"],
    request: "KeyId GrantTokens",
  },
  ImportKeyMaterial: {
    on: "key",
    mode: "write",
    states: "import",
    quota: 15,
    request:
      "KeyId ImportToken EncryptedKeyMaterial ValidTo ExpirationModel ImportType KeyMaterialDescription KeyMaterialId",
    conditions: { "kms:ExpirationModel": "KEY_MATERIAL_EXPIRES", "kms:ValidTo": null },
    logged: "KeyId KeyMaterialId",
  },
  ListAliases: { on: "account", mode: "read", quota: 500, request: "KeyId Limit Marker" },
  ListGrants: {
    on: "key",
    mode: "read",
    states: "look",
    quota: 100,
    open: ["accounts"],
    request: "KeyId GrantId GranteePrincipal GranteeServicePrincipal Limit Marker",
    conditions: { "kms:GrantIsForAWSResource": null },
  },
  ListKeyPolicies: {
    on: "key",
    mode: "read",
    states: "look",
    quota: 100,
    request: "KeyId Limit Marker",
  },
  ListKeyRotations: {
    on: "key",
    mode: "read",
    states: "look",
    quota: 100,
    request: "KeyId IncludeKeyMaterial Limit Marker",
  },
  ListKeys: {
    on: "account",
    mode: "read",
    quota: 500,
    request: "Limit Marker",
    refused: "ResourceOwners",
  },
  ListResourceTags: {
    on: "key",
    mode: "read",
    states: "look",
    quota: 2000,
    request: "KeyId Limit Marker",
  },
  ListRetirableGrants: {
    on: "account",
    mode: "read",
    quota: 100,
    request: "RetiringPrincipal RetiringServicePrincipal Limit Marker",
  },
  PutKeyPolicy: {
    on: "key",
    mode: "write",
    states: "look",
    quota: 15,
    request: "KeyId PolicyName Policy BypassPolicyLockoutSafetyCheck",
    conditions: { "kms:BypassPolicyLockoutSafetyCheck": null },
  },
  ReEncrypt: {
    on: "key",
    permissions: ["ReEncryptFrom", "ReEncryptTo"],
    mode: "read",
    states: "use",
    usage: "ENCRYPT_DECRYPT",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request:
      "CiphertextBlob SourceKeyId SourceEncryptionContext SourceEncryptionAlgorithm DestinationKeyId DestinationEncryptionContext DestinationEncryptionAlgorithm GrantTokens DryRun DryRunModifiers",
    conditions: { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "kms:ReEncryptOnSameKey": false },
  },
  ReplicateKey: {
    on: "key",
    mode: "write",
    states: "replicate",
    quota: 5,
    request: "KeyId ReplicaRegion Policy BypassPolicyLockoutSafetyCheck Description Tags",
    conditions: { "kms:ReplicaRegion": null },
    logged: "ReplicaKeyMetadata",
  },
  RetireGrant: {
    on: "grant",
    mode: "write",
    states: "look",
    quota: 50,
    open: ["accounts", "grant"],
    request: "GrantToken KeyId GrantId DryRun",
    conditions: {
      "kms:GrantConstraintType": null,
      "kms:EncryptionContext:": null,
      "kms:EncryptionContextKeys": null,
    },
  },
  RevokeGrant: {
    on: "key",
    mode: "write",
    states: "look",
    quota: 50,
    open: ["accounts"],
    request: "KeyId GrantId DryRun",
    conditions: { "kms:GrantIsForAWSResource": null },
  },
  RotateKeyOnDemand: {
    on: "key",
    mode: "write",
    states: "rotateNow",
    quota: 5,
    request: "KeyId",
    logged: "KeyId",
  },
  ScheduleKeyDeletion: {
    on: "key",
    mode: "write",
    states: "scheduleDeletion",
    quota: 15,
    request: "KeyId PendingWindowInDays",
    conditions: {
      "kms:ScheduleKeyDeletionPendingWindowInDays": 30,
      "kms:TrailingDaysWithoutKeyUsage": null,
    },
    logged: "KeyId DeletionDate KeyState PendingWindowInDays",
  },
  Sign: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "SIGN_VERIFY",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request: "KeyId Message MessageType SigningAlgorithm GrantTokens DryRun",
    conditions: { "kms:SigningAlgorithm": null, "kms:MessageType": "RAW" },
  },
  TagResource: {
    on: "key",
    mode: "write",
    states: "label",
    quota: 10,
    request: "KeyId Tags",
    conditions: { "aws:RequestTag/": null, "aws:TagKeys": null },
  },
  UntagResource: {
    on: "key",
    mode: "write",
    states: "label",
    quota: 5,
    request: "KeyId TagKeys",
    conditions: { "aws:TagKeys": null },
  },
  UpdateAlias: {
    on: "alias",
    mode: "write",
    states: "label",
    quota: 5,
    request: "AliasName TargetKeyId",
  },
  UpdateCustomKeyStore: {
    on: "account",
    mode: "write",
    quota: 5,
    request:
      "CustomKeyStoreId NewCustomKeyStoreName KeyStorePassword CloudHsmClusterId XksProxyUriEndpoint XksProxyUriPath XksProxyVpcEndpointServiceName XksProxyVpcEndpointServiceOwner XksProxyAuthenticationCredential XksProxyConnectivity",
  },
  UpdateKeyDescription: {
    on: "key",
    mode: "write",
    states: "label",
    quota: 5,
    request: "KeyId Description",
  },
  UpdatePrimaryRegion: {
    on: "key",
    mode: "write",
    states: "replicate",
    quota: 5,
    request: "KeyId PrimaryRegion",
    conditions: { "kms:PrimaryRegion": null },
  },
  Verify: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "SIGN_VERIFY",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request: "KeyId Message MessageType Signature SigningAlgorithm GrantTokens DryRun",
    conditions: { "kms:SigningAlgorithm": null, "kms:MessageType": "RAW" },
  },
  VerifyMac: {
    on: "key",
    mode: "read",
    states: "use",
    usage: "GENERATE_VERIFY_MAC",
    quota: "cryptographic",
    open: ["accounts", "alias", "grant"],
    request: "KeyId Message MacAlgorithm Mac GrantTokens DryRun",
    conditions: { "kms:MacAlgorithm": null },
  },
} as const;

/** `Encrypt`, … */
export type OperationName = keyof typeof operations;

type Words<Text extends string> = Text extends `${infer First} ${infer Rest}`
  ? First | Words<Rest>
  : Text;

/** The members of an operation's request that this KMS understands. */
export type Member<Name extends OperationName> = Words<(typeof operations)[Name]["request"]>;

/** The facts of a row, if {@link OperationRow} has them all. */
type Checked<Row> = Exclude<keyof Row, keyof OperationRow> extends never ? OperationRow : never;

/**
 * The same rows for those who take any of them. Does not compile with a misspelt or unfitting fact in a row.
 *
 * @alias operations
 */
export const operationRows: {
  readonly [Name in OperationName]: Checked<(typeof operations)[Name]>;
} = operations;

const members: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(operationRows).map(([name, { request }]) => [name, request.split(" ")]),
);

/** The members of an operation's request that this KMS understands. */
export function membersOf(operation: OperationName): readonly string[] {
  return members.get(operation) ?? [];
}

const usingKeys: ReadonlySet<string> = new Set(
  Object.entries(operationRows).flatMap(([name, { usage }]) => (usage === undefined ? [] : [name])),
);

/** Whether an operation uses its keys for cryptography: those whose last use AWS tracks. */
export function usesKeys(operation: string): boolean {
  return usingKeys.has(operation);
}
