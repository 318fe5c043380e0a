/**
 * A KMS in one SQLite file: symmetric keys with versions and aliases, with the names and semantics of
 * AWS KMS.
 *
 * @module
 */
export { createKeystore, inspectKeystore, Keystore, openKeystore } from "./keystore.ts";
export type { CreateKeystoreOptions, KeystoreFacts, OpenKeystoreOptions } from "./keystore.ts";
export { KmsClient } from "./client.ts";
export { kmsLimits } from "./key.ts";
export { isKmsError, KmsError, kmsErrors } from "./errors.ts";
export type { KmsErrorName } from "./errors.ts";
export { generateRootKey } from "./root-key.ts";
export type { RootKeyKind, RootKeySource } from "./root-key.ts";
export type { AuthorizationDecision, AuthorizationRequest, Authorize } from "./authorize.ts";
export { authorizeAccountRoot } from "./authorize.ts";
export { describeCiphertextBlob } from "./blob.ts";
export type { CiphertextBlobFacts } from "./blob.ts";
export type {
  AliasListEntry,
  AliasRequest,
  AliasTargetRequest,
  CreateKeyRequest,
  DecryptRequest,
  DecryptResponse,
  EncryptionAlgorithm,
  EncryptionContext,
  EncryptRequest,
  EncryptResponse,
  GenerateDataKeyRequest,
  GenerateDataKeyResponse,
  GenerateDataKeyWithoutPlaintextResponse,
  GenerateRandomRequest,
  GenerateRandomResponse,
  GetKeyPolicyRequest,
  GetKeyPolicyResponse,
  KeyIdResponse,
  KeyMetadata,
  KeyMetadataResponse,
  KeyRequest,
  KeyRotation,
  ListAliasesRequest,
  ListAliasesResponse,
  ListKeyRotationsRequest,
  ListKeyRotationsResponse,
  ListKeysResponse,
  PageRequest,
  ReEncryptRequest,
  ReEncryptResponse,
  ScheduleKeyDeletionRequest,
  ScheduleKeyDeletionResponse,
  UpdateKeyDescriptionRequest,
} from "./shapes.ts";
