import { describe, expect, it } from "vitest";
import {
  explain,
  type ExplainedCondition,
  type ExplainedStatement,
} from "../../src/policy/explain.ts";
import {
  ALICE,
  alice,
  allow,
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

const alias = { "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/your-key-alias" } };

/** All statements of an explanation. */
function statements(...asked: Parameters<typeof explain>): ExplainedStatement[] {
  return explain(...asked).policies.flatMap((each) => each.statements);
}

/** The only condition of the only identity policy. */
function conditionOf(
  condition: object,
  more: Parameters<typeof request>[0] = {},
): ExplainedCondition {
  const caller = withIam(alice, allow({ Condition: condition }));
  const found = statements(request({ ...more, caller })).at(-1)?.conditions[0];
  if (found === undefined) throw new Error("no condition");
  return found;
}

describe("explain", () => {
  it("shows each policy with its statements, and what decided", () => {
    const caller = {
      ...withIam(alice, allow({ Action: "s3:*" }), allow({ Sid: "Keys" })),
      boundary: { name: "edge", text: policy(allow()) },
    };
    const { decision, policies } = explain(request({ caller }));
    expect(decision.because).toBe("key-policy-and-iam");
    expect(policies.map((each) => each.policy)).toEqual([
      { type: "key policy" },
      { type: "identity policy", name: "iam" },
      { type: "permissions boundary", name: "edge" },
    ]);
    expect(
      policies
        .flatMap((each) => each.statements)
        .map(({ title, matched, deciding }) => [title, matched, deciding]),
    ).toEqual([
      ['key policy, statement "Enable IAM User Permissions"', true, true],
      ['identity policy "iam", statement 1', false, false],
      ['identity policy "iam", statement "Keys"', true, true],
      ['permissions boundary "edge", statement 1', true, false],
    ]);
  });

  it("tells policies of one text apart in what decided", () => {
    const text = policy(allow());
    const policies = ["a", "b"].map((name) => ({ name, text }));
    const caller = { ...alice, policies, boundary: { name: "a", text } };
    const explanation = explain(request({ caller }));
    expect(
      explanation.policies.flatMap((each) => each.statements).map(({ deciding }) => deciding),
    ).toEqual([true, true, false, false]);
  });

  it("explains every element of a statement, even if the first does not match", () => {
    const key = keyFacts({
      policy: policy({
        Effect: "Allow",
        Principal: { AWS: ROLE },
        Action: ["kms:Encrypt", "kms:Sign"],
        Resource: "*",
        Condition: { StringEquals: { "kms:EncryptionContext:app": "billing" } },
      }),
    });
    expect(statements(request({ key, encryptionContext: { App: "shop" } }))[0]).toMatchObject({
      matched: false,
      action: { matched: false, why: "Action kms:Encrypt, kms:Sign does not include kms:Decrypt" },
      principal: { matched: false, why: `does not name ${ALICE}` },
      resource: { matched: true, why: `Resource * includes ${KEY_ARN}` },
      conditions: [
        {
          operator: "StringEquals",
          key: "kms:EncryptionContext:app",
          expected: ["billing"],
          actual: "shop",
          matched: false,
          why: "fails: kms:EncryptionContext:app is shop, expected is StringEquals billing",
        },
      ],
    });
  });

  it("tells how a principal is named", () => {
    const why = (caller: Parameters<typeof request>[0], element: object): string | undefined => {
      const statement = { Effect: "Allow", Action: "kms:*", Resource: "*", ...element };
      return statements(request({ ...caller, key: keyFacts({ policy: policy(statement) }) }))[0]
        ?.principal.why;
    };
    expect(why({}, { Principal: { AWS: ALICE } })).toBe(`names ${ALICE}`);
    expect(why({ caller: session }, { Principal: { AWS: ROLE } })).toBe(
      `names the caller's role ${ROLE}`,
    );
    expect(why({}, { Principal: { AWS: ROOT } })).toBe("names the caller's account 111122223333");
    expect(why({}, { NotPrincipal: { AWS: ALICE } })).toBe(`NotPrincipal exempts ${ALICE}`);
    expect(why({}, { NotPrincipal: { AWS: ROLE } })).toBe(`NotPrincipal applies to ${ALICE}`);
  });

  it("tells why an element that is missing has no effect", () => {
    const key = keyFacts({ policy: policy({ Effect: "Allow", Principal: "*" }) });
    const explanation = explain(request({ key }));
    expect(explanation.policies[0]?.statements[0]).toMatchObject({
      matched: false,
      action: { matched: false, why: "the statement has no Action, so it has no effect" },
      resource: { matched: false, why: "the statement has no Resource, so it has no effect" },
    });
    expect(explanation.hints.map(({ code }) => code)).toContain("no-effect");
  });

  it("tells what an absent key makes of a condition", () => {
    const key = "kms:EncryptionContext:a";
    expect(conditionOf({ StringEquals: { [key]: "x" } })).toMatchObject({
      matched: false,
      why: `fails: ${key} is absent, and the operator needs a value`,
    });
    expect(conditionOf({ StringEquals: { [key]: "x" } })).not.toHaveProperty("actual");
    expect(conditionOf({ StringNotEquals: { [key]: "x" } }).why).toBe(
      `holds: ${key} is absent, and a negated operator matches an absent key`,
    );
    expect(conditionOf({ StringEqualsIfExists: { [key]: "x" } }).why).toBe(
      `holds: ${key} is absent, and IfExists matches an absent key`,
    );
    expect(conditionOf({ "ForAllValues:StringEquals": { [key]: "x" } }).why).toBe(
      `holds: ${key} is absent, and ForAllValues matches an absent key`,
    );
    expect(conditionOf({ "ForAnyValue:StringEquals": { [key]: "x" } }).why).toBe(
      `fails: ${key} is absent, and ForAnyValue needs a value`,
    );
    expect(conditionOf({ Null: { [key]: "false" } }).why).toBe(`fails: ${key} is absent`);
    expect(conditionOf({ Null: { "aws:username": "true" } }).why).toBe(
      "fails: aws:username is alice",
    );
  });

  it("tells that a key with several values needs a set operator", () => {
    const condition = conditionOf({ StringLike: { "kms:ResourceAliases": "alias/app" } });
    expect(condition).toMatchObject({ matched: false, actual: ["alias/app"] });
    expect(condition.why).toMatch(/without ForAnyValue or ForAllValues .* this is an Allow$/);
  });

  it("tells that a key policy never has kms:ResourceAliases", () => {
    const key = keyFacts({
      policy: policy(allow({ Principal: { AWS: ALICE }, Condition: alias })),
      aliases: ["alias/your-key-alias"],
    });
    const { policies, hints } = explain(request({ key }));
    expect(policies[0]?.statements[0]?.conditions[0]?.why).toBe(
      "fails: kms:ResourceAliases is always absent in key policies; only IAM policies have it",
    );
    expect(hints.map(({ code }) => code)).toContain("absent-in-key-policy");
  });

  it("tells which policy variable has no value", () => {
    const condition = { StringEquals: { "aws:username": "${aws:PrincipalTag/name}" } };
    const caller = withIam(alice, allow({ Condition: condition }));
    expect(statements(request({ caller })).at(-1)?.variables).toEqual({
      matched: false,
      why: "the request does not have exactly one value for ${aws:principaltag/name}, so the statement does not match",
    });
    const tagged = { ...caller, tags: { name: "alice" } };
    const statement = statements(request({ caller: tagged })).at(-1);
    expect(statement?.variables?.matched).toBe(true);
    expect(statement?.matched).toBe(true);
    expect(statements(request())[0]).not.toHaveProperty("variables");
  });

  it("lists near misses: Allows that one thing keeps from matching", () => {
    const caller = withIam(
      alice,
      allow({ Condition: { StringEquals: { "kms:EncryptionContext:app": "billing" } } }),
      allow({ Action: "kms:Encrypt" }),
      allow({ Action: "kms:Encrypt", Resource: "arn:aws:s3:::x" }),
      { Effect: "Deny", Action: "kms:Encrypt", Resource: "*" },
    );
    expect(explain(request({ caller, encryptionContext: { app: "shop" } })).nearMisses).toEqual([
      'identity policy "iam", statement 1 would match, but fails: kms:EncryptionContext:app is shop, expected is StringEquals billing',
      'identity policy "iam", statement 2 would match, but Action kms:Encrypt does not include kms:Decrypt',
    ]);
    expect(
      explain(request({ caller: withIam(alice, allow(), allow({ Action: "kms:Sign" })) }))
        .nearMisses,
    ).toEqual([]);
  });

  it("says of an identity policy whose it is, and what its Resource is", () => {
    const caller = withIam(alice, allow({ Sid: "Keys", Resource: KEY_ARN }), allow());
    const [, named, other] = statements(request({ caller }));
    expect(named).toMatchObject({
      sid: "Keys",
      principal: { matched: true, why: "the policy is attached to the caller" },
      resource: { matched: true, why: `Resource ${KEY_ARN} includes ${KEY_ARN}` },
    });
    expect(other).not.toHaveProperty("sid");
    const not = withIam(alice, { Effect: "Allow", Action: "kms:*", NotResource: KEY_ARN });
    expect(statements(request({ caller: not })).at(-1)?.resource).toEqual({
      matched: false,
      why: `NotResource ${KEY_ARN} includes ${KEY_ARN}`,
    });
  });

  it("tells apart, in a key policy, keys that are absent here and keys that always are", () => {
    const condition = { StringEquals: { "kms:ViaService": "s3.x.amazonaws.com" } };
    const key = keyFacts({ policy: policy(allow({ Principal: "*", Condition: condition })) });
    expect(statements(request({ key }))[0]?.conditions[0]?.why).toBe(
      "fails: kms:ViaService is absent, and the operator needs a value",
    );
  });

  it("calls no grant deciding where none decided", () => {
    const key = keyFacts({ grants: [grant({ grantee: ROLE })] });
    expect(explain(request({ key })).grants[0]?.deciding).toBe(false);
    expect(explain(request({ key, caller: withIam(alice, allow()) })).grants[0]?.deciding).toBe(
      false,
    );
  });

  it("lists every statement that denies, in every policy", () => {
    const deny = { Effect: "Deny", Action: "kms:Decrypt", Resource: "*" };
    const key = keyFacts({
      policy: policy(allow({ Principal: "*" }), { ...deny, Principal: "*", Sid: "A" }),
    });
    const { deniedBy, decision, hints } = explain(request({ key, caller: withIam(alice, deny) }));
    expect(decision.because).toBe("explicit-deny");
    expect(deniedBy).toEqual(['key policy, statement "A"', 'identity policy "iam", statement 1']);
    expect(hints.map(({ code }) => code)).toEqual(["deny-outweighs"]);
  });

  it("shows each grant with the first thing that fails", () => {
    const grants = [
      grant({ grantId: "00".repeat(32), operations: ["Encrypt"] }),
      grant({ grantId: "11".repeat(32), grantee: ROLE, name: "for the role" }),
      grant({ grantId: "22".repeat(32), effective: NOW + 1000 }),
      grant({ grantId: "33".repeat(32), constraints: { encryptionContextEquals: { a: "1" } } }),
      grant({ grantId: "44".repeat(32), constraints: { encryptionContextSubset: { a: "1" } } }),
      grant({ grantId: "55".repeat(32) }),
    ];
    const explanation = explain(
      request({ key: keyFacts({ grants }), encryptionContext: { a: "2" } }),
    );
    expect(
      explanation.grants.map(({ matched, miss, why, deciding }) => [matched, miss, why, deciding]),
    ).toEqual([
      [false, "operation", "is for Encrypt", false],
      [false, "grantee", `is for ${ROLE}`, false],
      [
        false,
        "not-yet-effective",
        "takes effect at 2023-11-14T22:13:21.000Z; until then a request needs its grant token",
        false,
      ],
      [
        false,
        "constraint",
        'EncryptionContextEquals is {"a":"1"}, the encryption context is {"a":"2"}',
        false,
      ],
      [
        false,
        "constraint",
        'EncryptionContextSubset is {"a":"1"}, the encryption context is {"a":"2"}',
        false,
      ],
      [true, undefined, `lets ${ALICE} Decrypt`, true],
    ]);
    expect(explanation.grants[1]?.name).toBe("for the role");
  });

  it("shows who may retire a grant", () => {
    const why = (
      caller: Parameters<typeof request>[0],
      more: Parameters<typeof grant>[0],
    ): unknown => {
      const key = keyFacts({ grants: [grant(more)] });
      const [found] = explain(request({ ...caller, key, action: "kms:RetireGrant" })).grants;
      return [found?.matched, found?.why];
    };
    expect(why({}, { retiring: ALICE })).toEqual([true, `may be retired by ${ALICE}`]);
    expect(why({}, { retiring: ROLE })).toEqual([
      false,
      `was issued by ${ROOT}, so IAM policies decide`,
    ]);
    expect(why({ caller: bob }, { retiring: ROLE })).toEqual([
      false,
      `may be retired by ${ROLE}, ${ROOT}`,
    ]);
  });

  it("compares for a limited number of steps, also what the decision never gets to", () => {
    const slow = {
      Effect: "Deny",
      Action: "kms:Encrypt",
      Resource: "*",
      Condition: {
        StringNotLike: { "kms:EncryptionContext:a": Array.from({ length: 3000 }, () => "*a?b*") },
      },
    };
    const key = keyFacts({ grants: [grant({ grantee: ROLE })] });
    const encryptionContext = { a: "a".repeat(8000) };
    const caller = withIam(alice, slow, allow());
    const { decision, policies, grants, nearMisses } = explain(
      request({ caller, key, encryptionContext }),
    );
    expect(decision.because).toBe("key-policy-and-iam");
    expect(policies.at(-1)?.statements[0]?.conditions[0]).toMatchObject({
      key: "kms:EncryptionContext:a",
      matched: false,
      why: "to compare takes more than the 2000000 steps of an explanation",
      tooManySteps: true,
    });
    expect(nearMisses).toEqual([]);
    expect(grants).toMatchObject([{ matched: false, miss: "grantee" }]);
  });

  it("says of an allowed request what decided, and nothing else", () => {
    const explanation = explain(request({ caller: withIam(alice, allow()) }));
    expect(explanation).toMatchObject({ nearMisses: [], deniedBy: [], suggestions: [], hints: [] });
  });
});
