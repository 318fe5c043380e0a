/**
 * A case of the authorization, and the people, keys and policies that the cases are about.
 *
 * The mistake it stops: an evaluator that agrees with itself. A reader of the specification states every
 * expectation; nothing here evaluates a policy, and nothing but types comes from the sources.
 *
 * @module
 */
import type {
  AccessRequest,
  Because,
  Caller,
  Decision,
  Grant,
  KeyFacts,
  NamedPolicy,
} from "../../../src/policy/request.ts";

export type { AccessRequest, Caller, Grant, KeyFacts };

export interface Case {
  /** Names of the rules of the specification that decide it. */
  readonly rules: readonly string[];
  /** Operators that it is about. */
  readonly operators: readonly string[];
  /** What is special about it. */
  readonly comment: string;
  readonly request: AccessRequest;
  /** Where `deciding` is absent, nothing is said of what decided. */
  readonly expected: Expected;
}

type Expected = Pick<Decision, "allowed" | "because" | "deciding"> | { readonly error: string };

/** Cases by name. */
export type Cases = Readonly<Record<string, Case>>;

/** Members of a request that differ from the usual ones. */
export type Circumstances = Partial<Omit<AccessRequest, "conditions">> & {
  readonly conditions?: Readonly<Record<string, string | readonly string[]>>;
};

/** A document, or its text as it is. */
export type PolicyJson = object | string;

export const A = "111122223333";
export const B = "444455556666";
export const KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab";
export const KEY_ARN = `arn:aws:kms:eu-west-1:${A}:key/${KEY_ID}`;
export const ALIAS_ARN = `arn:aws:kms:eu-west-1:${A}:alias/app`;
export const OTHER_KEY_ARN = `arn:aws:kms:eu-west-1:${A}:key/0987dcba-09fe-87dc-65ba-ab0987654321`;
export const ROOT = `arn:aws:iam::${A}:root`;
export const ALICE = `arn:aws:iam::${A}:user/staff/alice`;
export const ROLE = `arn:aws:iam::${A}:role/apps/app`;
export const SESSION = `arn:aws:sts::${A}:assumed-role/app/run-7`;
export const FEDERATED = `arn:aws:sts::${A}:federated-user/fred`;
export const BOB = `arn:aws:iam::${B}:user/bob`;
export const OTHER_ROOT = `arn:aws:iam::${B}:root`;
/** 2023-11-14T22:13:20Z */
export const NOW = 1_700_000_000_000;

export const root = (more: Partial<Caller> = {}): Caller => ({
  arn: ROOT,
  accountId: A,
  type: "root",
  ...more,
});
export const alice = (more: Partial<Caller> = {}): Caller => ({
  arn: ALICE,
  accountId: A,
  type: "user",
  ...more,
});
export const role = (more: Partial<Caller> = {}): Caller => ({
  arn: ROLE,
  accountId: A,
  type: "role",
  ...more,
});
export const session = (more: Partial<Caller> = {}): Caller => ({
  arn: SESSION,
  accountId: A,
  type: "session",
  roleArn: ROLE,
  ...more,
});
export const federated = (more: Partial<Caller> = {}): Caller => ({
  arn: FEDERATED,
  accountId: A,
  type: "federated",
  ...more,
});
export const bob = (more: Partial<Caller> = {}): Caller => ({
  arn: BOB,
  accountId: B,
  type: "user",
  ...more,
});
export const otherRoot = (more: Partial<Caller> = {}): Caller => ({
  arn: OTHER_ROOT,
  accountId: B,
  type: "root",
  ...more,
});
export const s3 = (more: Partial<Caller> = {}): Caller => ({
  arn: "s3.amazonaws.com",
  accountId: A,
  type: "service",
  ...more,
});

type Statement = Readonly<Record<string, unknown>>;

/** A policy of the newer version. */
export const policy = (...statements: readonly Statement[]): object => ({
  Version: "2012-10-17",
  Statement: statements,
});

/** One without a version: the older one. */
export const oldPolicy = (...statements: readonly Statement[]): object => ({
  Statement: statements,
});

/** A statement of a key policy. */
export const forKey = (principal: unknown, more: Statement = {}): Statement => ({
  Effect: "Allow",
  Principal: typeof principal === "string" && principal !== "*" ? { AWS: principal } : principal,
  Action: "kms:*",
  Resource: "*",
  ...more,
});

/** A statement of an identity policy. */
export const forIam = (more: Statement = {}): Statement => ({
  Effect: "Allow",
  Action: "kms:*",
  Resource: "*",
  ...more,
});

export const named = (name: string, document: PolicyJson): NamedPolicy => ({
  name,
  text: toText(document),
});

/** Policies of IAM with one document in them. */
export const iam = (...statements: readonly Statement[]): Pick<Caller, "policies"> => ({
  policies: [named("iam", policy(...statements))],
});

/** The default key policy. */
export const delegating: object = {
  Version: "2012-10-17",
  Id: "key-default-1",
  Statement: [forKey(ROOT, { Sid: "Enable IAM User Permissions" })],
};

/** A key policy that has nothing to do with anybody here. */
export const closed: object = policy(forKey(`arn:aws:iam::${A}:user/nobody`));

export const key = (document: PolicyJson, more: Partial<KeyFacts> = {}): KeyFacts => ({
  policy: toText(document),
  aliases: ["alias/app"],
  tags: {},
  grants: [],
  keySpec: "SYMMETRIC_DEFAULT",
  keyUsage: "ENCRYPT_DECRYPT",
  origin: "AWS_KMS",
  ...more,
});

/** kms:Decrypt on the key. */
export const decrypt = (
  caller: Caller,
  theKey: KeyFacts,
  more: Circumstances = {},
): AccessRequest => ({
  action: "kms:Decrypt",
  resource: KEY_ARN,
  key: theKey,
  encryptionContext: {},
  ...shared(caller, more),
});

/** An action on no key. */
export const general = (
  caller: Caller,
  action: AccessRequest["action"],
  more: Circumstances = {},
): AccessRequest => ({ action, resource: "*", ...shared(caller, more) });

const shared = (caller: Caller, { conditions, ...more }: Circumstances) => ({
  caller,
  resourceAccount: A,
  now: NOW,
  ...more,
  ...(conditions && { conditions: new Map(Object.entries(conditions)) }),
});

const toText = (document: PolicyJson): string =>
  typeof document === "string" ? document : JSON.stringify(document);

/**
 * A case.
 *
 * @param expected - `because`, and what decided, as "because: deciding"; or the name of an error.
 */
export function decides(
  rules: string,
  comment: string,
  request: AccessRequest,
  expected: string,
  operators: readonly string[] = [],
): Case {
  const [because = "", ...deciding] = expected.split(": ");
  return {
    rules: rules.split(" "),
    operators,
    comment,
    request,
    expected: because.endsWith("Exception")
      ? { error: because }
      : {
          allowed: ALLOWED.has(because),
          because: because as Because,
          ...(deciding.length > 0 && { deciding: deciding.join(": ") }),
        },
  };
}

const ALLOWED: ReadonlySet<string> = new Set([
  "key-policy",
  "key-policy-and-iam",
  "account-root",
  "grant",
  "iam",
]);
