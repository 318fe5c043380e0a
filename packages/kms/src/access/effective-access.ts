/**
 * Who may do what with a key: the decision for each principal and each action, as it would be made now.
 *
 * Principals of the account are asked about one by one, and so is everybody else whom a grant or the key's policy names.
 * Nothing is known of the policies of other accounts, so they are taken to allow.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { accountRoot, parsePrincipal, type Realm } from "../arn.ts";
import { actionRows, hasContext, isKeyAction, type KeyAction } from "../catalogue/actions.ts";
import { compiled } from "../policy/compile.ts";
import { decide } from "../policy/decide.ts";
import { fitsKey } from "../policy/grant-match.ts";
import type { Principal } from "../policy/principal.ts";
import type { AccessRequest, NamedPolicy } from "../policy/request.ts";
import * as check from "../requests/check.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import type { Page, PageRequest } from "../requests/shapes.ts";
import type { KeyRecord } from "../store/key-record.ts";
import type { Store } from "../store/store.ts";
import { Access, type AccessSource } from "./access.ts";
import { Session } from "./session.ts";

export interface EffectiveAccessRequest extends PageRequest {
  /** Key id, key ARN, alias or alias ARN. */
  readonly KeyId: string;
}

export interface EffectiveAccessResponse extends Page {
  /** Who is allowed anything. A page may have fewer than `Limit`, even none, and still not be the last. */
  readonly Principals: readonly PrincipalAccess[];
}

export interface PrincipalAccess {
  /** ARN, or a service's name. */
  readonly Principal: string;
  readonly Allowed: readonly AllowedAction[];
}

export interface AllowedAction {
  /** `kms:Decrypt` */
  readonly Action: string;
  /** {@link Decision.deciding}: the statement or grant. */
  readonly Through: string;
  /**
   * Present where it holds only under conditions, which were taken to be met: those of a statement or grant, or that the
   * principal's own account allows it.
   */
  readonly Conditional?: true;
}

type Source = Pick<AccessSource, "store" | "lastUse">;

/**
 * Lists the principals that are allowed anything, 25 in a page unless the request says otherwise: the account's root, users and
 * roles by ARN, then everybody else by name.
 *
 * @throws {@link KmsError} `ValidationException`, `NotFoundException`, `InvalidMarkerException`.
 */
export async function effectiveAccess(
  source: Source,
  realm: Realm,
  { KeyId, Limit, Marker }: EffectiveAccessRequest,
): Promise<EffectiveAccessResponse> {
  const { store } = source;
  const limit = check.integer(Limit ?? 25, "limit", 1, 100);
  const place = fromMarker(Marker, /^(?:own|other) [\x21-\x7e]{0,2048}$/) ?? "own ";
  const keyId = check.requireKeyId(KeyId);
  const { names, next } = await store.read(() =>
    namesAfter(place, limit, keyOf(source, realm, keyId), store, realm),
  );
  const found: PrincipalAccess[] = [];
  for (const name of names) {
    found.push(await store.read(() => accessOf(name, keyOf(source, realm, keyId), source, realm)));
    await setImmediate();
  }
  return { Principals: found.filter(({ Allowed }) => Allowed.length > 0), ...toPage(next) };
}

function keyOf({ store, lastUse }: Source, realm: Realm, keyId: string): KeyRecord {
  const session = new Session(accountRoot(realm.accountId), realm);
  const access = new Access({ store, session, lastUse });
  const { record } = access.resolve({ on: "key", action: "GetKeyPolicy", keyId, anyName: true });
  if (record === undefined) throw new RangeError("a question on a key finds one");
  return record;
}

interface Names {
  readonly names: readonly string[];
  /** The place where the next page begins. */
  readonly next: string | undefined;
}

function namesAfter(
  place: string,
  limit: number,
  key: KeyRecord,
  store: Store,
  realm: Realm,
): Names {
  const [phase, after = ""] = place.split(" ");
  if (phase === "own") {
    const { items, next } = store.principals.list(after, limit);
    const names = items.filter(({ type }) => type !== "group").map(({ arn }) => arn);
    return {
      names: after === "" ? [accountRoot(realm.accountId), ...names] : names,
      next: next === undefined ? "other " : `own ${next}`,
    };
  }
  const others = othersOf(key, store, realm).filter((name) => name > after);
  const names = others.slice(0, limit);
  return { names, next: others.length > limit ? `other ${names.at(-1) ?? ""}` : undefined };
}

/** Everybody else whom the key's policy or a grant names, sorted. */
function othersOf({ policy, grants }: KeyRecord, store: Store, realm: Realm): string[] {
  const inPolicy = compiled(policy, "key").statements.flatMap(({ effect, principals }) =>
    effect === "Deny" || principals === undefined || principals.not
      ? []
      : principals.principals.flatMap(nameOf),
  );
  const names = new Set([...grants.map(({ grantee }) => grantee), ...inPolicy]);
  names.delete(accountRoot(realm.accountId));
  return [...names]
    .filter(
      (name) => parsePrincipal(name) !== undefined && store.principals.get(name) === undefined,
    )
    .toSorted();
}

function nameOf(principal: Principal): readonly string[] {
  switch (principal.kind) {
    case "account":
      return [accountRoot(principal.accountId)];
    case "arn":
      return [principal.arn];
    case "service":
      return [principal.name];
    case "everyone":
    case "federated":
      return [];
    default:
      return [];
  }
}

function accessOf(name: string, key: KeyRecord, source: Source, realm: Realm): PrincipalAccess {
  const access = new Access({
    ...source,
    session: new Session(name, { ...realm, region: key.region }),
  });
  const { caller } = access;
  const isElsewhere = caller.accountId !== realm.accountId;
  const trusted = isElsewhere ? { ...caller, policies: [ANYTHING] } : caller;
  const allowed = keyActions.flatMap((action): AllowedAction[] => {
    if (!fitsKey(action, key)) return [];
    const context = contextual.has(action) ? { encryptionContext: {} } : {};
    const request: AccessRequest = { ...access.requestOn(key, action), ...context };
    const now = decide(request);
    const {
      allowed: isAllowed,
      because,
      deciding = because,
    } = now.allowed ? now : decide({ ...request, caller: trusted, supposed: true });
    if (!isAllowed) return [];
    const what = { Action: `kms:${action}`, Through: deciding };
    return [now.allowed ? what : { ...what, Conditional: true }];
  });
  return { Principal: name, Allowed: allowed };
}

/** Taken for what IAM says in an account that is not here. */
const ANYTHING: NamedPolicy = {
  name: "of the principal's own account",
  text: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
};

/** What is asked about. Who may retire a grant is a question about the grant. */
const keyActions: readonly KeyAction[] = [...actionRows.keys()]
  .filter(isKeyAction)
  .filter((action) => action !== "RetireGrant")
  .toSorted();

const contextual: ReadonlySet<string> = new Set(
  [...actionRows].flatMap(([action, row]) => (hasContext(row) ? [action] : [])),
);
