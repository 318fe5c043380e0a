/**
 * What a request has for a condition key.
 *
 * A key that follows from caller, key or encryption context is taken from them and from nowhere else,
 * so nothing that the environment says can take its place. The others are in `conditions`. Names are
 * compared in lower case, the part behind the slash or the last colon as well. A list without members
 * is absent.
 *
 * Source: spec/authorization.md#condition-keys
 *
 * @module
 */
import type { AccessRequest, Caller } from "./request.ts";

/** Where a statement is: in a key policy, in one of the policies that IAM has, or in what says who may assume a role. */
export type PolicyKind = "key" | "identity" | "trust";

/** The version of the policy language that a document names. */
export type Version = "2008-10-17" | "2012-10-17";

/** One value, several, or none. Never a list without members. */
export type Value = string | readonly string[] | undefined;
export type Accessor = (request: AccessRequest) => Value;

/**
 * Folds A to Z alone: were more letters folded, there would be other spellings of `tenant` for an
 * encryption context than a policy's author thinks of.
 */
export function lowerCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replaceAll(/[A-Z]+/g, (run) => run.toLowerCase()) : text;
}

/**
 * Values of condition keys by their names, which may be in any case. Names that differ in case alone,
 * such as those of two tags, are one key with several values.
 */
export function conditionValues(
  named: Readonly<Record<string, Value>>,
): Map<string, string | readonly string[]> {
  const values = new Map<string, string | readonly string[]>();
  for (const name in named) {
    const value = named[name];
    if (value === undefined) continue;
    const key = lowerCase(name);
    const before = values.get(key);
    values.set(key, before === undefined ? value : [before, value].flat());
  }
  return values;
}

/** How to get at a key's value, found once per policy. `key` is in lower case. */
export function accessor(key: string, kind: PolicyKind): Accessor {
  if (kind === "key" && isIdentityOnly(key)) return () => undefined;
  const derived = derivations.get(key);
  if (derived !== undefined) return derived;
  for (const [prefix, entries] of families) {
    if (key.startsWith(prefix)) return member(entries, key.slice(prefix.length));
  }
  return (request) => given(request, key);
}

/**
 * Whether a condition key is absent in key policies: what a key is called and how it is marked. Those
 * who may change that are not those who may change its policy.
 */
export function isIdentityOnly(key: string): boolean {
  const name = lowerCase(key);
  return name === "kms:resourcealiases" || name.startsWith("aws:resourcetag/");
}

const derivations: ReadonlyMap<string, Accessor> = new Map<string, Accessor>([
  ["kms:calleraccount", ({ caller }) => caller.accountId],
  ["kms:keyspec", keySpec],
  ["kms:keyusage", keyUsage],
  // What these two were called before.
  ["kms:customermasterkeyspec", keySpec],
  ["kms:customermasterkeyusage", keyUsage],
  ["kms:keyorigin", (request) => request.key?.origin ?? given(request, "kms:keyorigin")],
  [
    "kms:multiregion",
    (request) =>
      request.key === undefined
        ? given(request, "kms:multiregion")
        : String(request.key.multiRegionKeyType !== undefined),
  ],
  [
    "kms:multiregionkeytype",
    (request) =>
      request.key === undefined
        ? given(request, "kms:multiregionkeytype")
        : request.key.multiRegionKeyType,
  ],
  ["kms:resourcealiases", ({ key }) => some(key?.aliases)],
  [
    "kms:encryptioncontextkeys",
    ({ encryptionContext }) => some(encryptionContext && indexOf(encryptionContext).names),
  ],
  ["aws:principalarn", ({ caller }) => principalArn(caller)],
  [
    "aws:principalaccount",
    ({ caller }) => (caller.type === "service" ? undefined : caller.accountId),
  ],
  ["aws:principalisawsservice", ({ caller }) => String(caller.type === "service")],
  [
    "aws:principalservicename",
    ({ caller }) => (caller.type === "service" ? caller.arn : undefined),
  ],
  ["aws:principaltype", ({ caller }) => principalTypes[caller.type]],
  [
    "aws:userid",
    ({ caller }) => caller.userId ?? (caller.type === "root" ? caller.accountId : undefined),
  ],
  [
    "aws:username",
    ({ caller }) =>
      caller.type === "user" ? caller.arn.slice(caller.arn.lastIndexOf("/") + 1) : undefined,
  ],
  ["aws:currenttime", ({ now }) => new Date(now).toISOString()],
  ["aws:epochtime", ({ now }) => String(Math.floor(now / 1000))],
  ["aws:resourceaccount", ({ resourceAccount }) => resourceAccount],
]);

type Entries = (request: AccessRequest) => Readonly<Record<string, string>> | undefined;

const families: readonly (readonly [prefix: string, entries: Entries])[] = [
  ["kms:encryptioncontext:", ({ encryptionContext }) => encryptionContext],
  ["aws:principaltag/", ({ caller }) => caller.tags],
  ["aws:resourcetag/", ({ key, resourceTags }) => key?.tags ?? resourceTags],
  ["iam:resourcetag/", ({ resourceTags }) => resourceTags],
];

const principalTypes: Readonly<Record<Caller["type"], string | undefined>> = {
  root: "Account",
  user: "User",
  role: "AssumedRole",
  session: "AssumedRole",
  federated: "FederatedUser",
  service: undefined,
};

/** The values of all names that differ in case alone: the key may have several values. */
function member(entries: Entries, name: string): Accessor {
  return (request) => {
    const all = entries(request);
    return all && indexOf(all).values.get(name);
  };
}

/** The pairs of an encryption context, or tags, by what conditions call them. */
export interface Index {
  /** The names as they are written. */
  readonly names: readonly string[];
  /** Values by names in lower case. Names that differ in case alone have a list of values. */
  readonly values: ReadonlyMap<string, string | readonly string[]>;
}

/** Nothing in a request changes, so an index is made once: many conditions and grants ask for it. */
const indices = new WeakMap<object, Index>();

export function indexOf(entries: Readonly<Record<string, string>>): Index {
  const known = indices.get(entries);
  if (known !== undefined) return known;
  const values = new Map<string, string | string[]>();
  for (const [name, value] of Object.entries(entries)) {
    const key = lowerCase(name);
    const before = values.get(key);
    if (before === undefined) values.set(key, value);
    else if (typeof before === "string") values.set(key, [before, value]);
    else before.push(value);
  }
  const index = { names: Object.keys(entries), values };
  indices.set(entries, index);
  return index;
}

function keySpec(request: AccessRequest): Value {
  return request.key?.keySpec ?? given(request, "kms:keyspec");
}

function keyUsage(request: AccessRequest): Value {
  return request.key?.keyUsage ?? given(request, "kms:keyusage");
}

function given({ conditions }: AccessRequest, key: string): Value {
  const value = conditions?.get(key);
  return typeof value === "string" ? value : some(value);
}

function some(list: readonly string[] | undefined): Value {
  return list === undefined || list.length === 0 ? undefined : list;
}

/** The caller's ARN; for a session its role's, which is what policies name. */
function principalArn({ type, arn, roleArn }: Caller): string | undefined {
  return type === "service" ? undefined : (roleArn ?? arn);
}
