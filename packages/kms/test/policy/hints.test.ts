import { expect, it } from "vitest";
import { judge } from "../../src/policy/decide.ts";
import { hintsFor } from "../../src/policy/hints.ts";
import type { AccessRequest } from "../../src/policy/request.ts";
import {
  ALIAS_ARN,
  ALICE,
  alice,
  allow,
  bob,
  grant,
  keyFacts,
  NOW,
  policy,
  request,
  ROLE,
  withIam,
} from "./support/requests.ts";

const closed = keyFacts({ policy: policy(allow({ Principal: { AWS: ROLE } })) });
const alias = { "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/your-key-alias" } };

function codes(asked: AccessRequest): string[] {
  return hintsFor(asked, judge(asked)).map(({ code }) => code);
}

it("says that IAM alone is never enough, where IAM allows", () => {
  expect(codes(request({ key: closed, caller: withIam(alice, allow()) }))).toEqual(["iam-alone"]);
  expect(codes(request({ key: closed }))).toEqual([]);
});

it("says that naming the account lets nobody in", () => {
  expect(codes(request())).toEqual(["account-delegates"]);
});

it("says that another account takes both sides, or is not possible", () => {
  expect(codes(request({ caller: bob }))).toEqual(["cross-account-needs-both"]);
  expect(codes(request({ caller: bob, action: "kms:PutKeyPolicy" }))).toEqual([
    "cross-account-not-possible",
  ]);
});

it("says which statement has no effect, of those that would concern the caller", () => {
  const without = { Effect: "Allow", Principal: { AWS: ALICE }, Action: "kms:Decrypt" };
  const asked = request({
    key: keyFacts({ policy: policy(allow({ Principal: { AWS: ROLE } }), without) }),
  });
  expect(hintsFor(asked, judge(asked))).toEqual([
    {
      code: "no-effect",
      message: "Statement 2 of the key policy has no Resource and therefore no effect.",
    },
  ]);
  expect(codes(request({ ...asked, action: "kms:Encrypt" }))).toEqual([]);
});

it("says which aliases the key has, where a condition wants another", () => {
  const caller = withIam(alice, allow({ Condition: alias }));
  const asked = request({ caller });
  expect(codes(asked)).toEqual(["account-delegates", "alias-not-attached"]);
  expect(hintsFor(asked, judge(asked))[1]?.message).toContain(
    "this one has the aliases alias/app.",
  );
  const bare = request({ caller, key: keyFacts({ aliases: [] }) });
  expect(hintsFor(bare, judge(bare))[1]?.message).toContain("this one has no alias.");
  expect(codes(request({ caller, action: "kms:Encrypt" }))).toContain("alias-not-attached");
});

it("says that an alias in Resource is the alias itself", () => {
  expect(codes(request({ caller: withIam(alice, allow({ Resource: ALIAS_ARN })) }))).toEqual([
    "account-delegates",
    "alias-resource",
  ]);
  expect(
    codes(
      request({ caller: withIam(alice, allow({ Action: "kms:Encrypt", Resource: ALIAS_ARN })) }),
    ),
  ).toEqual(["account-delegates"]);
});

it("says nothing of what is allowed, and nothing of Denies that do not match", () => {
  const condition = { Null: { "kms:ResourceAliases": "true" } };
  const key = keyFacts({ policy: policy(allow({ Principal: "*", Condition: condition })) });
  expect(codes(request({ key }))).toEqual([]);
  const deny = { Effect: "Deny", Action: "kms:*", Resource: "*", Condition: alias };
  expect(codes(request({ caller: withIam(alice, deny) }))).toEqual(["account-delegates"]);
});

it("says nothing of aliases in Resource where no key is asked for", () => {
  const { key: _, ...general } = request({ action: "kms:CreateKey", resource: "*" });
  expect(codes({ ...general, caller: withIam(alice, allow({ Resource: ALIAS_ARN })) })).toEqual([]);
});

it("says that a grant token would help", () => {
  const key = { ...closed, grants: [grant({ effective: NOW + 1 })] };
  expect(codes(request({ key }))).toEqual(["grant-token"]);
});

it("says that no grant outweighs a deny", () => {
  const key = { ...closed, grants: [grant()] };
  const caller = withIam(alice, { Effect: "Deny", Action: "kms:*", Resource: "*" });
  expect(codes(request({ key, caller }))).toEqual(["deny-outweighs", "grants-only-allow"]);
});
