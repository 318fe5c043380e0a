/**
 * Names of what Cloud KMS keeps: `projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/V`
 * and its beginnings.
 *
 * @module
 */
import { StatusError } from "./status.ts";

type Kind = "location" | "keyRing" | "cryptoKey" | "version";

const patterns: Readonly<Record<Kind, RegExp>> = {
  location: /^projects\/[^/]+\/locations\/[^/]+$/,
  keyRing: /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+$/,
  cryptoKey: /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/,
  version:
    /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+\/cryptoKeyVersions\/[0-9]+$/,
};

const idPattern = /^[A-Za-z0-9_-]{1,63}$/;

/** `name`, if it is one of that kind. */
export function checkName(kind: Kind, name: string): string {
  if (patterns[kind].test(name)) return name;
  throw new StatusError(
    "INVALID_ARGUMENT",
    `Resource name [${name}] does not match a known format of a ${kind}.`,
  );
}

/** The id of something new. */
export function checkId(id: string): string {
  if (idPattern.test(id)) return id;
  throw new StatusError("INVALID_ARGUMENT", "ids match [a-zA-Z0-9_-]{1,63}");
}

/** Whether `name` is that of a version and not of its key. */
export function isVersion(name: string): boolean {
  return patterns.version.test(name);
}

/** What `name` is in: a version's key, a key's ring. */
export function parentOf(name: string): string {
  return name.split("/").slice(0, -2).join("/");
}
