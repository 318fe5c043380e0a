/**
 * Why may, or may not, somebody do something with a key: the decision as it would be made now, and what
 * made it so. Nothing is done, and nothing is recorded.
 *
 * An explanation shows policies, tags and contexts: it is for whoever opens the keystore.
 *
 * @module
 */
import { Access, type AccessSource } from "./access.ts";
import type { Conditions, KeyQuestion, Question } from "./question.ts";
import { accountRoot, type Realm } from "../arn.ts";
import {
  actionRows,
  hasContext,
  isAliasAction,
  isGeneralAction,
  isGrantOperation,
  isKeyAction,
} from "../catalogue/actions.ts";
import { operations as catalogue } from "../catalogue/operations.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { requireKnownTokens } from "../keys/grant-records.ts";
import {
  grantFacts,
  parseConstraints,
  parseOperations,
  parseParty,
  type WantedGrant,
} from "./wanted-grant.ts";
import { actions } from "../policy/actions.ts";
import { didYouMean } from "@env/core";
import { explain, type Explanation } from "../policy/explain.ts";
import { explainRole, isRoleAction, requireShort } from "./explain-role.ts";
import { Session, type SessionOptions } from "./session.ts";
import type { EncryptionContext } from "../requests/shapes.ts";

export interface ExplainRequest {
  /** ARN of whoever would call. Default: the account's root. */
  readonly principal?: string | undefined;
  readonly session?: SessionOptions | undefined;
  /**
   * `kms:Decrypt`, or without `kms:`. ReEncrypt is `ReEncryptFrom` and `ReEncryptTo`, asked one at a time. Also
   * `sts:AssumeRole`, and `sts:TagSession` or `sts:SetSourceIdentity` for a role that is assumed with session tags or a source
   * identity.
   */
  readonly action: string;
  /** ARN of the role that is to be assumed. Tags, an external id and a session's name are among `conditions`. */
  readonly role?: string | undefined;
  /**
   * Key id, key ARN, alias or alias ARN; an alias names the key even where the call would not take one.
   * None: an action on no key, or TagResource on a key that CreateKey is about to make.
   */
  readonly key?: string | undefined;
  /**
   * The key of the other half of ReEncrypt: `kms:ReEncryptOnSameKey` says whether it is
   * the same. Default: another key.
   */
  readonly otherKey?: string | undefined;
  /** The alias itself, for CreateAlias, UpdateAlias and DeleteAlias. */
  readonly alias?: string | undefined;
  /** Default: empty for actions that encrypt or decrypt, as it is for the calls. Not for others. */
  readonly encryptionContext?: EncryptionContext | undefined;
  /** At most 10, and only for calls that take them. */
  readonly grantTokens?: readonly string[] | undefined;
  /** The grant of `key` that RetireGrant is about. Without it and `key`, its token in `grantTokens` names it. */
  readonly grantId?: string | undefined;
  /** What CreateGrant would grant: without it, nobody may through a grant. */
  readonly newGrant?: NewGrant | undefined;
  /**
   * Further condition keys, as `kms:SigningAlgorithm`. Those that the call would have by default need not be
   * given: `kms:EncryptionAlgorithm` is `SYMMETRIC_DEFAULT`, `kms:MessageType` is `RAW`. At most 2,048
   * characters each.
   */
  readonly conditions?: Conditions | undefined;
}

/** The members of CreateGrant that count for who may call it. */
export interface NewGrant {
  /** `Decrypt`, `GenerateDataKey`, … */
  readonly operations: readonly string[];
  /** An ARN. Default: none, so that no condition on it holds. */
  readonly grantee?: string | undefined;
  /** A service's name, in place of `grantee`. */
  readonly granteeService?: string | undefined;
  readonly retiring?: string | undefined;
  readonly retiringService?: string | undefined;
  /** At most one of the two encryption contexts. */
  readonly constraints?:
    | {
        readonly encryptionContextEquals?: EncryptionContext | undefined;
        readonly encryptionContextSubset?: EncryptionContext | undefined;
        readonly sourceArn?: string | undefined;
      }
    | undefined;
}

/**
 * @throws {@link KmsError} `ValidationException`, `NotFoundException`, `InvalidGrantTokenException`, and as the
 * policies do.
 */
export async function explainCall(
  { store, lastUse }: Pick<AccessSource, "store" | "lastUse">,
  realm: Realm,
  request: ExplainRequest,
): Promise<Explanation> {
  if (isRoleAction(request.action)) return explainRole(store, realm, request);
  const question = toQuestion(request);
  const session = new Session(
    request.principal ?? accountRoot(realm.accountId),
    realm,
    request.session,
  );
  const tokens = check.grantTokens({ GrantTokens: request.grantTokens });
  const other = otherHalf(request, question);
  return store.read(() => {
    const access = new Access({ store, session, lastUse });
    const resolved = access.resolve(question);
    const others = other === undefined ? [] : [resolved, access.resolve(other)];
    requireKnownTokens(store, session.realm, tokens);
    return explain(access.accessRequest(resolved, others, tokens));
  });
}

/** The other key of ReEncrypt, as a question of its own. */
function otherHalf({ otherKey }: ExplainRequest, { action }: Question): KeyQuestion | undefined {
  if (otherKey === undefined) return undefined;
  const other = otherHalves.get(action);
  if (other === undefined) throw invalid(`${action} is an action on one key: leave out otherKey`);
  return { on: "key", action: other, keyId: check.requireKeyId(otherKey, "otherKey") };
}

const [from, to] = catalogue.ReEncrypt.permissions;
const otherHalves: ReadonlyMap<string, typeof from | typeof to> = new Map([
  [from, to],
  [to, from],
]);

function toQuestion(request: ExplainRequest): Question {
  const { key, alias, grantId, newGrant, grantTokens, role } = request;
  const name = canonicalAction(request.action);
  if (role !== undefined) throw invalid(`${name} is not an action on a role`);
  if (grantTokens !== undefined && grantTokens.length > 0 && !isGrantOperation(name)) {
    throw invalid(`${name} does not take grant tokens`);
  }
  if (newGrant !== undefined && name !== "CreateGrant")
    throw invalid(`${name} does not create a grant`);
  if (grantId !== undefined && name !== "RetireGrant") {
    throw invalid(`${name} is not an action on a grant`);
  }
  const facts = factsOf(name, request);
  if (alias !== undefined) {
    if (!isAliasAction(name)) throw invalid(`${name} is not an action on an alias`);
    return { on: "alias", action: name, name: check.aliasName(alias), ...facts };
  }
  if (key !== undefined) {
    if (!isKeyAction(name)) throw invalid(`${name} is not an action on a key`);
    const keyId = check.requireKeyId(key, "key");
    if (name !== "RetireGrant") return { on: "key", action: name, keyId, anyName: true, ...facts };
    const grant = { keyId, grantId: check.text(grantId, "grantId", 1, 128), anyName: true };
    return { on: "grant", action: name, grant, ...facts };
  }
  if (name === "RetireGrant") {
    const [token, ...more] = check.grantTokens({ GrantTokens: request.grantTokens });
    if (token === undefined || more.length > 0 || grantId !== undefined) {
      throw invalid(`${name} is an action on a grant: name its key and its id, or give its token`);
    }
    return { on: "grant", action: name, grant: { token }, ...facts };
  }
  if (name === "TagResource") {
    return { on: "new-key", action: name, keyId: NEW_KEY_ID, ...facts };
  }
  if (!isGeneralAction(name)) throw invalid(`${name} is an action on a key: name the key`);
  return { on: "account", action: name, ...facts };
}

/** Stands for the id that CreateKey would choose. */
const NEW_KEY_ID = "00000000-0000-0000-0000-000000000000";

/** What the call itself would have. */
function factsOf(
  name: string,
  { encryptionContext, conditions, newGrant }: ExplainRequest,
): Pick<KeyQuestion, "encryptionContext" | "conditions" | "newGrant"> {
  requireShort(conditions);
  const row = actionRows.get(name);
  if (row !== undefined && hasContext(row)) {
    return {
      encryptionContext: check.encryptionContext(encryptionContext),
      ...(conditions === undefined ? {} : { conditions }),
    };
  }
  if (encryptionContext !== undefined) {
    const instead = name === "CreateGrant" ? ": that of a grant is in newGrant" : "";
    throw invalid(`${name} does not have an encryption context${instead}`);
  }
  const made = newGrant === undefined ? {} : grantFacts(parseNewGrant(newGrant));
  return { ...made, conditions: withDefaults(conditions, made.conditions) };
}

function parseNewGrant({ operations, constraints, ...parties }: NewGrant): WantedGrant {
  const { grantee, granteeService, retiring, retiringService } = parties;
  return check.all({
    operations: () => parseOperations(operations),
    grantee: () => parseParty({ grantee, granteeService }),
    retiring: () => parseParty({ retiring, retiringService }),
    constraints: () =>
      parseConstraints({
        EncryptionContextEquals: constraints?.encryptionContextEquals,
        EncryptionContextSubset: constraints?.encryptionContextSubset,
        SourceArn: constraints?.sourceArn,
      }),
  });
}

/** The conditions, and defaults where none of that name is given: in names, case does not matter. */
function withDefaults(given: Conditions = {}, defaults: Conditions = {}): Conditions {
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  const missing = Object.entries(defaults).filter(([name]) => !names.has(name.toLowerCase()));
  return { ...Object.fromEntries(missing), ...given };
}

/** The action's name as AWS writes it: the case of an action does not matter. */
function canonicalAction(action: unknown): string {
  const text = check.text(action, "action", 1, 128).toLowerCase();
  const written = text.startsWith("kms:") ? text : `kms:${text}`;
  const known = actions.get(written);
  if (known !== undefined) return known.name;
  const names = [...actions.values()].map(({ name }) => `kms:${name}`);
  throw invalid(`AWS KMS has no action ${written}.${didYouMean(written, names)}`);
}

function invalid(problem: string): KmsError {
  return new KmsError("ValidationException", problem);
}
