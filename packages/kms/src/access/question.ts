/**
 * What an operation asks for, as data: one question for each key, alias or list that it is about, and what it gets for it.
 *
 * @module
 */
import type { Context } from "@env/core";
import type { AliasAction, GeneralAction, KeyAction } from "../catalogue/actions.ts";
import type { AccessRequest, Decision, Grant } from "../policy/request.ts";
import type { KeyRecord } from "../store/key-record.ts";

/** Condition keys by name in any case; `undefined` counts as absent. */
export type Conditions = Readonly<Record<string, string | readonly string[] | undefined>>;

interface Facts {
  /** Default: where the call is made. */
  readonly region?: string;
  /** Absent for operations without one, which is not the same as empty. */
  readonly encryptionContext?: Context;
  /** Condition keys of this operation, beyond those that follow from caller, key and context. */
  readonly conditions?: Conditions;
  /** What CreateGrant is to grant; absent for other actions. */
  readonly newGrant?: AccessRequest["newGrant"];
}

/** The key that the request names, to be used or changed. */
export interface KeyQuestion extends Facts {
  readonly on: "key";
  readonly action: KeyAction;
  /** An alias only where the row of the action is open to one. */
  readonly keyId: string;
  /** The name only says which key is meant, so it may be an alias for any action. */
  readonly anyName?: boolean;
}

/** The key that `keyId` names, which must be the one the blob names; without `keyId`, that one. */
export interface BlobQuestion extends Facts {
  readonly on: "blob";
  readonly action: "Decrypt" | "ReEncryptFrom";
  readonly keyId: string | undefined;
  /** The UUID of the key that the blob names; `undefined`: it is not a blob. */
  readonly named: string | undefined;
}

/** The key that an alias points at, for changing the alias: whatever state that key is in. */
export interface AliasTargetQuestion extends Facts {
  readonly on: "alias-target";
  readonly action: "DeleteAlias" | "UpdateAlias";
  readonly name: string;
}

/** An alias itself; on its keys permission is asked for separately. */
interface AliasQuestion extends Facts {
  readonly on: "alias";
  readonly action: AliasAction;
  readonly name: string;
}

/** The key that CreateKey is about to make, for the tags that it is to have: only IAM decides. */
interface NewKeyQuestion extends Facts {
  readonly on: "new-key";
  readonly action: "TagResource";
  readonly keyId: string;
}

/** No key: `*`, or what the operation has for a resource. */
interface AccountQuestion extends Facts {
  readonly on: "account";
  readonly action: GeneralAction;
  readonly resource?: string;
  /** Whether what is to be made is like the key of the other question. */
  readonly likeOther?: boolean;
}

/** The key that holds a grant, named by its token or by key ARN and grant id. Only that grant counts. */
export interface GrantQuestion extends Facts {
  readonly on: "grant";
  readonly action: "RetireGrant";
  readonly grant:
    | { readonly token: string }
    | { readonly keyId: string; readonly grantId: string; readonly anyName?: boolean };
}

/** A key that merely filters a list: the list is asked for, the key is not. */
interface FilterQuestion extends Facts {
  readonly on: "filter";
  readonly action: "ListAliases";
  readonly keyId: string;
}

export type Question =
  | KeyQuestion
  | BlobQuestion
  | AliasTargetQuestion
  | AliasQuestion
  | NewKeyQuestion
  | AccountQuestion
  | GrantQuestion
  | FilterQuestion;

/** A grant, and the key that has it. */
export interface HeldGrant {
  readonly key: KeyRecord;
  readonly grant: Grant;
}

/** What an operation gets for a question. */
export type Found<Q extends Question> = Q extends { on: "account" | "alias" | "new-key" }
  ? undefined
  : Q extends { on: "grant" }
    ? HeldGrant
    : KeyRecord;

/** A question with the key that it is about. */
export interface Resolved {
  readonly question: Question;
  readonly record: KeyRecord | undefined;
  /** A managed key that this call would be the first to use: not in the store yet. */
  readonly unborn: boolean;
  /** The alias that the request used. */
  readonly requestAlias: string | undefined;
  /** The one grant that counts, for a question about a grant. */
  readonly grant: Grant | undefined;
}

export interface Asked {
  readonly request: AccessRequest;
  readonly decision: Decision;
}
