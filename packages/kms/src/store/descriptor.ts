/**
 * The keystore's descriptor: what has to be known before the root key.
 *
 * It is an unencrypted JSON text, and the AAD under which the root key is sealed. So the root key does not open if the
 * descriptor was edited. Until then, nothing in it can be trusted, and every bound is checked first.
 *
 * Source: spec/kms-store-v1.md#descriptor
 *
 * @module
 */
import { createHash, type KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { isKeyId, isRegion, type Realm } from "../arn.ts";
import type { Engine } from "./engine.ts";
import type { RootKeyFacts } from "./root-key.ts";
import { KEY_BYTES, label, openRow, OVERHEAD_BYTES, sealRow, secretKey } from "../material/seal.ts";

/** What a keystore says of itself. */
export interface Descriptor extends Realm {
  /** A random UUID that never changes. */
  readonly keystoreId: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly root: RootKeyFacts;
}

/** The descriptor's row. */
export interface SealedDescriptor {
  readonly facts: string;
  readonly root: Bytes;
}

const MAX_FACTS_CHARS = 16_384;
export const SEALED_ROOT_BYTES: number = OVERHEAD_BYTES + KEY_BYTES;

const LABEL = label("env/1/keystore-root");

export function isAccountId(text: unknown): boolean {
  return typeof text === "string" && /^[0-9]{12}$/.test(text);
}

/** Seals `root`, the 32-byte root key, under `key`, the source key. */
export function sealDescriptor(
  descriptor: Descriptor,
  key: KeyObject,
  root: KeyObject,
): SealedDescriptor {
  const facts = JSON.stringify(descriptor);
  const raw = root.export();
  try {
    return { facts, root: sealRow(key, LABEL, new TextEncoder().encode(facts), raw) };
  } finally {
    raw.fill(0);
  }
}

/** The root key; `undefined` if `key` is not the source key or something was altered. */
export function openDescriptor(
  { facts, root }: SealedDescriptor,
  key: KeyObject,
): KeyObject | undefined {
  if (root.length !== SEALED_ROOT_BYTES) return undefined;
  const raw = openRow(key, LABEL, new TextEncoder().encode(facts), root);
  return raw === undefined ? undefined : secretKey(raw);
}

/** Writes the row of a new keystore. */
export function insertDescriptor(database: Engine, { facts, root }: SealedDescriptor): void {
  database.prepare("INSERT INTO descriptor (id, facts, root) VALUES (1, ?, ?)").run(facts, root);
}

export function replaceDescriptor(database: Engine, { facts, root }: SealedDescriptor): void {
  database.prepare("UPDATE descriptor SET facts = ?, root = ? WHERE id = 1").run(facts, root);
}

/**
 * Reads the row, unauthenticated.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT`.
 */
export function readDescriptor(database: Engine): {
  readonly descriptor: Descriptor;
  readonly sealed: SealedDescriptor;
} {
  const row = database
    .prepare(
      `SELECT CASE WHEN length(facts) <= ${MAX_FACTS_CHARS} THEN facts END AS facts,
              CASE WHEN length(root) = ${SEALED_ROOT_BYTES} THEN root END AS root FROM descriptor`,
    )
    .get();
  const text = row?.["facts"];
  const root = row?.["root"];
  const descriptor = typeof text === "string" ? parseDescriptor(text) : undefined;
  if (descriptor === undefined || typeof text !== "string" || !(root instanceof Uint8Array)) {
    throw database.malformed("its descriptor is missing or malformed");
  }
  return { descriptor, sealed: { facts: text, root: new Uint8Array(root) } };
}

/** Identifies a descriptor: SHA-256 of both columns, base64url. */
export function descriptorDigest({ facts, root }: SealedDescriptor): string {
  return createHash("sha256").update(facts).update(root).digest("base64url");
}

/** Reads the text, unauthenticated; `undefined` for what {@link sealDescriptor} would not write. */
export function parseDescriptor(facts: string): Descriptor | undefined {
  if (facts.length > MAX_FACTS_CHARS) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(facts);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { accountId, region, keystoreId, created, root } = value;
  if (typeof accountId !== "string" || !isAccountId(accountId)) return undefined;
  if (typeof region !== "string" || !isRegion(region)) return undefined;
  if (typeof keystoreId !== "string" || !isKeyId(keystoreId)) return undefined;
  if (typeof created !== "number") return undefined;
  const source = isRecord(root) ? parseRoot(root) : undefined;
  return source && { accountId, region, keystoreId, created, root: source };
}

function parseRoot(root: Record<string, unknown>): RootKeyFacts | undefined {
  const { kind } = root;
  if (kind === "key-file" || kind === "environment") return { kind };
  const { n, salt, provider, keyId, wrapped } = root;
  if (kind === "passphrase" && typeof n === "number" && typeof salt === "string") {
    return { kind, n, salt };
  }
  if (kind === "cmk" && isText(provider) && isText(keyId) && isText(wrapped)) {
    return { kind, provider, keyId, wrapped };
  }
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
