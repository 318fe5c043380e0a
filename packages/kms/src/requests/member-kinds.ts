/**
 * The kind of every member of a request, for those who read requests from a wire. It follows from the shapes of the requests: a
 * member that is missing here, too many, or of another kind does not compile.
 *
 * @module
 */
import type { OperationName } from "../catalogue/operations.ts";
import type { RequestOf } from "./operations.ts";
import type { GrantConstraints, Tag } from "./shapes.ts";

/** Kinds by AWS's names. A map has strings; the members of a structure are in the same table. */
export type MemberKind =
  | "Blob"
  | "Boolean"
  | "Integer"
  | "Map"
  | "String"
  | "StringList"
  | "Structure"
  | "StructureList"
  | "Timestamp";

/** Each request apart, and the structures within them. */
type Shape = { [Name in OperationName]: RequestOf<Name> }[OperationName] | GrantConstraints | Tag;

type NameIn<Each> = Each extends unknown ? keyof Each : never;

type ValueIn<Each, Name> = Each extends unknown
  ? Name extends keyof Each
    ? NonNullable<Each[Name]>
    : never
  : never;

type KindOf<Value> = Value extends Uint8Array
  ? "Blob"
  : Value extends Date
    ? "Timestamp"
    : Value extends string
      ? "String"
      : Value extends number
        ? "Integer"
        : Value extends boolean
          ? "Boolean"
          : Value extends readonly string[]
            ? "StringList"
            : Value extends readonly object[]
              ? "StructureList"
              : Value extends Readonly<Record<string, string>>
                ? "Map"
                : "Structure";

const kinds: { readonly [Name in NameIn<Shape>]: KindOf<ValueIn<Shape, Name>> } = {
  AliasName: "String",
  BypassPolicyLockoutSafetyCheck: "Boolean",
  CiphertextBlob: "Blob",
  CloudHsmClusterId: "String",
  Constraints: "Structure",
  CustomKeyStoreId: "String",
  CustomKeyStoreName: "String",
  CustomKeyStoreType: "String",
  CustomerMasterKeySpec: "String",
  Description: "String",
  DestinationEncryptionAlgorithm: "String",
  DestinationEncryptionContext: "Map",
  DestinationKeyId: "String",
  DryRun: "Boolean",
  DryRunModifiers: "StringList",
  EncapsulationAlgorithm: "String",
  EncryptedKeyMaterial: "Blob",
  EncryptionAlgorithm: "String",
  EncryptionContext: "Map",
  EncryptionContextEquals: "Map",
  EncryptionContextSubset: "Map",
  ExpirationModel: "String",
  GrantId: "String",
  GrantToken: "String",
  GrantTokens: "StringList",
  GranteePrincipal: "String",
  GranteeServicePrincipal: "String",
  ImportToken: "Blob",
  ImportType: "String",
  IncludeKeyMaterial: "String",
  KeyAgreementAlgorithm: "String",
  KeyId: "String",
  KeyMaterialDescription: "String",
  KeyMaterialId: "String",
  KeyPairSpec: "String",
  KeySpec: "String",
  KeyStorePassword: "String",
  KeyUsage: "String",
  Limit: "Integer",
  Mac: "Blob",
  MacAlgorithm: "String",
  Marker: "String",
  Message: "Blob",
  MessageType: "String",
  MultiRegion: "Boolean",
  Name: "String",
  NewCustomKeyStoreName: "String",
  NumberOfBytes: "Integer",
  Operations: "StringList",
  Origin: "String",
  PendingWindowInDays: "Integer",
  Plaintext: "Blob",
  Policy: "String",
  PolicyName: "String",
  PrimaryRegion: "String",
  PublicKey: "Blob",
  ReplicaRegion: "String",
  RetiringPrincipal: "String",
  RetiringServicePrincipal: "String",
  RotationPeriodInDays: "Integer",
  SharedSecretCiphertextBlob: "Blob",
  Signature: "Blob",
  SigningAlgorithm: "String",
  SourceArn: "String",
  SourceEncryptionAlgorithm: "String",
  SourceEncryptionContext: "Map",
  SourceKeyId: "String",
  TagKey: "String",
  TagKeys: "StringList",
  TagValue: "String",
  Tags: "StructureList",
  TargetKeyId: "String",
  TrustAnchorCertificate: "String",
  ValidTo: "Timestamp",
  WrappingAlgorithm: "String",
  WrappingKeySpec: "String",
  XksProxyAuthenticationCredential: "Structure",
  XksProxyConnectivity: "String",
  XksProxyUriEndpoint: "String",
  XksProxyUriPath: "String",
  XksProxyVpcEndpointServiceName: "String",
  XksProxyVpcEndpointServiceOwner: "String",
};

/** Kinds by the names of members, which have the same kind in every request. */
export const memberKinds: ReadonlyMap<string, MemberKind> = new Map(Object.entries(kinds));
