/**
 * Users, roles and groups of the keystore, with the policies that say what they may do: as much of IAM as
 * authorization needs. For whoever opens the keystore; no operation of the KMS comes here.
 *
 * Policies here are never enough for a key: its own policy has to leave it to the account.
 *
 * @module
 */
import { accountRoot, type Realm } from "../arn.ts";
import type { AuditSink } from "../audit/event.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import { parsePolicy } from "../policy/document.ts";
import type { NamedPolicy } from "../policy/request.ts";
import { newUserId, type PrincipalRecord } from "../store/principal-record.ts";
import type { Page, PageRequest } from "../requests/shapes.ts";
import type { Store } from "../store/store.ts";

/** What is to be known of a user, role or group; all of it, since it replaces what there was. */
export interface PrincipalInput {
  /** `arn:aws:iam::111122223333:user/alice`, `…:role/app`, `…:group/developers`. */
  readonly arn: string;
  /** At most 50. Default: none. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** JSON documents by name. Default: none. */
  readonly policies?: readonly NamedPolicy[] | undefined;
  /** Bounds what the policies may allow. Not for groups. */
  readonly boundary?: NamedPolicy | undefined;
  /** ARNs of the groups that a user is in: their policies count as the user's. */
  readonly groups?: readonly string[] | undefined;
}

export interface Principal {
  readonly arn: string;
  readonly type: "user" | "role" | "group";
  /** `AIDA…`, `AROA…`, `AGPA…`: another principal of the same name has another one. */
  readonly userId: string;
  readonly created: Date;
  readonly tags: Readonly<Record<string, string>>;
  readonly policies: readonly NamedPolicy[];
  readonly boundary?: NamedPolicy;
  readonly groups: readonly string[];
}

export interface PrincipalPage extends Page {
  readonly Principals: readonly Principal[];
}

const ARN =
  /^arn:aws:iam::[0-9]{12}:(user|role|group)\/(?:[\x21-\x7e]{1,510}\/)?[\w+=,.@-]{1,128}$/;
const POLICY_NAME = /^[\w+=,.@-]{1,128}$/;

/** The principals of a keystore. Every change is one transaction, and a record of the audit log. */
export class Iam {
  readonly #store: Store;
  readonly #realm: Realm;
  readonly #audit: AuditSink;

  /** Not for applications: they take `keystore.iam`. */
  constructor(store: Store, realm: Realm, audit: AuditSink) {
    this.#store = store;
    this.#realm = realm;
    this.#audit = audit;
  }

  /**
   * Adds a principal, or replaces what is known of it. It stays the same principal.
   *
   * @throws {@link KmsError} `ValidationException`, `TagException`, `LimitExceededException`,
   * `MalformedPolicyDocumentException`, `NotFoundException` for a group that is not there.
   */
  async put(principal: PrincipalInput): Promise<Principal> {
    const checked = checkPrincipal(principal);
    return this.#store.write(() => this.putWithin(checked));
  }

  /** @throws {@link KmsError} `NotFoundException` */
  get(arn: string): Promise<Principal> {
    return this.#store.read(() => toPrincipal(this.#found(arn)));
  }

  /** Lists the principals, sorted by ARN, 100 in a page unless the request says otherwise. */
  async list({ Limit, Marker }: PageRequest = {}): Promise<PrincipalPage> {
    const limit = check.integer(Limit ?? 100, "limit", 1, 1000);
    const after = fromMarker(Marker, /^arn:[\x21-\x7e]{1,2044}$/) ?? "";
    return this.#store.read(() => {
      const { items, next } = this.#store.principals.list(after, limit);
      return { Principals: items.map(toPrincipal), ...toPage(next) };
    });
  }

  /**
   * Deletes a principal. Another one of the same name is somebody else, but policies that name the ARN
   * would mean it.
   *
   * @throws {@link KmsError} `NotFoundException`
   */
  delete(arn: string): Promise<void> {
    return this.#store.write(() => this.deleteWithin(arn));
  }

  /** Adds a policy to a principal, or replaces the one of that name. Throws as {@link put}. */
  putPolicy(arn: string, policy: NamedPolicy): Promise<Principal> {
    return this.#change(arn, (known) => ({
      ...known,
      policies: [...known.policies.filter(({ name }) => name !== policy.name), policy],
    }));
  }

  /** Removes a policy. @throws {@link KmsError} `NotFoundException` */
  deletePolicy(arn: string, name: string): Promise<Principal> {
    return this.#change(arn, (known) => {
      const policies = known.policies.filter((policy) => policy.name !== name);
      if (policies.length === known.policies.length) {
        throw new KmsError("NotFoundException", `${arn} has no policy of that name`);
      }
      return { ...known, policies };
    });
  }

  #change(arn: string, change: (known: Principal) => PrincipalInput): Promise<Principal> {
    return this.#store.write(() =>
      this.putWithin(checkPrincipal(change(toPrincipal(this.#found(arn))))),
    );
  }

  /** Not for applications: {@link put} within a change of the store. */
  putWithin(checked: CheckedPrincipal): Principal {
    const known = this.#store.principals.get(checked.arn);
    for (const group of checked.groups) {
      // A group that was deleted since may stay in the list: it gives nothing.
      if (known?.groups.includes(group) === true) continue;
      if (this.#store.principals.get(group) === undefined) throw missing(group);
    }
    const record: PrincipalRecord = {
      ...checked,
      userId: known?.userId ?? newUserId(checked.type),
      created: known?.created ?? this.#store.now(),
    };
    this.#store.principals.put(record);
    this.#record("PutPrincipal", record.arn, {
      Policies: record.policies.map(({ name, text }) => ({ Name: name, Policy: text })),
      PermissionsBoundary: record.boundary?.text,
      Groups: record.groups,
      Tags: Object.entries(record.tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    });
    return toPrincipal(record);
  }

  /** Not for applications: {@link delete} within a change of the store. */
  deleteWithin(arn: string): void {
    if (!this.#store.principals.delete(arn)) throw missing(arn);
    this.#record("DeletePrincipal", arn, {});
  }

  #found(arn: string): PrincipalRecord {
    const record = this.#store.principals.get(arn);
    if (record === undefined) throw missing(arn);
    return record;
  }

  #record(operation: string, arn: string, facts: Readonly<Record<string, unknown>>): void {
    void this.#audit.append({
      time: this.#store.now(),
      operation,
      // Whoever has opened the keystore acts for the account.
      principal: accountRoot(this.#realm.accountId),
      accountId: this.#realm.accountId,
      readOnly: false,
      resources: [],
      parameters: { PrincipalArn: arn, ...facts },
      decisions: [],
    });
  }
}

/** A principal whose ARN, tags, policies and groups are in order; whether the groups are there is not looked at. */
export type CheckedPrincipal = Omit<PrincipalRecord, "userId" | "created">;

/** @throws {@link KmsError} as {@link Iam.put}. */
export function checkPrincipal(principal: PrincipalInput): CheckedPrincipal {
  check.requireObject(principal);
  const { arn, tags = {}, policies = [], boundary, groups = [] } = principal;
  const type = typeOf(arn);
  if (type === "group" && boundary !== undefined)
    throw invalid("a group cannot have a permissions boundary");
  if (type !== "user" && groups.length > 0) throw invalid("only users can be in groups");
  const strangers = groups.filter((group) => typeOf(group) !== "group" || !sameAccount(group, arn));
  if (strangers.length > 0) throw invalid(`${strangers[0]} is not a group of the account`);
  const entries = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
  const names = policies.map(({ name }) => name);
  if (new Set(names).size < names.length) throw invalid("two policies have the same name");
  return {
    arn,
    type,
    tags: check.tags(entries, 0),
    policies: policies.map(checkPolicy),
    boundary: boundary && checkPolicy(boundary),
    groups: [...new Set(groups)],
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

function toPrincipal({ created, boundary, ...record }: PrincipalRecord): Principal {
  return {
    ...record,
    tags: { ...record.tags },
    policies: record.policies.map((policy) => ({ ...policy })),
    groups: [...record.groups],
    created: new Date(created),
    ...(boundary === undefined ? {} : { boundary: { ...boundary } }),
  };
}

function missing(arn: string): KmsError {
  return new KmsError("NotFoundException", `There is no principal ${arn}`);
}

function invalid(problem: string): KmsError {
  return new KmsError("ValidationException", problem);
}
