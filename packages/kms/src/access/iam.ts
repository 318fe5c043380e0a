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
import type { NamedPolicy } from "../policy/request.ts";
import type { PrincipalRecord, RoleFacts } from "../store/iam-records.ts";
import type { Page, PageRequest } from "../requests/shapes.ts";
import type { Store } from "../store/store.ts";
import { AccessKeys } from "./access-keys.ts";
import { ConsoleSessions, type SessionTimes } from "./console-sessions.ts";
import { findCredential, type AwsCredential } from "./credential.ts";
import { IamAccess, type CallLog } from "./iam-access.ts";
import { Directory, type Change } from "./directory.ts";
import { checkPrincipal, type CheckedPrincipal, type PrincipalInput } from "./principal-input.ts";

export interface Principal {
  readonly arn: string;
  readonly type: "user" | "role" | "group";
  /** `AIDA…`, `AROA…`, `AGPA…`: another principal of the same name has another one. */
  readonly userId: string;
  readonly created: Date;
  readonly tags: Readonly<Record<string, string>>;
  readonly policies: readonly NamedPolicy[];
  /** A document, or the ARN of a managed policy. */
  readonly boundary?: NamedPolicy | string;
  readonly groups: readonly string[];
  /** ARNs of managed policies. */
  readonly attached: readonly string[];
  /** Only for roles. `maxSession` is in seconds. */
  readonly role?: {
    readonly trust?: string;
    readonly maxSession: number;
    readonly description: string;
  };
}

export interface PrincipalPage extends Page {
  readonly Principals: readonly Principal[];
}

/** The principals of a keystore. Every change is one transaction, and a record of the audit log. */
export class Iam {
  readonly #directory: Directory;
  readonly #audit: AuditSink;
  /** Access keys of users and of the account's root. */
  readonly accessKeys: AccessKeys;
  /** The door for servers: calls of IAM and STS, each decided by the caller's policies. */
  readonly access: IamAccess;

  /** Not for applications: they take `keystore.iam`. */
  constructor(store: Store, realm: Realm, audit: CallLog) {
    this.#directory = new Directory(store, realm);
    this.#audit = audit;
    this.access = new IamAccess(this.#directory, audit);
    this.accessKeys = new AccessKeys(this.#directory, this.#change);
  }

  /**
   * Adds a principal, or replaces what is known of it. It stays the same principal.
   *
   * @throws {@link KmsError} `ValidationException`, `TagException`, `LimitExceededException`,
   * `MalformedPolicyDocumentException`, `NotFoundException` for a group or managed policy that does not exist.
   */
  async put(principal: PrincipalInput): Promise<Principal> {
    const checked = checkPrincipal(principal);
    return this.#store.write(() => this.putWithin(checked));
  }

  /** @throws {@link KmsError} `NotFoundException` */
  get(arn: string): Promise<Principal> {
    return this.#store.read(() => toPrincipal(this.#directory.principal(arn)));
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
   * Deletes a principal with its access keys. Another one of the same name is somebody else, but policies
   * that name the ARN would mean it.
   *
   * @throws {@link KmsError} `NotFoundException`
   */
  delete(arn: string): Promise<void> {
    return this.#store.write(() => this.deleteWithin(arn));
  }

  /** Adds a policy to a principal, or replaces the one of that name. Throws as {@link put}. */
  putPolicy(arn: string, policy: NamedPolicy): Promise<Principal> {
    return this.#update(arn, (known) => ({
      ...known,
      policies: [...known.policies.filter(({ name }) => name !== policy.name), policy],
    }));
  }

  /** Removes a policy. @throws {@link KmsError} `NotFoundException` */
  deletePolicy(arn: string, name: string): Promise<Principal> {
    return this.#update(arn, (known) => {
      const policies = known.policies.filter((policy) => policy.name !== name);
      if (policies.length === known.policies.length) {
        throw new KmsError("NotFoundException", `${arn} has no policy of that name`);
      }
      return { ...known, policies };
    });
  }

  /**
   * Finds whom an access key authenticates, for a server that verifies signatures. `undefined`: the key does not exist or
   * is inactive, its owner was deleted, or the session token does not belong to it.
   *
   * @param sessionToken - The token of temporary credentials. Their expiry is in the answer, and is not checked here.
   */
  credential(accessKeyId: string, sessionToken?: string): Promise<AwsCredential | undefined> {
    return this.#store.read(() => findCredential(this.#directory, accessKeyId, sessionToken));
  }

  /** Sessions of a console, for a server that has one. */
  consoleSessions(times: SessionTimes): ConsoleSessions {
    return new ConsoleSessions(this.#directory, times);
  }

  #update(arn: string, change: (known: Principal) => PrincipalInput): Promise<Principal> {
    return this.#store.write(() =>
      this.putWithin(checkPrincipal(change(toPrincipal(this.#directory.principal(arn))))),
    );
  }

  /** Not for applications: {@link put} within a change of the store. */
  putWithin(checked: CheckedPrincipal): Principal {
    const record = this.#directory.putPrincipal(checked);
    const { role } = record;
    this.#record("PutPrincipal", {
      PrincipalArn: record.arn,
      Policies: record.policies.map(({ name, text }) => ({ Name: name, Policy: text })),
      PermissionsBoundary:
        typeof record.boundary === "string" ? record.boundary : record.boundary?.text,
      Groups: record.groups,
      AttachedPolicies: record.attached,
      AssumeRolePolicyDocument: role?.trust,
      MaxSessionDuration: role?.maxSession,
      Tags: Object.entries(record.tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    });
    return toPrincipal(record);
  }

  /** Not for applications: {@link delete} within a change of the store. */
  deleteWithin(arn: string): void {
    this.#directory.deletePrincipal(arn);
    this.#record("DeletePrincipal", { PrincipalArn: arn });
  }

  get #store(): Store {
    return this.#directory.store;
  }

  readonly #change: Change = (operation, change) =>
    this.#store.write(() => {
      const { result, facts } = change(this.#directory);
      this.#record(operation, facts);
      return result;
    });

  #record(operation: string, parameters: Readonly<Record<string, unknown>>): void {
    const { store, realm } = this.#directory;
    void this.#audit.append({
      time: store.now(),
      operation,
      // Whoever has opened the keystore acts for the account.
      principal: accountRoot(realm.accountId),
      accountId: realm.accountId,
      readOnly: false,
      resources: [],
      parameters,
      decisions: [],
    });
  }
}

function toPrincipal({ created, boundary, role, ...record }: PrincipalRecord): Principal {
  return {
    ...record,
    tags: { ...record.tags },
    policies: record.policies.map((policy) => ({ ...policy })),
    groups: [...record.groups],
    attached: [...record.attached],
    created: new Date(created),
    ...(boundary === undefined
      ? {}
      : { boundary: typeof boundary === "string" ? boundary : { ...boundary } }),
    ...(role === undefined ? {} : { role: toRole(role) }),
  };
}

function toRole({ trust, ...facts }: RoleFacts): NonNullable<Principal["role"]> {
  return { ...facts, ...(trust === undefined ? {} : { trust }) };
}
