import { describe, expect, it } from "vitest";
import { KmsError } from "../../src/catalogue/errors.ts";
import { decide, judge, judgeWithoutDenies } from "../../src/policy/decide.ts";
import {
  ALIAS_ARN,
  ALICE,
  alice,
  allow,
  grant,
  keyFacts,
  policy,
  request,
  ROLE,
  session,
  withIam,
} from "./support/requests.ts";

const deny = { Effect: "Deny", Action: "kms:*", Resource: "*" };
const nothing = { name: "none", text: policy(allow({ Action: "s3:*" })) };

describe("decide", () => {
  it("says in AWS's words what is missing", () => {
    const reason = (more: Parameters<typeof request>[0]): string => decide(request(more)).reason;
    expect(reason({})).toBe("because no identity-based policy allows the kms:Decrypt action");
    expect(reason({ key: keyFacts({ policy: policy(allow({ Principal: { AWS: ROLE } })) }) })).toBe(
      "because no resource-based policy allows the kms:Decrypt action",
    );
    expect(reason({ caller: { ...withIam(alice, allow()), boundary: nothing } })).toBe(
      "because no permissions boundary allows the kms:Decrypt action",
    );
    expect(reason({ caller: { ...withIam(session, allow()), sessionPolicies: [nothing] } })).toBe(
      "because no session policy allows the kms:Decrypt action",
    );
    expect(reason({ caller: withIam(alice, allow()) })).toBe("");
  });

  it("says in AWS's words where a deny is", () => {
    const text = policy(deny);
    const named = { name: "x", text };
    const reason = (more: Parameters<typeof request>[0]): string => decide(request(more)).reason;
    const inKey = policy({ ...deny, Principal: "*" });
    expect(reason({ key: keyFacts({ policy: inKey }) })).toBe(
      "with an explicit deny in a resource-based policy",
    );
    expect(reason({ caller: { ...alice, policies: [named] } })).toBe(
      "with an explicit deny in an identity-based policy",
    );
    expect(reason({ caller: { ...alice, boundary: named } })).toBe(
      "with an explicit deny in a permissions boundary",
    );
    expect(reason({ caller: { ...session, sessionPolicies: [named] } })).toBe(
      "with an explicit deny in a session policy",
    );
  });

  it("names a statement by its Sid, else by its number, and a policy by its name", () => {
    const key = keyFacts({
      policy: policy(
        { ...deny, Principal: { AWS: ROLE } },
        allow({ Principal: { AWS: ALICE }, Sid: "" }),
      ),
    });
    expect(decide(request({ key })).deciding).toBe("key policy, statement 2");
    const caller = withIam(alice, allow({ Action: "s3:*" }), allow({ Sid: "All" }));
    expect(decide(request({ caller })).deciding).toBe(
      'key policy, statement "Enable IAM User Permissions" and identity policy "iam", statement "All"',
    );
  });

  it("names the boundary that does not allow", () => {
    const caller = { ...withIam(alice, allow()), boundary: nothing };
    expect(decide(request({ caller })).deciding).toBe('permissions boundary "none"');
  });

  it("has nothing to name where nothing matched", () => {
    expect(decide(request())).not.toHaveProperty("deciding");
  });

  it("allows nothing by a policy that does not parse, and says which rule it breaks", () => {
    const broken = request({ key: keyFacts({ policy: "{" }) });
    expect(() => decide(broken)).toThrow(KmsError);
    const caller = { ...alice, boundary: { name: "x", text: "[]" } };
    expect(() => decide(request({ caller }))).toThrow("A policy must be a JSON object.");
  });

  it("gives the same answer for a policy that it has read before and for one it has forgotten", () => {
    const caller = withIam(alice, allow());
    const first = decide(request({ caller }));
    for (let n = 0; n < 100; n++) {
      const text = policy(
        allow({ Sid: `s${n}`, Condition: { StringEquals: { "a:b": "x".repeat(30_000) } } }),
      );
      decide(request({ caller: { ...alice, policies: [{ name: "other", text }] } }));
    }
    expect(decide(request({ caller }))).toEqual(first);
  });

  it("reads a text anew for the other kind of policy", () => {
    const text = policy(allow());
    expect(decide(request({ caller: { ...alice, policies: [{ name: "x", text }] } })).allowed).toBe(
      true,
    );
    expect(() => decide(request({ key: keyFacts({ policy: text }) }))).toThrow(
      "Statement 1 needs a Principal.",
    );
  });

  it("decides on an alias by IAM, where the root needs none", () => {
    const { key: _, ...onAlias } = request({ action: "kms:DeleteAlias", resource: ALIAS_ARN });
    expect(decide(onAlias).because).toBe("no-identity-policy-allows");
    expect(
      decide({ ...onAlias, caller: withIam(alice, allow({ Resource: ALIAS_ARN })) }).because,
    ).toBe("iam");
  });

  it("lets nobody retire a grant that is not named", () => {
    const asked = request({ action: "kms:RetireGrant", caller: withIam(alice, allow()) });
    expect(decide(asked).because).toBe("no-key-policy-allows");
    const named = { ...asked, key: keyFacts({ grants: [grant()] }) };
    expect(decide(named).because).toBe("iam");
  });
});

describe("judge", () => {
  it("has as values what the decision has in words", () => {
    const verdict = judge(request({ key: keyFacts({ grants: [grant()] }) }));
    expect(verdict).toEqual({ because: "grant", deciding: [{ grant: grant() }] });
  });
});

describe("judgeWithoutDenies", () => {
  it("is the decision but for denies", () => {
    const asked = request({ caller: withIam(alice, allow(), deny) });
    expect(judge(asked).because).toBe("explicit-deny");
    expect(judgeWithoutDenies(asked).because).toBe("key-policy-and-iam");
  });
});
