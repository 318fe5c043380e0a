/**
 * Why may, or may not, somebody assume a role: the decision that STS would make now, in the words of its refusal.
 *
 * @module
 */
import { accountRoot, type Realm } from "../arn.ts";
import { KmsError } from "../catalogue/errors.ts";
import { explain, type Explanation } from "../policy/explain.ts";
import * as check from "../requests/check.ts";
import type { Store } from "../store/store.ts";
import type { Conditions } from "./question.ts";
import { NOT_FOR_ROOT, trustOf } from "./assume-role.ts";
import { Directory } from "./directory.ts";
import type { ExplainRequest } from "./explain-request.ts";
import { requestOn } from "./iam-access.ts";
import { Session } from "./session.ts";

const actions: ReadonlyMap<string, `sts:${string}`> = new Map(
  (["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"] as const).map((name) => [
    name.toLowerCase(),
    name,
  ]),
);

/** Whether an action, in any case, is one on a role. */
export function isRoleAction(action: unknown): boolean {
  return typeof action === "string" && actions.has(action.toLowerCase());
}

/** Members of a question that have no meaning for a role. */
const OTHERS = [
  "key",
  "otherKey",
  "alias",
  "encryptionContext",
  "grantTokens",
  "grantId",
  "newGrant",
] as const;

/** @throws {@link KmsError} `ValidationException`, `NotFoundException` */
export function explainRole(
  store: Store,
  realm: Realm,
  request: ExplainRequest,
): Promise<Explanation> {
  const action = actions.get(request.action.toLowerCase()) ?? "sts:AssumeRole";
  const other = OTHERS.find((name) => request[name] !== undefined);
  if (other !== undefined) throw invalid(`${action} is an action on a role: leave out ${other}`);
  const arn = check.text(request.role, "role", 1, 2048);
  requireShort(request.conditions);
  const principal = request.principal ?? accountRoot(realm.accountId);
  const session = new Session(principal, realm, request.session);
  return store.read(() => {
    const directory = new Directory(store, realm);
    const role = directory.principal(arn);
    if (role.type !== "role") throw invalid(`${arn} is not a role`);
    const caller = session.caller(store);
    if (caller.type === "root") throw invalid(NOT_FOR_ROOT);
    const facts = { ...trustOf(role), conditions: request.conditions ?? {} };
    const begun = { caller, ambient: session.ambient };
    return explain(requestOn(directory, begun, action, arn, facts));
  });
}

/** The longest value of a condition key that no operation bounds by itself. */
const MAX_VALUE_CHARS = 2048;

/** @throws {@link KmsError} `ValidationException` */
export function requireShort(conditions: Conditions = {}): void {
  const values = Object.entries(conditions).flat(2);
  if (values.every((value) => value === undefined || value.length <= MAX_VALUE_CHARS)) return;
  throw invalid(`condition keys and their values have at most ${MAX_VALUE_CHARS} characters`);
}

function invalid(problem: string): KmsError {
  return new KmsError("ValidationException", problem);
}
