/**
 * Shapes of requests, checked before anything else: AWS's constraints and wording. Each check throws on
 * its own; an operation runs those of its members in one `all`, which tells what is wrong with any.
 *
 * Callers may be JavaScript or a wire protocol, so types are not believed. Values are echoed where AWS
 * echoes them, which is never for bytes.
 *
 * @module
 */
import type { Bytes, Context } from "@env/core";
import { parsePrincipal } from "../arn.ts";
import { MAX_PLAINTEXT_BYTES } from "../keys/blob.ts";
import { KmsError } from "../catalogue/errors.ts";
import { kmsLimits } from "../keys/key.ts";
import type { DryRunModifiers, Tag } from "./shapes.ts";
import { all, constraint, each, missing } from "./violations.ts";

export { all, constraint, each } from "./violations.ts";

const ALIAS_NAME = /^[a-zA-Z0-9:/_-]+$/;
const GRANT_NAME = /^[a-zA-Z0-9:/_-]+$/;
// What policies are written in: no control characters, nothing beyond Latin-1.
const POLICY = /^[\t\n\r\u0020-\u00ff]+$/;
const KEY_MATERIAL_ID = /^[a-f0-9]+$/;
const MATERIAL_DESCRIPTION = /^[a-zA-Z0-9:/_\s.-]+$/;
// Messages show the pattern as AWS writes it.
// oxlint-disable-next-line no-useless-escape
const SERVICE = /^([A-Za-z0-9\-]+)\.([A-Za-z0-9\-]+)(\.[A-Za-z0-9\-]+)+$/;
const SOURCE_ARN = /^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$/;
const PRINCIPAL = /^[\w+=,.@:/-]+$/;

/** @throws TypeError for a request that is not an object. */
export function requireObject(request: unknown): void {
  if (typeof request !== "object" || request === null) {
    throw new TypeError("the request must be an object");
  }
}

/**
 * Refuses members that this KMS would have to ignore: nothing a caller asked for is dropped silently.
 *
 * @throws {@link KmsError} `UnsupportedOperationException`
 */
export function requireMembers(request: object, known: readonly string[]): void {
  for (const [member, value] of Object.entries(request)) {
    if (value !== undefined && !known.includes(member)) {
      throw new KmsError("UnsupportedOperationException", `${member} is not supported by this KMS`);
    }
  }
}

/** `GrantTokens`: at most ten. */
export function grantTokens(request: object): readonly string[] {
  const tokens: unknown = "GrantTokens" in request ? request.GrantTokens : undefined;
  if (tokens === undefined || tokens === null) return [];
  return each(list(tokens, "grantTokens", 0, 10), (token, i) =>
    text(token, `grantTokens.${i + 1}.member`, 1, 8192),
  );
}

/** `DryRun`. */
export function dryRun(request: object): boolean {
  return flag("DryRun" in request ? request.DryRun : undefined, "dryRun");
}

/** Whether a dry run does without its ciphertext. */
export function ignoresCiphertext(request: DryRunModifiers): boolean {
  const { DryRunModifiers: given } = request;
  if (given === undefined) return false;
  const modifiers = list(given, "dryRunModifiers", 0, 1);
  for (const one of modifiers) among(one, "dryRunModifiers", ["IGNORE_CIPHERTEXT"]);
  if (modifiers.length > 0 && request.DryRun !== true) {
    throw new KmsError("ValidationException", "DryRunModifiers can only be used with DryRun.");
  }
  return modifiers.length > 0;
}

/** A member that must be there: 1 to 2048 characters. */
export function requireKeyId(value: unknown, field = "keyId"): string {
  return text(value, field, 1, 2048);
}

export function optionalKeyId(value: unknown, field = "keyId"): string | undefined {
  return value === undefined ? undefined : requireKeyId(value, field);
}

export function description(value: unknown): string {
  return text(value, "description", 0, 8192);
}

/** An alias that may be created, changed or deleted. */
export function aliasName(value: unknown): string {
  const name = text(value, "aliasName", 1, 256, ALIAS_NAME);
  if (!name.startsWith("alias/")) {
    throw new KmsError(
      "ValidationException",
      'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
    );
  }
  if (name.startsWith("alias/aws/")) {
    throw new KmsError("NotAuthorizedException", "aliases under alias/aws/ are reserved");
  }
  if (name.length === "alias/".length || name.includes(":")) {
    throw new KmsError(
      "InvalidAliasNameException",
      "an alias is alias/ and letters, digits, slashes, underscores and dashes",
    );
  }
  return name;
}

export function integer(value: unknown, field: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw constraint(field, "be an integer");
  }
  if (value < min) throw constraint(field, `have value greater than or equal to ${min}`, value);
  if (value > max) throw constraint(field, `have value less than or equal to ${max}`, value);
  return value;
}

/** A value out of `allowed`, or the first of them where none is given. */
export function oneOf<T extends string>(
  value: unknown,
  field: string,
  allowed: readonly [T, ...T[]],
): T {
  return value === undefined ? allowed[0] : among(value, field, allowed);
}

/** A value out of `allowed`. */
export function among<T extends string>(value: unknown, field: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) {
    throw constraint(field, `satisfy enum value set: [${allowed.join(", ")}]`, value);
  }
  return found;
}

/** A copy of 1 to `max` bytes. Not by `slice`: that of a Buffer copies nothing. */
export function bytes(value: unknown, field: string, max: number): Bytes {
  if (value === undefined || value === null) throw missing(field);
  if (!(value instanceof Uint8Array)) throw constraint(field, "be bytes");
  if (value.length < 1) throw constraint(field, "have length greater than or equal to 1");
  if (value.length > max) throw constraint(field, `have length less than or equal to ${max}`);
  return new Uint8Array(value);
}

export function plaintext(value: unknown): Bytes {
  return bytes(value, "plaintext", MAX_PLAINTEXT_BYTES);
}

export function ciphertextBlob(value: unknown): Bytes {
  return bytes(value, "ciphertextBlob", 6144);
}

/** How long a data key is to be. */
export function dataKeyBytes(keySpec: unknown, numberOfBytes: unknown): number {
  if ((keySpec === undefined) === (numberOfBytes === undefined)) {
    throw new KmsError("ValidationException", "Please specify either number of bytes or key spec.");
  }
  if (numberOfBytes !== undefined) return integer(numberOfBytes, "numberOfBytes", 1, 1024);
  return oneOf(keySpec, "keySpec", ["AES_256", "AES_128"]) === "AES_256" ? 32 : 16;
}

/**
 * A copy of an encryption context. Its size is bounded before anything looks at it: what decides about a
 * call takes time for every pair and every character.
 */
export function encryptionContext(value: unknown): Context {
  // Without a prototype: __proto__ is a key like any other.
  const copy: Record<string, string> = Object.create(null);
  if (value === undefined || value === null) return copy;
  if (typeof value !== "object") throw constraint("encryptionContext", "be a map");
  const entries: [string, unknown][] = Object.entries(value);
  let size = 0;
  for (const [key, one] of entries) {
    if (typeof one !== "string") {
      throw constraint("encryptionContext", "be a map of strings to strings");
    }
    size += PAIR_BYTES + Buffer.byteLength(key) + Buffer.byteLength(one);
    if (size > kmsLimits.encryptionContextBytes) {
      throw constraint(
        "encryptionContext",
        `have at most ${kmsLimits.encryptionContextBytes} bytes in its canonical encoding`,
      );
    }
    if (!key.isWellFormed() || !one.isWellFormed()) {
      throw constraint("encryptionContext", "have keys and values of well-formed text");
    }
    copy[key] = one;
  }
  return copy;
}

/** What the canonical encoding adds to the bytes of a key and its value: their lengths. */
const PAIR_BYTES = 4;

/** A member that says yes or no. Default: no. */
export function flag(value: unknown, field: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw constraint(field, "be true or false");
}

export function list(
  value: unknown,
  field: string,
  min: number,
  max: number = Infinity,
): readonly unknown[] {
  if (value === undefined || value === null) throw missing(field);
  if (!Array.isArray(value)) throw constraint(field, "be a list");
  const { length } = value;
  if (length < min) throw constraint(field, `have length greater than or equal to ${min}`);
  if (length > max) throw constraint(field, `have length less than or equal to ${max}`);
  return value;
}

/** A JSON policy document, as text: 1 to 131072 characters of Latin-1. Parsing it is another matter. */
export function policy(value: unknown): string {
  const document = text(value, "policy", 1, 131_072);
  if (POLICY.test(document)) return document;
  // Not echoed, as it would be by its length: a policy is long.
  throw constraint(
    "policy",
    "satisfy regular expression pattern: [\\u0009\\u000A\\u000D\\u0020-\\u00FF]+",
  );
}

/** Values of tags by their keys, in the order given. */
export function tags(value: unknown, min: number): ReadonlyMap<string, string> {
  const given = list(value, "tags", min);
  if (given.length > kmsLimits.tagsPerKey) throw tooManyTags();
  const entries = each(given, (tag, i): [string, string] => {
    const at = `tags.${i + 1}.member`;
    if (typeof tag !== "object" || tag === null) throw constraint(at, "be a tag");
    const { TagKey, TagValue }: Partial<Record<keyof Tag, unknown>> = tag;
    const { key, one } = all({
      key: () => text(TagKey, `${at}.tagKey`, 1, 128),
      one: () => text(TagValue, `${at}.tagValue`, 0, 256),
    });
    return [key, one];
  });
  requireTagKeys(entries.map(([name]) => name));
  const byKey = new Map(entries);
  if (byKey.size < entries.length) throw new KmsError("TagException", "Duplicate tag keys");
  return byKey;
}

export function tagKeys(value: unknown): readonly string[] {
  const given = list(value, "tagKeys", 1);
  if (given.length > kmsLimits.tagsPerKey) throw tooManyTags();
  const names = each(given, (name, i) => text(name, `tagKeys.${i + 1}.member`, 1, 128));
  requireTagKeys(names);
  return names;
}

export function tooManyTags(): KmsError {
  return new KmsError("TagException", "Too many tags");
}

/** Who gets a grant, or may retire it. */
export function principal(value: unknown, field: string): string {
  const name = text(value, field, 1, 256, PRINCIPAL);
  if (parsePrincipal(name) !== undefined) return name;
  throw new KmsError("InvalidArnException", `${name} is not the ARN of a principal`);
}

/** The name of a service, such as `rds.amazonaws.com`. */
export function servicePrincipal(value: unknown, field: string): string {
  return text(value, field, 1, 128, SERVICE);
}

/** The ARN of a resource that a service acts for. */
export function sourceArn(value: unknown): string {
  return text(value, "constraints.sourceArn", 20, 512, SOURCE_ARN);
}

export function grantName(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return text(value, "name", 1, 256, GRANT_NAME);
}

function requireTagKeys(names: readonly string[]): void {
  if (!names.some((name) => /^aws:/i.test(name))) return;
  throw new KmsError("TagException", "Tags beginning with aws: are reserved");
}

/** @param pattern - Is told as it is written. */
export function text(
  value: unknown,
  field: string,
  min: number,
  max: number,
  pattern?: RegExp,
): string {
  if (value === undefined || value === null) throw missing(field);
  if (typeof value !== "string" || !value.isWellFormed()) {
    throw constraint(field, "be well-formed text");
  }
  const { length } = value;
  const musts: string[] = [];
  if (length < min) musts.push(`have length greater than or equal to ${min}`);
  if (length > max) musts.push(`have length less than or equal to ${max}`);
  if (pattern !== undefined && !pattern.test(value)) {
    musts.push(`satisfy regular expression pattern: ${pattern.source}`);
  }
  each(musts, (must) => {
    throw constraint(field, must, value);
  });
  return value;
}

/** A value out of `allowed` that must be there. */
export function requireOneOf<T extends string>(
  value: unknown,
  field: string,
  allowed: readonly T[],
): T {
  if (value === undefined || value === null) throw missing(field);
  return among(value, field, allowed);
}

/** Milliseconds since 1970; `undefined` where none is given. */
export function optionalDate(value: unknown, field: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  const time = value instanceof Date ? value.getTime() : Number.NaN;
  if (Number.isNaN(time)) throw constraint(field, "be a date");
  return time;
}

/** `KeyMaterialId`: 64 hex digits; `undefined` where none is given. */
export function keyMaterialId(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return text(value, "keyMaterialId", 64, 64, KEY_MATERIAL_ID);
}

/** `KeyMaterialDescription`; `undefined` where none is given. */
export function keyMaterialDescription(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === "") return value;
  return text(value, "keyMaterialDescription", 0, 256, MATERIAL_DESCRIPTION);
}
