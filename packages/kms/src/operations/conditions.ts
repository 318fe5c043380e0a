/**
 * The condition keys that a request itself has, by operation, and the defaults of what it leaves out.
 *
 * Both the calls and {@link explainCall} take them from here, so an explanation cannot answer for another
 * request than the call would make.
 *
 * Source: "Condition keys for AWS KMS" in the AWS KMS developer guide; the defaults are those of the API
 * reference
 *
 * @module
 */
import type { Conditions } from "../access/access.ts";

/** What the members of requests are where they are left out. */
export const defaults = {
  encryptionAlgorithm: "SYMMETRIC_DEFAULT",
  expirationModel: "KEY_MATERIAL_EXPIRES",
  keySpec: "SYMMETRIC_DEFAULT",
  keyUsage: "ENCRYPT_DECRYPT",
  messageType: "RAW",
  multiRegion: false,
  origin: "AWS_KMS",
  pendingWindowInDays: 30,
  rotationPeriodInDays: 365,
} as const;

/** Encrypt, Decrypt, both halves of ReEncrypt, and those that generate data keys. */
export function encryptionConditions(algorithm: string = defaults.encryptionAlgorithm): Conditions {
  return { "kms:EncryptionAlgorithm": algorithm };
}

export function dataKeyPairConditions(pairSpec?: string): Conditions {
  return { ...encryptionConditions(), "kms:DataKeyPairSpec": pairSpec };
}

/** Sign and Verify. */
export function signingConditions({
  algorithm,
  type = defaults.messageType,
}: { readonly algorithm?: string; readonly type?: string } = {}): Conditions {
  return { "kms:SigningAlgorithm": algorithm, "kms:MessageType": type };
}

/** CreateKey, and TagResource on the key that it makes. */
export function newKeyConditions({
  keySpec = defaults.keySpec,
  keyUsage = defaults.keyUsage,
  origin = defaults.origin,
  multiRegion = defaults.multiRegion,
}: {
  readonly keySpec?: string;
  readonly keyUsage?: string;
  readonly origin?: string;
  readonly multiRegion?: boolean;
} = {}): Conditions {
  return {
    "kms:KeySpec": keySpec,
    "kms:KeyUsage": keyUsage,
    "kms:KeyOrigin": origin,
    "kms:MultiRegion": String(multiRegion),
    "kms:MultiRegionKeyType": multiRegion ? "PRIMARY" : undefined,
  };
}

export function deletionConditions(windowDays: number = defaults.pendingWindowInDays): Conditions {
  return { "kms:ScheduleKeyDeletionPendingWindowInDays": String(windowDays) };
}

export function rotationConditions(
  periodInDays: number = defaults.rotationPeriodInDays,
): Conditions {
  return { "kms:RotationPeriodInDays": String(periodInDays) };
}

/** @param expires - Milliseconds since 1970. */
export function importConditions({
  model = defaults.expirationModel,
  expires,
}: { readonly model?: string; readonly expires?: number | undefined } = {}): Conditions {
  return {
    "kms:ExpirationModel": model,
    "kms:ValidTo": expires === undefined ? undefined : new Date(expires).toISOString(),
  };
}

/** The tags in a request. */
export function tagConditions(tags: Readonly<Record<string, string>>): Conditions {
  const names = Object.keys(tags);
  const values = Object.entries(tags).map(([name, value]) => [`aws:RequestTag/${name}`, value]);
  return { ...Object.fromEntries(values), "aws:TagKeys": names.length === 0 ? undefined : names };
}

/** The conditions of a request that leaves out all it may, by action. */
export const defaultConditions: ReadonlyMap<string, () => Conditions> = new Map<
  string,
  () => Conditions
>([
  ["CreateKey", newKeyConditions],
  ["Decrypt", encryptionConditions],
  ["EnableKeyRotation", rotationConditions],
  ["Encrypt", encryptionConditions],
  ["GenerateDataKey", encryptionConditions],
  ["GenerateDataKeyPair", dataKeyPairConditions],
  ["GenerateDataKeyPairWithoutPlaintext", dataKeyPairConditions],
  ["GenerateDataKeyWithoutPlaintext", encryptionConditions],
  ["ImportKeyMaterial", importConditions],
  ["ReEncryptFrom", encryptionConditions],
  ["ReEncryptTo", encryptionConditions],
  ["ScheduleKeyDeletion", deletionConditions],
  ["Sign", signingConditions],
  ["Verify", signingConditions],
]);
