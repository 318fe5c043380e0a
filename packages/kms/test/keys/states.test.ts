import { rejection } from "@env/testkit/refusal";
import { expect, it } from "vitest";
import { isKeyAction, offeredRow } from "../../src/catalogue/actions.ts";
import { operations } from "../../src/catalogue/operations.ts";
import { stateAnswer, type KeyState, type StateRule } from "../../src/catalogue/key-states.ts";
import { requireState } from "../../src/keys/states.ts";
import { knownKeystore } from "../support/calls.ts";
import { arn, newKey, refusal, tempKeystore } from "../support/keystore.ts";

const ARN = "arn:aws:kms:local:000000000000:key/x";

/**
 * From AWS's table of key states, written down anew: ok, D for DisabledException, S for
 * KMSInvalidStateException, U for UnsupportedOperationException.
 */
const expected = `
                                    Enabled Disabled PendingDeletion PendingImport Unavailable Creating Updating
CancelKeyDeletion                   S       S        ok              S             S           S        S
CreateAlias                         ok      ok       S               ok            ok          ok       ok
CreateGrant                         ok      D        S               S             ok          S        ok
Decapsulate                         ok      D        S               S             S           S        ok
Decrypt                             ok      D        S               S             S           S        ok
DeleteAlias                         ok      ok       ok              ok            ok          ok       ok
DeleteImportedKeyMaterial           ok      ok       ok              ok            S           S        S
DeriveSharedSecret                  ok      D        S               S             S           S        ok
DescribeKey                         ok      ok       ok              ok            ok          ok       ok
DisableKey                          ok      ok       S               S             ok          S        S
DisableKeyRotation                  ok      D        S               U             U           S        ok
EnableKey                           ok      ok       S               S             ok          S        S
EnableKeyRotation                   ok      D        S               U             U           S        ok
Encapsulate                         ok      D        S               S             S           S        ok
Encrypt                             ok      D        S               S             S           S        ok
GenerateDataKey                     ok      D        S               S             S           S        ok
GenerateDataKeyPair                 ok      D        S               S             S           S        ok
GenerateDataKeyPairWithoutPlaintext ok      D        S               S             S           S        ok
GenerateDataKeyWithoutPlaintext     ok      D        S               S             S           S        ok
GenerateMac                         ok      D        S               S             S           S        ok
GetKeyLastUsage                     ok      ok       ok              ok            ok          ok       ok
GetKeyPolicy                        ok      ok       ok              ok            ok          ok       ok
GetKeyRotationStatus                ok      ok       ok              U             U           ok       ok
GetParametersForImport              ok      ok       S               ok            U           S        S
GetPublicKey                        ok      D        S               S             S           S        ok
ImportKeyMaterial                   ok      ok       S               ok            U           S        S
ListGrants                          ok      ok       ok              ok            ok          ok       ok
ListKeyPolicies                     ok      ok       ok              ok            ok          ok       ok
ListKeyRotations                    ok      ok       ok              ok            ok          ok       ok
ListResourceTags                    ok      ok       ok              ok            ok          ok       ok
PutKeyPolicy                        ok      ok       ok              ok            ok          ok       ok
ReEncryptFrom                       ok      D        S               S             S           S        ok
ReEncryptTo                         ok      D        S               S             S           S        ok
ReplicateKey                        ok      D        S               S             U           S        S
RetireGrant                         ok      ok       ok              ok            ok          ok       ok
RevokeGrant                         ok      ok       ok              ok            ok          ok       ok
RotateKeyOnDemand                   ok      D        S               S             U           S        S
ScheduleKeyDeletion                 ok      ok       S               ok            ok          ok       S
Sign                                ok      D        S               S             S           S        ok
TagResource                         ok      ok       S               ok            ok          ok       ok
UntagResource                       ok      ok       S               ok            ok          ok       ok
UpdateAlias                         ok      ok       S               ok            ok          ok       ok
UpdateKeyDescription                ok      ok       S               ok            ok          ok       ok
UpdatePrimaryRegion                 ok      D        S               S             U           S        S
Verify                              ok      D        S               S             S           S        ok
VerifyMac                           ok      D        S               S             S           S        ok
`;
const names = {
  D: "DisabledException",
  S: "KMSInvalidStateException",
  U: "UnsupportedOperationException",
} as const;

const [states = [], ...rows] = expected
  .trim()
  .split("\n")
  .map((line) => line.trim().split(/\s+/));

/** The rule of an action on a key. */
function ruleOf(action: string): StateRule {
  return (isKeyAction(action) ? offeredRow(action).states : undefined) ?? never();
}

function outcome(action: string, state: string): string {
  try {
    requireState(ruleOf(action), state as KeyState, ARN);
    return "ok";
  } catch (error) {
    return (error as Error).name;
  }
}

it("has a rule for every action on a key", () => {
  const actions = Object.entries(operations).flatMap(([name, row]) =>
    "states" in row ? ("permissions" in row ? row.permissions : [name]) : [],
  );
  expect(rows.map(([action]) => action)).toEqual(actions);
});

it.each(rows)("%s: %s, %s, %s, %s, %s, %s, %s", (action = "", ...answers) => {
  for (const [i, state] of states.entries()) {
    const answer = answers[i];
    const name = answer === "D" || answer === "S" || answer === "U" ? names[answer] : answer;
    expect(outcome(action, state), state).toBe(name);
  }
});

it("takes a key whose replicas are to be deleted for one that is pending deletion", () => {
  for (const [action = ""] of rows) {
    expect(outcome(action, "PendingReplicaDeletion")).toBe(outcome(action, "PendingDeletion"));
  }
});

it.each<[string, KeyState, string]>([
  ["Decrypt", "Disabled", `${ARN} is disabled.`],
  ["Decrypt", "PendingDeletion", `${ARN} is pending deletion.`],
  ["Decrypt", "PendingReplicaDeletion", `${ARN} is pending replica deletion.`],
  ["Decrypt", "PendingImport", `${ARN} is pending import.`],
  ["Decrypt", "Unavailable", `${ARN} is unavailable.`],
  ["Decrypt", "Creating", `${ARN} is creating.`],
  ["EnableKey", "Updating", `${ARN} is updating.`],
  ["CancelKeyDeletion", "Enabled", `${ARN} is not pending deletion.`],
  ["CancelKeyDeletion", "Creating", `${ARN} is not pending deletion.`],
  [
    "EnableKeyRotation",
    "PendingImport",
    `${ARN} origin is EXTERNAL which is not valid for this operation.`,
  ],
])("says what AWS says: %s, %s", (action, state, message) => {
  expect(() => requireState(ruleOf(action), state, ARN)).toThrow(
    expect.objectContaining({ message }),
  );
});

/** Operations whose known call names the key `KeyId`, and by what action. */
const onKey: Readonly<Record<string, string>> = {
  createGrant: "CreateGrant",
  createAlias: "CreateAlias",
  decrypt: "Decrypt",
  describeKey: "DescribeKey",
  disableKey: "DisableKey",
  enableKeyRotation: "EnableKeyRotation",
  encrypt: "Encrypt",
  generateDataKey: "GenerateDataKey",
  generateDataKeyPair: "GenerateDataKeyPair",
  generateDataKeyPairWithoutPlaintext: "GenerateDataKeyPairWithoutPlaintext",
  generateDataKeyWithoutPlaintext: "GenerateDataKeyWithoutPlaintext",
  generateMac: "GenerateMac",
  getPublicKey: "GetPublicKey",
  reEncrypt: "ReEncryptFrom",
  rotateKeyOnDemand: "RotateKeyOnDemand",
  scheduleKeyDeletion: "ScheduleKeyDeletion",
  sign: "Sign",
  tagResource: "TagResource",
  updateKeyDescription: "UpdateKeyDescription",
  verify: "Verify",
  verifyMac: "VerifyMac",
};

it.each(Object.entries(onKey))("holds %s to its row", async (method, action) => {
  const { keystore, calls } = await knownKeystore();
  const client = keystore.as();
  const { call, asks } = calls[method] ?? never();
  const [, , , , , key = ""] = (
    asks.find(([, resource]) => resource.includes(":key/"))?.[1] ?? ""
  ).split(":");
  const KeyId = key.slice("key/".length);
  const rule = ruleOf(action);
  const check = async (state: "Disabled" | "PendingDeletion"): Promise<void> => {
    const answer = stateAnswer(rule, state);
    if (answer === "ok") await call(client);
    else expect((await rejection(call(client))).name).toBe(names[answer]);
  };
  if (stateAnswer(rule, "PendingDeletion") !== "ok") {
    await client.scheduleKeyDeletion({ KeyId });
    await check("PendingDeletion");
    expect(await refusal(client.enableKey({ KeyId }))).toBe(
      `KMSInvalidStateException: ${arn(KeyId)} is pending deletion.`,
    );
    await client.cancelKeyDeletion({ KeyId });
  }
  await client.disableKey({ KeyId });
  await check("Disabled");
});

it("goes through the states", async () => {
  const { client } = await tempKeystore();
  const KeyId = await newKey(client);
  const state = async (): Promise<string> =>
    (await client.describeKey({ KeyId })).KeyMetadata.KeyState;
  expect(await state()).toBe("Enabled");
  await client.disableKey({ KeyId });
  expect(await state()).toBe("Disabled");
  await client.scheduleKeyDeletion({ KeyId });
  expect(await state()).toBe("PendingDeletion");
  await client.cancelKeyDeletion({ KeyId });
  expect(await state()).toBe("Disabled");
});

function never(): never {
  throw new Error("no such call");
}
