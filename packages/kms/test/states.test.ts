import { expect, it } from "vitest";
import type { KeyState } from "../src/key.ts";
import { keyStateRules, requireState, type KeyAction } from "../src/states.ts";

const arn = "arn:aws:kms:local:000000000000:key/x";

/** From AWS's table of key states, written down anew: enabled, disabled, pending deletion. */
const expected = `
CancelKeyDeletion               S  S  ok
CreateAlias                     ok ok S
Decrypt                         ok D  S
DeleteAlias                     ok ok ok
DescribeKey                     ok ok ok
DisableKey                      ok ok S
EnableKey                       ok ok S
Encrypt                         ok D  S
GenerateDataKey                 ok D  S
GenerateDataKeyWithoutPlaintext ok D  S
GetKeyPolicy                    ok ok ok
ListKeyRotations                ok ok ok
ReEncryptFrom                   ok D  S
ReEncryptTo                     ok D  S
RotateKeyOnDemand               ok D  S
ScheduleKeyDeletion             ok ok S
UpdateAlias                     ok ok S
UpdateKeyDescription            ok ok S
`;
const states: readonly KeyState[] = ["Enabled", "Disabled", "PendingDeletion"];
const names = { D: "DisabledException", S: "KMSInvalidStateException" } as const;

const rows = expected
  .trim()
  .split("\n")
  .map((line) => line.split(/\s+/));

it("has a rule for every action on a key", () => {
  expect(rows.map(([action]) => action)).toEqual(Object.keys(keyStateRules));
});

it.each(rows)("%s: %s, %s, %s", (action, ...answers) => {
  for (const [i, state] of states.entries()) {
    let name = "ok";
    try {
      requireState(action as KeyAction, state, arn);
    } catch (error) {
      ({ name } = error as Error);
    }
    const answer = answers[i];
    expect(name, state).toBe(answer === "D" || answer === "S" ? names[answer] : "ok");
  }
});

it("says what AWS says", () => {
  expect(() => requireState("Decrypt", "Disabled", arn)).toThrow(`${arn} is disabled.`);
  expect(() => requireState("Decrypt", "PendingDeletion", arn)).toThrow(
    `${arn} is pending deletion.`,
  );
  expect(() => requireState("CancelKeyDeletion", "Enabled", arn)).toThrow(
    `${arn} is not pending deletion.`,
  );
});
