/**
 * The states of keys, and what they allow.
 *
 * The table is AWS's whole one. No key of this KMS gets into `Unavailable`, which belongs to custom key stores, or
 * into `Creating` and `Updating`: replication is done when it is answered.
 *
 * Source: "Key states of AWS KMS keys" in the AWS KMS developer guide; where it leaves the choice for
 * keys pending deletion, KMSInvalidStateException.
 *
 * @module
 */

export type KeyState =
  | "Enabled"
  | "Disabled"
  | "PendingDeletion"
  | "PendingReplicaDeletion"
  | "PendingImport"
  | "Unavailable"
  | "Creating"
  | "Updating";

/** `ok` · D: DisabledException · S: KMSInvalidStateException · U: UnsupportedOperationException */
export type StateAnswer = "ok" | "D" | "S" | "U";

/** The columns of the table. A key pending the deletion of its replicas is as good as deleted. */
const columns: Readonly<Record<KeyState, 0 | 1 | 2 | 3 | 4 | 5 | 6>> = {
  Enabled: 0,
  Disabled: 1,
  PendingDeletion: 2,
  PendingReplicaDeletion: 2,
  PendingImport: 3,
  Unavailable: 4,
  Creating: 5,
  Updating: 6,
};

/** One row per set of operations that AWS treats alike. */
const stateRules = {
  use: ["ok", "D", "S", "S", "S", "S", "ok"],
  grant: ["ok", "D", "S", "S", "ok", "S", "ok"],
  look: ["ok", "ok", "ok", "ok", "ok", "ok", "ok"],
  label: ["ok", "ok", "S", "ok", "ok", "ok", "ok"],
  enable: ["ok", "ok", "S", "S", "ok", "S", "S"],
  rotation: ["ok", "D", "S", "U", "U", "S", "ok"],
  rotationStatus: ["ok", "ok", "ok", "U", "U", "ok", "ok"],
  rotateNow: ["ok", "D", "S", "S", "U", "S", "S"],
  replicate: ["ok", "D", "S", "S", "U", "S", "S"],
  import: ["ok", "ok", "S", "ok", "U", "S", "S"],
  deleteMaterial: ["ok", "ok", "ok", "ok", "S", "S", "S"],
  scheduleDeletion: ["ok", "ok", "S", "ok", "ok", "ok", "S"],
  cancelDeletion: ["S", "S", "ok", "S", "S", "S", "S"],
} as const;

export type StateRule = keyof typeof stateRules;

/** What a rule answers for a key in a state. */
export function stateAnswer(rule: StateRule, state: KeyState): StateAnswer {
  return stateRules[rule][columns[state]];
}
