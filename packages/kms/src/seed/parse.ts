/**
 * Reads a seed: strictly, and with the place of what is wrong, as `keys[2].aliases[0]`.
 *
 * A member that is not known is refused: one that is merely misspelt would be a setting that is quietly
 * not there.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { isKeyId, isMultiRegionKeyId, isRegion, keyIdToBytes } from "../arn.ts";
import * as check from "../requests/check.ts";
import { isKmsError, type KmsError } from "../catalogue/errors.ts";
import { checkPrincipal, type CheckedPrincipal } from "../access/principal-input.ts";
import { kmsLimits } from "../keys/key.ts";
import { decodeMaterial } from "../material/material.ts";
import {
  fittingUsage,
  parseKeySpec,
  parseKeyUsage,
  parseOrigin,
  type Kind,
} from "../operations/keys.ts";
import { parseKeyPolicy } from "../operations/policies.ts";
import { didYouMean } from "@env/core";
import type { NamedPolicy } from "../policy/request.ts";
import { parsePolicy } from "../policy/document.ts";
import { SEED_VERSION, type KeySettings, type RegionalSettings } from "./seed-document.ts";
import { SeedError, written, type Place } from "./place.ts";

/** A seed that can be planned: its keys' material is not in it as text any more. */
export interface Seed {
  readonly keys: readonly SeedKey[];
  readonly principals: readonly CheckedPrincipal[];
}

export interface SeedKey extends KeySettings {
  /** `undefined`: the keystore's own. */
  readonly region: string | undefined;
  /** Each version's; `undefined`: random. */
  readonly material: readonly KeyObject[] | undefined;
  readonly replicas: readonly SeedReplica[];
}

interface SeedReplica extends RegionalSettings {
  readonly region: string;
}

export interface ParseSeedOptions {
  /** Accepts key material in the seed, if the seed also says so. For tests only. */
  readonly insecureFixedMaterial?: boolean | undefined;
}

/**
 * Reads a seed as JSON or YAML gives it.
 *
 * @throws {@link SeedError} `ValidationException`, and what the members' own operations answer. No
 * message has key material in it.
 */
export function parseSeed(value: unknown, options: ParseSeedOptions = {}): Seed {
  const seed = members(value, [], ["version", "insecureFixedMaterial", "keys", "principals"]);
  if (seed["version"] !== SEED_VERSION) {
    throw problem(["version"], `it must be ${SEED_VERSION}, the only version there is`);
  }
  const named = at(["insecureFixedMaterial"], () =>
    check.flag(seed["insecureFixedMaterial"], "insecureFixedMaterial"),
  );
  if (named && options.insecureFixedMaterial !== true) {
    throw problem(
      ["insecureFixedMaterial"],
      "key material in a file is for tests only: it must also be allowed where the seed is applied",
    );
  }
  const keys = items(seed["keys"], ["keys"]).map((key, i) => parseKey(key, ["keys", i], named));
  const principals = items(seed["principals"], ["principals"]).map((principal, i) =>
    parsePrincipal(principal, ["principals", i]),
  );
  requireUnique(keys, principals);
  return { keys, principals };
}

const REGIONAL_MEMBERS = ["region", "description", "enabled", "policy", "tags", "aliases"];
const KEY_MEMBERS = [
  "keyId",
  ...REGIONAL_MEMBERS,
  "keySpec",
  "keyUsage",
  "origin",
  "multiRegion",
  "rotation",
  "material",
  "replicas",
];

function parseKey(value: unknown, path: Place, materialAllowed: boolean): SeedKey {
  const key = members(value, path, KEY_MEMBERS);
  const keyId = parseKeyId(key["keyId"], key["multiRegion"], path);
  const kind = parseKind(key, path);
  const rotates = kind.keySpec === "SYMMETRIC_DEFAULT" && kind.origin === "AWS_KMS";
  for (const member of ["rotation", "material"]) {
    if (key[member] !== undefined && !rotates) {
      throw problem([...path, member], "only symmetric encryption keys made here have it");
    }
  }
  const replicas = items(key["replicas"], [...path, "replicas"]);
  if (replicas.length > 0 && !isMultiRegionKeyId(keyId)) {
    throw problem([...path, "replicas"], "only multi-Region keys have replicas");
  }
  return {
    ...kind,
    ...parseRegional(key, path),
    keyId,
    region: key["region"] === undefined ? undefined : parseRegion(key["region"], path),
    rotation: parseRotation(key["rotation"], [...path, "rotation"]),
    material: parseMaterial(key["material"], [...path, "material"], materialAllowed),
    replicas: replicas.map((replica, i) => parseReplica(replica, [...path, "replicas", i])),
  };
}

function parseReplica(value: unknown, path: Place): SeedReplica {
  const replica = members(value, path, REGIONAL_MEMBERS);
  return { ...parseRegional(replica, path), region: parseRegion(replica["region"], path) };
}

function parseRegional(key: Readonly<Record<string, unknown>>, path: Place): RegionalSettings {
  return {
    description: at([...path, "description"], () => check.description(key["description"] ?? "")),
    enabled: at([...path, "enabled"], () => check.flag(key["enabled"] ?? true, "enabled")),
    policy: parseKeyPolicyValue(key["policy"], [...path, "policy"]),
    tags: parseTags(key["tags"], [...path, "tags"]),
    aliases: parseAliases(key["aliases"], [...path, "aliases"]),
  };
}

function parseRegion(value: unknown, path: Place): string {
  if (isRegion(value)) return value;
  throw problem([...path, "region"], "it must be 1 to 32 of a-z, 0-9 and dashes");
}

function parseKind(key: Readonly<Record<string, unknown>>, path: Place): Kind {
  const member = <T>(name: string, parse: (given: string | undefined) => T): T =>
    at([...path, name], () => parse(optionalText(key[name], [...path, name])));
  const keySpec = member("keySpec", (spec) => parseKeySpec(spec ?? "SYMMETRIC_DEFAULT"));
  const keyUsage = member("keyUsage", (usage) => fittingUsage(parseKeyUsage(usage), keySpec));
  return { keySpec, keyUsage, origin: member("origin", parseOrigin) };
}

function parseKeyId(value: unknown, multiRegion: unknown, path: Place): string {
  if (value === undefined) {
    throw problem(
      [...path, "keyId"],
      "it is missing: choose a lower-case UUID, by which the key is found when the seed is applied again",
    );
  }
  if (typeof value !== "string" || !isKeyId(value)) {
    throw problem(
      [...path, "keyId"],
      "it must be a lower-case UUID, or mrk- and 32 lower-case hex digits",
    );
  }
  if (multiRegion !== undefined && multiRegion !== isMultiRegionKeyId(value)) {
    throw problem(
      [...path, "multiRegion"],
      "it must be true or false, and true for just the ids that begin with mrk-",
    );
  }
  return value;
}

function parseRotation(value: unknown, path: Place): number | undefined {
  if (value === undefined) return undefined;
  const { periodInDays } = members(value, path, ["periodInDays"]);
  return at([...path, "periodInDays"], () => check.integer(periodInDays, "periodInDays", 90, 2560));
}

function parseKeyPolicyValue(value: unknown, path: Place): string | undefined {
  if (value === undefined || value === "default") return undefined;
  const document = policyText(value, path);
  return at(path, () => parseKeyPolicy(document));
}

function parseTags(value: unknown, path: Place): Readonly<Record<string, string>> {
  const entries = Object.entries(value === undefined ? {} : map(value, path));
  const tags = entries.map(([name, one]) => ({
    TagKey: name,
    TagValue: text(one, [...path, name]),
  }));
  for (const tag of tags) at([...path, tag.TagKey], () => check.tags([tag], 0));
  return at(path, () => Object.fromEntries(check.tags(tags, 0)));
}

function parseAliases(value: unknown, path: Place): readonly string[] {
  const names = items(value, path).map((name, i) => at([...path, i], () => check.aliasName(name)));
  if (names.length > kmsLimits.aliasesPerKey) {
    throw problem(path, `a key has at most ${kmsLimits.aliasesPerKey} aliases`);
  }
  return names;
}

const MATERIAL = /^[A-Za-z0-9+/]{43}=$/;

function parseMaterial(
  value: unknown,
  path: Place,
  allowed: boolean,
): readonly KeyObject[] | undefined {
  if (value === undefined) return undefined;
  if (!allowed) {
    throw problem(
      path,
      "key material in a file is for tests only: it needs insecureFixedMaterial: true in the seed, and must be allowed where the seed is applied",
    );
  }
  const versions = items(value, path);
  const most = 1 + kmsLimits.onDemandRotationsPerKey;
  if (versions.length === 0 || versions.length > most) {
    throw problem(path, `it must have 1 to ${most} versions`);
  }
  return versions.map((version, i) => {
    const fits = typeof version === "string" && MATERIAL.test(version);
    const key = fits
      ? decodeMaterial("SYMMETRIC_DEFAULT", new Uint8Array(Buffer.from(version, "base64")))
      : undefined;
    if (key === undefined) throw problem([...path, i], "it must be 32 bytes in base64");
    return key;
  });
}

function parsePrincipal(value: unknown, path: Place): CheckedPrincipal {
  const known = ["arn", "tags", "policies", "boundary", "groups"];
  const principal = members(value, path, known);
  const { arn, policies = {}, boundary } = principal;
  const tags = parseTags(principal["tags"], [...path, "tags"]);
  const groups = items(principal["groups"], [...path, "groups"]).map((group, i) =>
    text(group, [...path, "groups", i]),
  );
  const named = Object.entries(map(policies, [...path, "policies"])).map(([name, policy]) => ({
    name,
    text: identityPolicy(policy, [...path, "policies", name]),
  }));
  return at(path, () =>
    checkPrincipal({
      arn: text(arn, [...path, "arn"]),
      tags,
      policies: named,
      groups,
      boundary: boundary === undefined ? undefined : parseBoundary(boundary, [...path, "boundary"]),
    }),
  );
}

function parseBoundary(value: unknown, path: Place): NamedPolicy | string {
  if (typeof value === "string") return value;
  const { name, policy } = members(value, path, ["name", "policy"]);
  return { name: text(name, [...path, "name"]), text: identityPolicy(policy, [...path, "policy"]) };
}

function identityPolicy(value: unknown, path: Place): string {
  const document = policyText(value, path);
  at(path, () => parsePolicy(document, "identity"));
  return document;
}

/** A policy that is an object as text; one that is text as it is. */
function policyText(value: unknown, path: Place): string {
  if (typeof value === "string") return value;
  map(value, path);
  requireJson(value, path);
  return JSON.stringify(value);
}

/** YAML can say more than JSON, and what JSON cannot say would be another thing in the policy. */
function requireJson(value: unknown, path: Place): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) requireJson(item, [...path, i]);
  } else if (isMap(value)) {
    for (const [name, one] of Object.entries(value)) requireJson(one, [...path, name]);
  } else if (
    value !== null &&
    typeof value !== "string" &&
    typeof value !== "boolean" &&
    !Number.isFinite(value)
  ) {
    throw problem(path, "JSON has no such value");
  }
}

/** A key, alias or principal that occurs twice would be whatever came last. Aliases belong to a region. */
function requireUnique(keys: readonly SeedKey[], principals: readonly CheckedPrincipal[]): void {
  const seen = new Map<string, Place>();
  const add = (name: string, path: Place): void => {
    const first = seen.get(name);
    if (first !== undefined) throw problem(path, `it is at ${written(first)} already`);
    seen.set(name, path);
  };
  for (const [i, key] of keys.entries()) {
    // A UUID and a multi-Region id of the same bytes would be one row.
    const id = Buffer.from(keyIdToBytes(key.keyId)).toString("hex");
    add(id, ["keys", i, "keyId"]);
    const addRegional = ({ region = "", aliases }: SeedKey | SeedReplica, path: Place): void => {
      add(`${id} ${region}`, [...path, "region"]);
      for (const [n, alias] of aliases.entries()) {
        add(`${region} ${alias}`, [...path, "aliases", n]);
      }
    };
    addRegional(key, ["keys", i]);
    for (const [n, replica] of key.replicas.entries()) {
      addRegional(replica, ["keys", i, "replicas", n]);
    }
  }
  for (const [i, { arn }] of principals.entries()) add(arn, ["principals", i, "arn"]);
}

/** Runs a check, and puts the place in front of what it has to say. */
function at<T>(path: Place, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!isKmsError(error) || error instanceof SeedError) throw error;
    throw new SeedError(error.name, path, error.message);
  }
}

function problem(path: Place, message: string): KmsError {
  return new SeedError("ValidationException", path, message);
}

function members(
  value: unknown,
  path: Place,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  const found = map(value, path);
  for (const name of Object.keys(found)) {
    const place = [...path, name];
    if (!known.includes(name)) {
      const message = `there is no such member.${didYouMean(name, known)} There are ${known.join(", ")}`;
      throw new SeedError("ValidationException", place, message, "name");
    }
    if (found[name] === null) throw problem(place, "it has no value");
  }
  return found;
}

function map(value: unknown, path: Place): Readonly<Record<string, unknown>> {
  if (isMap(value)) return value;
  throw problem(path, "it must be a map of members");
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** A list; what is not there is an empty one. */
function items(value: unknown, path: Place): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw problem(path, "it must be a list");
}

function text(value: unknown, path: Place): string {
  if (typeof value === "string") return value;
  throw problem(path, "it must be text: numbers, dates and true need quotes");
}

function optionalText(value: unknown, path: Place): string | undefined {
  return value === undefined ? undefined : text(value, path);
}
