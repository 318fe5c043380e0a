import { describe, expect, it } from "vitest";
import { smallestAdditions, type Addition } from "../../src/policy/additions.ts";
import { MAX_POLICY_BYTES } from "../../src/policy/document.ts";
import {
  A,
  ALICE,
  alice,
  allow,
  B,
  BOB,
  bob,
  grant,
  KEY_ARN,
  keyFacts,
  NOW,
  policy,
  request,
  ROLE,
  ROOT,
  session,
  withIam,
} from "./support/requests.ts";

const closed = keyFacts({ policy: policy(allow({ Principal: { AWS: ROLE } })) });
const nothing = { name: "none", text: policy(allow({ Action: "s3:*" })) };

const toKey = (AWS: string, action = "kms:Decrypt"): Addition => ({
  to: "key policy",
  statement: { Effect: "Allow", Principal: { AWS }, Action: action, Resource: "*" },
});
const statement = { Effect: "Allow", Action: "kms:Decrypt", Resource: KEY_ARN };
const toIam: Addition = { to: "identity policy", statement };
const toGrants = (grantee: string, operations = ["Decrypt"]): Addition => ({
  to: "grants",
  grantee,
  operations,
});

function additions(...asked: Parameters<typeof smallestAdditions>): (readonly Addition[])[] {
  return smallestAdditions(...asked).map((suggestion) => suggestion.additions);
}

describe("smallestAdditions", () => {
  it("suggests a policy of IAM where the key policy delegates, a statement for the caller, or a grant", () => {
    expect(additions(request())).toEqual([[toKey(ALICE)], [toGrants(ALICE)], [toIam]]);
  });

  it("suggests the delegation where IAM allows already", () => {
    expect(additions(request({ key: closed, caller: withIam(alice, allow()) }))).toEqual([
      [toKey(ALICE)],
      [toKey(ROOT)],
      [toGrants(ALICE)],
    ]);
  });

  it("suggests both together only where one is not enough", () => {
    expect(additions(request({ key: closed }))).toEqual([
      [toKey(ALICE)],
      [toGrants(ALICE)],
      [toKey(ROOT), toIam],
    ]);
  });

  it("suggests both sides across accounts", () => {
    expect(additions(request({ caller: bob }))).toEqual([
      [toGrants(BOB)],
      [toKey(BOB), toIam],
      [toKey(`arn:aws:iam::${B}:root`), toIam],
    ]);
  });

  it("suggests nothing where nothing is possible", () => {
    expect(additions(request({ caller: bob, action: "kms:PutKeyPolicy" }))).toEqual([]);
  });

  it("names sessions by their role, and adds to what bounds them", () => {
    const caller = { ...session, boundary: nothing };
    const toBoundary: Addition = { to: "permissions boundary", name: "none", statement };
    expect(additions(request({ caller }))).toEqual([
      [toKey(ROLE), toBoundary],
      [toGrants(ROLE), toBoundary],
      [toIam, toBoundary],
    ]);
  });

  it("adds to each session policy that does not allow", () => {
    const caller = {
      ...withIam(session, allow()),
      sessionPolicies: [
        { name: "ok", text: policy(allow()) },
        nothing,
        { ...nothing, name: "too" },
      ],
    };
    expect(additions(request({ caller }))).toEqual([
      [
        { to: "session policy", name: "none", statement },
        { to: "session policy", name: "too", statement },
      ],
    ]);
  });

  it("suggests the token of a grant that waits for it", () => {
    const grants = [grant({ effective: NOW + 1 })];
    expect(additions(request({ key: { ...closed, grants } }))[1]).toEqual([
      { to: "grant tokens", grantId: grants[0]?.grantId },
    ]);
  });

  it("suggests no grant for what no grant can be for", () => {
    const action = "kms:PutKeyPolicy";
    expect(additions(request({ action }))).toEqual([
      [toKey(ALICE, action)],
      [{ to: "identity policy", statement: { ...statement, Action: action } }],
    ]);
  });

  it("suggests a grant for a grant with all that it is to hand on", () => {
    const asked = request({ action: "kms:CreateGrant", newGrant: { operations: ["Decrypt"] } });
    expect(additions(asked)).toContainEqual([toGrants(ALICE, ["CreateGrant", "Decrypt"])]);
    const { newGrant: _, ...unknown } = asked;
    expect(
      additions(unknown)
        .flat()
        .map(({ to }) => to),
    ).not.toContain("grants");
  });

  it("suggests the service itself for services", () => {
    const caller = { arn: "s3.amazonaws.com", accountId: A, type: "service" } as const;
    expect(additions(request({ caller }))).toEqual([
      [
        {
          to: "key policy",
          statement: {
            Effect: "Allow",
            Principal: { Service: "s3.amazonaws.com" },
            Action: "kms:Decrypt",
            Resource: "*",
          },
        },
      ],
    ]);
  });

  it("suggests a policy of IAM alone where there is no key", () => {
    const { key: _, ...general } = request({ action: "kms:CreateKey", resource: "*" });
    expect(additions(general)).toEqual([
      [
        {
          to: "identity policy",
          statement: { Effect: "Allow", Action: "kms:CreateKey", Resource: "*" },
        },
      ],
    ]);
  });

  it("leaves out a policy that has no room left", () => {
    const full = policy(allow({ Principal: { AWS: ROLE } })).padEnd(MAX_POLICY_BYTES - 1);
    const padded = full.replace(/\}\]\}\s*$/, `,"Sid":"${"x".repeat(MAX_POLICY_BYTES - 200)}"}]}`);
    const tos = additions(request({ key: keyFacts({ policy: padded }) }))
      .flat()
      .map(({ to }) => to);
    expect(tos).toEqual(["grants"]);
  });

  it("suggests what would do if nothing denied", () => {
    const deny = { Effect: "Deny", Action: "kms:*", Resource: "*" };
    expect(additions(request({ caller: withIam(alice, deny) }))).toEqual(additions(request()));
  });
});
