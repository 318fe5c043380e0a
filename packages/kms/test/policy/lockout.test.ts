import { expect, it } from "vitest";
import { isKmsError } from "../../src/catalogue/errors.ts";
import { afterwards, requireNoLockout } from "../../src/policy/lockout.ts";
import {
  A,
  ALICE,
  alice,
  allow,
  grant,
  keyFacts,
  policy,
  request,
  ROOT,
  withIam,
} from "./support/requests.ts";

const under = (text: string, more = {}) => {
  const { action: _, ...rest } = request(more);
  return { ...rest, key: keyFacts({ policy: text }) };
};
const delegating = policy(allow({ Principal: { AWS: ROOT } }));
const root = { arn: ROOT, accountId: A, type: "root" } as const;

function refusal(...asked: Parameters<typeof requireNoLockout>): string {
  try {
    requireNoLockout(...asked);
  } catch (error) {
    if (isKmsError(error)) return `${error.name}: ${error.message}`;
    throw error;
  }
  return "none";
}

it("asks whether the caller may put another policy", () => {
  expect(refusal(under(policy(allow({ Principal: { AWS: ALICE } }))))).toBe("none");
  expect(
    refusal(under(policy(allow({ Principal: { AWS: ALICE }, Action: "kms:PutKeyPolicy" })))),
  ).toBe("none");
  expect(refusal(under(policy(allow({ Principal: { AWS: ALICE }, Action: "kms:Decrypt" }))))).toBe(
    "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future.",
  );
});

it("takes delegation for enough only where IAM lets the caller do it", () => {
  expect(refusal(under(delegating))).toMatch(/^MalformedPolicyDocumentException/);
  expect(
    refusal(under(delegating, { caller: withIam(alice, allow({ Action: "kms:PutKeyPolicy" })) })),
  ).toBe("none");
  expect(
    refusal(under(delegating, { caller: withIam(alice, allow({ Action: "kms:Encrypt" })) })),
  ).not.toBe("none");
  expect(refusal(under(delegating, { caller: root }))).toBe("none");
});

it("counts denies", () => {
  const deny = { Effect: "Deny", Principal: "*", Action: "kms:Put*", Resource: "*" };
  expect(afterwards(under(policy(allow({ Principal: "*" }), deny))).because).toBe("explicit-deny");
});

it("counts no grant for other operations", () => {
  const asked = under(policy(allow({ Principal: { AWS: ROOT }, Action: "kms:Decrypt" })));
  expect(refusal({ ...asked, key: { ...asked.key, grants: [grant()] } })).not.toBe("none");
});
