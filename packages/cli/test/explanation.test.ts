import { describe, expect, it } from "vitest";
import type { Explanation } from "@env/kms";
import { drawDecision, drawExplanation } from "../src/explanation.ts";

const realm = { accountId: "111122223333", region: "local" };
const yes = { matched: true, why: "it does" };
const no = { matched: false, why: "it does not" };

const allowed: Explanation = {
  decision: { allowed: true, because: "grant", deciding: "grant 0f3a", reason: "" },
  caller: "arn:aws:iam::111122223333:user/alice",
  action: "kms:Decrypt",
  resource: "arn:aws:kms:local:111122223333:key/1",
  policies: [
    {
      policy: { type: "key policy" },
      statements: [
        {
          title: "key policy, statement 1",
          index: 0,
          effect: "Allow",
          matched: false,
          deciding: false,
          principal: yes,
          action: yes,
          resource: yes,
          variables: yes,
          conditions: [{ ...no, operator: "Bool", key: "aws:SecureTransport", expected: ["true"] }],
        },
      ],
    },
  ],
  grants: [
    { grantId: "0f3a", name: "app", deciding: true, matched: true, why: "lets app Decrypt" },
    { grantId: "77", deciding: false, matched: false, why: "is for somebody else" },
  ],
  nearMisses: [],
  deniedBy: [],
  suggestions: [],
  suggestionsTruncated: false,
  hints: [],
};

const denied: Explanation = {
  ...allowed,
  decision: { allowed: false, because: "explicit-deny", deciding: 'policy "x"', reason: "r" },
  policies: [{ policy: { type: "identity policy", name: "a\nb" }, statements: [] }],
  grants: [],
  nearMisses: ["statement 2 would match, but no"],
  deniedBy: ["statement 7"],
  suggestions: [
    { additions: [{ to: "grants", grantee: allowed.caller, operations: ["Decrypt", "Sign"] }] },
    {
      additions: [
        { to: "permissions boundary", name: "b", statement: { Effect: "Allow" } },
        { to: "grant tokens", grantId: "0f3a" },
      ],
    },
  ],
  hints: [{ code: "deny-outweighs", message: "A deny outweighs." }],
};

describe("an explanation", () => {
  it("shows what decided, and the result of each statement and grant", () => {
    expect(drawExplanation(allowed, realm)).toBe(`allowed  grant: grant 0f3a
  user/alice asks for kms:Decrypt on arn:aws:kms:local:111122223333:key/1

key policy
  ✗ statement 1, Allow: does not match
      ✓ principal  it does
      ✓ action     it does
      ✓ resource   it does
      ✓ variables  it does
      ✗ condition  it does not

grants
  ✓ grant 0f3a "app": lets app Decrypt, decides
  ✗ grant 77: is for somebody else`);
  });

  it("shows for a refusal what denies it and what would allow it, and breaks the lines itself", () => {
    expect(drawExplanation(denied, realm)).toBe(`denied  explicit-deny: policy "x"
  user/alice asks for kms:Decrypt on arn:aws:kms:local:111122223333:key/1

identity policy "a\\nb"

in the way: statement 7
near miss: statement 2 would match, but no
any one of these would allow it, once nothing denies it:
  1. a grant for user/alice with Decrypt, Sign
  2. in the permissions boundary "b": { "Effect": "Allow" }
     and the grant token of grant 0f3a

hint: A deny outweighs.`);
  });

  it("keeps values of the request from breaking a line or reaching the terminal", () => {
    const why = "is a\nallowed\u001b[2J";
    const shown = drawExplanation(
      { ...allowed, grants: [{ grantId: "1", deciding: false, matched: false, why }] },
      realm,
    );
    expect(shown).toContain("is a\\u000aallowed\\u001b[2J");
  });

  it("is one line where only the decision is asked for", () => {
    expect(drawDecision(denied)).toBe('denied  explicit-deny: policy "x"');
    const { deciding: _, ...bare } = denied.decision;
    expect(drawDecision({ ...denied, decision: bare })).toBe("denied  explicit-deny");
  });
});
