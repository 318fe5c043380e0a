/**
 * AWS's model of the service: every operation, with every member of its request.
 *
 * Source: the model of AWS KMS, API version 2014-11-01, in botocore 1.44.8.
 *
 * @module
 */
export const awsModel: Readonly<Record<string, string>> = {
  CancelKeyDeletion: "KeyId",
  ConnectCustomKeyStore: "CustomKeyStoreId",
  CreateAlias: "AliasName TargetKeyId",
  CreateCustomKeyStore:
    "CustomKeyStoreName CloudHsmClusterId TrustAnchorCertificate KeyStorePassword CustomKeyStoreType XksProxyUriEndpoint XksProxyUriPath XksProxyVpcEndpointServiceName XksProxyVpcEndpointServiceOwner XksProxyAuthenticationCredential XksProxyConnectivity",
  CreateGrant:
    "KeyId GranteePrincipal RetiringPrincipal Operations Constraints GrantTokens Name DryRun GranteeServicePrincipal RetiringServicePrincipal",
  CreateKey:
    "Policy Description KeyUsage CustomerMasterKeySpec KeySpec Origin CustomKeyStoreId BypassPolicyLockoutSafetyCheck Tags MultiRegion XksKeyId",
  Decapsulate: "KeyId SharedSecretCiphertextBlob EncapsulationAlgorithm GrantTokens DryRun",
  Decrypt:
    "CiphertextBlob EncryptionContext GrantTokens KeyId EncryptionAlgorithm Recipient DryRun DryRunModifiers",
  DeleteAlias: "AliasName",
  DeleteCustomKeyStore: "CustomKeyStoreId",
  DeleteImportedKeyMaterial: "KeyId KeyMaterialId",
  DeriveSharedSecret: "KeyId KeyAgreementAlgorithm PublicKey GrantTokens DryRun Recipient",
  DescribeCustomKeyStores: "CustomKeyStoreId CustomKeyStoreName Limit Marker",
  DescribeKey: "KeyId GrantTokens",
  DisableKey: "KeyId",
  DisableKeyRotation: "KeyId",
  DisconnectCustomKeyStore: "CustomKeyStoreId",
  EnableKey: "KeyId",
  EnableKeyRotation: "KeyId RotationPeriodInDays",
  Encapsulate: "KeyId EncapsulationAlgorithm GrantTokens DryRun",
  Encrypt: "KeyId Plaintext EncryptionContext GrantTokens EncryptionAlgorithm DryRun",
  GenerateDataKey: "KeyId EncryptionContext NumberOfBytes KeySpec GrantTokens Recipient DryRun",
  GenerateDataKeyPair: "EncryptionContext KeyId KeyPairSpec GrantTokens Recipient DryRun",
  GenerateDataKeyPairWithoutPlaintext: "EncryptionContext KeyId KeyPairSpec GrantTokens DryRun",
  GenerateDataKeyWithoutPlaintext:
    "KeyId EncryptionContext KeySpec NumberOfBytes GrantTokens DryRun",
  GenerateMac: "Message KeyId MacAlgorithm GrantTokens DryRun",
  GenerateRandom: "NumberOfBytes CustomKeyStoreId Recipient",
  GetKeyLastUsage: "KeyId",
  GetKeyPolicy: "KeyId PolicyName",
  GetKeyRotationStatus: "KeyId",
  GetParametersForImport: "KeyId WrappingAlgorithm WrappingKeySpec",
  GetPublicKey: "KeyId GrantTokens",
  ImportKeyMaterial:
    "KeyId ImportToken EncryptedKeyMaterial ValidTo ExpirationModel ImportType KeyMaterialDescription KeyMaterialId",
  ListAliases: "KeyId Limit Marker",
  ListGrants: "Limit Marker KeyId GrantId GranteePrincipal GranteeServicePrincipal",
  ListKeyPolicies: "KeyId Limit Marker",
  ListKeyRotations: "KeyId IncludeKeyMaterial Limit Marker",
  ListKeys: "Limit Marker ResourceOwners",
  ListResourceTags: "KeyId Limit Marker",
  ListRetirableGrants: "Limit Marker RetiringPrincipal RetiringServicePrincipal",
  PutKeyPolicy: "KeyId PolicyName Policy BypassPolicyLockoutSafetyCheck",
  ReEncrypt:
    "CiphertextBlob SourceEncryptionContext SourceKeyId DestinationKeyId DestinationEncryptionContext SourceEncryptionAlgorithm DestinationEncryptionAlgorithm GrantTokens DryRun DryRunModifiers",
  ReplicateKey: "KeyId ReplicaRegion Policy BypassPolicyLockoutSafetyCheck Description Tags",
  RetireGrant: "GrantToken KeyId GrantId DryRun",
  RevokeGrant: "KeyId GrantId DryRun",
  RotateKeyOnDemand: "KeyId",
  ScheduleKeyDeletion: "KeyId PendingWindowInDays",
  Sign: "KeyId Message MessageType GrantTokens SigningAlgorithm DryRun",
  TagResource: "KeyId Tags",
  UntagResource: "KeyId TagKeys",
  UpdateAlias: "AliasName TargetKeyId",
  UpdateCustomKeyStore:
    "CustomKeyStoreId NewCustomKeyStoreName KeyStorePassword CloudHsmClusterId XksProxyUriEndpoint XksProxyUriPath XksProxyVpcEndpointServiceName XksProxyVpcEndpointServiceOwner XksProxyAuthenticationCredential XksProxyConnectivity",
  UpdateKeyDescription: "KeyId Description",
  UpdatePrimaryRegion: "KeyId PrimaryRegion",
  Verify: "KeyId Message MessageType Signature SigningAlgorithm GrantTokens DryRun",
  VerifyMac: "Message KeyId MacAlgorithm Mac GrantTokens DryRun",
};
