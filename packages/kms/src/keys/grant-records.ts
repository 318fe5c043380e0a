/**
 * Grants: what is kept of them in a key's record, and their tokens. Whether one allows a call is decided
 * with the policies, in policy/grant-match.ts.
 *
 *     token = base64url(key uuid (16) || grant id (32) || random (32))
 *
 * A token is not a secret, it names a grant. The record holds hashes of those that were given out.
 *
 * Source: "Grants in AWS KMS" in the AWS KMS developer guide
 *
 * @module
 */
import { createHash } from "node:crypto";
import { keyIdFromBytes, keyIdToBytes, type Realm } from "../arn.ts";
import { keyOfUuid } from "./key.ts";
import { KmsError } from "../catalogue/errors.ts";
import type { KeyRecord } from "../store/key-record.ts";
import type { GrantOperation } from "../catalogue/actions.ts";
import { fitsKey } from "../policy/grant-match.ts";
import type { Grant } from "../policy/request.ts";
import { random } from "../material/seal.ts";
import type { Store } from "../store/store.ts";

const TOKEN_BYTES = 16 + 32 + 32;
/** Older tokens of a grant are forgotten: it has long been effective without them. */
const TOKENS_KEPT = 50;
/** What the grants of one key may take up in its record, as JSON. */
const MAX_GRANTS_CHARS = 768 * 1024;

/** @throws {@link KmsError} `ValidationException` for operations that the key cannot do. */
export function requireFittingOperations(
  record: KeyRecord,
  wanted: readonly GrantOperation[],
): void {
  for (const name of wanted) {
    if (fitsKey(name, record)) continue;
    throw new KmsError(
      "ValidationException",
      `Grant operation ${name} is not valid for a key with usage ${record.keyUsage} and spec ${record.keySpec}.`,
    );
  }
}

export function newGrantId(): string {
  return Buffer.from(random(32)).toString("hex");
}

export function newGrantToken({ keyId }: KeyRecord, grantId: string): string {
  const token = Buffer.concat([keyIdToBytes(keyId), Buffer.from(grantId, "hex"), random(32)]);
  return token.toString("base64url");
}

/** The grant that a token names, with the key that holds it. */
export function grantOfToken(
  store: Store,
  realm: Realm,
  token: string,
): { readonly record: KeyRecord; readonly grant: Grant } {
  const bytes = Buffer.from(token, "base64url");
  if (bytes.length === TOKEN_BYTES) {
    const uuid = keyIdFromBytes(bytes.subarray(0, 16));
    const record = keyOfUuid(store, realm, uuid);
    const grantId = bytes.toString("hex", 16, 48);
    const grant = record?.grants.find((one) => one.grantId === grantId);
    if (record !== undefined && grant?.tokenHashes.includes(hashToken(token)) === true) {
      return { record, grant };
    }
  }
  throw new KmsError(
    "InvalidGrantTokenException",
    "the grant token is malformed, or its grant was retired or revoked",
  );
}

/** @throws {@link KmsError} `InvalidGrantTokenException` if one of them names no grant. */
export function requireKnownTokens(store: Store, realm: Realm, tokens: readonly string[]): void {
  for (const token of tokens) grantOfToken(store, realm, token);
}

function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** The grant with one more token. */
export function withToken(grant: Grant, token: string): Grant {
  return { ...grant, tokenHashes: [...grant.tokenHashes, hashToken(token)].slice(-TOKENS_KEPT) };
}

/**
 * The record with a grant added, or replaced where it has one of that id.
 *
 * @throws {@link KmsError} `LimitExceededException`
 */
export function withGrant(record: KeyRecord, grant: Grant): KeyRecord {
  const grants = [...withoutGrant(record, grant.grantId).grants, grant];
  if (JSON.stringify(grants).length > MAX_GRANTS_CHARS) {
    throw new KmsError("LimitExceededException", "the grants of this key take up all its room");
  }
  return { ...record, grants };
}

export function withoutGrant(record: KeyRecord, grantId: string): KeyRecord {
  return { ...record, grants: record.grants.filter((grant) => grant.grantId !== grantId) };
}

/** `kms:GrantConstraintType`. */
export function constraintType(constraints: Grant["constraints"]): string | undefined {
  if (constraints?.encryptionContextEquals !== undefined) return "EncryptionContextEquals";
  return constraints?.encryptionContextSubset && "EncryptionContextSubset";
}
