/**
 * A key policy as a form: who administers the key, and who uses it. These are the statements that AWS's console writes, found by
 * their Sid; all others stay as they are.
 *
 * Source: "Default key policy" in the AWS KMS developer guide
 *
 * @module
 */
import type { KeyUsage } from "@env/kms";

const roles = {
  administrators: "Allow access for Key Administrators",
  users: "Allow use of the key",
} as const;

export type PolicyRole = keyof typeof roles;

interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Principal?: unknown;
  readonly [element: string]: unknown;
}

interface Document {
  readonly Version?: string;
  readonly Statement: readonly Statement[];
}

const administration = [
  "kms:Create*",
  "kms:Describe*",
  "kms:Enable*",
  "kms:List*",
  "kms:Put*",
  "kms:Update*",
  "kms:Revoke*",
  "kms:Disable*",
  "kms:Get*",
  "kms:Delete*",
  "kms:TagResource",
  "kms:UntagResource",
  "kms:RotateKeyOnDemand",
  "kms:ImportKeyMaterial",
];

const deletion = ["kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"];

const uses: Readonly<Record<KeyUsage, readonly string[]>> = {
  ENCRYPT_DECRYPT: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"],
  SIGN_VERIFY: ["kms:Sign", "kms:Verify", "kms:GetPublicKey"],
  GENERATE_VERIFY_MAC: ["kms:GenerateMac", "kms:VerifyMac"],
  KEY_AGREEMENT: ["kms:DeriveSharedSecret", "kms:GetPublicKey"],
  ENCAPSULATE_DECAPSULATE: ["kms:Encapsulate", "kms:Decapsulate", "kms:GetPublicKey"],
};

/** `undefined`: the text is not a policy that a form can show. */
export function parsePolicy(text: string): Document | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("Statement" in value)) return undefined;
    const { Statement: given } = value;
    const statements: unknown[] = Array.isArray(given) ? given : [given];
    if (!statements.every((each) => typeof each === "object" && each !== null)) return undefined;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- What else is in it is left alone.
    return { ...value, Statement: statements as Statement[] };
  } catch {
    return undefined;
  }
}

/** The principals of a role, if the policy gives them no more and no less than the form does. */
export function principalsIn(document: Document, role: PolicyRole): readonly string[] {
  const principal = document.Statement.find(({ Sid }) => Sid === roles[role])?.Principal;
  if (typeof principal !== "object" || principal === null || !("AWS" in principal)) return [];
  const { AWS: given } = principal;
  const list: unknown[] = Array.isArray(given) ? given : [given];
  return list.filter((each) => typeof each === "string");
}

/** Whether the account decides through IAM policies. */
export function leavesToAccount({ Statement }: Document, accountId: string): boolean {
  return Statement.some((statement) => isAccount(statement, accountId));
}

function isAccount({ Effect, Principal, Action }: Statement, accountId: string): boolean {
  const text = JSON.stringify(Principal) ?? "";
  return (
    Effect === "Allow" &&
    (text.includes(`arn:aws:iam::${accountId}:root"`) || text.includes(`"${accountId}"`)) &&
    JSON.stringify(Action).includes('"kms:*"')
  );
}

/** The policy with other principals in a role: without any, the statement goes. */
export function withPrincipals(
  document: Document,
  role: PolicyRole,
  principals: readonly string[],
  usage: KeyUsage,
  mayDelete = true,
): Document {
  const Sid = roles[role];
  const known = document.Statement.find((each) => each.Sid === Sid);
  const others = document.Statement.filter((each) => each !== known);
  if (principals.length === 0) return { ...document, Statement: others };
  const Action =
    role === "users"
      ? [...uses[usage], "kms:DescribeKey"]
      : [...administration, ...(mayDelete ? deletion : [])];
  const statement: Statement = {
    ...(known ?? { Sid, Effect: "Allow", Action, Resource: "*" }),
    Principal: { AWS: principals.length === 1 ? principals[0] : principals },
  };
  const place = known === undefined ? others.length : document.Statement.indexOf(known);
  return { ...document, Statement: others.toSpliced(place, 0, ordered(statement)) };
}

function ordered({ Sid, Effect, Principal, ...rest }: Statement): Statement {
  return { ...(Sid === undefined ? {} : { Sid }), Effect, Principal, ...rest };
}

/** What AWS gives a key whose creator says nothing. */
export function accountPolicy(accountId: string): Document {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "Enable IAM User Permissions",
        Effect: "Allow",
        Principal: { AWS: `arn:aws:iam::${accountId}:root` },
        Action: "kms:*",
        Resource: "*",
      },
    ],
  };
}

/** The policy with a statement more. */
export function withStatement(text: string, statement: object): string {
  const document = parsePolicy(text) ?? { Version: "2012-10-17", Statement: [] };
  return toText({ ...document, Statement: [...document.Statement, statement] });
}

export function toText(document: object): string {
  return JSON.stringify(document, undefined, 2);
}
