/**
 * Brings a keystore to what a seed says, one record after the other.
 *
 * A step is one transaction: the record, and an audit record for each thing that was done to it. What
 * was stopped between two steps is completed by applying the seed again; what is as it should be is
 * not touched.
 *
 * Whoever opens the keystore seeds it: key policies are not asked, and may lock out everybody else.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { inspect } from "node:util";
import { accountRoot, aliasArn, type Realm } from "../arn.ts";
import type { AuditSink } from "../audit/event.ts";
import { KmsError } from "../catalogue/errors.ts";
import type { Iam } from "../access/iam.ts";
import type { CheckedPrincipal } from "../access/principal-input.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { generateMaterial } from "../material/material.ts";
import { keyMetadata } from "../operations/key-metadata.ts";
import { withoutAlias } from "../operations/aliases.ts";
import { tagList } from "../operations/tags.ts";
import { defaultKeyPolicy } from "../policy/default-policy.ts";
import { arnOf } from "../keys/key.ts";
import { deletionIn, isReplica, primaryOf, replicate, setPrimary } from "../keys/multi-region.ts";
import type { Store } from "../store/store.ts";
import { exportDocument, isSeedable, type SeedDocument } from "./seed-document.ts";
import { groundOf, type Ground, type WantedKey } from "./ground.ts";
import type { Seed } from "./parse.ts";
import {
  keyTarget,
  knownPrincipal,
  planKey,
  planPrincipal,
  planSeed,
  principalTarget,
  PRUNE_WINDOW_DAYS,
  type SeedPlan,
  type SeedStep,
} from "./plan.ts";

export interface PlanSeedOptions {
  /**
   * Whether what the seed does not have is to go: principals and their policies, aliases, tags. Keys are
   * scheduled for deletion in 30 days. Default: false.
   */
  readonly prune?: boolean | undefined;
}

export interface ApplySeedOptions {
  /** Stops before the next step. */
  readonly signal?: AbortSignal | undefined;
}

/** The seeding of a keystore: `keystore.seeding`. */
export class Seeding {
  readonly #store: Store;
  readonly #realm: Realm;
  readonly #audit: AuditSink;
  readonly #iam: Iam;

  /** Not for applications: they take `keystore.seeding`. */
  constructor(parts: {
    readonly store: Store;
    readonly realm: Realm;
    readonly audit: AuditSink;
    readonly iam: Iam;
  }) {
    this.#store = parts.store;
    this.#realm = parts.realm;
    this.#audit = parts.audit;
    this.#iam = parts.iam;
  }

  /**
   * What applying a seed would do. Nothing is done, and nothing recorded.
   *
   * @param seed - As `parseSeed` gives it.
   */
  plan(seed: Seed, { prune = false }: PlanSeedOptions = {}): Promise<SeedPlan> {
    return this.#store.read(() => planSeed(this.#ground(seed, prune)));
  }

  /**
   * Does what a plan asks for, and gives what was done: a plan of the keystore as it is by now, which
   * others may have changed since.
   *
   * @throws {@link KmsError} `ValidationException` for conflicts; then nothing was changed. The signal's
   * reason where that stopped it.
   */
  async apply({ seed, prune }: SeedPlan, { signal }: ApplySeedOptions = {}): Promise<SeedPlan> {
    const plan = await this.plan(seed, { prune });
    const conflict = plan.steps.find(({ action }) => action === "conflict");
    if (conflict !== undefined) throw refusal(conflict, "nothing was changed");
    const ground = this.#ground(seed, prune);
    for (const { action, record } of plan.steps) {
      if (action === "none") continue;
      signal?.throwIfAborted();
      const key = ground.keys.get(record);
      const principal = ground.principals.get(record);
      if (key !== undefined) await this.#applyKey(ground, key, action === "create");
      else if (principal !== undefined) {
        await this.#store.write(() => this.#applyPrincipal(ground, principal));
      } else await this.#store.write(() => this.#prune(record));
    }
    return plan;
  }

  /** The seed of the keystore as it is. No key material is in it, but policies and tags are. */
  exportConfig(): Promise<SeedDocument> {
    return this.#store.read(() => exportDocument(this.#store, this.#realm));
  }

  #ground(seed: Seed, prune: boolean): Ground {
    return groundOf(this.#store, this.#realm, seed, prune);
  }

  async #applyKey(ground: Ground, wanted: WantedKey, isNew: boolean): Promise<void> {
    const { origin, keySpec, material } = wanted;
    const needsMaterial = isNew && origin !== "EXTERNAL" && !isReplica(wanted);
    const made = needsMaterial ? (material ?? [await generateMaterial(keySpec)]) : [];
    return this.#store.write(() => {
      const step = planKey(ground, wanted);
      const isCreated = step.action === "create";
      if (step.action === "conflict" || isCreated !== isNew) {
        throw refusal(step, OVERTAKEN);
      }
      if (!isCreated) this.#change(ground, wanted);
      else if (isReplica(wanted)) this.#replicate(ground, wanted, step);
      else this.#create(ground, wanted, made);
    });
  }

  #create(ground: Ground, wanted: WantedKey, material: readonly KeyObject[]): void {
    const store = this.#store;
    const { keyId, region, description, keySpec, keyUsage, origin, tags } = wanted;
    const now = store.now();
    const policy = wanted.policy ?? defaultKeyPolicy(this.#realm.accountId);
    const record: KeyRecord = {
      keyId,
      region,
      regions: wanted.regions && [region],
      created: now,
      description,
      keySpec,
      keyUsage,
      origin,
      manager: "CUSTOMER",
      enabled: true,
      deletion: undefined,
      policy,
      aliases: [],
      tags: new Map(Object.entries(tags)),
      grants: [],
      rotation: undefined,
      versions: material.map((key, i) => ({
        created: now,
        rotation: i === 0 ? undefined : "ON_DEMAND",
        material: key,
        imported: undefined,
      })),
      pending: undefined,
    };
    store.keys.insert(record);
    this.#done("CreateKey", record, {
      parameters: {
        Description: description,
        KeySpec: keySpec,
        KeyUsage: keyUsage,
        Origin: origin,
        MultiRegion: record.regions !== undefined,
        Policy: policy,
        BypassPolicyLockoutSafetyCheck: true,
        Tags: tagList(record.tags),
      },
      response: { KeyMetadata: keyMetadata(record, { ...this.#realm, region }, now) },
    });
    for (let i = 1; i < material.length; i++) this.#doneTo(record, "RotateKeyOnDemand");
    this.#change(ground, wanted);
  }

  #replicate(ground: Ground, wanted: WantedKey, step: SeedStep): void {
    const store = this.#store;
    const { keyId, region, regions: [primaryRegion = region] = [], description, tags } = wanted;
    const primary = store.keys.get(primaryRegion, keyId);
    if (primary === undefined || isReplica(primary)) throw refusal(step, OVERTAKEN);
    const own = {
      region,
      description,
      policy: wanted.policy ?? defaultKeyPolicy(this.#realm.accountId),
      tags: new Map(Object.entries(tags)),
    };
    this.#doneTo(primary, "ReplicateKey", {
      ReplicaRegion: region,
      Description: description,
      Policy: own.policy,
      BypassPolicyLockoutSafetyCheck: true,
      Tags: tagList(own.tags),
    });
    this.#doneTo(replicate(primary, own, store), "CreateKey");
    this.#change(ground, wanted);
  }

  /** Returns the key, which becomes the primary one of its related keys where it should be. */
  #inRole(wanted: WantedKey): KeyRecord | undefined {
    const { keys } = this.#store;
    const record = keys.get(wanted.region, wanted.keyId);
    if (record === undefined || isReplica(wanted) || !isReplica(record)) return record;
    const facts = { PrimaryRegion: wanted.region };
    this.#doneTo(primaryOf(record, this.#store), "UpdatePrimaryRegion", facts);
    setPrimary(record, wanted.region, this.#store);
    return keys.get(wanted.region, wanted.keyId);
  }

  /** Brings a key to what the seed says. */
  #change(ground: Ground, wanted: WantedKey): void {
    const record = this.#inRole(wanted);
    if (record === undefined) return;
    const target = keyTarget(ground, wanted, record);
    const { description, enabled, policy, rotation, tags } = target;
    if (record.deletion !== undefined) this.#doneTo(record, "CancelKeyDeletion");
    if (record.description !== description) {
      this.#doneTo(record, "UpdateKeyDescription", { Description: description });
    }
    if (record.enabled !== enabled) this.#doneTo(record, enabled ? "EnableKey" : "DisableKey");
    if (record.rotation !== rotation) {
      if (rotation === undefined) this.#doneTo(record, "DisableKeyRotation");
      else {
        const { periodInDays } = rotation;
        this.#doneTo(record, "EnableKeyRotation", { RotationPeriodInDays: periodInDays });
      }
    }
    if (record.policy !== policy) {
      const facts = { PolicyName: "default", Policy: policy, BypassPolicyLockoutSafetyCheck: true };
      this.#doneTo(record, "PutKeyPolicy", facts);
    }
    const Tags = tagList(tags).filter(
      ({ TagKey, TagValue }) => record.tags.get(TagKey) !== TagValue,
    );
    if (Tags.length > 0) this.#doneTo(record, "TagResource", { Tags });
    const TagKeys = [...record.tags.keys()].filter((name) => !tags.has(name));
    if (TagKeys.length > 0) this.#doneTo(record, "UntagResource", { TagKeys });
    this.#store.keys.update({
      ...record,
      ...target,
      aliases: this.#moveAliases(record, target.aliases),
    });
  }

  /** Takes the aliases of a key from those that have them. */
  #moveAliases(record: KeyRecord, names: readonly string[]): KeyRecord["aliases"] {
    const store = this.#store;
    const now = store.now();
    for (const { name } of record.aliases) {
      if (!names.includes(name)) this.#doneToAlias(record, "DeleteAlias", name);
    }
    return names.map((name) => {
      const known = record.aliases.find((alias) => alias.name === name);
      if (known !== undefined) return known;
      const holder = store.keys.byAlias(record.region, name);
      this.#doneToAlias(record, holder === undefined ? "CreateAlias" : "UpdateAlias", name);
      const alias = holder?.aliases.find((one) => one.name === name);
      if (holder !== undefined) store.keys.update(withoutAlias(holder, name));
      return { name, created: alias?.created ?? now, updated: now };
    });
  }

  #applyPrincipal(ground: Ground, wanted: CheckedPrincipal): void {
    const step = planPrincipal(ground, wanted);
    if (step.action === "conflict") {
      throw refusal(step, OVERTAKEN);
    }
    const record = knownPrincipal(this.#store, wanted.arn);
    const target = record === undefined ? wanted : principalTarget(ground, wanted, record);
    this.#iam.putWithin(target);
  }

  /** What others have deleted meanwhile is gone, as it should be. */
  #prune(name: string): void {
    const store = this.#store;
    if (name.startsWith("arn:aws:iam:")) {
      if (store.principals.get(name) !== undefined) this.#iam.deleteWithin(name);
      return;
    }
    const [, region = this.#realm.region, keyId = name] = KEY_ARN.exec(name) ?? [];
    const record = store.keys.get(region, keyId);
    if (record === undefined || !isSeedable(record, store)) return;
    const windowDays = PRUNE_WINDOW_DAYS;
    const deletion = deletionIn(windowDays, record, store.now());
    store.keys.update({ ...record, enabled: false, deletion });
    this.#doneTo(record, "ScheduleKeyDeletion", { PendingWindowInDays: windowDays });
  }

  #doneTo(record: KeyRecord, operation: string, parameters: object = {}): void {
    this.#done(operation, record, { parameters: { KeyId: record.keyId, ...parameters } });
  }

  #doneToAlias(record: KeyRecord, operation: string, name: string): void {
    const { keyId, region } = record;
    const parameters = { AliasName: name, TargetKeyId: keyId };
    this.#done(operation, record, { parameters }, [aliasArn({ ...this.#realm, region }, name)]);
  }

  /** Records within the transaction: the record commits with the change. */
  #done(
    operation: string,
    record: KeyRecord,
    facts: Pick<Parameters<AuditSink["append"]>[0], "parameters" | "response">,
    others: readonly string[] = [],
  ): void {
    const { accountId } = this.#realm;
    void this.#audit.append({
      time: this.#store.now(),
      region: record.region,
      operation,
      // Whoever has opened the keystore acts for the account.
      principal: accountRoot(accountId),
      accountId,
      readOnly: false,
      resources: [...others, arnOf(record, this.#realm)],
      decisions: [],
      ...facts,
    });
  }
}

const OVERTAKEN = "it was changed by others meanwhile; apply the seed again";
const KEY_ARN = /^arn:aws:kms:([^:]+):[0-9]+:key\/(.+)$/;

function refusal({ record, changes }: SeedStep, outcome: string): KmsError {
  const what = changes.map(
    ({ path, from, to }) => `${path} is ${say(from)}, the seed has ${say(to)}`,
  );
  return new KmsError("ValidationException", `${record}: ${[...what, outcome].join("; ")}`);
}

function say(value: unknown): string {
  return value === undefined ? "absent" : inspect(value);
}
