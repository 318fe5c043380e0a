/**
 * A user, role or group with its policies.
 *
 * Source: spec/kms-store-v1.md#principals
 *
 * @module
 */
import type { Bytes } from "@env/core";
import { random } from "../material/seal.ts";
import type { NamedPolicy } from "../policy/request.ts";

export interface PrincipalRecord {
  /** `arn:aws:iam::111122223333:user/alice`, `…:role/app`, `…:group/developers`; of printable ASCII. */
  readonly arn: string;
  readonly type: "user" | "role" | "group";
  /** The result of {@link newUserId}: another principal of the same name has another id. */
  readonly userId: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly policies: readonly NamedPolicy[];
  /** Bounds what the policies may allow. Not for groups. */
  readonly boundary: NamedPolicy | undefined;
  /** ARNs of the groups that a user is in: their policies count as the user's own. */
  readonly groups: readonly string[];
}

const PREFIXES = { user: "AIDA", role: "AROA", group: "AGPA" } as const;
const BASE_32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ID_CHARS = 17;

/** A random unique id: `AIDA`, `AROA` or `AGPA` and 17 characters. */
export function newUserId(type: PrincipalRecord["type"]): string {
  // 256 is a multiple of 32: no character is likelier than another.
  const chars = Array.from(random(ID_CHARS), (byte) => BASE_32.charAt(byte % BASE_32.length));
  return PREFIXES[type] + chars.join("");
}

/** The record's bytes. */
export function encodePrincipal(record: PrincipalRecord): Bytes {
  return new TextEncoder().encode(JSON.stringify(record));
}

/** Reads a record's bytes and wipes them. `undefined`: {@link encodePrincipal} would not write them. */
export function decodePrincipal(plaintext: Bytes): PrincipalRecord | undefined {
  const value: unknown = JSON.parse(new TextDecoder().decode(plaintext));
  plaintext.fill(0);
  return isRecord(value) ? { ...value, boundary: value.boundary } : undefined;
}

/** The record was sealed under the root key, so this is about another build's mistakes, not an attacker's. */
function isRecord(value: unknown): value is PrincipalRecord {
  if (typeof value !== "object" || value === null) return false;
  const { arn, type, userId, created, tags, policies, groups }: Record<string, unknown> = {
    ...value,
  };
  return (
    typeof arn === "string" &&
    typeof type === "string" &&
    Object.hasOwn(PREFIXES, type) &&
    typeof userId === "string" &&
    typeof created === "number" &&
    typeof tags === "object" &&
    Array.isArray(policies) &&
    Array.isArray(groups)
  );
}
