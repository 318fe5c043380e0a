import { expect, it } from "vitest";
import { decide } from "../../src/policy/decide.ts";
import { defaultKeyPolicy } from "../../src/policy/default-policy.ts";
import { lintPolicy } from "../../src/policy/lint.ts";
import { A, allow, alice, request, ROOT, withIam } from "./support/requests.ts";

it("is AWS's", () => {
  expect(JSON.parse(defaultKeyPolicy(A))).toEqual({
    Version: "2012-10-17",
    Id: "key-default-1",
    Statement: [
      {
        Sid: "Enable IAM User Permissions",
        Effect: "Allow",
        Principal: { AWS: ROOT },
        Action: "kms:*",
        Resource: "*",
      },
    ],
  });
  expect(lintPolicy(defaultKeyPolicy(A), "key")).toEqual([]);
});

it("lets the root in, and others by IAM", () => {
  const root = { arn: ROOT, accountId: A, type: "root" } as const;
  expect(decide(request({ caller: root })).because).toBe("account-root");
  expect(decide(request()).allowed).toBe(false);
  expect(decide(request({ caller: withIam(alice, allow()) })).because).toBe("key-policy-and-iam");
});
