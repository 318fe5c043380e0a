/**
 * Whom a key policy or a grant names, and how a caller is one of them.
 *
 * How matters: what names the caller's account only lets the account's own policies decide, what names
 * a role is bounded by the permissions boundary and session policies, and what names a user or a
 * session, or everyone, is not.
 *
 * Source: spec/authorization.md#principals
 *
 * @module
 */
import type { AccessRequest, Caller } from "./request.ts";

/** Who may be named. */
export type Principal =
  | { readonly kind: "everyone" }
  | { readonly kind: "account"; readonly accountId: string }
  | { readonly kind: "arn"; readonly arn: string }
  | { readonly kind: "service"; readonly name: string }
  | { readonly kind: "federated"; readonly provider: string };

/**
 * How a caller is named: `direct`, by what is theirs alone, or everyone's; `role`, by the role they
 * have; `account`, by the account they belong to.
 */
export type Named = "direct" | "role" | "account" | undefined;

const ACCOUNT = /^\d{12}$/;
const ROOT = /^arn:aws:iam::(\d{12}):root$/;
const USER_OR_ROLE = /^arn:aws:iam::\d{12}:(?:user|role)\/[\u0021-\u007e]+$/;
const SESSION = /^arn:aws:sts::\d{12}:(?:assumed-role\/[^/:]+\/[^/:]+|federated-user\/[^/:]+)$/;
const GROUP = /^arn:aws:iam::\d{12}:group\//;
const SERVICE = /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;
/** Six parts, all of a kind that principals have. */
const ARN = /^arn:aws:(?:iam|sts)::\d{12}:[^:]+$/;

/** Reads a member of `{ "AWS": … }`, or the grantee of a grant. */
export function awsPrincipal(text: string): Principal | "not-an-arn" | "not-a-principal" {
  if (text === "*") return { kind: "everyone" };
  if (ACCOUNT.test(text)) return { kind: "account", accountId: text };
  const [, accountId] = ROOT.exec(text) ?? [];
  if (accountId !== undefined) return { kind: "account", accountId };
  // A principal with a wildcard is not a principal: AWS has patterns only in conditions on aws:PrincipalArn.
  const plain = !/[*?]/.test(text) && !GROUP.test(text);
  if (plain && (USER_OR_ROLE.test(text) || SESSION.test(text))) return { kind: "arn", arn: text };
  return text.startsWith("arn:") && !ARN.test(text) ? "not-an-arn" : "not-a-principal";
}

/** Reads a member of `{ "Service": … }`. */
export function servicePrincipal(text: string): Principal | "not-a-principal" {
  return SERVICE.test(text) ? { kind: "service", name: text } : "not-a-principal";
}

/** Reads a member of `{ "Federated": … }`: an identity provider. */
export function federatedPrincipal(text: string): Principal | "not-a-principal" {
  return text === "" || /[*?]/.test(text)
    ? "not-a-principal"
    : { kind: "federated", provider: text };
}

/** The strongest way in which one of `principals` names the caller. */
export function named(principals: readonly Principal[], request: AccessRequest): Named {
  let strongest: Named;
  for (const principal of principals) {
    const how = namedBy(principal, request);
    if (how === "direct") return how;
    if (how === "role" || strongest === undefined) strongest = how;
  }
  return strongest;
}

/**
 * Whether a statement with NotPrincipal applies. A caller is several principals at once: account and
 * user; account, role and session. A Deny spares those of whom all are listed and who have no permissions
 * boundary, which AWS's guide to boundaries warns of ("will always deny"). An Allow takes only
 * those of whom none is, so that a forgotten one never lets anybody in.
 */
export function notNamed(
  effect: "Allow" | "Deny",
  principals: readonly Principal[],
  request: AccessRequest,
): boolean {
  if (effect === "Deny" && request.caller.boundary !== undefined) return true;
  const all = identities(request.caller);
  const isListed = (identity: string): boolean =>
    principals.some((principal) => isIdentity(principal, identity, request));
  return effect === "Deny" ? !all.every(isListed) : !all.some(isListed);
}

function namedBy(principal: Principal, request: AccessRequest): Named {
  const { caller } = request;
  switch (principal.kind) {
    case "everyone":
      return "direct";
    case "account":
      return principal.accountId === caller.accountId && caller.type !== "service"
        ? "account"
        : undefined;
    case "arn":
      if (principal.arn === caller.arn) return caller.type === "role" ? "role" : "direct";
      return principal.arn === caller.roleArn ? "role" : undefined;
    case "service":
      return caller.type === "service" && principal.name === caller.arn ? "direct" : undefined;
    case "federated":
      return isProvider(principal.provider, request) ? "direct" : undefined;
    default:
      return undefined;
  }
}

function identities({ arn, accountId, type, roleArn }: Caller): string[] {
  if (type === "service") return [arn];
  const all = [accountId, ...(roleArn === undefined ? [] : [roleArn])];
  return type === "root" ? all : [...all, arn];
}

function isIdentity(principal: Principal, identity: string, request: AccessRequest): boolean {
  if (principal.kind === "everyone") return true;
  if (principal.kind === "account") return principal.accountId === identity;
  if (principal.kind === "arn") return principal.arn === identity;
  if (principal.kind === "service") return principal.name === identity;
  return identity === request.caller.arn && isProvider(principal.provider, request);
}

function isProvider(provider: string, { conditions }: AccessRequest): boolean {
  return conditions?.get("aws:federatedprovider") === provider;
}
