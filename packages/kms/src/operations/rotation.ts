/**
 * Rotation: a new version encrypts from then on, the old ones go on decrypting. Only symmetric
 * encryption keys rotate.
 *
 * @module
 */
import { keyArn } from "../arn.ts";
import { defaultOf } from "../catalogue/actions.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { isReplica, notPrimary, primaryOf, relatedKeys } from "../keys/multi-region.ts";
import { arnOf, isPresent, kmsLimits } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { DAY_MS, type Store } from "../store/store.ts";
import { newVersion, rotate } from "../keys/lifecycle.ts";
import { keyRotation } from "./key-metadata.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import { unsupportedOrigin } from "../keys/states.ts";
import type { GetKeyRotationStatusResponse } from "../requests/shapes.ts";
import { onKey, operation, type Implementations } from "./operation.ts";

/** Rotates the key every period from now on. A repeated request with the same period keeps the next date. */
const enableKeyRotation = operation("EnableKeyRotation", {
  parse: ({ KeyId, RotationPeriodInDays }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      periodInDays: () =>
        check.integer(
          RotationPeriodInDays ?? defaultOf("EnableKeyRotation", "kms:RotationPeriodInDays"),
          "rotationPeriodInDays",
          90,
          2560,
        ),
    }),
  questions: ({ keyId, periodInDays }) => ({
    key: {
      on: "key",
      action: "EnableKeyRotation",
      keyId,
      conditions: { "kms:RotationPeriodInDays": String(periodInDays) },
    } as const,
  }),
  run: ({ store, realm, now }, { periodInDays }, { key }): void => {
    const arn = keyArn(realm, key.keyId);
    requireOwnMaterial(key, arn);
    requireNoReplica(key, arn);
    if (key.rotation?.periodInDays === periodInDays) return;
    store.keys.update({ ...key, rotation: { periodInDays, next: now + periodInDays * DAY_MS } });
  },
});

const disableKeyRotation = operation("DisableKeyRotation", {
  ...onKey("DisableKeyRotation"),
  run: ({ store, realm }, _, { key }): void => {
    const arn = keyArn(realm, key.keyId);
    requireOwnMaterial(key, arn);
    requireNoReplica(key, arn);
    store.keys.update({ ...key, rotation: undefined });
  },
});

/** Keys that cannot rotate, other than those with imported material, say that they do not. */
const getKeyRotationStatus = operation("GetKeyRotationStatus", {
  ...onKey("GetKeyRotationStatus"),
  run: ({ store, realm }, _, { key }) => {
    const KeyId = keyArn(realm, key.keyId);
    if (key.origin === "EXTERNAL") throw unsupportedOrigin(KeyId, key.origin);
    return { KeyId, ...rotationStatus(key, store) };
  },
});

export function rotationStatus(
  key: KeyRecord,
  store: Store,
): Omit<GetKeyRotationStatusResponse, "KeyId"> {
  const { rotation } = primaryOf(key, store);
  if (rotation === undefined || key.deletion !== undefined) return { KeyRotationEnabled: false };
  return {
    KeyRotationEnabled: true,
    RotationPeriodInDays: rotation.periodInDays,
    NextRotationDate: new Date(rotation.next),
  };
}

/** Rotates at once, and does not move the next automatic rotation. */
const rotateKeyOnDemand = operation("RotateKeyOnDemand", {
  ...onKey("RotateKeyOnDemand"),
  run: ({ store, realm, now, note }, _, { key }) => {
    const arn = keyArn(realm, key.keyId);
    requireSymmetric(key, arn);
    requireNoReplica(key, arn);
    const { versions } = key;
    const rotations = versions.filter(({ rotation }) => rotation === "ON_DEMAND").length;
    if (rotations >= kmsLimits.onDemandRotationsPerKey) {
      throw new KmsError(
        "LimitExceededException",
        `The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: ${arn}`,
      );
    }
    const waiting = withoutPending(key, store, now);
    if (key.origin === "EXTERNAL" && waiting !== undefined) {
      throw new KmsError(
        "KMSInvalidStateException",
        `No available key material pending rotation for the key: ${arnOf(waiting, realm)}.`,
      );
    }
    const fresh = newVersion(now, "ON_DEMAND");
    const [, ...synchronized] = rotate(key, store, ({ pending = fresh }) => ({
      ...pending,
      created: now,
      rotation: "ON_DEMAND",
    }));
    synchronized.forEach(note);
    return { KeyId: arn };
  },
});

/** Oldest first. Imported material that is yet to be rotated to comes last, with all material. */
const listKeyRotations = operation("ListKeyRotations", {
  parse: (request) =>
    check.all({
      keyId: () => check.requireKeyId(request.KeyId),
      which: () =>
        check.oneOf(request.IncludeKeyMaterial, "includeKeyMaterial", [
          "ROTATIONS_ONLY",
          "ALL_KEY_MATERIAL",
        ]),
      limit: () => check.integer(request.Limit ?? 100, "limit", 1, 1000),
      after: () => Number(fromMarker(request.Marker, /^[1-9][0-9]{0,6}$/) ?? 0),
    }),
  questions: ({ keyId }) => ({
    key: { on: "key", action: "ListKeyRotations", keyId } as const,
  }),
  run: ({ store, realm, now }, { which, limit, after }, { key }) => {
    requireSymmetric(key, keyArn(realm, key.keyId));
    const all = which === "ALL_KEY_MATERIAL";
    const last = key.versions.length + (all && key.pending !== undefined ? 1 : 0);
    const first = Math.max(after + 1, all ? 1 : 2);
    const end = Math.min(last, first + limit - 1);
    const replicasWait = key.regions !== undefined && withoutPending(key, store, now) !== undefined;
    const Rotations = [];
    for (let n = first; n <= end; n++) Rotations.push(keyRotation(key, n, now, replicasWait));
    return { Rotations, ...toPage(end < last ? String(end) : undefined) };
  },
});

export const implementations: Implementations<
  | "EnableKeyRotation"
  | "DisableKeyRotation"
  | "GetKeyRotationStatus"
  | "RotateKeyOnDemand"
  | "ListKeyRotations"
> = {
  enableKeyRotation,
  disableKeyRotation,
  getKeyRotationStatus,
  rotateKeyOnDemand,
  listKeyRotations,
};

function requireSymmetric({ keySpec }: KeyRecord, arn: string): void {
  if (keySpec === "SYMMETRIC_DEFAULT") return;
  throw new KmsError(
    "UnsupportedOperationException",
    `${arn} key spec is ${keySpec} which is not valid for this operation.`,
  );
}

function requireNoReplica(key: KeyRecord, arn: string): void {
  if (isReplica(key)) throw notPrimary(arn);
}

/** The first of the related keys into which the pending material is yet to be imported. */
function withoutPending(key: KeyRecord, store: Store, now: number): KeyRecord | undefined {
  const wanted = key.pending?.imported?.fingerprint;
  return relatedKeys(key, store).find(
    ({ pending }) =>
      pending === undefined || !isPresent(pending, now) || pending.imported?.fingerprint !== wanted,
  );
}

function requireOwnMaterial(key: KeyRecord, arn: string): void {
  requireSymmetric(key, arn);
  if (key.origin === "EXTERNAL") throw unsupportedOrigin(arn, key.origin);
}
