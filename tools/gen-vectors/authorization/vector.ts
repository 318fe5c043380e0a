/**
 * What an authorization vector is, and the people, keys and policies that the cases are about.
 *
 * @module
 */

/** A document, or its text as it is. */
export type PolicyJson = object | string;

export interface CallerJson {
  readonly arn: string;
  readonly accountId: string;
  readonly type: "root" | "user" | "role" | "session" | "federated" | "service";
  readonly roleArn?: string;
  readonly userId?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly policies?: readonly NamedJson[];
  readonly boundary?: NamedJson;
  readonly sessionPolicies?: readonly NamedJson[];
}

export interface NamedJson {
  readonly name: string;
  readonly policy: PolicyJson;
}

export interface KeyJson {
  readonly policy: PolicyJson;
  readonly aliases: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly grants: readonly object[];
  readonly keySpec: string;
  readonly keyUsage: string;
  readonly origin: string;
  readonly multiRegionKeyType?: "PRIMARY" | "REPLICA";
}

export interface RequestJson {
  readonly caller: CallerJson;
  readonly action: string;
  readonly resource: string;
  readonly resourceAccount: string;
  readonly key?: KeyJson;
  readonly encryptionContext?: Readonly<Record<string, string>>;
  readonly grantTokens?: readonly string[];
  readonly newGrant?: object;
  readonly conditions?: Readonly<Record<string, string | readonly string[]>>;
  readonly now: number;
}

export interface Vector {
  readonly spec: string;
  /** Names of the rules that decide it. */
  readonly rules: readonly string[];
  /** Operators that it is about. */
  readonly operators?: readonly string[];
  readonly comment: string;
  readonly request: RequestJson;
  readonly expect:
    | { readonly allowed: boolean; readonly because: string; readonly deciding?: string }
    | { readonly error: string };
}

export type Vectors = Readonly<Record<string, Vector>>;

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

type More = Partial<CallerJson>;

export const root = (more: More = {}): CallerJson => ({
  arn: ROOT,
  accountId: A,
  type: "root",
  ...more,
});
export const alice = (more: More = {}): CallerJson => ({
  arn: ALICE,
  accountId: A,
  type: "user",
  ...more,
});
export const role = (more: More = {}): CallerJson => ({
  arn: ROLE,
  accountId: A,
  type: "role",
  ...more,
});
export const session = (more: More = {}): CallerJson => ({
  arn: SESSION,
  accountId: A,
  type: "session",
  roleArn: ROLE,
  ...more,
});
export const federated = (more: More = {}): CallerJson => ({
  arn: FEDERATED,
  accountId: A,
  type: "federated",
  ...more,
});
export const bob = (more: More = {}): CallerJson => ({
  arn: BOB,
  accountId: B,
  type: "user",
  ...more,
});
export const otherRoot = (more: More = {}): CallerJson => ({
  arn: OTHER_ROOT,
  accountId: B,
  type: "root",
  ...more,
});
export const s3 = (more: More = {}): CallerJson => ({
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

export const named = (name: string, document: PolicyJson): NamedJson => ({
  name,
  policy: document,
});

/** Policies of IAM with one document in them. */
export const iam = (...statements: readonly Statement[]): Pick<CallerJson, "policies"> => ({
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

export const key = (document: PolicyJson, more: Partial<KeyJson> = {}): KeyJson => ({
  policy: document,
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
  caller: CallerJson,
  theKey: KeyJson,
  more: Partial<RequestJson> = {},
): RequestJson => ({
  caller,
  action: "kms:Decrypt",
  resource: KEY_ARN,
  resourceAccount: A,
  key: theKey,
  encryptionContext: {},
  now: NOW,
  ...more,
});

/** An action on no key. */
export const general = (
  caller: CallerJson,
  action: string,
  more: Partial<RequestJson> = {},
): RequestJson => ({ caller, action, resource: "*", resourceAccount: A, now: NOW, ...more });

/**
 * A vector.
 *
 * @param rules - The first names the section.
 * @param expect - `because`, and what decided, as "because: deciding"; or the name of an error.
 */
export function vector(
  rules: string,
  comment: string,
  request: RequestJson,
  expect: string,
  operators?: readonly string[],
): Vector {
  const names = rules.split(" ");
  const section = sections.get(names[0]?.replace(/\d+$/, "") ?? "");
  if (section === undefined) throw new Error(`no section has the rule ${names[0]}`);
  const [because = "", ...deciding] = expect.split(": ");
  return {
    spec: `authorization.md#${section}`,
    rules: names,
    ...(operators === undefined ? {} : { operators }),
    comment,
    request,
    expect: because.endsWith("Exception")
      ? { error: because }
      : {
          allowed: ALLOWED.has(because),
          because,
          ...(deciding.length === 0 ? {} : { deciding: deciding.join(": ") }),
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

const sections: ReadonlyMap<string, string> = new Map([
  ["R", "input"],
  ["T", "documents"],
  ["M", "statements"],
  ["W", "patterns"],
  ["V", "policy-variables"],
  ["P", "principals"],
  ["K", "condition-keys"],
  ["O", "operators"],
  ["G", "grants"],
  ["D", "decision"],
]);
