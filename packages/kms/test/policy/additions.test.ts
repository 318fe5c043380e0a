import { describe, expect, it } from "vitest";
import { smallestAdditions, type Addition } from "../../src/policy/additions.ts";
import { MAX_POLICY_BYTES } from "../../src/policy/document.ts";
import { stepsOf } from "../support/steps.ts";
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
  return smallestAdditions(...asked).suggestions.map((suggestion) => suggestion.additions);
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

  it("adds to the first session policy where none allows", () => {
    const caller = {
      ...withIam(session, allow()),
      sessionPolicies: [nothing, { ...nothing, name: "too" }],
    };
    expect(additions(request({ caller }))).toEqual([
      [{ to: "session policy", name: "none", statement }],
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

  describe("for a request with an encryption context", () => {
    const encryptionContext = { tenant: "acme", "app name": "${billing}" };
    const StringEquals = {
      "kms:EncryptionContext:tenant": "acme",
      "kms:EncryptionContext:app name": "${$}{billing}",
    };

    it("suggests exactly that context", () => {
      const limited = (addition: Addition): Addition =>
        "statement" in addition
          ? { ...addition, statement: { ...addition.statement, Condition: { StringEquals } } }
          : addition;
      const toContext = {
        ...toGrants(ALICE),
        constraints: { encryptionContextEquals: encryptionContext },
      };
      expect(additions(request({ encryptionContext }))).toEqual([
        [limited(toKey(ALICE))],
        [toContext],
        [limited(toIam)],
      ]);
    });

    it("writes a dollar sign as the version of the policy has it", () => {
      const old = JSON.stringify({ Statement: [allow({ Principal: { AWS: ROLE } })] });
      const [[first] = []] = additions(
        request({ key: keyFacts({ policy: old }), encryptionContext }),
      );
      expect(first).toMatchObject({
        to: "key policy",
        statement: {
          Condition: { StringEquals: { "kms:EncryptionContext:app name": "${billing}" } },
        },
      });
    });

    it("suggests a grant alone where a policy cannot hold the characters", () => {
      const tos = additions(request({ encryptionContext: { tenant: "\u0142ód\u017a" } })).flat();
      expect(tos.map(({ to }) => to)).toEqual(["grants"]);
    });

    it("suggests no grant where a constraint cannot hold the context", () => {
      for (const large of [
        { a: "x".repeat(385) },
        Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, ""])),
      ]) {
        const tos = additions(request({ encryptionContext: large })).flat();
        expect(tos.map(({ to }) => to)).toEqual(["key policy", "identity policy"]);
      }
    });
  });

  it("suggests no grant for what the key cannot do", () => {
    const hmac = keyFacts({ keySpec: "HMAC_256", keyUsage: "GENERATE_VERIFY_MAC" });
    const tos = additions(request({ key: hmac, action: "kms:Encrypt" })).flat();
    expect(tos.map(({ to }) => to)).toEqual(["key policy", "identity policy"]);
    const mac = additions(request({ key: hmac, action: "kms:GenerateMac" })).flat();
    expect(mac.map(({ to }) => to)).toEqual(["key policy", "grants", "identity policy"]);
  });

  it("suggests no identity policy for a federated user, who can have none", () => {
    const arn = `arn:aws:sts::${A}:federated-user/fred`;
    const caller = { arn, accountId: A, type: "federated" } as const;
    expect(additions(request({ caller, key: closed }))).toEqual([[toKey(arn)], [toGrants(arn)]]);
  });

  it("tries eight of the grants that wait for a token, and says that there are more", () => {
    const waiting = (count: number): Parameters<typeof smallestAdditions>[0] =>
      request({
        key: {
          ...closed,
          grants: Array.from({ length: count }, (_, i) =>
            grant({ grantId: `${i}`, effective: NOW + 1 }),
          ),
        },
      });
    const eight = smallestAdditions(waiting(8));
    const tokens = ({ suggestions }: typeof eight): number =>
      suggestions.filter(({ additions: [first] }) => first?.to === "grant tokens").length;
    expect([tokens(eight), eight.truncated]).toEqual([8, false]);
    const all = smallestAdditions(waiting(1000));
    expect([tokens(all), all.truncated]).toEqual([8, true]);
  });

  it.each<[string, (count: number) => Parameters<typeof smallestAdditions>[0]]>([
    [
      "session policies",
      (count) => {
        const sessionPolicies = Array.from({ length: count }, (_, i) => ({
          ...nothing,
          name: `${i}`,
        }));
        return request({ caller: { ...session, sessionPolicies } });
      },
    ],
    [
      "grants that wait for a token",
      (count) => {
        const grants = Array.from({ length: count }, (_, i) =>
          grant({ grantId: `${i}`, effective: NOW + 1 }),
        );
        return request({ key: { ...closed, grants } });
      },
    ],
  ])("takes steps in proportion to the number of %s", (_, make) => {
    const [four, eight] = [make(4), make(8)].map((asked) => {
      smallestAdditions(asked);
      return stepsOf(() => smallestAdditions(asked));
    });
    expect(eight).toBeLessThan(3 * (four ?? 0));
  });

  it("suggests what would do if nothing denied", () => {
    const deny = { Effect: "Deny", Action: "kms:*", Resource: "*" };
    expect(additions(request({ caller: withIam(alice, deny) }))).toEqual(additions(request()));
  });
});
