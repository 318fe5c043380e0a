/**
 * Which call a key's state allows.
 *
 * Source: "Key states of AWS KMS keys" in the AWS KMS developer guide; where it leaves the choice for
 * keys pending deletion, KMSInvalidStateException.
 *
 * @module
 */
import { KmsError } from "./errors.ts";
import type { KeyState } from "./key.ts";

/** The part of a permission after `kms:`, for those on keys. */
export type KeyAction =
  | "CancelKeyDeletion"
  | "CreateAlias"
  | "Decrypt"
  | "DeleteAlias"
  | "DescribeKey"
  | "DisableKey"
  | "EnableKey"
  | "Encrypt"
  | "GenerateDataKey"
  | "GenerateDataKeyWithoutPlaintext"
  | "GetKeyPolicy"
  | "ListKeyRotations"
  | "ReEncryptFrom"
  | "ReEncryptTo"
  | "RotateKeyOnDemand"
  | "ScheduleKeyDeletion"
  | "UpdateAlias"
  | "UpdateKeyDescription";

/** ok · D: DisabledException · S: KMSInvalidStateException */
type Answer = "ok" | "D" | "S";
type Row = Readonly<Record<KeyState, Answer>>;

const use: Row = { Enabled: "ok", Disabled: "D", PendingDeletion: "S" };
const look: Row = { Enabled: "ok", Disabled: "ok", PendingDeletion: "ok" };
const change: Row = { Enabled: "ok", Disabled: "ok", PendingDeletion: "S" };

/** One row per permission on a key. */
export const keyStateRules: Readonly<Record<KeyAction, Row>> = {
  CancelKeyDeletion: { Enabled: "S", Disabled: "S", PendingDeletion: "ok" },
  CreateAlias: change,
  Decrypt: use,
  DeleteAlias: look,
  DescribeKey: look,
  DisableKey: change,
  EnableKey: change,
  Encrypt: use,
  GenerateDataKey: use,
  GenerateDataKeyWithoutPlaintext: use,
  GetKeyPolicy: look,
  ListKeyRotations: look,
  ReEncryptFrom: use,
  ReEncryptTo: use,
  RotateKeyOnDemand: use,
  ScheduleKeyDeletion: change,
  UpdateAlias: change,
  UpdateKeyDescription: change,
};

/** @throws {@link KmsError} `DisabledException` or `KMSInvalidStateException`. */
export function requireState(action: KeyAction, state: KeyState, arn: string): void {
  const answer = keyStateRules[action][state];
  if (answer === "D") throw new KmsError("DisabledException", `${arn} is disabled.`);
  if (answer === "S") {
    const is = action === "CancelKeyDeletion" ? "is not" : "is";
    throw new KmsError("KMSInvalidStateException", `${arn} ${is} pending deletion.`);
  }
}
