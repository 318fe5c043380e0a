/**
 * Sessions: who may assume a role, and what the session may do.
 *
 * The role's trust policy decides together with the policies of whoever calls, as a key's policy does. Roles of one
 * account are assumed with a trust policy that names the caller, or one that names the account and IAM that allows it.
 *
 * Source: spec/authorization.md#trust-policies; the AWS STS API reference
 *
 * @module
 */
import { KmsError } from "../catalogue/errors.ts";
import { parsePolicy } from "../policy/document.ts";
import * as check from "../requests/check.ts";
import type { PrincipalRecord } from "../store/iam-records.ts";
import type { IamCall, ResourceFacts } from "./iam-access.ts";
import { IamError } from "./iam-error.ts";
import { checkTags, requirePolicyArn } from "./principal-input.ts";
import type { SessionOptions } from "./session.ts";
import {
  issue,
  MAX_TOKEN_BYTES,
  type TemporaryCredentials,
  type TemporarySession,
} from "./temporary.ts";

export interface AssumeRoleInput {
  /** ARN, with the role's path. */
  readonly roleArn: string;
  /** 2 to 64 letters, digits or characters of `_+=,.@-`. */
  readonly sessionName: string;
  /** Seconds, 900 to the role's longest session. Default: 3,600. */
  readonly duration?: number | undefined;
  /** JSON: bounds what the session may do. */
  readonly policy?: string | undefined;
  /** ARNs of managed policies that bound what the session may do, at most 10. */
  readonly policyArns?: readonly string[];
  /** Session tags. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Keys of session tags that later sessions of the chain have as well. */
  readonly transitiveTags?: readonly string[];
  readonly externalId?: string | undefined;
  /** 2 to 64 letters, digits or characters of `_+=,.@-`; not another one than that of the session that assumes the role. */
  readonly sourceIdentity?: string | undefined;
}

export interface AssumedRole {
  readonly credentials: TemporaryCredentials;
  /** `arn:aws:sts::…:assumed-role/app/session`. */
  readonly arn: string;
  /** `AROA…:session`. */
  readonly assumedRoleId: string;
  readonly sourceIdentity?: string | undefined;
  /** How much of the room for policies and tags is used. */
  readonly packedPercent: number;
}

const SESSION_NAME = /^[\w+=,.@-]{2,64}$/;
const MIN_DURATION = 900;
const DEFAULT_DURATION = 3600;
/** The longest session of a role that a role assumes, in seconds. */
const MAX_CHAINED = 3600;
const MAX_SESSION_TOKEN = 129_600;
/** The longest of the account's root. */
const MAX_ROOT_TOKEN = 3600;
/** The limit of a session's policy and the ARNs of managed ones together. */
const MAX_POLICY_CHARS = 2048;
const MAX_POLICY_ARNS = 10;

/**
 * AssumeRole. A session that assumes a role passes its transitive tags on.
 *
 * @throws {@link KmsError} `AccessDeniedException`, `ValidationException`, and as policies and tags do; {@link IamError}
 * `MalformedPolicyDocument` for a managed policy that does not exist, `PackedPolicyTooLarge`, `InvalidParameterCombination`.
 */
export function assumeRole(call: IamCall, input: AssumeRoleInput): AssumedRole {
  const { caller } = call;
  if (caller.type === "root") throw new KmsError("AccessDeniedException", NOT_FOR_ROOT);
  const isChained = caller.type === "session" || caller.type === "role";
  const most = isChained ? MAX_CHAINED : undefined;
  return enter(call, "AssumeRole", withInherited(input, call), most, {});
}

export const NOT_FOR_ROOT = "Roles may not be assumed by root accounts.";

/** AssumeRoleWithWebIdentity, for a caller whose token was verified. Throws as {@link assumeRole}. */
export function assumeRoleWithWebIdentity(
  call: IamCall,
  input: Omit<AssumeRoleInput, "tags" | "transitiveTags" | "externalId" | "sourceIdentity">,
): AssumedRole {
  const { federated } = call;
  if (federated === undefined) throw new TypeError("the caller has no identity token");
  const { provider, tags, transitiveTags, sourceIdentity } = federated;
  const whole = { ...input, tags, transitiveTags, sourceIdentity };
  return enter(call, "AssumeRoleWithWebIdentity", whole, undefined, {
    federatedProvider: provider,
  });
}

/** A tag that is passed on keeps its value, and so does a source identity. */
function withInherited(
  input: AssumeRoleInput,
  { caller, transitiveTags: inherited, sourceIdentity }: IamCall,
): AssumeRoleInput {
  const { tags = {}, transitiveTags = [] } = input;
  if (sourceIdentity !== undefined && (input.sourceIdentity ?? sourceIdentity) !== sourceIdentity) {
    throw new IamError(
      "InvalidParameterCombination",
      "The source identity of the session that assumes the role cannot be changed.",
    );
  }
  const again = Object.keys(tags).find((name) => inherited.includes(name));
  if (again !== undefined) {
    throw new IamError(
      "InvalidParameterCombination",
      `The tag ${again} was passed on by the session that assumes the role, and cannot be given again.`,
    );
  }
  const passed = inherited.flatMap((name) => {
    const value = caller.tags?.[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...input,
    tags: { ...tags, ...Object.fromEntries(passed) },
    transitiveTags: [...transitiveTags, ...passed.map(([name]) => name)],
    sourceIdentity: input.sourceIdentity ?? sourceIdentity,
  };
}

/**
 * GetSessionToken: the caller's own permissions for a time.
 *
 * @param duration - Seconds, 900 to 129,600; for the account's root to 3,600. Default: 43,200.
 */
export function sessionToken(call: IamCall, duration?: number): TemporaryCredentials {
  const { caller, directory } = call;
  if (call.isTemporary || (caller.type !== "user" && caller.type !== "root")) {
    throw new KmsError(
      "AccessDeniedException",
      "Cannot call GetSessionToken with session credentials",
    );
  }
  const isRoot = caller.type === "root";
  const seconds = check.integer(
    duration ?? 43_200,
    "durationSeconds",
    MIN_DURATION,
    MAX_SESSION_TOKEN,
  );
  const issued = directory.store.now();
  const credentials = issue(directory.store, {
    principal: caller.arn,
    owner: caller.arn,
    ownerId: directory.idOf(caller.arn) ?? caller.accountId,
    session: {},
    issued,
    expires: issued + 1000 * (isRoot ? Math.min(seconds, MAX_ROOT_TOKEN) : seconds),
  });
  if (typeof credentials === "number") throw tooLarge(credentials);
  return credentials;
}

function enter(
  call: IamCall,
  operation: "AssumeRole" | "AssumeRoleWithWebIdentity",
  input: AssumeRoleInput,
  most: number | undefined,
  more: SessionOptions,
): AssumedRole {
  const checked = checkInput(input);
  const role = roleFor(call, operation, checked);
  const maxSession = role.role?.maxSession ?? DEFAULT_DURATION;
  const duration = checked.duration ?? DEFAULT_DURATION;
  if (duration > maxSession) {
    throw invalid(
      "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    );
  }
  if (most !== undefined && duration > most) {
    throw invalid(
      "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    );
  }
  const { store, realm } = call.directory;
  const { policy, policyArns, tags, transitiveTags, sourceIdentity } = checked;
  for (const each of policyArns) {
    if (store.policies.get(each) !== undefined) continue;
    throw new IamError(
      "MalformedPolicyDocument",
      `Policy ${each} does not exist or is not attachable.`,
    );
  }
  const name = role.arn.slice(role.arn.lastIndexOf("/") + 1);
  const arn = `arn:aws:sts::${realm.accountId}:assumed-role/${name}/${checked.sessionName}`;
  const issued = store.now();
  const session: TemporarySession = {
    principal: arn,
    owner: role.arn,
    ownerId: role.userId,
    session: {
      role: role.arn,
      ...(policy === undefined ? {} : { policies: [policy] }),
      ...(policyArns.length === 0 ? {} : { policyArns }),
      ...(Object.keys(tags).length === 0 ? {} : { tags }),
      ...(transitiveTags.length === 0 ? {} : { transitiveTags }),
      ...(sourceIdentity === undefined ? {} : { sourceIdentity }),
      ...more,
    },
    issued,
    expires: issued + duration * 1000,
  };
  const credentials = issue(store, session);
  if (typeof credentials === "number") throw tooLarge(credentials);
  const wanted = Object.keys(tags).length === 0 ? [] : [JSON.stringify({ tags, transitiveTags })];
  const packed = [policy ?? "", ...policyArns, ...wanted].join("").length;
  return {
    credentials,
    arn,
    assumedRoleId: `${role.userId}:${checked.sessionName}`,
    ...(sourceIdentity === undefined ? {} : { sourceIdentity }),
    packedPercent: Math.ceil((100 * packed) / MAX_TOKEN_BYTES),
  };
}

type Checked = AssumeRoleInput &
  Required<Pick<AssumeRoleInput, "policyArns" | "tags" | "transitiveTags">>;

function checkInput({
  sessionName,
  duration,
  policy,
  policyArns = [],
  tags = {},
  transitiveTags = [],
  ...input
}: AssumeRoleInput): Checked {
  if (!SESSION_NAME.test(sessionName)) {
    throw check.constraint("roleSessionName", "satisfy regular expression pattern: [\\w+=,.@-]*");
  }
  const { sourceIdentity } = input;
  if (
    sourceIdentity !== undefined &&
    !(SESSION_NAME.test(sourceIdentity) && !/^aws:/i.test(sourceIdentity))
  ) {
    throw check.constraint("sourceIdentity", "satisfy regular expression pattern: [\\w+=,.@-]*");
  }
  if (policy !== undefined) {
    check.text(policy, "policy", 1, MAX_POLICY_CHARS);
    parsePolicy(policy, "identity");
  }
  if (policyArns.length > MAX_POLICY_ARNS) {
    throw invalid(`A session has at most ${MAX_POLICY_ARNS} managed policies.`);
  }
  for (const arn of policyArns) requirePolicyArn(arn);
  if ([policy ?? "", ...policyArns].join("").length > MAX_POLICY_CHARS) {
    throw tooLarge(MAX_TOKEN_BYTES + 1);
  }
  const unknown = transitiveTags.find((name) => !Object.hasOwn(tags, name));
  if (unknown !== undefined) {
    throw invalid(`The transitive tag ${unknown.slice(0, 128)} is not among the session's tags.`);
  }
  return {
    ...input,
    sessionName,
    policy,
    policyArns,
    tags: checkTags(tags),
    transitiveTags,
    duration:
      duration === undefined
        ? undefined
        : check.integer(duration, "durationSeconds", MIN_DURATION, 43_200),
  };
}

/** The role, if the caller may assume it. Who may not does not learn whether it exists. */
function roleFor(
  call: IamCall,
  operation: string,
  { roleArn, sessionName, externalId, tags, transitiveTags, sourceIdentity }: Checked,
): PrincipalRecord {
  const { store, realm } = call.directory;
  const record = store.principals.get(roleArn);
  const isHere = record?.type === "role" && roleArn.startsWith(`arn:aws:iam::${realm.accountId}:`);
  const names = Object.keys(tags);
  const conditions = {
    "sts:RoleSessionName": sessionName,
    "sts:ExternalId": externalId,
    "sts:SourceIdentity": sourceIdentity,
    ...Object.fromEntries(
      Object.entries(tags).map(([name, value]) => [`aws:RequestTag/${name}`, value]),
    ),
    ...(names.length === 0 ? {} : { "aws:TagKeys": names }),
    ...(transitiveTags.length === 0 ? {} : { "sts:TransitiveTagKeys": transitiveTags }),
  };
  const facts = { ...trustOf(isHere ? record : undefined), conditions };
  call.authorize(`sts:${operation}`, roleArn, facts);
  if (names.length > 0) call.authorize("sts:TagSession", roleArn, facts);
  if (sourceIdentity !== undefined) call.authorize("sts:SetSourceIdentity", roleArn, facts);
  if (!isHere) throw new RangeError("a role that does not exist trusts nobody");
  return record;
}

/** What a decision depends on of a role. One without a trust policy, or that does not exist, trusts nobody. */
export function trustOf(role: PrincipalRecord | undefined): ResourceFacts & { trust: string } {
  return { trust: role?.role?.trust ?? NOBODY, tags: role?.tags };
}

const NOBODY =
  '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"000000000000"},"Action":"sts:None"}]}';

function invalid(problem: string): KmsError {
  return new KmsError("ValidationException", problem);
}

function tooLarge(bytes: number): IamError {
  const percent = Math.ceil((100 * bytes) / MAX_TOKEN_BYTES);
  return new IamError(
    "PackedPolicyTooLarge",
    `Packed policy consumes ${percent}% of allotted space, please use smaller policy.`,
  );
}
