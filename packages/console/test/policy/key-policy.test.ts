import { expect, test } from "vitest";
import {
  accountPolicy,
  leavesToAccount,
  parsePolicy,
  principalsIn,
  toText,
  withPrincipals,
} from "../../src/policy/key-policy.ts";

const ACCOUNT = "111122223333";
const alice = `arn:aws:iam::${ACCOUNT}:user/alice`;
const bob = `arn:aws:iam::${ACCOUNT}:user/bob`;
const first = accountPolicy(ACCOUNT);

test("a principal that is added to a role can be read from it again", () => {
  const one = withPrincipals(first, "users", [alice], "ENCRYPT_DECRYPT");
  expect(principalsIn(one, "users")).toEqual([alice]);
  expect(
    principalsIn(withPrincipals(one, "users", [alice, bob], "ENCRYPT_DECRYPT"), "users"),
  ).toEqual([alice, bob]);
});

test("a role without principals has no statement, and the policy is what it was", () => {
  const added = withPrincipals(first, "administrators", [alice], "SIGN_VERIFY");
  expect(withPrincipals(added, "administrators", [], "SIGN_VERIFY")).toEqual(first);
});

test("a statement that somebody has edited keeps everything but its principals", () => {
  const edited = {
    ...first,
    Statement: [
      {
        Sid: "Allow use of the key",
        Effect: "Allow",
        Principal: { AWS: alice },
        Action: "kms:Decrypt",
        Resource: "*",
        Condition: {},
      },
      ...first.Statement,
    ],
  };
  const [statement] = withPrincipals(edited, "users", [bob], "ENCRYPT_DECRYPT").Statement;
  expect(statement).toEqual({ ...edited.Statement[0], Principal: { AWS: bob } });
});

test("the uses of a role fit the key", () => {
  const { Statement } = withPrincipals(first, "users", [alice], "SIGN_VERIFY");
  expect(Statement.at(-1)?.["Action"]).toEqual([
    "kms:Sign",
    "kms:Verify",
    "kms:GetPublicKey",
    "kms:DescribeKey",
  ]);
});

test("the policy of a new key leaves decisions to the account", () => {
  expect(leavesToAccount(first, ACCOUNT)).toBe(true);
  expect(leavesToAccount(first, "999999999999")).toBe(false);
});

test.each(["", "[]", "{", '{"Statement":[1]}'])("%j is not a policy for the form", (text) => {
  expect(parsePolicy(text)).toBeUndefined();
});

test("a policy with one statement that is not in a list can be shown", () => {
  const [statement] = first.Statement;
  expect(parsePolicy(toText({ Statement: statement }))?.Statement).toEqual([statement]);
});
