/**
 * The KMS as one principal sees it: AWS KMS's operations by their names.
 *
 * A method is a name for an operation and nothing else: what it does is under operations/, what happens
 * around it in operations/operation.ts.
 *
 * Source: the AWS KMS API reference; differences in README.md
 *
 * @module
 */
import * as aliases from "./operations/aliases.ts";
import * as asymmetric from "./operations/asymmetric.ts";
import * as dataKeyPairs from "./operations/data-key-pairs.ts";
import * as dataKeys from "./operations/data-keys.ts";
import * as encryption from "./operations/encrypt.ts";
import * as grants from "./operations/grants.ts";
import * as imports from "./operations/import.ts";
import * as keys from "./operations/keys.ts";
import * as macs from "./operations/mac.ts";
import type { Environment, Operation } from "./operations/operation.ts";
import * as policies from "./operations/policies.ts";
import * as rotation from "./operations/rotation.ts";
import * as signatures from "./operations/sign.ts";
import * as tags from "./operations/tags.ts";
import type * as shape from "./requests/shapes.ts";

/**
 * Operations of the KMS for one principal. Throws {@link KmsError} with AWS's names, and core's
 * `EnvelopeError` for problems with the file. Requests are not kept; response bytes are the caller's.
 */
export class KmsClient {
  readonly #environment: Environment;

  /** Not for applications: they call `keystore.as(principal)`. */
  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** ARN of whoever this client acts as. */
  get principal(): string {
    return this.#environment.session.principal;
  }

  createKey(request: shape.CreateKeyRequest = {}): Promise<shape.KeyMetadataResponse> {
    return this.#call(keys.createKey, request);
  }

  describeKey(request: shape.DescribeKeyRequest): Promise<shape.KeyMetadataResponse> {
    return this.#call(keys.describeKey, request);
  }

  listKeys(request: shape.PageRequest = {}): Promise<shape.ListKeysResponse> {
    return this.#call(keys.listKeys, request);
  }

  enableKey(request: shape.KeyRequest): Promise<void> {
    return this.#call(keys.enableKey, request);
  }

  disableKey(request: shape.KeyRequest): Promise<void> {
    return this.#call(keys.disableKey, request);
  }

  updateKeyDescription(request: shape.UpdateKeyDescriptionRequest): Promise<void> {
    return this.#call(keys.updateKeyDescription, request);
  }

  /** The key, its material and its aliases are deleted for good once the window is over. */
  scheduleKeyDeletion(
    request: shape.ScheduleKeyDeletionRequest,
  ): Promise<shape.ScheduleKeyDeletionResponse> {
    return this.#call(keys.scheduleKeyDeletion, request);
  }

  /** Leaves the key disabled. */
  cancelKeyDeletion(request: shape.KeyRequest): Promise<shape.KeyIdResponse> {
    return this.#call(keys.cancelKeyDeletion, request);
  }

  createAlias(request: shape.AliasTargetRequest): Promise<void> {
    return this.#call(aliases.createAlias, request);
  }

  /** Points an alias at another key of the same kind. */
  updateAlias(request: shape.AliasTargetRequest): Promise<void> {
    return this.#call(aliases.updateAlias, request);
  }

  deleteAlias(request: shape.AliasRequest): Promise<void> {
    return this.#call(aliases.deleteAlias, request);
  }

  listAliases(request: shape.ListAliasesRequest = {}): Promise<shape.ListAliasesResponse> {
    return this.#call(aliases.listAliases, request);
  }

  enableKeyRotation(request: shape.EnableKeyRotationRequest): Promise<void> {
    return this.#call(rotation.enableKeyRotation, request);
  }

  disableKeyRotation(request: shape.KeyRequest): Promise<void> {
    return this.#call(rotation.disableKeyRotation, request);
  }

  getKeyRotationStatus(request: shape.KeyRequest): Promise<shape.GetKeyRotationStatusResponse> {
    return this.#call(rotation.getKeyRotationStatus, request);
  }

  /** Adds a version, which encrypts from now on. Older versions go on decrypting. */
  rotateKeyOnDemand(request: shape.KeyRequest): Promise<shape.KeyIdResponse> {
    return this.#call(rotation.rotateKeyOnDemand, request);
  }

  /** Oldest first. */
  listKeyRotations(
    request: shape.ListKeyRotationsRequest,
  ): Promise<shape.ListKeyRotationsResponse> {
    return this.#call(rotation.listKeyRotations, request);
  }

  getKeyPolicy(request: shape.GetKeyPolicyRequest): Promise<shape.GetKeyPolicyResponse> {
    return this.#call(policies.getKeyPolicy, request);
  }

  putKeyPolicy(request: shape.PutKeyPolicyRequest): Promise<void> {
    return this.#call(policies.putKeyPolicy, request);
  }

  listKeyPolicies(request: shape.ListKeyPoliciesRequest): Promise<shape.ListKeyPoliciesResponse> {
    return this.#call(policies.listKeyPolicies, request);
  }

  tagResource(request: shape.TagResourceRequest): Promise<void> {
    return this.#call(tags.tagResource, request);
  }

  untagResource(request: shape.UntagResourceRequest): Promise<void> {
    return this.#call(tags.untagResource, request);
  }

  listResourceTags(
    request: shape.ListResourceTagsRequest,
  ): Promise<shape.ListResourceTagsResponse> {
    return this.#call(tags.listResourceTags, request);
  }

  createGrant(request: shape.CreateGrantRequest): Promise<shape.CreateGrantResponse> {
    return this.#call(grants.createGrant, request);
  }

  listGrants(request: shape.ListGrantsRequest): Promise<shape.ListGrantsResponse> {
    return this.#call(grants.listGrants, request);
  }

  listRetirableGrants(
    request: shape.ListRetirableGrantsRequest,
  ): Promise<shape.ListGrantsResponse> {
    return this.#call(grants.listRetirableGrants, request);
  }

  retireGrant(request: shape.RetireGrantRequest): Promise<void> {
    return this.#call(grants.retireGrant, request);
  }

  revokeGrant(request: shape.RevokeGrantRequest): Promise<void> {
    return this.#call(grants.revokeGrant, request);
  }

  generateDataKey(request: shape.GenerateDataKeyRequest): Promise<shape.GenerateDataKeyResponse> {
    return this.#call(dataKeys.generateDataKey, request);
  }

  generateDataKeyWithoutPlaintext(
    request: shape.GenerateDataKeyRequest,
  ): Promise<shape.GenerateDataKeyWithoutPlaintextResponse> {
    return this.#call(dataKeys.generateDataKeyWithoutPlaintext, request);
  }

  encrypt(request: shape.EncryptRequest): Promise<shape.EncryptResponse> {
    return this.#call(encryption.encrypt, request);
  }

  decrypt(request: shape.DecryptRequest): Promise<shape.DecryptResponse> {
    return this.#call(encryption.decrypt, request);
  }

  /** Decrypts and encrypts anew: another key, the key's newest version, another context. */
  reEncrypt(request: shape.ReEncryptRequest): Promise<shape.ReEncryptResponse> {
    return this.#call(encryption.reEncrypt, request);
  }

  generateRandom(request: shape.GenerateRandomRequest): Promise<shape.GenerateRandomResponse> {
    return this.#call(dataKeys.generateRandom, request);
  }

  generateDataKeyPair(
    request: shape.GenerateDataKeyPairRequest,
  ): Promise<shape.GenerateDataKeyPairResponse> {
    return this.#call(dataKeyPairs.generateDataKeyPair, request);
  }

  generateDataKeyPairWithoutPlaintext(
    request: shape.GenerateDataKeyPairRequest,
  ): Promise<shape.GenerateDataKeyPairWithoutPlaintextResponse> {
    return this.#call(dataKeyPairs.generateDataKeyPairWithoutPlaintext, request);
  }

  generateMac(request: shape.GenerateMacRequest): Promise<shape.GenerateMacResponse> {
    return this.#call(macs.generateMac, request);
  }

  /** A MAC that is not the message's is a `KMSInvalidMacException`. */
  verifyMac(request: shape.VerifyMacRequest): Promise<shape.VerifyMacResponse> {
    return this.#call(macs.verifyMac, request);
  }

  sign(request: shape.SignRequest): Promise<shape.SignResponse> {
    return this.#call(signatures.sign, request);
  }

  /** A signature that is not the message's is a `KMSInvalidSignatureException`. */
  verify(request: shape.VerifyRequest): Promise<shape.VerifyResponse> {
    return this.#call(signatures.verify, request);
  }

  getPublicKey(request: shape.GetPublicKeyRequest): Promise<shape.GetPublicKeyResponse> {
    return this.#call(asymmetric.getPublicKey, request);
  }

  deriveSharedSecret(
    request: shape.DeriveSharedSecretRequest,
  ): Promise<shape.DeriveSharedSecretResponse> {
    return this.#call(asymmetric.deriveSharedSecret, request);
  }

  /** What it takes to wrap key material for importKeyMaterial. */
  getParametersForImport(
    request: shape.GetParametersForImportRequest,
  ): Promise<shape.GetParametersForImportResponse> {
    return this.#call(imports.getParametersForImport, request);
  }

  importKeyMaterial(
    request: shape.ImportKeyMaterialRequest,
  ): Promise<shape.ImportKeyMaterialResponse> {
    return this.#call(imports.importKeyMaterial, request);
  }

  /** The key cannot be used until the same material is imported again. */
  deleteImportedKeyMaterial(
    request: shape.DeleteImportedKeyMaterialRequest,
  ): Promise<shape.DeleteImportedKeyMaterialResponse> {
    return this.#call(imports.deleteImportedKeyMaterial, request);
  }

  #call<Request extends object, Response>(
    operation: Operation<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return operation.call(this.#environment, request);
  }
}
