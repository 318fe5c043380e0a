/** Callers, keys and requests to change in one way each. */
import { defaultKeyPolicy } from "../../../src/policy/default-policy.ts";
import type { AccessRequest, Caller, Grant, KeyFacts } from "../../../src/policy/request.ts";

export const A = "111122223333";
export const B = "444455556666";
export const ROOT = `arn:aws:iam::${A}:root`;
export const ALICE = `arn:aws:iam::${A}:user/alice`;
export const ROLE = `arn:aws:iam::${A}:role/app`;
export const SESSION = `arn:aws:sts::${A}:assumed-role/app/run`;
export const BOB = `arn:aws:iam::${B}:user/bob`;
export const KEY_ARN = `arn:aws:kms:local:${A}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
export const ALIAS_ARN = `arn:aws:kms:local:${A}:alias/app`;
export const NOW = 1_700_000_000_000;

export const alice: Caller = { arn: ALICE, accountId: A, type: "user" };
export const session: Caller = { arn: SESSION, accountId: A, type: "session", roleArn: ROLE };
export const bob: Caller = { arn: BOB, accountId: B, type: "user" };

/** A policy as text. */
export function policy(...statements: readonly object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

export function allow(more: object = {}): object {
  return { Effect: "Allow", Action: "kms:*", Resource: "*", ...more };
}

/** The caller with one identity policy, `iam`. */
export function withIam(caller: Caller, ...statements: readonly object[]): Caller {
  return { ...caller, policies: [{ name: "iam", text: policy(...statements) }] };
}

export function keyFacts(more: Partial<KeyFacts> = {}): KeyFacts {
  return {
    policy: defaultKeyPolicy(A),
    aliases: ["alias/app"],
    tags: {},
    grants: [],
    keySpec: "SYMMETRIC_DEFAULT",
    keyUsage: "ENCRYPT_DECRYPT",
    origin: "AWS_KMS",
    ...more,
  };
}

/** alice decrypts under the default key policy. */
export function request(more: Partial<AccessRequest> = {}): AccessRequest {
  return {
    caller: alice,
    action: "kms:Decrypt",
    resource: KEY_ARN,
    resourceAccount: A,
    key: keyFacts(),
    encryptionContext: {},
    now: NOW,
    ...more,
  };
}

export function grant(more: Partial<Grant> = {}): Grant {
  return {
    grantId: "0f".repeat(32),
    created: 0,
    effective: 0,
    grantee: ALICE,
    issuingAccount: ROOT,
    operations: ["Decrypt"],
    tokenHashes: [],
    ...more,
  };
}
