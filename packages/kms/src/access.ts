/**
 * From a request to the key it may use: resolve the name, ask for authorization, look at the state.
 *
 * Always in this order, and there is no other way to a key: a principal that may not use a key learns
 * nothing of its state. To be called inside the store's `read` and `write`.
 *
 * @module
 */
import type { Context } from "@env/core";
import { aliasArn, keyArn, parseKeyReference, type KeyReference, type Realm } from "./arn.ts";
import { requireAllowed, type AuthorizationRequest, type Authorize } from "./authorize.ts";
import { describeCiphertextBlob } from "./blob.ts";
import { KmsError } from "./errors.ts";
import { keyState, type KeyRecord } from "./key.ts";
import { requireState, type KeyAction } from "./states.ts";
import type { Store } from "./store.ts";

/** Operations on no key: only the account decides. */
export type GeneralAction = "CreateKey" | "GenerateRandom" | "ListAliases" | "ListKeys";

/** What an operation tells the authorizer beside the key. */
type Facts = Pick<AuthorizationRequest, "encryptionContext" | "requestAlias">;

interface Resolved {
  readonly record: KeyRecord;
  readonly facts: Facts;
}

export class Access {
  readonly principal: string;
  readonly #store: Store;
  readonly #realm: Realm;
  readonly #authorize: Authorize;

  constructor(store: Store, realm: Realm, principal: string, authorize: Authorize) {
    this.principal = principal;
    this.#store = store;
    this.#realm = realm;
    this.#authorize = authorize;
  }

  /** Permission for an operation on no key. */
  all(action: GeneralAction): void {
    this.#require(action, "*", {});
  }

  /** Permission on an alias itself; on its keys it is asked for separately. */
  alias(action: "CreateAlias" | "DeleteAlias" | "UpdateAlias", name: string): void {
    this.#require(action, aliasArn(this.#realm, name), {});
  }

  /** The key that a key id or key ARN names. Aliases are refused. */
  key(action: KeyAction, keyId: string): KeyRecord {
    return this.#use(action, this.#resolve(action, keyId, false));
  }

  /** The key that a key id, key ARN, alias or alias ARN names. */
  keyOrAlias(action: KeyAction, keyId: string, facts: Facts = {}): KeyRecord {
    const { record, facts: found } = this.#resolve(action, keyId, true);
    return this.#use(action, { record, facts: { ...facts, ...found } });
  }

  /** The key that `keyId` names, which must be the one the blob names; without `keyId`, that one. */
  keyOfBlob(
    action: "Decrypt" | "ReEncryptFrom",
    keyId: string | undefined,
    blob: Uint8Array,
    encryptionContext: Context,
  ): KeyRecord {
    const named = describeCiphertextBlob(blob)?.keyId;
    if (keyId !== undefined) {
      const record = this.keyOrAlias(action, keyId, { encryptionContext });
      if (named === undefined) throw invalidCiphertext();
      if (named === record.keyId) return record;
      throw new KmsError(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
      );
    }
    if (named === undefined) throw invalidCiphertext();
    const record = this.#store.key(named);
    if (record === undefined) {
      // Not "not found": whoever holds a blob may not learn which keys exist.
      throw new KmsError(
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
      );
    }
    return this.#use(action, { record, facts: { encryptionContext } });
  }

  /** The key that an alias points at, for changing the alias: without a look at permission or state. */
  aliasTarget(name: string): KeyRecord {
    const record = this.#store.aliasTarget(name);
    if (record === undefined) throw notFoundAlias(this.#realm, name);
    return record;
  }

  /** A key that merely filters a list which was permitted already. */
  filterKey(keyId: string): KeyRecord {
    return this.#resolve("ListAliases", keyId, false).record;
  }

  /** Permission on a key, whatever its state. */
  permit(action: KeyAction, record: KeyRecord, facts: Facts = {}): void {
    this.#require(action, keyArn(this.#realm, record.keyId), {
      ...facts,
      keyPolicy: record.policy,
      resourceAliases: record.aliases.map(({ name }) => name),
    });
  }

  #use(action: KeyAction, { record, facts }: Resolved): KeyRecord {
    this.permit(action, record, facts);
    requireState(action, keyState(record), keyArn(this.#realm, record.keyId));
    return record;
  }

  #resolve(action: KeyAction | GeneralAction, keyId: string, aliases: boolean): Resolved {
    const reference = parseKeyReference(keyId, this.#realm);
    if (reference.kind === "alias" && !aliases) {
      throw new KmsError(
        "InvalidArnException",
        "Key Aliases are not supported for this operation.",
      );
    }
    this.#requireOwnAccount(action, reference);
    if (reference.kind === "alias") {
      return { record: this.aliasTarget(reference.name), facts: { requestAlias: reference.name } };
    }
    const record = this.#store.key(reference.keyId);
    if (record === undefined) {
      const arn = keyArn(this.#realm, reference.keyId);
      throw new KmsError("NotFoundException", `Key '${arn}' does not exist`);
    }
    return { record, facts: {} };
  }

  #requireOwnAccount(action: string, { accountId }: KeyReference): void {
    if (accountId === this.#realm.accountId) return;
    throw new KmsError(
      "AccessDeniedException",
      `User: ${this.principal} is not authorized to perform: kms:${action} on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access`,
    );
  }

  #require(
    action: string,
    resource: string,
    facts: Omit<AuthorizationRequest, "principal" | "action" | "resource" | "resourceAccount">,
  ): void {
    requireAllowed(this.#authorize, {
      ...facts,
      principal: this.principal,
      action: `kms:${action}`,
      resource,
      resourceAccount: this.#realm.accountId,
    });
  }
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
