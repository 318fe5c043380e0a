import { describe, expect, it } from "vitest";
import { KmsError } from "../../src/catalogue/errors.ts";
import { MAX_POLICY_BYTES, parsePolicy, readPolicy } from "../../src/policy/document.ts";
import type { Problem } from "../../src/policy/problem.ts";
import type { PolicyKind } from "../../src/policy/values.ts";
import { ALICE, allow, policy } from "./support/requests.ts";

const forAlice = allow({ Principal: { AWS: ALICE } });

function refusal(text: string, kind: PolicyKind = "key"): string {
  try {
    parsePolicy(text, kind);
  } catch (error) {
    if (error instanceof KmsError) return `${error.name}: ${error.message}`;
    throw error;
  }
  return "none";
}

function problems(text: string, kind: PolicyKind = "key"): Problem[] {
  const found: Problem[] = [];
  readPolicy(text, kind, (problem) => found.push(problem));
  return found;
}

describe("parsePolicy", () => {
  it("reads a key policy", () => {
    const text = JSON.stringify({ Id: "x", Statement: { ...forAlice, Sid: "use of key" } });
    expect(parsePolicy(text, "key")).toMatchObject({
      kind: "key",
      version: "2008-10-17",
      id: "x",
      statements: [
        {
          index: 0,
          sid: "use of key",
          effect: "Allow",
          principals: { not: false, principals: [{ kind: "arn", arn: ALICE }] },
          actions: { not: false, patterns: [{ text: "kms:*" }] },
          resources: { not: false, patterns: [{ text: "*" }] },
          conditions: [],
        },
      ],
    });
  });

  it("reads one condition per operator and key", () => {
    const text = policy(
      allow({
        Condition: { Bool: { "a:b": true }, NumericLessThan: { "a:c": [1, "2"], "a:d": 3 } },
      }),
    );
    const [statement] = parsePolicy(text, "identity").statements;
    expect(
      statement?.conditions.map(({ operator, key, values }) => [
        operator.name,
        key,
        values.map((value) => value.text),
      ]),
    ).toEqual([
      ["Bool", "a:b", ["true"]],
      ["NumericLessThan", "a:c", ["1", "2"]],
      ["NumericLessThan", "a:d", ["3"]],
    ]);
  });

  it("answers in AWS's words where they are known", () => {
    const by = (principal: unknown): string => policy(allow({ Principal: principal }));
    expect(refusal(by({ AWS: "alice" }))).toBe(
      "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.",
    );
    expect(refusal(by({ AWS: "arn:aws:iam::1:user/x" }))).toBe(
      "InvalidArnException: An ARN in the specified key policy is invalid.",
    );
    expect(refusal(policy({ ...forAlice, Condition: { StringIs: { "a:b": "c" } } }))).toBe(
      "MalformedPolicyDocumentException: Invalid Condition type : StringIs",
    );
    const all = { "ForAllValues:StringLike": { "kms:EncryptionContext:app": "x" } };
    expect(refusal(policy({ ...forAlice, Condition: all }))).toMatch(
      /^MalformedPolicyDocumentException: OverlyPermissiveCondition: .* To fix, remove ForAllValues\.$/,
    );
    expect(refusal(policy(allow({ Resource: "key/1" })), "identity")).toBe(
      'MalformedPolicyDocumentException: Resource "key/1" must be in ARN format or "*".',
    );
  });

  it("names the size limit and the size", () => {
    const text = policy(forAlice).padEnd(MAX_POLICY_BYTES + 1);
    expect(refusal(text)).toBe(
      "LimitExceededException: A policy has at most 32768 bytes; this one has 32769.",
    );
  });

  it("does not look into what is too long", () => {
    expect(problems("[".repeat(1_000_000)).map(({ rule }) => rule)).toEqual(["policy-size"]);
  });
});

describe("readPolicy", () => {
  it("reports all problems with their places, and what can be read", () => {
    const text = `{"Version":"x","Statement":[{"Effect":"Permit","Principal":{"AWS":["a","${ALICE}"]},"Act":1},7]}`;
    expect(problems(text).map(({ rule, pointer }) => [rule, pointer])).toEqual([
      ["structure", "/Version"],
      ["unknown-element", "/Statement/0/Act"],
      ["structure", "/Statement/0/Effect"],
      ["invalid-principal", "/Statement/0/Principal/AWS/0"],
      ["structure", "/Statement/1"],
    ]);
    const found = readPolicy(text, "key", () => undefined);
    expect(found?.statements).toHaveLength(1);
    expect(found?.statements[0]?.principals?.principals).toEqual([{ kind: "arn", arn: ALICE }]);
  });

  it("tells lists of actions from lists of resources", () => {
    const text = policy({ ...forAlice, Action: [], Resource: [1] });
    expect(problems(text).map(({ rule }) => rule)).toEqual(["invalid-action", "invalid-resource"]);
  });

  it("gives the offset of what it reports", () => {
    const text = policy({ ...forAlice, Condition: { Bool: { "a:b": ["true", "maybe"] } } });
    const [problem] = problems(text);
    expect(problem?.pointer).toBe("/Statement/0/Condition/Bool/a:b/1");
    expect(text.slice(problem?.offset).startsWith('"maybe"')).toBe(true);
  });

  it("takes a statement whose effect cannot be read for one that allows nothing", () => {
    const text = policy({ ...forAlice, Effect: "allow" });
    expect(readPolicy(text, "key", () => undefined)?.statements[0]?.effect).toBe("Deny");
  });
});
