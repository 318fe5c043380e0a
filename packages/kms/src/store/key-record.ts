/**
 * A CMK as the keystore has it: one immutable record, sealed as a whole.
 *
 * Key material is never text: the record is a JSON head without it and the raw version keys behind,
 * so the buffers it passes through can be wiped, which strings cannot.
 *
 *     record = u32 length of head || head (JSON) || material of each version, the pending one last
 *
 * Source: spec/kms-store-v1.md#keys
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { multiRegionForm } from "../arn.ts";
import { isKeySpec, type KeySpec, type KeyUsage } from "../catalogue/key-specs.ts";
import { decodeMaterial, encodeMaterial } from "../material/material.ts";
import type { Grant } from "../policy/request.ts";

/** Times are milliseconds since 1970. */
export interface KeyRecord {
  /** Lower-case UUID, or `mrk-` and 32 hex digits for a multi-Region key. */
  readonly keyId: string;
  /** Where the key is. */
  readonly region: string;
  /** Where a multi-Region key and its replicas are, the primary's region first; `undefined` for other keys. */
  readonly regions: readonly string[] | undefined;
  readonly created: number;
  readonly description: string;
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsage;
  readonly origin: "AWS_KMS" | "EXTERNAL";
  /** `AWS`: made for a service under `alias/aws/…`, and not to be edited. */
  readonly manager: "CUSTOMER" | "AWS";
  readonly enabled: boolean;
  /** `date` is `undefined` for a primary key that waits until its last replica is deleted. */
  readonly deletion: { readonly date: number | undefined; readonly windowDays: number } | undefined;
  /** JSON text. */
  readonly policy: string;
  /** Sorted by name. */
  readonly aliases: readonly AliasRecord[];
  /** Tags in the order in which they were added. */
  readonly tags: ReadonlyMap<string, string>;
  readonly grants: readonly Grant[];
  /** Automatic rotation; `undefined`: off. */
  readonly rotation: { readonly periodInDays: number; readonly next: number } | undefined;
  /**
   * Version n at index n - 1; the last one encrypts. At least one, but for keys whose material is
   * imported and has not been yet.
   */
  readonly versions: readonly KeyVersion[];
  /** Imported, and waiting for RotateKeyOnDemand to become the last version. */
  readonly pending: KeyVersion | undefined;
}

export interface AliasRecord {
  /** `alias/app`. */
  readonly name: string;
  readonly created: number;
  readonly updated: number;
}

export interface KeyVersion {
  readonly created: number;
  /** How it came about; `undefined`: with the key. */
  readonly rotation: "AUTOMATIC" | "ON_DEMAND" | undefined;
  /** A secret or private key; `undefined`: imported, and deleted or expired since. */
  readonly material: KeyObject | undefined;
  /** Only for imported material. */
  readonly imported: ImportedFacts | undefined;
}

export interface ImportedFacts {
  /** Identifies the material, so that the same can be imported again and no other. */
  readonly fingerprint: string;
  /** When the material starts to count as deleted, in ms since 1970; `undefined` if it never expires. */
  readonly expires: number | undefined;
  readonly description: string | undefined;
}

/** A key past its deletion date is gone, whether or not its row has been deleted yet. */
export function isGone(record: KeyRecord, now: number): boolean {
  const date = record.deletion?.date;
  return date !== undefined && date <= now;
}

/** The record's bytes, key material included: the caller's to wipe. */
export function encodeRecord(record: KeyRecord): Bytes {
  const { keyId: _, region: __, tags, versions, pending, ...rest } = record;
  const materials: Uint8Array[] = [];
  const toHead = ({ material, ...facts }: KeyVersion): VersionHead => {
    const raw = material === undefined ? new Uint8Array(0) : encodeMaterial(material);
    materials.push(raw);
    return { ...facts, bytes: raw.length };
  };
  try {
    const head = new TextEncoder().encode(
      JSON.stringify({
        ...rest,
        tags: [...tags],
        versions: versions.map(toHead),
        pending: pending === undefined ? undefined : toHead(pending),
      }),
    );
    const out = new Uint8Array(4 + head.length + totalBytes(materials));
    new DataView(out.buffer).setUint32(0, head.length);
    out.set(head, 4);
    let at = 4 + head.length;
    for (const raw of materials) {
      out.set(raw, at);
      at += raw.length;
    }
    return out;
  } finally {
    for (const raw of materials) raw.fill(0);
  }
}

/**
 * Reads a record's bytes and wipes them.
 *
 * @param uuid - What the row is found by, in text, together with `region`.
 * @returns `undefined` for what {@link encodeRecord} would not write.
 */
export function decodeRecord(uuid: string, region: string, bytes: Bytes): KeyRecord | undefined {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const length = bytes.length < 4 ? Infinity : view.getUint32(0);
    if (4 + length > bytes.length) return undefined;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + 4, length).toString("utf8");
    const head: unknown = JSON.parse(text);
    if (!isHead(head)) return undefined;
    const { versions: heads, pending: pendingHead } = head;
    const all = pendingHead === undefined ? heads : [...heads, pendingHead];
    let at = 4 + length;
    if (at + all.reduce((sum, one) => sum + one.bytes, 0) !== bytes.length) return undefined;
    const versions: KeyVersion[] = [];
    for (const { bytes: count, created, rotation, imported } of all) {
      const raw = bytes.subarray(at, at + count);
      at += count;
      const material = count === 0 ? undefined : decodeMaterial(head.keySpec, raw);
      if (count > 0 && material === undefined) return undefined;
      versions.push({ created, rotation, material, imported });
    }
    const pending = pendingHead === undefined ? undefined : versions.pop();
    // Member by member, not by spreading: all records have one shape, which is what V8 is fast with.
    return {
      keyId: head.regions === undefined ? uuid : multiRegionForm(uuid),
      region,
      regions: head.regions,
      created: head.created,
      description: head.description,
      keySpec: head.keySpec,
      keyUsage: head.keyUsage,
      origin: head.origin,
      manager: head.manager,
      enabled: head.enabled,
      deletion: head.deletion,
      policy: head.policy,
      aliases: head.aliases,
      tags: new Map(head.tags),
      grants: head.grants,
      rotation: head.rotation,
      versions,
      pending,
    };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    bytes.fill(0);
  }
}

function totalBytes(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** A version whose material follows as `bytes` bytes; zero bytes mean that it has none. */
type VersionHead = Omit<KeyVersion, "material"> & { readonly bytes: number };

type Head = Omit<KeyRecord, "keyId" | "region" | "tags" | "versions" | "pending"> & {
  readonly tags: readonly (readonly [key: string, value: string])[];
  readonly versions: readonly VersionHead[];
  readonly pending: VersionHead | undefined;
};

/** The record was sealed under the root key, so this is about another build's mistakes, not an attacker's. */
function isHead(value: unknown): value is Head {
  if (!isObject(value)) return false;
  const { keySpec, regions, deletion, rotation, aliases, versions, pending } = value;
  return (
    typeof value["created"] === "number" &&
    typeof value["enabled"] === "boolean" &&
    (regions === undefined || Array.isArray(regions)) &&
    typeof keySpec === "string" &&
    isKeySpec(keySpec) &&
    texts.every((name) => typeof value[name] === "string") &&
    Array.isArray(value["tags"]) &&
    value["tags"].every(Array.isArray) &&
    Array.isArray(value["grants"]) &&
    (deletion === undefined || (hasNumber(deletion, "windowDays") && isOptionalDate(deletion))) &&
    (rotation === undefined ||
      (hasNumber(rotation, "periodInDays") && hasNumber(rotation, "next"))) &&
    Array.isArray(aliases) &&
    aliases.every(
      (one) => hasNumber(one, "created") && hasNumber(one, "updated") && isNamed(one),
    ) &&
    Array.isArray(versions) &&
    versions.every(isVersionHead) &&
    (pending === undefined || isVersionHead(pending))
  );
}

const texts = ["description", "keyUsage", "origin", "manager", "policy"] as const;

function isVersionHead(value: unknown): value is VersionHead {
  return hasNumber(value, "created") && hasNumber(value, "bytes");
}

function isOptionalDate(value: unknown): boolean {
  return hasNumber(value, "date") || (isObject(value) && value["date"] === undefined);
}

function isNamed(value: unknown): boolean {
  return isObject(value) && typeof value["name"] === "string";
}

function hasNumber(value: unknown, member: string): boolean {
  return isObject(value) && typeof value[member] === "number";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
