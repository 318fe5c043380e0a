import { expect, it } from "vitest";
import { decide } from "../../src/policy/decide.ts";
import { lintPolicy } from "../../src/policy/lint.ts";
import { managedKeyPolicy } from "../../src/policy/managed-policy.ts";
import { A, alice, allow, bob, keyFacts, request, ROOT, withIam } from "./support/requests.ts";

const via = "s3.local.amazonaws.com";
const key = keyFacts({ policy: managedKeyPolicy({ name: "s3", title: "S3", via }, A) });
const through = (service: string): ReadonlyMap<string, string> =>
  new Map([["kms:viaservice", service]]);
const root = { arn: ROOT, accountId: A, type: "root" } as const;

it("has no fault the linter would find", () => {
  expect(lintPolicy(key.policy, "key").filter(({ code }) => code !== "lockout-risk")).toEqual([]);
});

it("lets principals of the account use the key through its service, and not directly", () => {
  for (const action of [
    "kms:Decrypt",
    "kms:ReEncryptTo",
    "kms:GenerateDataKey",
    "kms:CreateGrant",
  ] as const) {
    expect(decide(request({ key, action, conditions: through(via) })).because).toBe("key-policy");
    expect(decide(request({ key, action, caller: withIam(alice, allow()) })).allowed).toBe(false);
    expect(
      decide(request({ key, action, conditions: through("ebs.local.amazonaws.com") })).allowed,
    ).toBe(false);
    expect(
      decide(request({ key, action, conditions: through(via), caller: withIam(bob, allow()) }))
        .allowed,
    ).toBe(false);
  }
});

it("lets the account look, and nobody change anything", () => {
  expect(decide(request({ key, action: "kms:GetKeyPolicy", caller: root })).because).toBe(
    "account-root",
  );
  for (const action of [
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:DisableKey",
    "kms:TagResource",
  ] as const) {
    for (const caller of [root, withIam(alice, allow())]) {
      expect(decide(request({ key, action, caller, conditions: through(via) }))).toMatchObject({
        allowed: false,
        reason: `because no resource-based policy allows the ${action} action`,
      });
    }
  }
});
