/**
 * The principals of a keystore and what belongs to them, to be read and changed within a transaction of the store.
 *
 * Nothing here asks who may change it, or records that somebody did: the rooms that open it do.
 *
 * @module
 */
import { accountRoot, type Realm } from "../arn.ts";
import { KmsError } from "../catalogue/errors.ts";
import { parsePolicy } from "../policy/document.ts";
import * as check from "../requests/check.ts";
import {
  newId,
  newSecret,
  type AccessKeyRecord,
  type PolicyRecord,
  type PrincipalRecord,
  type ProviderRecord,
} from "../store/iam-records.ts";
import type { Listed, Store } from "../store/store.ts";
import {
  checkTags,
  MAX_DESCRIPTION,
  requirePolicyArn,
  type CheckedPrincipal,
} from "./principal-input.ts";
import { checkProvider, providerArn } from "./provider-input.ts";

/** The same number as in AWS, so that one can replace the other. */
const MAX_ACCESS_KEYS = 2;
const MAX_POLICY_VERSIONS = 5;
const MAX_PROVIDERS = 100;
const PAGE = 1000;

/**
 * Makes one change in one transaction, and records it in the audit log as the account's.
 *
 * @param change - Gives what the caller gets, and what the record says.
 */
export type Change = <T>(
  operation: string,
  change: (directory: Directory) => {
    readonly result: T;
    readonly facts: Readonly<Record<string, unknown>>;
  },
) => Promise<T>;

/** All members are for use inside the store's `read` and `write`, and throw {@link KmsError}. */
export class Directory {
  readonly store: Store;
  readonly realm: Realm;

  constructor(store: Store, realm: Realm) {
    this.store = store;
    this.realm = realm;
  }

  /** @throws {@link KmsError} `NotFoundException` */
  principal(arn: string): PrincipalRecord {
    const record = this.store.principals.get(arn);
    if (record === undefined) throw missing(arn);
    return record;
  }

  /** A principal of the account by its name, whatever its path is. */
  principalNamed(type: PrincipalRecord["type"], name: string): PrincipalRecord | undefined {
    const arn = `arn:aws:iam::${this.realm.accountId}:${type}/${name}`;
    const { principals } = this.store;
    return principals.get(arn) ?? principals.by(arn)[0];
  }

  /**
   * Adds a principal, or replaces what is known of it. It stays the same principal.
   *
   * @throws {@link KmsError} `NotFoundException` for a group or policy that is not there.
   */
  putPrincipal(checked: CheckedPrincipal): PrincipalRecord {
    const { principals, policies } = this.store;
    const known = principals.get(checked.arn);
    for (const group of checked.groups) {
      // A group that was deleted since may stay in the list: it gives nothing.
      if (known?.groups.includes(group) === true) continue;
      if (principals.get(group) === undefined) throw missing(group);
    }
    const { attached, boundary } = checked;
    for (const arn of [...attached, ...(typeof boundary === "string" ? [boundary] : [])]) {
      if (known?.attached.includes(arn) === true || known?.boundary === arn) continue;
      if (policies.get(arn) === undefined) throw missingPolicy(arn);
    }
    const record: PrincipalRecord = {
      ...checked,
      userId: known?.userId ?? newId(checked.type),
      created: known?.created ?? this.store.now(),
    };
    principals.put(record);
    return record;
  }

  /**
   * Gives a user or a group another ARN. It stays the same principal, with its access keys and memberships; policies that
   * name its former ARN no longer mean it, and its temporary credentials end.
   *
   * @throws {@link KmsError} `NotFoundException`, `AlreadyExistsException`
   */
  renamePrincipal(arn: string, checked: CheckedPrincipal): PrincipalRecord {
    const { principals, accessKeys } = this.store;
    const { userId, created } = this.principal(arn);
    const record = { ...checked, userId, created };
    if (record.arn !== arn) {
      if (principals.get(record.arn) !== undefined) {
        throw new KmsError("AlreadyExistsException", `There is a principal ${record.arn} already.`);
      }
      principals.delete(arn);
      for (const key of accessKeys.by(arn)) accessKeys.put({ ...key, owner: record.arn });
      for (const member of this.principalsWith(({ groups }) => groups.includes(arn))) {
        const groups = member.groups.map((group) => (group === arn ? record.arn : group));
        principals.put({ ...member, groups });
      }
    }
    principals.put(record);
    return record;
  }

  /** Deletes a principal with its access keys. */
  deletePrincipal(arn: string): void {
    if (!this.store.principals.delete(arn)) throw missing(arn);
    for (const { accessKeyId } of this.store.accessKeys.by(arn)) {
      this.store.accessKeys.delete(accessKeyId);
    }
  }

  /** @throws {@link KmsError} `NotFoundException`, `LimitExceededException`; `ValidationException` for roles and groups. */
  createAccessKey(owner: string): AccessKeyRecord {
    const { store } = this;
    const ownerId = this.#ownerId(owner);
    if (store.accessKeys.by(owner).length >= MAX_ACCESS_KEYS) {
      throw new KmsError(
        "LimitExceededException",
        `Cannot exceed quota for AccessKeysPerUser: ${MAX_ACCESS_KEYS}`,
      );
    }
    const record: AccessKeyRecord = {
      accessKeyId: newId("access key"),
      owner,
      ownerId,
      created: store.now(),
      active: true,
      secret: newSecret(),
    };
    store.accessKeys.put(record);
    return record;
  }

  accessKeysOf(owner: string): readonly AccessKeyRecord[] {
    this.#ownerId(owner);
    return this.store.accessKeys.by(owner);
  }

  accessKey(accessKeyId: string): AccessKeyRecord {
    const record = this.store.accessKeys.get(accessKeyId);
    if (record !== undefined) return record;
    throw new KmsError(
      "NotFoundException",
      `The Access Key with id ${accessKeyId} cannot be found.`,
    );
  }

  setAccessKeyActive(accessKeyId: string, active: boolean): AccessKeyRecord {
    const { sessions: _ended, ...known } = this.accessKey(accessKeyId);
    const record = { ...known, active };
    this.store.accessKeys.put(record);
    return record;
  }

  deleteAccessKey(accessKeyId: string): AccessKeyRecord {
    const record = this.accessKey(accessKeyId);
    this.store.accessKeys.delete(accessKeyId);
    return record;
  }

  /** @throws {@link KmsError} `NotFoundException` */
  policy(arn: string): PolicyRecord {
    const record = this.store.policies.get(arn);
    if (record === undefined) throw missingPolicy(arn);
    return record;
  }

  /** Adds a managed policy. @throws {@link KmsError} `ValidationException`, and as `parsePolicy` does. */
  createPolicy(
    arn: string,
    { description, tags }: Pick<PolicyRecord, "description" | "tags">,
    text: string,
  ): PolicyRecord {
    requirePolicyArn(arn);
    check.text(description, "description", 0, MAX_DESCRIPTION);
    parsePolicy(check.policy(text), "identity");
    const now = this.store.now();
    return this.putPolicy({
      description,
      tags,
      arn,
      policyId: newId("policy"),
      created: now,
      updated: now,
      versions: [{ number: 1, created: now, text }],
      defaultVersion: 1,
      latestVersion: 1,
    });
  }

  /** Adds a version to a managed policy, at most five. @returns The policy and the version's number. */
  createPolicyVersion(arn: string, text: string, asDefault: boolean): PolicyRecord {
    const known = this.policy(arn);
    parsePolicy(check.policy(text), "identity");
    if (known.versions.length >= MAX_POLICY_VERSIONS) {
      throw new KmsError(
        "LimitExceededException",
        `A managed policy can have up to ${MAX_POLICY_VERSIONS} versions. Before you create a new version, you must delete an existing version.`,
      );
    }
    const number = known.latestVersion + 1;
    const created = this.store.now();
    return this.putPolicy({
      ...known,
      versions: [...known.versions, { number, created, text }],
      latestVersion: number,
      defaultVersion: asDefault ? number : known.defaultVersion,
    });
  }

  /** Adds a managed policy, or replaces what is known of it. @throws {@link KmsError} `TagException` and others for tags. */
  putPolicy(record: PolicyRecord): PolicyRecord {
    const updated = { ...record, tags: checkTags(record.tags), updated: this.store.now() };
    this.store.policies.put(updated);
    return updated;
  }

  /** @throws {@link KmsError} `NotFoundException` */
  provider(arn: string): ProviderRecord {
    const record = this.store.providers.get(arn);
    if (record !== undefined) return record;
    throw new KmsError("NotFoundException", `OpenIDConnect Provider not found for arn ${arn}`);
  }

  /** The identity provider of an issuer, by its exact URL. */
  providerOf(issuer: string): ProviderRecord | undefined {
    const record = this.store.providers.get(providerArn(issuer, this.realm));
    return record?.issuer === issuer ? record : undefined;
  }

  /** All identity providers, of which there are at most 100. */
  providers(): readonly ProviderRecord[] {
    return this.store.providers.list("", MAX_PROVIDERS).items;
  }

  /** Adds an identity provider. @throws {@link KmsError} `AlreadyExistsException`, and as {@link putProvider}. */
  createProvider(input: Omit<ProviderRecord, "arn" | "created">): ProviderRecord {
    const arn = providerArn(input.issuer, this.realm);
    if (this.store.providers.get(arn) !== undefined) {
      throw new KmsError(
        "AlreadyExistsException",
        `Provider with url ${input.issuer} already exists.`,
      );
    }
    if (this.providers().length >= MAX_PROVIDERS) {
      throw new KmsError(
        "LimitExceededException",
        `Cannot exceed quota for OpenIdConnectProvidersPerAccount: ${MAX_PROVIDERS}`,
      );
    }
    return this.putProvider({ ...input, arn, created: this.store.now() });
  }

  /**
   * Adds an identity provider, or replaces what is known of it.
   *
   * @throws {@link KmsError} `ValidationException`, `LimitExceededException`, `TagException`
   */
  putProvider(record: ProviderRecord): ProviderRecord {
    const checked = checkProvider(record);
    this.store.providers.put(checked);
    return checked;
  }

  /** All principals that `wanted` accepts. It looks at every principal. */
  principalsWith(wanted: (record: PrincipalRecord) => boolean): readonly PrincipalRecord[] {
    const found: PrincipalRecord[] = [];
    for (let after: string | undefined = ""; after !== undefined;) {
      const { items, next }: Listed<PrincipalRecord, string> = this.store.principals.list(
        after,
        PAGE,
      );
      found.push(...items.filter(wanted));
      after = next;
    }
    return found;
  }

  /** The owner of an active access key, unless it has been deleted, or made anew, since the key was made. */
  activeAccessKey(accessKeyId: string): AccessKeyRecord | undefined {
    const record = this.store.accessKeys.get(accessKeyId);
    if (record === undefined || !record.active) return undefined;
    return this.idOf(record.owner) === record.ownerId ? record : undefined;
  }

  /** The id of a user or role, or of the account's root. `undefined`: there is no such principal. */
  idOf(arn: string): string | undefined {
    const { accountId } = this.realm;
    return arn === accountRoot(accountId) ? accountId : this.store.principals.get(arn)?.userId;
  }

  #ownerId(owner: string): string {
    if (owner === accountRoot(this.realm.accountId)) return this.realm.accountId;
    const { type, userId } = this.principal(owner);
    if (type === "user") return userId;
    throw new KmsError(
      "ValidationException",
      "only users and the account's root have access keys: a role is assumed",
    );
  }
}

function missing(arn: string): KmsError {
  return new KmsError("NotFoundException", `There is no principal ${arn}`);
}

function missingPolicy(arn: string): KmsError {
  return new KmsError("NotFoundException", `Policy ${arn} does not exist or is not attachable.`);
}
