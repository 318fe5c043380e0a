/**
 * Keys come and go: CreateKey, what is known of a key, on and off, and deletion.
 *
 * @module
 */
import { randomUUID, type KeyObject } from "node:crypto";
import { keyArn, multiRegionForm } from "../arn.ts";
import { defaultOf } from "../catalogue/actions.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import type { LastUseRecord } from "../store/iam-records.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { deletionIn } from "../keys/multi-region.ts";
import {
  isKeySpec,
  keySpecs,
  keySpecsNotOffered,
  keyUsages,
  type KeySpec,
  type KeyUsage,
} from "../catalogue/key-specs.ts";
import { generateMaterial, requireAvailable } from "../material/material.ts";
import { keyMetadata } from "./key-metadata.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import { defaultKeyPolicy } from "../policy/default-policy.ts";
import type { CreateKeyRequest, KeyLastUsage } from "../requests/shapes.ts";
import { requireNoCustomKeyStore } from "./custom-key-stores.ts";
import { tagConditions } from "./tags.ts";
import { onKey, operation, type Implementations } from "./operation.ts";
import { parseKeyPolicy, requireWayBack } from "./policies.ts";

const createKey = operation("CreateKey", {
  optional: true,
  parse: (request) => {
    requireNoCustomKeyStore(request.CustomKeyStoreId);
    const { kind, ...rest } = check.all({
      kind: () => parseKind(request),
      description: () => check.description(request.Description ?? ""),
      multiRegion: () =>
        check.flag(request.MultiRegion ?? defaultOf("CreateKey", "kms:MultiRegion"), "multiRegion"),
      policy: () => (request.Policy === undefined ? undefined : parseKeyPolicy(request.Policy)),
      bypass: () => request.BypassPolicyLockoutSafetyCheck,
      skipLockoutCheck: () =>
        check.flag(request.BypassPolicyLockoutSafetyCheck, "bypassPolicyLockoutSafetyCheck"),
      tags: () => (request.Tags === undefined ? new Map() : check.tags(request.Tags, 0)),
    });
    const uuid = randomUUID();
    // Chosen now: the permission to tag the key is asked for with its ARN.
    return { ...kind, ...rest, keyId: rest.multiRegion ? multiRegionForm(uuid) : uuid };
  },
  questions: ({ keyId, bypass, tags, ...kind }) => {
    const conditions = {
      ...tagConditions(tags),
      "kms:KeySpec": kind.keySpec,
      "kms:KeyUsage": kind.keyUsage,
      "kms:KeyOrigin": kind.origin,
      "kms:MultiRegion": String(kind.multiRegion),
      "kms:MultiRegionKeyType": kind.multiRegion ? "PRIMARY" : undefined,
    };
    return {
      account: {
        on: "account",
        action: "CreateKey",
        conditions: {
          ...conditions,
          "kms:BypassPolicyLockoutSafetyCheck": bypass?.toString(),
        },
      } as const,
      tags:
        tags.size === 0
          ? undefined
          : ({ on: "new-key", action: "TagResource", keyId, conditions } as const),
    };
  },
  make: async ({ keySpec, origin }): Promise<KeyObject | undefined> =>
    origin === "EXTERNAL" ? undefined : generateMaterial(keySpec),
  run: (call, input, _, material) => {
    const { store, realm, now } = call;
    const record: KeyRecord = {
      keyId: input.keyId,
      region: realm.region,
      regions: input.multiRegion ? [realm.region] : undefined,
      created: now,
      description: input.description,
      keySpec: input.keySpec,
      keyUsage: input.keyUsage,
      origin: input.origin,
      manager: "CUSTOMER",
      enabled: true,
      deletion: undefined,
      policy: input.policy ?? defaultKeyPolicy(realm.accountId),
      aliases: [],
      tags: input.tags,
      grants: [],
      rotation: undefined,
      versions:
        material === undefined
          ? []
          : [{ created: now, rotation: undefined, material, imported: undefined }],
      pending: undefined,
    };
    if (input.policy !== undefined && !input.skipLockoutCheck) requireWayBack(call, record);
    store.keys.insert(record);
    return { KeyMetadata: keyMetadata(record, realm, now) };
  },
  created: ({ KeyMetadata }) => KeyMetadata.Arn,
});

const getKeyLastUsage = operation("GetKeyLastUsage", {
  ...onKey("GetKeyLastUsage"),
  run: ({ lastUse, realm }, _, { key }) => {
    const KeyId = keyArn(realm, key.keyId);
    const created = new Date(key.created);
    return {
      KeyId,
      KeyLastUsage: keyLastUsage(lastUse(KeyId)),
      TrackingStartDate: created,
      KeyCreationDate: created,
    };
  },
});

function keyLastUsage(use: LastUseRecord | undefined): KeyLastUsage {
  if (use === undefined) return {};
  const { operation: Operation, time, eventId: CloudTrailEventId, requestId } = use;
  return {
    Operation,
    Timestamp: new Date(time),
    CloudTrailEventId,
    ...(requestId === undefined ? {} : { KmsRequestId: requestId }),
  };
}

const describeKey = operation("DescribeKey", {
  ...onKey("DescribeKey"),
  run: ({ realm, now }, _, { key }) => ({
    KeyMetadata: keyMetadata(key, realm, now),
  }),
});

/** Lists keys, oldest first. */
const listKeys = operation("ListKeys", {
  optional: true,
  parse: ({ Limit, Marker }) =>
    check.all({
      limit: () => check.integer(Limit ?? 100, "limit", 1, 1000),
      after: () => Number(fromMarker(Marker, /^[0-9]{1,15}$/) ?? 0),
    }),
  questions: () => ({ account: { on: "account", action: "ListKeys" } as const }),
  run: ({ store, realm }, { after, limit }) => {
    const { items, next } = store.keys.list(realm.region, after, limit);
    const Keys = items.map(({ keyId }) => ({ KeyId: keyId, KeyArn: keyArn(realm, keyId) }));
    return { Keys, ...toPage(next?.toString()) };
  },
});

const enableKey = operation("EnableKey", {
  ...onKey("EnableKey"),
  run: ({ store }, _, { key }) => store.keys.update({ ...key, enabled: true }),
});

const disableKey = operation("DisableKey", {
  ...onKey("DisableKey"),
  run: ({ store }, _, { key }) => store.keys.update({ ...key, enabled: false }),
});

const updateKeyDescription = operation("UpdateKeyDescription", {
  parse: ({ KeyId, Description }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      description: () => check.description(Description),
    }),
  questions: ({ keyId }) => ({
    key: { on: "key", action: "UpdateKeyDescription", keyId } as const,
  }),
  run: ({ store }, { description }, { key }): void => store.keys.update({ ...key, description }),
});

/**
 * The key, its material, aliases and grants are deleted for good once the window is over. That of a primary key
 * begins when its last replica is deleted.
 */
const scheduleKeyDeletion = operation("ScheduleKeyDeletion", {
  parse: ({ KeyId, PendingWindowInDays }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      windowDays: () =>
        check.integer(
          PendingWindowInDays ??
            defaultOf("ScheduleKeyDeletion", "kms:ScheduleKeyDeletionPendingWindowInDays"),
          "pendingWindowInDays",
          7,
          30,
        ),
    }),
  questions: ({ keyId, windowDays }) => ({
    key: {
      on: "key",
      action: "ScheduleKeyDeletion",
      keyId,
      conditions: { "kms:ScheduleKeyDeletionPendingWindowInDays": String(windowDays) },
    } as const,
  }),
  run: ({ store, realm, now }, { windowDays }, { key }) => {
    const deletion = deletionIn(windowDays, key, now);
    const { date } = deletion;
    store.keys.update({ ...key, enabled: false, deletion });
    return {
      KeyId: keyArn(realm, key.keyId),
      ...(date === undefined
        ? { KeyState: "PendingReplicaDeletion" as const }
        : { DeletionDate: new Date(date), KeyState: "PendingDeletion" as const }),
      PendingWindowInDays: windowDays,
    };
  },
});

/** Leaves the key disabled. */
const cancelKeyDeletion = operation("CancelKeyDeletion", {
  ...onKey("CancelKeyDeletion"),
  run: ({ store, realm }, _, { key }) => {
    store.keys.update({ ...key, enabled: false, deletion: undefined });
    return { KeyId: keyArn(realm, key.keyId) };
  },
});

export const implementations: Implementations<
  | "CreateKey"
  | "DescribeKey"
  | "GetKeyLastUsage"
  | "ListKeys"
  | "EnableKey"
  | "DisableKey"
  | "UpdateKeyDescription"
  | "ScheduleKeyDeletion"
  | "CancelKeyDeletion"
> = {
  createKey,
  describeKey,
  getKeyLastUsage,
  listKeys,
  enableKey,
  disableKey,
  updateKeyDescription,
  scheduleKeyDeletion,
  cancelKeyDeletion,
};

export interface Kind {
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsage;
  readonly origin: "AWS_KMS" | "EXTERNAL";
}

/** What kind of key a request asks for, defaults filled in. */
function parseKind(request: CreateKeyRequest): Kind {
  const { KeySpec: spec, CustomerMasterKeySpec: oldSpec } = request;
  if (spec !== undefined && oldSpec !== undefined) {
    throw new KmsError(
      "ValidationException",
      "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
    );
  }
  const { usage, ...rest } = check.all({
    keySpec: () => parseKeySpec(spec ?? oldSpec ?? defaultOf("CreateKey", "kms:KeySpec")),
    usage: () => parseKeyUsage(request.KeyUsage),
    origin: () => parseOrigin(request.Origin),
  });
  return { ...rest, keyUsage: fittingUsage(usage, rest.keySpec) };
}

export function parseOrigin(value: unknown): Kind["origin"] {
  if (value === "AWS_CLOUDHSM" || value === "EXTERNAL_KEY_STORE") {
    throw unsupported(`Origin ${value}`, "there are no custom key stores");
  }
  return check.oneOf(value, "origin", [defaultOf("CreateKey", "kms:KeyOrigin"), "EXTERNAL"]);
}

export function parseKeySpec(value: unknown): KeySpec {
  if (typeof value === "string" && isKeySpec(value)) {
    requireAvailable(value);
    return value;
  }
  const known: readonly unknown[] = keySpecsNotOffered;
  if (known.includes(value)) throw unsupported(`KeySpec ${String(value)}`, "see its README");
  const names = Object.keys(keySpecs);
  throw check.constraint("keySpec", `satisfy enum value set: [${names.join(", ")}]`, value);
}

export function parseKeyUsage(value: unknown): KeyUsage | undefined {
  return value === undefined ? undefined : check.oneOf(value, "keyUsage", keyUsages);
}

/** The usage of a key of that spec, which has to be said where there are several. */
export function fittingUsage(usage: KeyUsage | undefined, keySpec: KeySpec): KeyUsage {
  if (usage === undefined) {
    if (keySpec === "SYMMETRIC_DEFAULT") return defaultOf("CreateKey", "kms:KeyUsage");
    throw new KmsError(
      "ValidationException",
      "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    );
  }
  if (keySpecs[keySpec].usages.includes(usage)) return usage;
  throw new KmsError(
    "ValidationException",
    `KeyUsage ${usage} is not compatible with KeySpec ${keySpec}`,
  );
}

function unsupported(what: string, why: string): KmsError {
  return new KmsError(
    "UnsupportedOperationException",
    `${what} is not supported by this KMS: ${why}`,
  );
}
