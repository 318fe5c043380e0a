/**
 * The actions of AWS KMS: on what they are asked for, and whether from other accounts.
 *
 * Source: "Actions, resources, and condition keys for AWS Key Management Service" in the service
 * authorization reference; "Cross-account use" in the API reference
 *
 * @module
 */
import { lowerCase } from "./values.ts";

export interface Action {
  /** `Decrypt`, as written after `kms:`. */
  readonly name: string;
  /** What it is asked for. None: the account as a whole, `*`. */
  readonly resources: readonly ("key" | "alias")[];
  /** Whether callers of other accounts than the key's may be allowed it. */
  readonly crossAccount: boolean;
}

const CROSS_ACCOUNT = [
  "CreateGrant",
  "Decapsulate",
  "Decrypt",
  "DeriveSharedSecret",
  "DescribeKey",
  "Encapsulate",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateDataKeyWithoutPlaintext",
  "GenerateMac",
  "GetKeyRotationStatus",
  "GetPublicKey",
  "ListGrants",
  "ReEncryptFrom",
  "ReEncryptTo",
  "RetireGrant",
  "RevokeGrant",
  "Sign",
  "Verify",
  "VerifyMac",
];

const OWN_ACCOUNT = [
  "CancelKeyDeletion",
  "DeleteImportedKeyMaterial",
  "DisableKey",
  "DisableKeyRotation",
  "EnableKey",
  "EnableKeyRotation",
  "GetKeyLastUsage",
  "GetKeyPolicy",
  "GetParametersForImport",
  "ImportKeyMaterial",
  "ListKeyPolicies",
  "ListKeyRotations",
  "ListResourceTags",
  "PutKeyPolicy",
  "ReplicateKey",
  "RotateKeyOnDemand",
  "ScheduleKeyDeletion",
  "SynchronizeMultiRegionKey",
  "TagResource",
  "UntagResource",
  "UpdateKeyDescription",
  "UpdatePrimaryRegion",
];

const ALIAS = ["CreateAlias", "DeleteAlias", "UpdateAlias"];

const GENERAL = [
  "ConnectCustomKeyStore",
  "CreateCustomKeyStore",
  "CreateKey",
  "DeleteCustomKeyStore",
  "DescribeCustomKeyStores",
  "DisconnectCustomKeyStore",
  "GenerateRandom",
  "ListAliases",
  "ListKeys",
  "ListRetirableGrants",
  "UpdateCustomKeyStore",
];

/** All actions, by name in lower case with `kms:` before it. */
export const actions: ReadonlyMap<string, Action> = new Map(
  [
    ...CROSS_ACCOUNT.map((name) => ({ name, resources: ["key"] as const, crossAccount: true })),
    ...OWN_ACCOUNT.map((name) => ({ name, resources: ["key"] as const, crossAccount: false })),
    ...ALIAS.map((name) => ({ name, resources: ["alias", "key"] as const, crossAccount: false })),
    ...GENERAL.map((name) => ({ name, resources: [], crossAccount: false })),
  ].map((action) => [`kms:${lowerCase(action.name)}`, action]),
);

export function isCrossAccount(action: string): boolean {
  return actions.get(lowerAction(action))?.crossAccount ?? false;
}

/** Actions whose calls may name the key by an alias, so that they have `kms:RequestAlias`. */
const BY_ALIAS: ReadonlySet<string> = new Set([
  "Decapsulate",
  "Decrypt",
  "DeriveSharedSecret",
  "DescribeKey",
  "Encapsulate",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateDataKeyWithoutPlaintext",
  "GenerateMac",
  "GetPublicKey",
  "ReEncryptFrom",
  "ReEncryptTo",
  "Sign",
  "Verify",
  "VerifyMac",
]);

/** @param name - As `Decrypt`. */
export function takesAlias(name: string): boolean {
  return BY_ALIAS.has(name);
}

const lowered: ReadonlyMap<string, string> = new Map(
  [...actions].map(([lower, { name }]) => [`kms:${name}`, lower]),
);

/** A request's action in lower case. Every statement asks, so those that there are lie ready. */
export function lowerAction(action: string): string {
  return lowered.get(action) ?? lowerCase(action);
}
