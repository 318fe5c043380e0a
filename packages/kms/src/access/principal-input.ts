/**
 * What is said of a principal: its members, and whether they are in order.
 *
 * @module
 */
import { KmsError } from "../catalogue/errors.ts";
import { parsePolicy } from "../policy/document.ts";
import type { NamedPolicy } from "../policy/request.ts";
import * as check from "../requests/check.ts";
import type { PrincipalRecord, RoleFacts } from "../store/iam-records.ts";

/** What is to be known of a user, role or group; all of it, since it replaces what there was. */
export interface PrincipalInput {
  /** `arn:aws:iam::111122223333:user/alice`, `…:role/app`, `…:group/developers`. */
  readonly arn: string;
  /** At most 50. Default: none. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** JSON documents by name. Default: none. */
  readonly policies?: readonly NamedPolicy[] | undefined;
  /** Bounds what the policies may allow: a document, or the ARN of a managed policy. Not for groups. */
  readonly boundary?: NamedPolicy | string | undefined;
  /** ARNs of the groups that a user is in: their policies count as the user's. */
  readonly groups?: readonly string[] | undefined;
  /** ARNs of managed policies, which count as the principal's own. */
  readonly attached?: readonly string[] | undefined;
  /** Only for roles. */
  readonly role?: RoleInput | undefined;
}

export interface RoleInput {
  /** Who may assume the role: the JSON of a trust policy. Default: nobody. */
  readonly trust?: string | undefined;
  /** The longest session, in seconds: 3,600 to 43,200. Default: 3,600. */
  readonly maxSession?: number | undefined;
  /** At most 1,000 characters. */
  readonly description?: string | undefined;
}

const ARN =
  /^arn:aws:iam::[0-9]{12}:(user|role|group)\/(?:[\x21-\x7e]{1,510}\/)?[\w+=,.@-]{1,128}$/;
const POLICY_ARN =
  /^arn:aws:iam::(?:[0-9]{12}|aws):policy\/(?:[\x21-\x7e]{1,510}\/)?[\w+=,.@-]{1,128}$/;
/** The number that AWS allows on request. */
const MAX_ATTACHED = 20;
/** Seconds. */
const MIN_SESSION = 3600;
const MAX_SESSION = 43_200;
export const MAX_DESCRIPTION = 1000;
const POLICY_NAME = /^[\w+=,.@-]{1,128}$/;

/** A principal whose ARN, tags, policies and groups are in order; whether the groups are there is not looked at. */
export type CheckedPrincipal = Omit<PrincipalRecord, "userId" | "created">;

/** @throws {@link KmsError} as {@link Iam.put}. */
export function checkPrincipal(principal: PrincipalInput): CheckedPrincipal {
  check.requireObject(principal);
  const { arn, tags = {}, policies = [], boundary, groups = [], attached = [] } = principal;
  const type = typeOf(arn);
  if (type === "group" && boundary !== undefined)
    throw invalid("a group cannot have a permissions boundary");
  if (type !== "user" && groups.length > 0) throw invalid("only users can be in groups");
  const strangers = groups.filter((group) => typeOf(group) !== "group" || !sameAccount(group, arn));
  if (strangers.length > 0) throw invalid(`${strangers[0]} is not a group of the account`);
  for (const one of attached) requirePolicyArn(one);
  if (typeof boundary === "string") requirePolicyArn(boundary);
  if (attached.length > MAX_ATTACHED) {
    throw new KmsError(
      "LimitExceededException",
      `Cannot exceed quota for PoliciesPerPrincipal: ${MAX_ATTACHED}`,
    );
  }
  const names = policies.map(({ name }) => name);
  if (new Set(names).size < names.length) throw invalid("two policies have the same name");
  return {
    arn,
    type,
    tags: checkTags(tags),
    policies: policies.map(checkPolicy),
    boundary: typeof boundary === "object" ? checkPolicy(boundary) : boundary,
    groups: [...new Set(groups)],
    attached: [...new Set(attached)],
    role: checkRole(principal.role, type),
  };
}

/** @throws {@link KmsError} `ValidationException` */
export function requirePolicyArn(arn: unknown): void {
  if (typeof arn === "string" && POLICY_ARN.test(arn)) return;
  throw invalid(`${String(arn).slice(0, 700)} is not the ARN of a managed policy`);
}

/** @throws {@link KmsError} `ValidationException`, `TagException` */
export function checkTags(tags: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
  return Object.fromEntries(check.tags(entries, 0));
}

function checkRole(
  role: RoleInput | undefined,
  type: PrincipalRecord["type"],
): RoleFacts | undefined {
  if (type !== "role") {
    if (role !== undefined) throw invalid("only roles can be assumed");
    return undefined;
  }
  const { trust, maxSession = MIN_SESSION, description = "" } = role ?? {};
  if (trust !== undefined) parsePolicy(check.policy(trust), "trust");
  return {
    trust,
    maxSession: check.integer(maxSession, "maxSessionDuration", MIN_SESSION, MAX_SESSION),
    description: check.text(description, "description", 0, MAX_DESCRIPTION),
  };
}

function typeOf(arn: unknown): PrincipalRecord["type"] {
  const [, type] = typeof arn === "string" ? (ARN.exec(arn) ?? []) : [];
  if (type === "user" || type === "role" || type === "group") return type;
  throw invalid(
    "a principal's ARN must be arn:aws:iam::<account>:user/<name>, or the same with role or group",
  );
}

function sameAccount(a: string, b: string): boolean {
  return a.split(":")[4] === b.split(":")[4];
}

function checkPolicy({ name, text }: NamedPolicy): NamedPolicy {
  if (typeof name !== "string" || !POLICY_NAME.test(name)) {
    throw invalid("a policy's name must have 1 to 128 letters, digits or characters of _+=,.@-");
  }
  parsePolicy(check.policy(text), "identity");
  return { name, text };
}

function invalid(problem: string): KmsError {
  return new KmsError("ValidationException", problem);
}
