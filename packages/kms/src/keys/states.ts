/**
 * Which call a key's state allows.
 *
 * The table is AWS's whole one. `Unavailable`, `Creating`, `Updating` and `PendingReplicaDeletion` belong
 * to custom key stores and replicas; no key of this KMS gets into them.
 *
 * Source: "Key states of AWS KMS keys" in the AWS KMS developer guide; where it leaves the choice for
 * keys pending deletion, KMSInvalidStateException.
 *
 * @module
 */
import { KmsError } from "../errors.ts";

export type KeyState =
  | "Enabled"
  | "Disabled"
  | "PendingDeletion"
  | "PendingReplicaDeletion"
  | "PendingImport"
  | "Unavailable"
  | "Creating"
  | "Updating";

/** The part of a permission after `kms:`, for those on keys. */
export type KeyAction =
  | "CancelKeyDeletion"
  | "CreateAlias"
  | "CreateGrant"
  | "Decrypt"
  | "DeleteAlias"
  | "DeleteImportedKeyMaterial"
  | "DeriveSharedSecret"
  | "DescribeKey"
  | "DisableKey"
  | "DisableKeyRotation"
  | "EnableKey"
  | "EnableKeyRotation"
  | "Encrypt"
  | "GenerateDataKey"
  | "GenerateDataKeyPair"
  | "GenerateDataKeyPairWithoutPlaintext"
  | "GenerateDataKeyWithoutPlaintext"
  | "GenerateMac"
  | "GetKeyPolicy"
  | "GetKeyRotationStatus"
  | "GetParametersForImport"
  | "GetPublicKey"
  | "ImportKeyMaterial"
  | "ListGrants"
  | "ListKeyPolicies"
  | "ListKeyRotations"
  | "ListResourceTags"
  | "PutKeyPolicy"
  | "ReEncryptFrom"
  | "ReEncryptTo"
  | "RetireGrant"
  | "RevokeGrant"
  | "RotateKeyOnDemand"
  | "ScheduleKeyDeletion"
  | "Sign"
  | "TagResource"
  | "UntagResource"
  | "UpdateAlias"
  | "UpdateKeyDescription"
  | "Verify"
  | "VerifyMac";

/** `ok` · D: DisabledException · S: KMSInvalidStateException · U: UnsupportedOperationException */
type Answer = "ok" | "D" | "S" | "U";
type Row = Readonly<Record<KeyState, Answer>>;

/** A key pending the deletion of its replicas is as good as deleted. */
function row(
  Enabled: Answer,
  Disabled: Answer,
  PendingDeletion: Answer,
  PendingImport: Answer,
  Unavailable: Answer,
  Creating: Answer,
  Updating: Answer,
): Row {
  return {
    Enabled,
    Disabled,
    PendingDeletion,
    PendingReplicaDeletion: PendingDeletion,
    PendingImport,
    Unavailable,
    Creating,
    Updating,
  };
}

const use = row("ok", "D", "S", "S", "S", "S", "ok");
const sign = row("ok", "D", "S", "S", "S", "S", "ok");
const grant = row("ok", "D", "S", "S", "ok", "S", "ok");
const look = row("ok", "ok", "ok", "ok", "ok", "ok", "ok");
const label = row("ok", "ok", "S", "ok", "ok", "ok", "ok");
const enable = row("ok", "ok", "S", "S", "ok", "S", "S");
const rotation = row("ok", "D", "S", "U", "U", "S", "ok");
const importing = row("ok", "ok", "S", "ok", "U", "S", "S");

/** One row per permission. */
export const keyStateRules: Readonly<Record<KeyAction, Row>> = {
  CancelKeyDeletion: row("S", "S", "ok", "S", "S", "S", "S"),
  CreateAlias: label,
  CreateGrant: grant,
  Decrypt: use,
  DeleteAlias: look,
  DeleteImportedKeyMaterial: row("ok", "ok", "ok", "ok", "S", "S", "S"),
  DeriveSharedSecret: sign,
  DescribeKey: look,
  DisableKey: enable,
  DisableKeyRotation: rotation,
  EnableKey: enable,
  EnableKeyRotation: rotation,
  Encrypt: use,
  GenerateDataKey: use,
  GenerateDataKeyPair: use,
  GenerateDataKeyPairWithoutPlaintext: use,
  GenerateDataKeyWithoutPlaintext: use,
  GenerateMac: sign,
  GetKeyPolicy: look,
  GetKeyRotationStatus: row("ok", "ok", "ok", "U", "U", "ok", "ok"),
  GetParametersForImport: importing,
  GetPublicKey: sign,
  ImportKeyMaterial: importing,
  ListGrants: look,
  ListKeyPolicies: look,
  ListKeyRotations: look,
  ListResourceTags: look,
  PutKeyPolicy: look,
  ReEncryptFrom: use,
  ReEncryptTo: use,
  RetireGrant: look,
  RevokeGrant: look,
  RotateKeyOnDemand: row("ok", "D", "S", "S", "U", "S", "S"),
  ScheduleKeyDeletion: row("ok", "ok", "S", "ok", "ok", "ok", "S"),
  Sign: sign,
  TagResource: label,
  UntagResource: label,
  UpdateAlias: label,
  UpdateKeyDescription: label,
  Verify: sign,
  VerifyMac: sign,
};

/** What a state is called in a refusal: "… is pending deletion." */
const words: Readonly<Record<KeyState, string>> = {
  Enabled: "enabled",
  Disabled: "disabled",
  PendingDeletion: "pending deletion",
  PendingReplicaDeletion: "pending replica deletion",
  PendingImport: "pending import",
  Unavailable: "unavailable",
  Creating: "creating",
  Updating: "updating",
};

/** @throws {@link KmsError} `DisabledException`, `KMSInvalidStateException`, `UnsupportedOperationException`. */
export function requireState(action: KeyAction, state: KeyState, arn: string): void {
  const answer = keyStateRules[action][state];
  if (answer === "ok") return;
  if (answer === "D") throw new KmsError("DisabledException", `${arn} is disabled.`);
  if (answer === "U") throw unsupportedOrigin(arn, "EXTERNAL");
  const is = action === "CancelKeyDeletion" ? "is not pending deletion" : `is ${words[state]}`;
  throw new KmsError("KMSInvalidStateException", `${arn} ${is}.`);
}

/** Refuses what keys with imported material cannot do, and what only they can do. */
export function unsupportedOrigin(arn: string, origin: string): KmsError {
  return new KmsError(
    "UnsupportedOperationException",
    `${arn} origin is ${origin} which is not valid for this operation.`,
  );
}
