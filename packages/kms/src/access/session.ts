/**
 * Who calls, and from where: what a client was made with, and what the keystore knows of that principal.
 *
 * Nothing here proves who somebody is. The program that opens the keystore says so.
 *
 * @module
 */
import {
  isRegion,
  parsePrincipal,
  type ParsedPrincipal,
  type PrincipalType,
  type Realm,
} from "../arn.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { viaService } from "../keys/managed.ts";
import type { Caller, ConditionValues, NamedPolicy } from "../policy/request.ts";
import { parsePolicy } from "../policy/document.ts";
import { defaultText, type PolicyRecord, type PrincipalRecord } from "../store/iam-records.ts";
import type { Store } from "../store/store.ts";

/** What a principal brings along, for condition keys and session policies. */
export interface SessionOptions {
  /**
   * Where the calls are made: keys, aliases and grants belong to a region. 1 to 32 of a-z, 0-9 and dashes.
   * Default: the keystore's own.
   */
  readonly region?: string;
  /**
   * ARN of the role of an assumed-role session, for a role with a path: its account and its name are those
   * in the session's ARN. Default: the role of that name without a path.
   */
  readonly role?: string;
  /**
   * Session policies, as JSON and as ARNs of managed policies: the session may do what one of them allows, within what its
   * role may. Only for sessions and federated users; at most 10 of each.
   */
  readonly policies?: readonly string[];
  readonly policyArns?: readonly string[];
  /** Session tags, at most 50: they replace those of the principal with the same key. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Keys of session tags that sessions have as well which this one begins by assuming a role. */
  readonly transitiveTags?: readonly string[];
  /** `aws:SourceIp`. */
  readonly sourceIp?: string;
  /** `aws:UserAgent`. */
  readonly userAgent?: string;
  /** `aws:SecureTransport`. */
  readonly secureTransport?: boolean;
  /** `aws:MultiFactorAuthPresent`. */
  readonly multiFactorAuth?: boolean;
  /** `aws:FederatedProvider`: ARN of the provider whose token began the session. */
  readonly federatedProvider?: string;
  /** `aws:SourceIdentity`: who began the session, or the first one of its chain. It stays the same along the chain. */
  readonly sourceIdentity?: string;
  /** `aws:TokenIssueTime`. */
  readonly tokenIssued?: Date;
  /**
   * Simulates a call that a service makes for the principal: `s3` gives `kms:ViaService`
   * `s3.<region>.amazonaws.com`, and in the audit log `invokedBy`. Never to be taken from the caller: it opens AWS managed keys.
   */
  readonly viaService?: string;
  /** `aws:SourceArn` and `aws:SourceAccount`, of the resource that a service acts for. */
  readonly sourceArn?: string;
  readonly sourceAccount?: string;
}

/** What the audit log says of the caller. */
export interface Identity {
  readonly principal: string;
  readonly accountId: string;
  /** The subject of an identity provider's token. */
  readonly userName?: string;
  /** ARN of the role of a session. */
  readonly roleArn?: string;
  readonly sourceIdentity?: string;
  /** The service that made the call for the principal. */
  readonly invokedBy?: string;
  readonly sourceIp?: string;
  readonly userAgent?: string;
}

const SERVICE_NAME = /^[a-z0-9-]{1,64}$/;

/** One client's caller. The principal's record is read anew by every call. */
export class Session {
  /** ARN of the caller, or a service's name. */
  readonly principal: string;
  readonly accountId: string;
  /** The keystore's account, and the region in which the calls are made. */
  readonly realm: Realm;
  readonly identity: Identity;
  /** Condition keys that come with every request of this caller, in lower case. */
  readonly ambient: ConditionValues;
  /** A service that makes the calls for the caller. */
  readonly viaService: string | undefined;
  readonly #type: PrincipalType;
  readonly #roleArn: string | undefined;
  readonly #name: string;
  readonly #tags: Readonly<Record<string, string>> | undefined;
  readonly #policies: readonly NamedPolicy[] | undefined;
  readonly #policyArns: readonly string[];
  #known: { readonly records: readonly unknown[]; readonly caller: Caller } | undefined;

  /**
   * @throws TypeError for what is not a principal, or for a role or policies that it cannot have; RangeError
   * for options out of bounds; KmsError `MalformedPolicyDocumentException` for a session policy that does
   * not parse, `TagException` for tags out of bounds.
   */
  constructor(principal: string, home: Realm, options: SessionOptions = {}) {
    const parsed = parsePrincipal(principal);
    if (parsed === undefined) {
      throw new TypeError(
        "principal must be the ARN of an account's root, a user, a role, a session or a federated user, or a service's name",
      );
    }
    const { region = home.region } = options;
    if (!isRegion(region)) throw new RangeError("region must be 1 to 32 of a-z, 0-9 and dashes");
    const realm = { accountId: home.accountId, region };
    this.realm = realm;
    this.principal = principal;
    this.accountId = parsed.accountId ?? realm.accountId;
    this.#type = parsed.type;
    this.#name = parsed.name;
    this.#roleArn = roleOf(parsed, options.role);
    this.#tags = options.tags && Object.fromEntries(check.tags(toTags(options.tags), 0));
    this.#policyArns = options.policyArns ?? [];
    this.#policies = sessionPolicies(options, parsed.type);
    if (options.viaService !== undefined && !SERVICE_NAME.test(options.viaService)) {
      throw new RangeError("viaService must be a service's name, such as s3");
    }
    this.viaService = options.viaService;
    this.ambient = ambientValues(realm, options);
    this.identity = identityOf(this, this.#roleArn, options);
  }

  /** The caller, to be asked for inside the store's `read` and `write`. Unknown principals have no policies. */
  caller(store: Store): Caller {
    const record = this.#record(store);
    const groups = (record?.groups ?? []).flatMap((arn) => store.principals.get(arn) ?? []);
    const attached = [record, ...groups].flatMap((one) => one?.attached ?? []);
    const managed = [...new Set(attached)].flatMap((arn) => store.policies.get(arn) ?? []);
    const boundary = record?.boundary;
    const bounds = [boundary, ...this.#policyArns].map((arn) =>
      typeof arn === "string" ? store.policies.get(arn) : undefined,
    );
    const records = [record, ...groups, ...managed, ...bounds];
    const known = this.#known;
    // Records are immutable: the same ones make the same caller.
    if (
      known?.records.length === records.length &&
      records.every((one, i) => one === known.records[i])
    ) {
      return known.caller;
    }
    const caller = {
      ...this.#caller(record, groups, managed),
      ...(boundary === undefined ? {} : { boundary: document(boundary, bounds[0]) }),
      ...(this.#policies === undefined
        ? {}
        : {
            sessionPolicies: [
              ...this.#policies,
              ...this.#policyArns.map((arn, i) => document(arn, bounds[i + 1])),
            ],
          }),
    };
    requireFewPolicies(caller);
    this.#known = { records, caller };
    return caller;
  }

  #record(store: Store): PrincipalRecord | undefined {
    if (this.#type === "user" || this.#type === "role") return store.principals.get(this.principal);
    return this.#roleArn === undefined ? undefined : store.principals.get(this.#roleArn);
  }

  #caller(
    record: PrincipalRecord | undefined,
    groups: readonly PrincipalRecord[],
    managed: readonly PolicyRecord[],
  ): Caller {
    const tags = { ...record?.tags, ...this.#tags };
    const userId = this.#userId(record);
    return {
      arn: this.principal,
      accountId: this.accountId,
      type: this.#type,
      ...(this.#roleArn === undefined ? {} : { roleArn: this.#roleArn }),
      ...(userId === undefined ? {} : { userId }),
      tags,
      policies: [
        ...[record, ...groups].flatMap((one) => one?.policies ?? []),
        ...managed.map((policy) => ({ name: policy.arn, text: defaultText(policy) })),
      ],
    };
  }

  #userId(record: PrincipalRecord | undefined): string | undefined {
    if (this.#type === "root") return this.accountId;
    if (this.#type === "federated") return `${this.accountId}:${this.#name}`;
    if (record === undefined) return undefined;
    return this.#type === "session" ? `${record.userId}:${this.#name}` : record.userId;
  }
}

/** A policy that bounds a caller. One that is gone allows nothing: a bound does not end with its policy. */
function document(policy: NamedPolicy | string, managed: PolicyRecord | undefined): NamedPolicy {
  if (typeof policy !== "string") return policy;
  return { name: policy, text: managed === undefined ? NOTHING : defaultText(managed) };
}

const NOTHING =
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"*","Resource":"*"}]}';

/** Characters of all policies of a caller together; some more are remembered once they have been read. */
const MAX_POLICY_CHARS = 2 ** 19;

/** A decision reads all of them, so their sum is bounded, not each alone. */
function requireFewPolicies({
  arn,
  policies = [],
  boundary,
  sessionPolicies: own = [],
}: Caller): void {
  const texts = [...policies, ...own, ...(boundary === undefined ? [] : [boundary])];
  const chars = texts.reduce((sum, { text }) => sum + text.length, 0);
  if (chars <= MAX_POLICY_CHARS) return;
  throw new KmsError(
    "LimitExceededException",
    `The policies of ${arn}, of its groups and of its session have ${chars} characters together, and at most ${MAX_POLICY_CHARS} are evaluated.`,
  );
}

/** The role that a session is of. A role that is not the one in its ARN would be another's permissions. */
function roleOf({ type, accountId, roleArn }: ParsedPrincipal, role?: string): string | undefined {
  if (role === undefined) return roleArn;
  if (type !== "session") throw new TypeError("only assumed-role sessions have a role");
  const given = parsePrincipal(role);
  const isThatRole =
    given?.type === "role" && given.accountId === accountId && lastOf(role) === lastOf(roleArn);
  if (isThatRole) return role;
  throw new TypeError(
    `session.role must be the ARN of the role that the session's ARN names: ${roleArn}, with its path where it has one`,
  );
}

function lastOf(arn = ""): string {
  return arn.slice(arn.lastIndexOf("/") + 1);
}

function toTags(tags: Readonly<Record<string, string>>): { TagKey: string; TagValue: string }[] {
  return Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
}

const MAX_SESSION_POLICIES = 10;

function sessionPolicies(
  { policies, policyArns }: SessionOptions,
  type: PrincipalType,
): readonly NamedPolicy[] | undefined {
  if (policies === undefined && policyArns === undefined) return undefined;
  const texts = policies ?? [];
  if (type !== "session" && type !== "federated") {
    throw new TypeError("only sessions and federated users have session policies");
  }
  if (Math.max(texts.length, policyArns?.length ?? 0) > MAX_SESSION_POLICIES) {
    throw new RangeError(`a session has at most ${MAX_SESSION_POLICIES} policies of each kind`);
  }
  return texts.map((text, i) => {
    parsePolicy(text, "identity");
    return { name: String(i + 1), text };
  });
}

/** Condition keys that come with every request of a caller, in lower case. */
export function ambientValues(realm: Realm, options: SessionOptions): ConditionValues {
  const { viaService: service, tokenIssued, secureTransport, multiFactorAuth } = options;
  const values: readonly (readonly [string, string | undefined])[] = [
    ["aws:requestedregion", realm.region],
    ["aws:sourceip", options.sourceIp],
    ["aws:useragent", options.userAgent],
    ["aws:securetransport", secureTransport?.toString()],
    ["aws:multifactorauthpresent", multiFactorAuth?.toString()],
    ["aws:tokenissuetime", tokenIssued?.toISOString()],
    ["aws:federatedprovider", options.federatedProvider],
    ["aws:sourceidentity", options.sourceIdentity],
    ["aws:sourcearn", options.sourceArn],
    ["aws:sourceaccount", options.sourceAccount],
    ["kms:viaservice", service === undefined ? undefined : viaService(service, realm)],
  ];
  for (const [name, value] of values) {
    if (value !== undefined && value.length > MAX_VALUE_CHARS) {
      throw new RangeError(`the value of ${name} has at most ${MAX_VALUE_CHARS} characters`);
    }
  }
  return new Map(values.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** The longest value of a condition key that a session brings along: an ARN. */
const MAX_VALUE_CHARS = 2048;

/** What the audit log says of a caller. */
export function identityOf(
  { principal, accountId }: Pick<Session, "principal" | "accountId">,
  roleArn: string | undefined,
  { sourceIp, userAgent, viaService: service, sourceIdentity }: SessionOptions,
): Identity {
  const who = {
    principal,
    accountId,
    ...(roleArn === undefined ? {} : { roleArn }),
    ...(sourceIdentity === undefined ? {} : { sourceIdentity }),
  };
  if (service !== undefined) {
    // CloudTrail has the service in place of the caller's address and agent.
    const invokedBy = `${service}.amazonaws.com`;
    return { ...who, invokedBy, sourceIp: invokedBy, userAgent: invokedBy };
  }
  return {
    ...who,
    ...(sourceIp === undefined ? {} : { sourceIp }),
    ...(userAgent === undefined ? {} : { userAgent }),
  };
}
