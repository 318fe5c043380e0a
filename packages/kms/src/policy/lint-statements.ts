/**
 * What the linter has to say of actions, resources and principals.
 *
 * @module
 */
import { actions, type Action } from "./actions.ts";
import { didYouMean } from "@env/core";
import type { Policy, Statement } from "./document.ts";
import type { PatternElement, TextElement } from "./elements.ts";
import { excerpt } from "./excerpt.ts";
import type { Find } from "./find.ts";
import { matcher, type Matcher } from "./pattern.ts";
import type { Principal } from "./principal.ts";
import { filled } from "./variables.ts";

export type StatementRule =
  | "missing-action"
  | "missing-resource"
  | "unknown-action"
  | "action-of-another-service"
  | "not-action-allows"
  | "key-policy-resource"
  | "alias-resource"
  | "never-matches"
  | "general-action-resource"
  | "public-principal"
  | "not-principal-allows"
  | "not-principal-incomplete";

type Rule = (statement: Statement, policy: Policy, find: Find<StatementRule>) => void;

const ALIAS_RESOURCE = /^arn:[^:]*:[^:]*:[^:]*:[^:]*:alias\//;
const KMS_RESOURCE = /^arn:[^:]*:(?:kms|[^:*?]*[*?][^:]*):/;

/** The KMS actions that a statement is about. */
export function actionsOf({ actions: element }: Statement): readonly Action[] {
  return element === undefined ? [] : read(element).about;
}

/** Whether some of a statement's actions are written with a star. */
export function hasStarInActions({ actions: element }: Statement): boolean {
  return element !== undefined && read(element).hasStar;
}

interface Actions {
  readonly about: readonly Action[];
  readonly hasStar: boolean;
}

/** Most rules ask, some of them for every condition. */
function read(element: PatternElement): Actions {
  const known = readElements.get(element);
  if (known !== undefined) return known;
  const matchers = element.patterns.map(matcherOf);
  const about = [...actions].flatMap(([name, action]) =>
    matchers.some((matches) => matches(name)) === element.not ? [] : [action],
  );
  const hasStar = element.patterns.some(({ text }) => text.includes("*"));
  readElements.set(element, { about, hasStar });
  return { about, hasStar };
}

const readElements = new WeakMap<PatternElement, Actions>();

function matcherOf({ parts }: TextElement): Matcher {
  return matcher(filled(parts, () => ""));
}

const elements: Rule = (statement, { kind }, find) => {
  if (kind !== "key") return;
  for (const element of ["Action", "Resource"] as const) {
    if (statement[element === "Action" ? "actions" : "resources"] !== undefined) continue;
    const code = element === "Action" ? "missing-action" : "missing-resource";
    find(code, "error", statement.node, `A statement without ${element} has no effect.`);
  }
};

const names: Rule = (statement, { kind }, find) => {
  for (const pattern of statement.actions?.patterns ?? []) {
    const { text, node } = pattern;
    const [service = ""] = text.toLowerCase().split(":");
    if (text !== "*" && service !== "kms") {
      if (kind === "key" && text.includes(":")) {
        find(
          "action-of-another-service",
          "warning",
          node,
          `${excerpt(text)} is not an action on a key, so it has no effect in a key policy.`,
        );
      }
      continue;
    }
    const matches = matcherOf(pattern);
    if ([...actions.keys()].some((name) => matches(name))) continue;
    find("unknown-action", "error", node, unknownAction(text));
  }
};

function unknownAction(text: string): string {
  if (/[*?]/.test(text)) return `${excerpt(text)} does not match any action of AWS KMS.`;
  if (/^kms:reencrypt$/i.test(text)) {
    return "There is no action kms:ReEncrypt. Use kms:ReEncryptFrom and kms:ReEncryptTo, or kms:ReEncrypt* for both.";
  }
  const known = [...actions.values()].map(({ name }) => `kms:${name}`);
  return `There is no action ${excerpt(text)}.${didYouMean(text, known)}`;
}

const notAction: Rule = ({ effect, actions: element }, _, find) => {
  if (effect === "Deny" || element?.not !== true) return;
  find(
    "not-action-allows",
    "warning",
    element.node,
    "Allow with NotAction allows everything else, including actions that do not exist yet.",
  );
};

/** The Resource of a key policy is the key. Anything but * makes the reader think otherwise. */
const keyPolicyResource: Rule = ({ resources }, { kind }, find) => {
  if (kind !== "key" || resources === undefined) return;
  if (!resources.not && resources.patterns.every(({ text }) => text === "*")) return;
  const message = resources.not
    ? 'NotResource in a key policy has no use: Resource "*" means the key.'
    : 'In a key policy "*" means the key that has the policy. An Allow that names another key or an alias allows nothing, and a Deny is about this key, whatever it names. Write "*".';
  find("key-policy-resource", "warning", resources.node, message);
};

/** An alias in Resource is the alias itself, never the key behind it. */
const aliasResource: Rule = (statement, { kind }, find) => {
  const { resources } = statement;
  if (kind !== "identity" || resources === undefined || resources.not) return;
  const onAliases = actionsOf(statement).filter((action) => action.resources.includes("alias"));
  for (const { text, node } of resources.patterns) {
    if (onAliases.length > 0 || !ALIAS_RESOURCE.test(text)) continue;
    find(
      "alias-resource",
      "error",
      node,
      `${excerpt(text)} means the alias itself, never the key that it points at. Name the key, or put kms:ResourceAliases or kms:RequestAlias into a condition.`,
    );
  }
};

/** Actions on no key are asked for on *, which no pattern for keys or aliases matches. */
const generalResource: Rule = (statement, { kind }, find) => {
  const { resources } = statement;
  if (kind !== "identity" || resources === undefined || resources.not) return;
  if (resources.patterns.some(({ text }) => text === "*")) return;
  const all = actionsOf(statement);
  // ListRetirableGrants is asked for on a principal.
  const general = all.filter(
    ({ resources: on, name }) => on.length === 0 && name !== "ListRetirableGrants",
  );
  if (general.length > 0 && general.length === all.length && isOnlyKms(statement)) {
    find(
      "never-matches",
      "error",
      resources.node,
      `Only Resource "*" matches ${named(general)}, which are not on a key: this statement never matches.`,
    );
    return;
  }
  // A pattern that takes in some of them by the way is not a mistake.
  const written = new Set(statement.actions?.patterns.map(({ text }) => text.toLowerCase()));
  const meant = general.filter(({ name }) => written.has(`kms:${name.toLowerCase()}`));
  if (meant.length === 0) return;
  find(
    "general-action-resource",
    "warning",
    resources.node,
    `Only Resource "*" matches ${named(meant)}, which are not on a key. Give them a statement of their own.`,
  );
};

function named(some: readonly Action[]): string {
  return some.map(({ name }) => name).join(", ");
}

function isOnlyKms({ actions: element }: Statement): boolean {
  return element?.patterns.every(({ text }) => /^kms:/i.test(text)) === true && !element.not;
}

const otherResource: Rule = (statement, { kind }, find) => {
  const { resources } = statement;
  if (kind !== "identity" || resources === undefined || resources.not) return;
  const some = resources.patterns.some(({ text }) => text === "*" || KMS_RESOURCE.test(text));
  const retirable = actionsOf(statement).some(({ name }) => name === "ListRetirableGrants");
  if (!isOnlyKms(statement) || some || retirable || resources.patterns.length === 0) return;
  find(
    "never-matches",
    "error",
    resources.node,
    "All actions are actions of AWS KMS, and none of these resources is a key or an alias.",
  );
};

const everyone: Rule = ({ effect, principals, conditions, actions: element }, _, find) => {
  if (effect === "Deny" || principals === undefined || conditions.length > 0) return;
  if (principals.not || element === undefined) return;
  if (!principals.principals.some(({ kind }) => kind === "everyone")) return;
  find(
    "public-principal",
    "warning",
    principals.node,
    "This allows everyone in this account without an IAM policy, and everyone in any other account whose own policies allow it.",
  );
};

const notPrincipal: Rule = ({ effect, principals }, _, find) => {
  if (principals?.not !== true) return;
  if (effect === "Allow") {
    find(
      "not-principal-allows",
      "warning",
      principals.node,
      "Allow with NotPrincipal allows everybody who is not listed. Use Principal, or a condition on aws:PrincipalArn.",
    );
    return;
  }
  const missing = missingIdentities(principals.principals);
  if (missing.length === 0) return;
  find(
    "not-principal-incomplete",
    "warning",
    principals.node,
    `NotPrincipal exempts a caller only if all its principals are listed: account and user; account, role and session. To exempt those listed here, add ${missing.join(", ")}. A caller with a permissions boundary is never exempt.`,
  );
};

/** What has to be listed beside the principals that are. */
function missingIdentities(principals: readonly Principal[]): string[] {
  const accounts = new Set(
    principals.flatMap((one) => (one.kind === "account" ? [one.accountId] : [])),
  );
  const arns = principals.flatMap((one) => (one.kind === "arn" ? [one.arn] : []));
  const parsed = arns.map((arn) => {
    const [, , , , accountId = "", resource = ""] = arn.split(":");
    const path = resource.split("/");
    return { accountId, type: path[0], role: path[1], last: path.at(-1) };
  });
  const roles = new Set(
    parsed.flatMap((one) => (one.type === "role" ? [`${one.accountId} ${one.last}`] : [])),
  );
  const missing = new Set<string>();
  for (const { accountId, type, role } of parsed) {
    if (!accounts.has(accountId)) missing.add(`arn:aws:iam::${accountId}:root`);
    if (type === "assumed-role" && !roles.has(`${accountId} ${role}`))
      missing.add(`the role ${role}`);
  }
  return [...missing];
}

export const statementRules: readonly Rule[] = [
  elements,
  names,
  notAction,
  keyPolicyResource,
  aliasResource,
  generalResource,
  otherResource,
  everyone,
  notPrincipal,
];
