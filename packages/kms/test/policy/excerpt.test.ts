import { expect, it } from "vitest";
import { excerpt } from "../../src/policy/excerpt.ts";
import { lintPolicy } from "../../src/policy/lint.ts";
import { allow, policy } from "./support/requests.ts";

it("repeats 100 characters of a policy at most", () => {
  expect(excerpt("x".repeat(100))).toBe("x".repeat(100));
  expect(excerpt("x".repeat(101))).toBe(`${"x".repeat(100)}…`);
});

it("keeps messages about long texts short", () => {
  const [finding] = lintPolicy(policy(allow({ Action: `kms:${"x".repeat(10_000)}` })), "identity");
  expect(finding?.code).toBe("unknown-action");
  expect(finding?.message.length).toBeLessThan(300);
});
