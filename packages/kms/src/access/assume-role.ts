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
import type { IamCall } from "./iam-access.ts";
import { checkTags } from "./principal-input.ts";
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
  /** Session tags. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly externalId?: string | undefined;
}

export interface AssumedRole {
  readonly credentials: TemporaryCredentials;
  /** `arn:aws:sts::…:assumed-role/app/session`. */
  readonly arn: string;
  /** `AROA…:session`. */
  readonly assumedRoleId: string;
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
const MAX_POLICY_CHARS = 2048;

/** AssumeRole. @throws {@link KmsError} `AccessDeniedException`, `ValidationException`, and as policies and tags do. */
export function assumeRole(call: IamCall, input: AssumeRoleInput): AssumedRole {
  const { caller } = call;
  if (caller.type === "root") {
    throw new KmsError("AccessDeniedException", "Roles may not be assumed by root accounts.");
  }
  const isChained = caller.type === "session" || caller.type === "role";
  return enter(call, "AssumeRole", input, isChained ? MAX_CHAINED : undefined, {});
}

/** AssumeRoleWithWebIdentity, for a caller whose token was verified. Throws as {@link assumeRole}. */
export function assumeRoleWithWebIdentity(
  call: IamCall,
  input: Omit<AssumeRoleInput, "tags" | "externalId">,
): AssumedRole {
  const { federated } = call;
  if (federated === undefined) throw new TypeError("the caller has no identity token");
  const { provider, tags } = federated;
  return enter(call, "AssumeRoleWithWebIdentity", { ...input, tags }, undefined, {
    federatedProvider: provider,
  });
}

/**
 * GetSessionToken: the caller's own permissions for a time.
 *
 * @param duration - Seconds, 900 to 129,600; for the account's root to 3,600. Default: 43,200.
 */
export function sessionToken(call: IamCall, duration?: number): TemporaryCredentials {
  const { caller, directory } = call;
  if (caller.type !== "user" && caller.type !== "root") {
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
  const name = role.arn.slice(role.arn.lastIndexOf("/") + 1);
  const arn = `arn:aws:sts::${realm.accountId}:assumed-role/${name}/${checked.sessionName}`;
  const issued = store.now();
  const session: TemporarySession = {
    principal: arn,
    owner: role.arn,
    ownerId: role.userId,
    session: {
      role: role.arn,
      ...(checked.policy === undefined ? {} : { policies: [checked.policy] }),
      ...(Object.keys(checked.tags).length === 0 ? {} : { tags: checked.tags }),
      ...more,
    },
    issued,
    expires: issued + duration * 1000,
  };
  const credentials = issue(store, session);
  if (typeof credentials === "number") throw tooLarge(credentials);
  const packed = (checked.policy?.length ?? 0) + JSON.stringify(checked.tags).length - 2;
  return {
    credentials,
    arn,
    assumedRoleId: `${role.userId}:${checked.sessionName}`,
    packedPercent: Math.ceil((100 * packed) / MAX_TOKEN_BYTES),
  };
}

type Checked = AssumeRoleInput & { readonly tags: Readonly<Record<string, string>> };

function checkInput({
  sessionName,
  duration,
  policy,
  tags = {},
  ...input
}: AssumeRoleInput): Checked {
  if (!SESSION_NAME.test(sessionName)) {
    throw check.constraint("roleSessionName", "satisfy regular expression pattern: [\\w+=,.@-]*");
  }
  if (policy !== undefined) {
    check.text(policy, "policy", 1, MAX_POLICY_CHARS);
    parsePolicy(policy, "identity");
  }
  return {
    ...input,
    sessionName,
    policy,
    tags: checkTags(tags),
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
  { roleArn, sessionName, externalId, tags }: Checked,
): PrincipalRecord {
  const { store, realm } = call.directory;
  const record = store.principals.get(roleArn);
  const isHere = record?.type === "role" && roleArn.startsWith(`arn:aws:iam::${realm.accountId}:`);
  const names = Object.keys(tags);
  const conditions = {
    "sts:RoleSessionName": sessionName,
    "sts:ExternalId": externalId,
    ...Object.fromEntries(
      Object.entries(tags).map(([name, value]) => [`aws:RequestTag/${name}`, value]),
    ),
    ...(names.length === 0 ? {} : { "aws:TagKeys": names }),
  };
  const facts = {
    // A role without a trust policy, or that does not exist, trusts nobody.
    trust: (isHere ? record.role?.trust : undefined) ?? NOBODY,
    tags: isHere ? record.tags : undefined,
    conditions,
  };
  call.authorize(`sts:${operation}`, roleArn, facts);
  if (names.length > 0) call.authorize("sts:TagSession", roleArn, facts);
  if (!isHere) throw new RangeError("a role that does not exist trusts nobody");
  return record;
}

const NOBODY =
  '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"000000000000"},"Action":"sts:None"}]}';

function invalid(problem: string): KmsError {
  return new KmsError("ValidationException", problem);
}

function tooLarge(bytes: number): KmsError {
  const percent = Math.ceil((100 * bytes) / MAX_TOKEN_BYTES);
  return new KmsError(
    "LimitExceededException",
    `The session's policy and tags take ${percent}% of the packed size that a session token may have.`,
  );
}
