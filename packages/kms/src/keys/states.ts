/**
 * Which call a key's state allows, and how others are refused. The table of states is in the catalogue.
 *
 * @module
 */
import { stateAnswer, type KeyState, type StateRule } from "../catalogue/key-states.ts";
import { KmsError } from "../catalogue/errors.ts";

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
export function requireState(rule: StateRule, state: KeyState, arn: string): void {
  const answer = stateAnswer(rule, state);
  if (answer === "ok") return;
  if (answer === "D") throw new KmsError("DisabledException", `${arn} is disabled.`);
  if (answer === "U") throw unsupportedOrigin(arn, "EXTERNAL");
  const is = rule === "cancelDeletion" ? "is not pending deletion" : `is ${words[state]}`;
  throw new KmsError("KMSInvalidStateException", `${arn} ${is}.`);
}

/** Refuses what keys with imported material cannot do, and what only they can do. */
export function unsupportedOrigin(arn: string, origin: string): KmsError {
  return new KmsError(
    "UnsupportedOperationException",
    `${arn} origin is ${origin} which is not valid for this operation.`,
  );
}
