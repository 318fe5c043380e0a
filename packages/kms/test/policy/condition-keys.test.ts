import { describe, expect, it } from "vitest";
import { actions } from "../../src/policy/actions.ts";
import { conditionKey, conditionKeys, isFamily } from "../../src/policy/condition-keys.ts";
import { accessor, isIdentityOnly } from "../../src/policy/values.ts";
import { request } from "./support/requests.ts";

const applies = (name: string, action: string): boolean | undefined => {
  const found = actions.get(`kms:${action.toLowerCase()}`);
  return found && conditionKey(name.toLowerCase())?.appliesTo(found);
};

describe("conditionKey", () => {
  it("finds members of a family by what comes before the user's part", () => {
    expect(conditionKey("kms:encryptioncontext:a:b/c")?.name).toBe("kms:EncryptionContext:");
    expect(conditionKey("aws:principaltag/a:b/c")?.name).toBe("aws:PrincipalTag/");
    expect(conditionKey("kms:recipientattestation:pcr0")?.name).toBe("kms:RecipientAttestation:");
  });

  it("takes a family without a member for nothing", () => {
    expect(conditionKey("kms:encryptioncontext:")).toBeUndefined();
    expect(conditionKey("aws:resourcetag/")).toBeUndefined();
    expect(conditionKey("aws:resourcetag")).toBeUndefined();
    expect(conditionKey("kms:keyspec/x")).toBeUndefined();
  });

  it.each([
    ["kms:EncryptionContextKeys", "Decrypt", true],
    ["kms:EncryptionContextKeys", "DescribeKey", false],
    ["kms:EncryptionContext:a", "RetireGrant", true],
    ["kms:ResourceAliases", "Decrypt", true],
    ["kms:ResourceAliases", "CreateKey", false],
    ["kms:ResourceAliases", "ListAliases", false],
    ["kms:KeySpec", "CreateKey", true],
    ["kms:KeySpec", "GenerateRandom", false],
    ["kms:RequestAlias", "GetPublicKey", true],
    ["kms:RequestAlias", "PutKeyPolicy", false],
    ["kms:GrantIsForAWSResource", "RevokeGrant", true],
    ["kms:RotationPeriodInDays", "EnableKeyRotation", true],
    ["kms:ScheduleKeyDeletionPendingWindowInDays", "DisableKey", false],
    ["kms:ReEncryptOnSameKey", "ReEncryptTo", true],
    ["kms:MacAlgorithm", "VerifyMac", true],
    ["aws:TagKeys", "UntagResource", true],
    ["aws:RequestTag/a", "UntagResource", false],
    ["aws:SourceIp", "ListKeys", true],
  ])("knows whether %s applies to %s: %s", (name, action, expected) => {
    expect(applies(name, action)).toBe(expected);
  });

  it("knows the keys with several values", () => {
    expect(conditionKeys.filter(({ multi }) => multi).map(({ name }) => name)).toEqual([
      "kms:EncryptionContextKeys",
      "kms:GrantOperations",
      "kms:ResourceAliases",
      "aws:TagKeys",
    ]);
  });
});

it("agrees with the evaluation on what key policies never have", () => {
  for (const key of conditionKeys) {
    const name = isFamily(key) ? `${key.name}x` : key.name;
    expect(isIdentityOnly(name), name).toBe(key.identityOnly);
  }
});

it("calls those keys always there that follow from what every request has", () => {
  expect(conditionKeys.filter(({ always }) => always).map(({ name }) => name)).toEqual([
    "kms:CallerAccount",
    "kms:KeyOrigin",
    "kms:KeySpec",
    "kms:KeyUsage",
    "kms:MultiRegion",
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:PrincipalIsAWSService",
    "aws:ResourceAccount",
  ]);
});

it("calls only those keys always there that a bare request has", () => {
  for (const { name } of conditionKeys.filter(({ always }) => always)) {
    expect(accessor(name.toLowerCase(), "key")(request()), name).toBeDefined();
  }
});

it("applies every key to some action", () => {
  for (const { name, appliesTo } of conditionKeys) {
    expect([...actions.values()].some(appliesTo), name).toBe(true);
  }
});
