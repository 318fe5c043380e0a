/**
 * Why may, or may not, somebody do something with a key: the decision as it would be made now, and what
 * made it so. Nothing is done, and nothing is recorded.
 *
 * An explanation shows policies, tags and contexts: it is for whoever opens the keystore.
 *
 * @module
 */
import { Access, type Conditions, type GeneralAction, type Question } from "./access.ts";
import { accountRoot, type Realm } from "./arn.ts";
import * as check from "./check.ts";
import { KmsError } from "./errors.ts";
import { actions } from "./policy/actions.ts";
import { explain, type Explanation } from "./policy/explain.ts";
import type { AccessRequest } from "./policy/request.ts";
import { Session, type SessionOptions } from "./session.ts";
import type { EncryptionContext } from "./shapes.ts";
import { keyStateRules, type KeyAction } from "./states.ts";
import type { Store } from "./store.ts";

export interface ExplainRequest {
  /** ARN of whoever would call. Default: the account's root. */
  readonly principal?: string | undefined;
  readonly session?: SessionOptions | undefined;
  /** `kms:Decrypt`, or without `kms:`. ReEncrypt is `ReEncryptFrom` and `ReEncryptTo`, asked one at a time. */
  readonly action: string;
  /** Key id, key ARN, alias or alias ARN. None: an action on no key. */
  readonly key?: string | undefined;
  /** The alias itself, for CreateAlias, UpdateAlias and DeleteAlias. */
  readonly alias?: string | undefined;
  readonly encryptionContext?: EncryptionContext | undefined;
  readonly grantTokens?: readonly string[] | undefined;
  /** The grant that RetireGrant is about. */
  readonly grantId?: string | undefined;
  /** What CreateGrant would grant. */
  readonly newGrant?: AccessRequest["newGrant"];
  /** Further condition keys, as `kms:EncryptionAlgorithm`. */
  readonly conditions?: Conditions | undefined;
}

/** @throws {@link KmsError} `ValidationException`, `NotFoundException`, and as the policies do. */
export async function explainCall(
  store: Store,
  realm: Realm,
  request: ExplainRequest,
): Promise<Explanation> {
  const question = toQuestion(request);
  const session = new Session(
    request.principal ?? accountRoot(realm.accountId),
    realm,
    request.session,
  );
  const tokens = check.grantTokens({ GrantTokens: request.grantTokens });
  return store.read(() => {
    const access = new Access({ store, realm, session });
    return explain(access.accessRequest(access.resolve(question), [], tokens));
  });
}

function toQuestion(request: ExplainRequest): Question {
  const { key, alias, grantId, encryptionContext, conditions, newGrant } = request;
  const name = canonicalAction(request.action);
  const facts = {
    ...(encryptionContext === undefined
      ? {}
      : { encryptionContext: check.encryptionContext(encryptionContext) }),
    ...(conditions === undefined ? {} : { conditions }),
    ...(newGrant === undefined ? {} : { newGrant }),
  };
  if (alias !== undefined) {
    if (!isAliasAction(name)) throw invalid(`${name} is not asked for on an alias`);
    return { on: "alias", action: name, name: check.aliasName(alias), ...facts };
  }
  if (key !== undefined) {
    if (!isKeyAction(name)) throw invalid(`${name} is not asked for on a key`);
    const keyId = check.requireKeyId(key, "key");
    if (name !== "RetireGrant") return { on: "key", action: name, keyId, aliases: true, ...facts };
    const grant = { keyId, grantId: check.text(grantId, "grantId", 1, 128) };
    return { on: "grant", action: name, grant, ...facts };
  }
  if (!isGeneralAction(name)) throw invalid(`${name} is asked for on a key: name one`);
  return { on: "account", action: name, ...facts };
}

/** As AWS writes it: case does not matter in an action. */
function canonicalAction(action: unknown): string {
  const text = check.text(action, "action", 1, 128).toLowerCase();
  const known = actions.get(text.startsWith("kms:") ? text : `kms:${text}`);
  if (known === undefined) throw invalid("there is no such action of AWS KMS");
  return known.name;
}

const general: ReadonlySet<string> = new Set<GeneralAction>([
  "CreateKey",
  "GenerateRandom",
  "ListAliases",
  "ListKeys",
  "ListRetirableGrants",
  "TagResource",
]);

function isGeneralAction(name: string): name is GeneralAction {
  return general.has(name);
}

function isKeyAction(name: string): name is KeyAction {
  return Object.hasOwn(keyStateRules, name);
}

function isAliasAction(name: string): name is "CreateAlias" | "DeleteAlias" | "UpdateAlias" {
  return name === "CreateAlias" || name === "DeleteAlias" || name === "UpdateAlias";
}

function invalid(problem: string): KmsError {
  return new KmsError("ValidationException", problem);
}
