/**
 * The way from a request to the key it may use: resolve the name, ask for authorization, look at the state.
 *
 * An operation states its questions as data, see question.ts; the funnel in operations/operation.ts has them resolved,
 * asked and recorded here, all before the operation's own code sees a key. A principal that may not use
 * a key learns nothing of its state.
 *
 * To be used inside the store's `read` and `write`.
 *
 * @module
 */
import type { Context } from "@env/core";
import { aliasArn, keyArn, parseKeyReference, type KeyReference, type Realm } from "../arn.ts";
import { actionRows, type KeyAction } from "../catalogue/actions.ts";
import { KmsError } from "../catalogue/errors.ts";
import { constraintType, grantOfToken } from "../keys/grant-records.ts";
import { multiRegionKeyType } from "../keys/multi-region.ts";
import { arnOf, daysWithoutUse, keyOfUuid } from "../keys/key.ts";
import type { LastUseRecord } from "../store/iam-records.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { draftManagedKey, isManagedAlias } from "../keys/managed.ts";
import { decide } from "../policy/decide.ts";
import type { AccessRequest, Caller, ConditionValues, Grant, KeyFacts } from "../policy/request.ts";
import { conditionValues } from "../policy/values.ts";
import type {
  AliasTargetQuestion,
  Asked,
  BlobQuestion,
  GrantQuestion,
  KeyQuestion,
  Question,
  Resolved,
} from "./question.ts";
import type { Session } from "./session.ts";
import type { Store } from "../store/store.ts";

/** What decisions depend on. */
export interface AccessSource {
  readonly store: Store;
  readonly session: Session;
  /** The last use of a key, by its ARN. For use inside the store's `read` and `write`. */
  readonly lastUse: (arn: string) => LastUseRecord | undefined;
}

/** One caller's way to keys, within one transaction. */
export class Access {
  readonly caller: Caller;
  /** The account, and the region in which the caller is. */
  readonly realm: Realm;
  /** The last use of a key, by its ARN. */
  readonly lastUse: AccessSource["lastUse"];
  readonly #store: Store;
  readonly #ambient: ConditionValues;

  constructor({ store, session, lastUse }: AccessSource) {
    this.#store = store;
    this.lastUse = lastUse;
    this.realm = session.realm;
    this.caller = session.caller(store);
    this.#ambient = session.ambient;
  }

  /** Finds what a question is about. Nothing is asked yet, so the answer is not for the caller's eyes. */
  resolve(question: Question): Resolved {
    return {
      question,
      record: undefined,
      unborn: false,
      requestAlias: undefined,
      grant: undefined,
      ...this.#about(question),
    };
  }

  #about(question: Question): Partial<Resolved> {
    const { on } = question;
    if (on === "account" || on === "alias" || on === "new-key") return {};
    if (on === "grant") return this.#granted(question);
    if (on === "alias-target") return { record: this.#aliasTarget(question) };
    if (on !== "blob") return this.#named(question);
    const { keyId, action } = question;
    if (keyId === undefined) return { record: this.#keyOfBlob(question) };
    return this.#named({ action, keyId });
  }

  /** The decision on a question. `tokens` are those of grants that the request came with. */
  ask(resolved: Resolved, others: readonly Resolved[], tokens: readonly string[]): Asked {
    const request = this.accessRequest(resolved, others, tokens);
    return { request, decision: decide(request) };
  }

  /** @throws {@link KmsError} `AccessDeniedException` in AWS's words. */
  requireAllowed({ request, decision }: Asked): void {
    if (decision.allowed) return;
    const { action, resource, caller, resourceAccount } = request;
    if (caller.accountId !== resourceAccount) throw foreign(caller, action);
    throw new KmsError(
      "AccessDeniedException",
      `User: ${caller.arn} is not authorized to perform: ${action} on resource: ${resource} ${decision.reason}`,
    );
  }

  /** What {@link ask} asks. */
  accessRequest(
    { question, record, requestAlias, grant }: Resolved,
    others: readonly Resolved[],
    tokens: readonly string[],
  ): AccessRequest {
    const { action } = question;
    // The key that CreateKey is about to make has the conditions of CreateKey.
    const usual = usualConditions.get(question.on === "new-key" ? "CreateKey" : action) ?? [];
    const conditions = new Map(this.#ambient);
    if (question.region !== undefined) conditions.set("aws:requestedregion", question.region);
    for (const [name, value] of usual) conditions.set(name, value);
    if (record !== undefined && has(question, "kms:TrailingDaysWithoutKeyUsage")) {
      const use = this.lastUse(arnOf(record, this.realm));
      const days = daysWithoutUse(record, use?.time, this.#store.now());
      conditions.set("kms:trailingdayswithoutkeyusage", String(days));
    }
    for (const [name, value] of conditionValues(question.conditions ?? {})) {
      conditions.set(name, value);
    }
    if ("likeOther" in question) {
      for (const { record: other } of others) if (other !== undefined) likeKey(conditions, other);
    }
    if (requestAlias !== undefined) conditions.set("kms:requestalias", requestAlias);
    const both = others.filter(({ question: other }) => has(other, "kms:ReEncryptOnSameKey"));
    if (both.length > 1) {
      const same = both.every((other) => other.record?.keyId === record?.keyId);
      conditions.set("kms:reencryptonsamekey", String(same));
    }
    if (has(question, "kms:GrantIsForAWSResource") && conditions.has("kms:viaservice")) {
      conditions.set("kms:grantisforawsresource", "true");
    }
    const { encryptionContext = contextOf(grant), newGrant } = question;
    const constraint = constraintType(grant?.constraints);
    if (constraint !== undefined) conditions.set("kms:grantconstrainttype", constraint);
    const key = record && keyFacts(record);
    return {
      caller: this.caller,
      action: `kms:${action}`,
      resource: this.#resource(question, record),
      resourceAccount: this.realm.accountId,
      ...(key === undefined
        ? {}
        : { key: grant === undefined ? key : { ...key, grants: [grant] } }),
      ...(encryptionContext === undefined ? {} : { encryptionContext }),
      ...(tokens.length === 0 ? {} : { grantTokens: tokens }),
      ...(newGrant === undefined ? {} : { newGrant }),
      conditions,
      now: this.#store.now(),
    };
  }

  /** The same for an action on a key as it is given, which nobody has asked for. */
  requestOn(record: KeyRecord, action: KeyAction): AccessRequest {
    const question: Question = { on: "key", action, keyId: record.keyId };
    const resolved = { question, record, unborn: false, requestAlias: undefined, grant: undefined };
    return this.accessRequest(resolved, [], []);
  }

  #resource(question: Question, record: KeyRecord | undefined): string {
    const realm = this.#realmOf(question);
    if (record !== undefined) return keyArn(realm, record.keyId);
    if (question.on === "alias") return aliasArn(realm, question.name);
    if (question.on === "new-key") return keyArn(realm, question.keyId);
    return question.on === "account" ? (question.resource ?? "*") : "*";
  }

  #realmOf({ region }: { readonly region?: string | undefined }): Realm {
    return region === undefined ? this.realm : { ...this.realm, region };
  }

  #named({
    action,
    keyId,
    anyName = false,
    region,
  }: Pick<KeyQuestion, "keyId" | "anyName" | "region"> & { readonly action: string }): Pick<
    Resolved,
    "record" | "requestAlias" | "unborn"
  > {
    const realm = this.#realmOf({ region });
    const reference = parseKeyReference(keyId, realm, this.caller.accountId);
    const byAlias = actionRows.get(action)?.open?.includes("alias") === true;
    if (reference.kind === "alias" && !byAlias && !anyName) {
      throw new KmsError(
        "InvalidArnException",
        "Key Aliases are not supported for this operation.",
      );
    }
    this.#requireThisAccount(action, reference, keyId);
    if (reference.kind === "key") {
      const record = this.#store.keys.get(realm.region, reference.keyId);
      if (record === undefined) {
        throw this.#missing(action, notFoundKey(realm, reference.keyId));
      }
      return { record, requestAlias: undefined, unborn: false };
    }
    const { name } = reference;
    const requestAlias = byAlias ? name : undefined;
    const record = this.#store.keys.byAlias(realm.region, name);
    if (record === undefined && isManagedAlias(name)) {
      const draft = draftManagedKey(name, realm, this.#store.now());
      return { record: draft, requestAlias, unborn: true };
    }
    if (record === undefined) throw this.#missing(action, notFoundAlias(realm, name));
    return { record, requestAlias, unborn: false };
  }

  #granted({ action, grant: wanted }: GrantQuestion): Pick<Resolved, "record" | "grant"> {
    if ("token" in wanted) return grantOfToken(this.#store, this.realm, wanted.token);
    const { record } = this.#named({ action, ...wanted });
    const grant = record?.grants.find(({ grantId }) => grantId === wanted.grantId);
    if (grant === undefined) throw this.#missing(action, notFoundGrant(wanted.grantId));
    return { record, grant };
  }

  #keyOfBlob({ named }: BlobQuestion): KeyRecord {
    if (named === undefined) throw invalidCiphertext();
    const record = keyOfUuid(this.#store, this.realm, named);
    if (record !== undefined) return record;
    // Not "not found": whoever holds a blob may not learn which keys exist.
    throw new KmsError(
      "AccessDeniedException",
      "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
    );
  }

  #aliasTarget({ action, name }: AliasTargetQuestion): KeyRecord {
    const record = this.#store.keys.byAlias(this.realm.region, name);
    if (record === undefined) throw this.#missing(action, notFoundAlias(this.realm, name));
    return record;
  }

  #requireThisAccount(action: string, reference: KeyReference, text: string): void {
    const { accountId } = reference;
    if (accountId === this.realm.accountId) return;
    if (text.startsWith("arn:")) throw foreign(this.caller, `kms:${action}`);
    // A bare name of a caller from elsewhere is one of the caller's own account, which is not here.
    const own = { ...this.realm, accountId };
    throw reference.kind === "key"
      ? notFoundKey(own, reference.keyId)
      : notFoundAlias(own, reference.name);
  }

  /** Callers of other accounts do not learn what there is. */
  #missing(action: string, error: KmsError): KmsError {
    if (this.caller.accountId === this.realm.accountId) return error;
    return foreign(this.caller, `kms:${action}`);
  }
}

/** What policies see of requests that leave all out that they may, by action. */
const usualConditions: ReadonlyMap<string, ConditionValues> = new Map(
  [...actionRows].map(([action, { conditions = {} }]) => [
    action,
    conditionValues(
      Object.fromEntries(
        Object.entries(conditions).flatMap(([name, value]) =>
          value === null ? [] : [[name, String(value)]],
        ),
      ),
    ),
  ]),
);

/** What policies see of a key that is to be made like another. */
function likeKey(conditions: Map<string, string | readonly string[]>, key: KeyRecord): void {
  conditions.set("kms:keyspec", key.keySpec);
  conditions.set("kms:keyusage", key.keyUsage);
  conditions.set("kms:keyorigin", key.origin);
}

/** Whether the row of a question's action lists a condition key. */
function has({ action }: Question, key: string): boolean {
  return Object.hasOwn(actionRows.get(action)?.conditions ?? {}, key);
}

/** Records are immutable, and the same one comes back until the key changes. */
const factsOf = new WeakMap<KeyRecord, KeyFacts>();

/** What of a key's record matters to a decision. */
export function keyFacts(record: KeyRecord): KeyFacts {
  const known = factsOf.get(record);
  if (known !== undefined) return known;
  const facts = toKeyFacts(record);
  factsOf.set(record, facts);
  return facts;
}

function toKeyFacts(record: KeyRecord): KeyFacts {
  return {
    policy: record.policy,
    aliases: record.aliases.map(({ name }) => name),
    tags: Object.fromEntries(record.tags),
    grants: record.grants,
    keySpec: record.keySpec,
    keyUsage: record.keyUsage,
    origin: record.origin,
    ...(record.regions === undefined ? {} : { multiRegionKeyType: multiRegionKeyType(record) }),
  };
}

/** What callers of one account are told of another's keys, there or not. */
function foreign({ arn }: Caller, action: string): KmsError {
  return new KmsError(
    "AccessDeniedException",
    `User: ${arn} is not authorized to perform: ${action} on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access`,
  );
}

/** What a grant says of the encryption context. */
function contextOf(grant: Grant | undefined): Context | undefined {
  const { encryptionContextEquals, encryptionContextSubset } = grant?.constraints ?? {};
  return encryptionContextEquals ?? encryptionContextSubset;
}

export function notFoundGrant(grantId: string): KmsError {
  return new KmsError("NotFoundException", `Grant ID ${grantId} not found`);
}

function notFoundKey(realm: Realm, keyId: string): KmsError {
  return new KmsError("NotFoundException", `Key '${keyArn(realm, keyId)}' does not exist`);
}

export function notFoundAlias(realm: Realm, name: string): KmsError {
  return new KmsError("NotFoundException", `Alias ${aliasArn(realm, name)} is not found.`);
}

/** One text for all of them: a malformed blob, altered bytes and another context look alike. */
export function invalidCiphertext(): KmsError {
  return new KmsError(
    "InvalidCiphertextException",
    "the ciphertext is malformed or altered, or was made with another encryption context",
  );
}
