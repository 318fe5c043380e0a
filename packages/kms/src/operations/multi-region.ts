/**
 * Multi-Region keys: ReplicateKey makes a related key in another region, and UpdatePrimaryRegion changes which
 * of them is the primary one. Both are done when they are answered, so no key is ever `Creating` or `Updating`.
 *
 * @module
 */
import { isRegion, keyArn } from "../arn.ts";
import { KmsError } from "../catalogue/errors.ts";
import { multiRegionKeyType, notPrimary, replicate, setPrimary } from "../keys/multi-region.ts";
import { defaultKeyPolicy } from "../policy/default-policy.ts";
import * as check from "../requests/check.ts";
import { keyMetadata } from "./key-metadata.ts";
import { operation, type Implementations } from "./operation.ts";
import { parseKeyPolicy, requireWayBack } from "./policies.ts";
import { tagConditions, tagList } from "./tags.ts";

const replicateKey = operation("ReplicateKey", {
  parse: (request) =>
    check.all({
      keyId: () => check.requireKeyId(request.KeyId),
      region: () => parseRegion(request.ReplicaRegion, "replicaRegion"),
      description: () => check.description(request.Description ?? ""),
      policy: () => (request.Policy === undefined ? undefined : parseKeyPolicy(request.Policy)),
      bypass: () => request.BypassPolicyLockoutSafetyCheck,
      skipLockoutCheck: () =>
        check.flag(request.BypassPolicyLockoutSafetyCheck, "bypassPolicyLockoutSafetyCheck"),
      tags: () => (request.Tags === undefined ? new Map() : check.tags(request.Tags, 0)),
    }),
  questions: ({ keyId, region, bypass, tags }) => {
    const conditions = {
      ...tagConditions(tags),
      "kms:MultiRegion": "true",
      "kms:MultiRegionKeyType": "REPLICA",
      "kms:BypassPolicyLockoutSafetyCheck": bypass?.toString(),
    };
    return {
      key: {
        on: "key",
        action: "ReplicateKey",
        keyId,
        conditions: { "kms:ReplicaRegion": region },
      } as const,
      replica: { on: "account", action: "CreateKey", region, conditions, likeOther: true } as const,
      tags:
        tags.size === 0
          ? undefined
          : ({
              on: "new-key",
              action: "TagResource",
              keyId: bareId(keyId),
              region,
              conditions,
              likeOther: true,
            } as const),
    };
  },
  run: (call, { region, description, policy, skipLockoutCheck, tags }, { key }) => {
    const { store, realm, now, note } = call;
    if (key.regions === undefined || multiRegionKeyType(key) !== "PRIMARY") {
      throw notPrimary(keyArn(realm, key.keyId));
    }
    const there = { ...realm, region };
    if (store.keys.isTaken(region, key.keyId)) {
      const arn = keyArn(there, key.keyId);
      throw new KmsError("AlreadyExistsException", `Key ${arn} already exists`);
    }
    const own = { region, description, policy: policy ?? defaultKeyPolicy(realm.accountId), tags };
    const replica = replicate(key, own, store);
    if (policy !== undefined && !skipLockoutCheck) requireWayBack(call, replica);
    note({ operation: "CreateKey", key: replica });
    return {
      ReplicaKeyMetadata: keyMetadata(replica, there, now),
      ReplicaPolicy: replica.policy,
      ReplicaTags: tagList(tags),
    };
  },
});

const updatePrimaryRegion = operation("UpdatePrimaryRegion", {
  parse: ({ KeyId, PrimaryRegion }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      region: () => parseRegion(PrimaryRegion, "primaryRegion"),
    }),
  questions: ({ keyId, region }) => {
    const conditions = { "kms:PrimaryRegion": region };
    const action = "UpdatePrimaryRegion";
    return {
      key: { on: "key", action, keyId, conditions } as const,
      next: { on: "key", action, keyId: bareId(keyId), region, conditions } as const,
    };
  },
  run: ({ store, realm }, { region }, { key }): void => {
    if (key.regions === undefined || multiRegionKeyType(key) !== "PRIMARY") {
      throw notPrimary(keyArn(realm, key.keyId));
    }
    if (region === key.region) {
      throw new KmsError(
        "ValidationException",
        `${keyArn(realm, key.keyId)} is already the primary key.`,
      );
    }
    setPrimary(key, region, store);
  },
});

export const implementations: Implementations<"ReplicateKey" | "UpdatePrimaryRegion"> = {
  replicateKey,
  updatePrimaryRegion,
};

function parseRegion(value: unknown, field: string): string {
  if (isRegion(value)) return value;
  const text = check.text(value, field, 1, 32);
  throw check.constraint(field, "satisfy regular expression pattern: ^[a-z0-9-]+$", text);
}

/** The key id in a key ARN: related keys share it. */
function bareId(keyId: string): string {
  return keyId.slice(keyId.lastIndexOf("/") + 1);
}
