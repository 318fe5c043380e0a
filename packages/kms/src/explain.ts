/**
 * Why may, or may not, somebody do something with a key: the decision as it would be made now, and what
 * made it so. Nothing is done, and nothing is recorded.
 *
 * An explanation shows policies, tags and contexts: it is for whoever opens the keystore.
 *
 * @module
 */
import {
  Access,
  type Conditions,
  type GeneralAction,
  type KeyQuestion,
  type Question,
} from "./access.ts";
import { accountRoot, type Realm } from "./arn.ts";
import * as check from "./check.ts";
import { KmsError } from "./errors.ts";
import {
  grantFacts,
  parseConstraints,
  parseOperations,
  type WantedGrant,
} from "./operations/grants.ts";
import { actions } from "./policy/actions.ts";
import { explain, type Explanation } from "./policy/explain.ts";
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
  /** Default: empty for actions that encrypt or decrypt, as it is for the calls; none for others. */
  readonly encryptionContext?: EncryptionContext | undefined;
  readonly grantTokens?: readonly string[] | undefined;
  /** The grant of `key` that RetireGrant is about. Without it and `key`, its token in `grantTokens` names it. */
  readonly grantId?: string | undefined;
  /** What CreateGrant would grant: without it, nobody may through a grant. */
  readonly newGrant?: NewGrant | undefined;
  /**
   * Further condition keys, as `kms:SigningAlgorithm`. `kms:EncryptionAlgorithm` is `SYMMETRIC_DEFAULT` by
   * default, as for the calls.
   */
  readonly conditions?: Conditions | undefined;
}

/** The members of CreateGrant that count for who may call it. */
export interface NewGrant {
  /** `Decrypt`, `GenerateDataKey`, … */
  readonly operations: readonly string[];
  /** An ARN. Default: none, so that no condition on it holds. */
  readonly grantee?: string | undefined;
  readonly retiring?: string | undefined;
  /** At most one of the two. */
  readonly constraints?:
    | {
        readonly encryptionContextEquals?: EncryptionContext | undefined;
        readonly encryptionContextSubset?: EncryptionContext | undefined;
      }
    | undefined;
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
  const { key, alias, grantId, newGrant } = request;
  const name = canonicalAction(request.action);
  if (newGrant !== undefined && name !== "CreateGrant") throw invalid(`${name} makes no grant`);
  if (grantId !== undefined && name !== "RetireGrant") {
    throw invalid(`${name} is not asked for on a grant`);
  }
  const facts = factsOf(name, request);
  if (alias !== undefined) {
    if (!isAliasAction(name)) throw invalid(`${name} is not asked for on an alias`);
    return { on: "alias", action: name, name: check.aliasName(alias), ...facts };
  }
  if (key !== undefined) {
    if (!isKeyAction(name)) throw invalid(`${name} is not asked for on a key`);
    const keyId = check.requireKeyId(key, "key");
    if (name !== "RetireGrant") return { on: "key", action: name, keyId, aliases: true, ...facts };
    const grant = { keyId, grantId: check.text(grantId, "grantId", 1, 128), aliases: true };
    return { on: "grant", action: name, grant, ...facts };
  }
  if (name === "RetireGrant") {
    const [token, ...more] = check.grantTokens({ GrantTokens: request.grantTokens });
    if (token === undefined || more.length > 0 || grantId !== undefined) {
      throw invalid(`${name} is asked for on a grant: name its key and its id, or its one token`);
    }
    return { on: "grant", action: name, grant: { token }, ...facts };
  }
  if (!isGeneralAction(name)) throw invalid(`${name} is asked for on a key: name one`);
  return { on: "account", action: name, ...facts };
}

/** As the call itself would have it, what it leaves out with its default. */
function factsOf(
  name: string,
  { encryptionContext, conditions, newGrant }: ExplainRequest,
): Pick<KeyQuestion, "encryptionContext" | "conditions" | "newGrant"> {
  const given =
    encryptionContext === undefined
      ? {}
      : { encryptionContext: check.encryptionContext(encryptionContext) };
  if (encrypting.has(name)) {
    const usual = { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT" };
    return {
      encryptionContext: check.encryptionContext(undefined),
      ...given,
      conditions: withDefaults(conditions, usual),
    };
  }
  const made = newGrant === undefined ? {} : grantFacts(parseNewGrant(newGrant));
  return { ...made, ...given, conditions: withDefaults(conditions, made.conditions) };
}

function parseNewGrant({ operations, grantee, retiring, constraints }: NewGrant): WantedGrant {
  const { encryptionContextEquals, encryptionContextSubset } = constraints ?? {};
  return check.all({
    operations: () => parseOperations(operations),
    grantee: () => (grantee === undefined ? undefined : check.principal(grantee, "grantee")),
    retiring: () => (retiring === undefined ? undefined : check.principal(retiring, "retiring")),
    constraints: () =>
      parseConstraints({
        EncryptionContextEquals: encryptionContextEquals,
        EncryptionContextSubset: encryptionContextSubset,
      }),
  });
}

/** The conditions, and defaults where none of that name is given: in names, case does not matter. */
function withDefaults(given: Conditions = {}, defaults: Conditions = {}): Conditions {
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  const missing = Object.entries(defaults).filter(([name]) => !names.has(name.toLowerCase()));
  return { ...Object.fromEntries(missing), ...given };
}

/** Actions whose calls have an encryption context, be it empty, and an algorithm. */
const encrypting: ReadonlySet<string> = new Set<KeyAction>([
  "Decrypt",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateDataKeyWithoutPlaintext",
  "ReEncryptFrom",
  "ReEncryptTo",
]);

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
