import type { KeyObject } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { character } from "@env/testkit/character";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  createKeystore,
  openKeystore,
  parseSeed,
  type Keystore,
  type SeedDocument,
  type SeedPlan,
} from "../../src/index.ts";
import type { KeyRecord } from "../../src/store/key-record.ts";
import { KeyTable } from "../../src/store/key-table.ts";
import type { Listed } from "../../src/store/store.ts";
import { newKey, auditRecords, refusal, tempKeystore } from "../support/keystore.ts";
import {
  actions,
  ALICE,
  apply,
  arnIn,
  EVERYTHING,
  GROUP,
  identityPolicy,
  KEY,
  keyPolicy,
  MULTI,
  OTHER,
  ROLE,
  seedOf,
} from "./support/seeds.ts";

afterEach(() => void vi.restoreAllMocks());

const names = async (keystore: Keystore): Promise<string[]> =>
  (await auditRecords(keystore)).map(({ eventName }) => eventName);

describe("applying a seed", () => {
  it("makes what there is not, and says so before", async () => {
    const { keystore } = await tempKeystore();
    const plan = await keystore.seeding.plan(parseSeed(EVERYTHING));
    expect(plan.steps.map(({ action }) => action)).toEqual(
      Array.from({ length: 8 }, () => "create"),
    );
    expect(plan.steps[0]).toEqual({
      action: "create",
      record: GROUP,
      changes: [{ path: "policies", from: undefined, to: { all: identityPolicy("kms:*") } }],
    });
    expect(plan.steps[3]?.changes.map(({ path }) => path)).toEqual([
      "description",
      "rotation",
      "policy",
      "tags",
      "aliases",
    ]);
    expect(await keystore.seeding.exportConfig()).toEqual({ version: 1, keys: [], principals: [] });

    await keystore.seeding.apply(plan);
    const { principals = [], ...rest } = EVERYTHING;
    expect(await keystore.seeding.exportConfig()).toEqual({
      ...rest,
      principals: principals.toSorted((a, b) => (a.arn < b.arn ? -1 : 1)),
    });
    expect(await keystore.verify()).toEqual([]);
  });

  it("makes keys that work, and decides by the policies it brings", async () => {
    const { keystore } = await tempKeystore();
    await apply(keystore, EVERYTHING);
    const mac = { KeyId: "alias/mac", Message: new Uint8Array(3), MacAlgorithm: "HMAC_SHA_256" };
    const { Mac } = await keystore.as().generateMac(mac);
    expect(Mac).toHaveLength(32);
    const spec = { KeyId: KEY, KeySpec: "AES_256" };
    expect(await refusal(keystore.as(ALICE).generateDataKey(spec))).toMatch(/^AccessDenied/);
    expect(await refusal(keystore.as().describeKey({ KeyId: KEY }))).toMatch(/^AccessDenied/);
  });

  it("changes nothing the second time, and records nothing", async () => {
    const { keystore } = await tempKeystore();
    await apply(keystore, EVERYTHING);
    const before = await auditRecords(keystore);
    for (const prune of [false, true]) {
      const plan = await apply(keystore, EVERYTHING, prune);
      expect(new Set(plan.steps.map(({ action }) => action))).toEqual(new Set(["none"]));
      expect(plan.steps.flatMap(({ changes }) => changes)).toEqual([]);
    }
    expect(await auditRecords(keystore)).toEqual(before);
  });

  it("takes a policy that says the same for the same", async () => {
    const { keystore } = await tempKeystore();
    const { Version, Statement } = keyPolicy("kms:Decrypt") as Record<string, unknown>;
    await apply(keystore, seedOf([{ keyId: KEY, policy: { Version, Statement } }]));
    const text = JSON.stringify({ Statement, Version }, null, 4);
    expect(actions(await apply(keystore, seedOf([{ keyId: KEY, policy: text }])))).toEqual([
      `none ${KEY}`,
    ]);
  });

  it("names each thing that differs, and records each thing that it does", async () => {
    const { keystore } = await tempKeystore();
    await apply(keystore, EVERYTHING);
    const count = (await auditRecords(keystore)).length;
    const changed = seedOf([
      {
        keyId: KEY,
        description: "invoices",
        enabled: false,
        rotation: { periodInDays: 100 },
        policy: keyPolicy("kms:Encrypt"),
        tags: { team: "b", "cost center": "7" },
        aliases: ["alias/orders", "alias/new"],
      },
    ]);
    const { steps } = await apply(keystore, changed);
    expect(steps).toEqual([
      {
        action: "update",
        record: KEY,
        changes: [
          { path: "description", from: "orders", to: "invoices" },
          { path: "enabled", from: true, to: false },
          { path: "rotation.periodInDays", from: 90, to: 100 },
          { path: "policy.Statement[0].Action", from: "kms:Decrypt", to: "kms:Encrypt" },
          { path: "tags.team", from: "a", to: "b" },
          { path: 'tags["cost center"]', from: undefined, to: "7" },
          { path: "aliases.alias/new", from: undefined, to: KEY },
        ],
      },
    ]);
    const done = (await auditRecords(keystore)).slice(count);
    expect(done.map(({ eventName, requestParameters }) => [eventName, requestParameters])).toEqual([
      ["UpdateKeyDescription", { keyId: KEY, description: "invoices" }],
      ["DisableKey", { keyId: KEY }],
      ["EnableKeyRotation", { keyId: KEY, rotationPeriodInDays: 100 }],
      [
        "PutKeyPolicy",
        {
          keyId: KEY,
          policyName: "default",
          policy: JSON.stringify(keyPolicy("kms:Encrypt")),
          bypassPolicyLockoutSafetyCheck: true,
        },
      ],
      [
        "TagResource",
        {
          keyId: KEY,
          tags: [
            { tagKey: "team", tagValue: "b" },
            { tagKey: "cost center", tagValue: "7" },
          ],
        },
      ],
      ["CreateAlias", { aliasName: "alias/new", targetKeyId: KEY }],
    ]);
    expect((await keystore.seeding.exportConfig()).keys?.[0]).toEqual({
      keyId: KEY,
      description: "invoices",
      enabled: false,
      rotation: { periodInDays: 100 },
      policy: keyPolicy("kms:Encrypt"),
      tags: { team: "b", stage: "test", "cost center": "7" },
      aliases: ["alias/new", "alias/orders", "alias/orders-old"],
    });
  });

  it("brings back to its default what the seed leaves out", async () => {
    const { keystore } = await tempKeystore();
    await apply(keystore, seedOf([{ keyId: KEY, ...EVERYTHING.keys?.[0], enabled: false }]));
    await apply(keystore, seedOf([{ keyId: KEY }]), true);
    expect(await keystore.seeding.exportConfig()).toMatchObject({ keys: [{ keyId: KEY }] });
    const last = (await names(keystore)).slice(-7);
    expect(last.toSorted()).toEqual([
      "DeleteAlias",
      "DeleteAlias",
      "DisableKeyRotation",
      "EnableKey",
      "PutKeyPolicy",
      "UntagResource",
      "UpdateKeyDescription",
    ]);
  });

  it("moves aliases between keys, in either direction at once", async () => {
    const { keystore, client } = await tempKeystore();
    const stranger = await newKey(client, "alias/c");
    await apply(
      keystore,
      seedOf([
        { keyId: KEY, aliases: ["alias/a"] },
        { keyId: OTHER, aliases: ["alias/b"] },
      ]),
    );
    const swapped = seedOf([
      { keyId: KEY, aliases: ["alias/b", "alias/c"] },
      { keyId: OTHER, aliases: ["alias/a"] },
    ]);
    for (const prune of [false, true]) {
      const { steps } = await apply(keystore, swapped, prune);
      if (!prune) {
        expect(steps.flatMap(({ changes }) => changes)).toEqual([
          { path: "aliases.alias/b", from: OTHER, to: KEY },
          { path: "aliases.alias/c", from: stranger, to: KEY },
          { path: "aliases.alias/a", from: KEY, to: OTHER },
        ]);
      }
    }
    const { Aliases } = await client.listAliases({ KeyId: KEY });
    expect(Aliases.map(({ AliasName }) => AliasName)).toEqual(["alias/b", "alias/c"]);
    expect((await names(keystore)).filter((name) => name === "UpdateAlias")).toHaveLength(3);
    expect(await keystore.verify()).toEqual([]);
  });

  it("swaps aliases when it prunes, and deletes none of them", async () => {
    const { keystore } = await tempKeystore();
    await apply(keystore, seedOf([{ keyId: KEY, aliases: ["alias/a"] }, { keyId: OTHER }]));
    await apply(keystore, seedOf([{ keyId: KEY }, { keyId: OTHER, aliases: ["alias/a"] }]), true);
    const all = await names(keystore);
    expect(all).toContain("UpdateAlias");
    expect(all).not.toContain("DeleteAlias");
  });

  it("keeps the dates of what stays, and of aliases that move", async () => {
    const { keystore, client } = await tempKeystore();
    const rotation = { periodInDays: 90 };
    await apply(keystore, seedOf([{ keyId: KEY, rotation, aliases: ["alias/a"] }]));
    const before = await client.getKeyRotationStatus({ KeyId: KEY });
    const [alias] = (await client.listAliases({ KeyId: KEY })).Aliases;
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 86_400_000);
    const changed = [
      { keyId: KEY, rotation, description: "b" },
      { keyId: OTHER, aliases: ["alias/a"] },
    ];
    await apply(keystore, seedOf(changed));
    expect(await client.getKeyRotationStatus({ KeyId: KEY })).toEqual(before);
    const [moved] = (await client.listAliases({ KeyId: OTHER })).Aliases;
    expect(moved?.CreationDate).toEqual(alias?.CreationDate);
    expect(moved?.LastUpdatedDate).not.toEqual(alias?.LastUpdatedDate);
  });

  it("keeps a key that was to be deleted", async () => {
    const { keystore, client } = await tempKeystore();
    await apply(keystore, seedOf([{ keyId: KEY }]));
    await client.scheduleKeyDeletion({ KeyId: KEY });
    const { steps } = await apply(keystore, seedOf([{ keyId: KEY }]));
    expect(steps[0]?.changes.map(({ path }) => path)).toEqual(["deletion", "enabled"]);
    const { KeyMetadata } = await client.describeKey({ KeyId: KEY });
    expect(KeyMetadata.KeyState).toBe("Enabled");
    expect((await names(keystore)).slice(-3)).toEqual([
      "CancelKeyDeletion",
      "EnableKey",
      "DescribeKey",
    ]);
  });
});

describe("pruning", () => {
  it("is not done unless asked for", async () => {
    const { keystore, client } = await tempKeystore();
    await apply(keystore, EVERYTHING);
    const extra = await newKey(client, "alias/extra");
    const before = await keystore.seeding.exportConfig();
    const smaller = seedOf(
      [{ ...EVERYTHING.keys?.[0], keyId: KEY, tags: {}, aliases: [] }],
      [{ arn: ALICE }],
    );
    expect(actions(await apply(keystore, smaller))).toEqual([`none ${ALICE}`, `none ${KEY}`]);
    expect(await keystore.seeding.exportConfig()).toEqual(before);

    const plan = await apply(keystore, smaller, true);
    expect(actions(plan)).toEqual([
      `update ${ALICE}`,
      `update ${KEY}`,
      `delete ${ROLE}`,
      `delete ${GROUP}`,
      `delete ${arnIn("eu-1", MULTI)}`,
      ...(EVERYTHING.keys?.slice(1).map(({ keyId }) => `delete ${keyId}`) ?? []),
      `delete ${extra}`,
    ]);
    const { keys = [], principals = [] } = await keystore.seeding.exportConfig();
    expect(principals).toEqual([{ arn: ALICE }]);
    expect(keys.map(({ keyId, tags, aliases }) => [keyId, tags, aliases])).toEqual([
      [KEY, undefined, undefined],
    ]);
    const { KeyMetadata } = await client.describeKey({ KeyId: extra });
    expect(KeyMetadata).toMatchObject({ KeyState: "PendingDeletion" });
    expect(actions(await apply(keystore, smaller, true))).toEqual([`none ${ALICE}`, `none ${KEY}`]);
    expect(await keystore.verify()).toEqual([]);
  });

  it("lets a primary key wait for the deletion of its replicas", async () => {
    const { keystore, client } = await tempKeystore();
    const { KeyId } = (await client.createKey({ MultiRegion: true })).KeyMetadata;
    await client.replicateKey({ KeyId, ReplicaRegion: "eu-1" });
    await apply(keystore, { version: 1 }, true);
    const { KeyMetadata } = await client.describeKey({ KeyId });
    expect(KeyMetadata).toMatchObject({ KeyState: "PendingReplicaDeletion" });
    expect(KeyMetadata.DeletionDate).toBeUndefined();
  });

  it("leaves AWS managed keys alone", async () => {
    const { keystore, client } = await tempKeystore();
    await client.describeKey({ KeyId: "alias/aws/s3" });
    expect(actions(await apply(keystore, { version: 1 }, true))).toEqual([]);
    expect(await keystore.seeding.exportConfig()).toEqual({ version: 1, keys: [], principals: [] });
  });
});

describe("a conflict", () => {
  const hmac = { keySpec: "HMAC_256", keyUsage: "GENERATE_VERIFY_MAC" } as const;

  it.each<[string, SeedDocument["keys"], string]>([
    [
      "another key spec",
      [{ keyId: KEY, ...hmac }],
      "keySpec is 'SYMMETRIC_DEFAULT', the seed has 'HMAC_256'",
    ],
    ["another usage", [{ keyId: KEY, ...hmac }], "keyUsage is 'ENCRYPT_DECRYPT', the seed has"],
    [
      "another origin",
      [{ keyId: KEY, origin: "EXTERNAL" }],
      "origin is 'AWS_KMS', the seed has 'EXTERNAL'",
    ],
    [
      "the same id in another form",
      [{ keyId: `mrk-${KEY.replaceAll("-", "")}` }],
      "keyId is 'taken",
    ],
    [
      "an alias of another kind",
      [{ keyId: OTHER, ...hmac, aliases: ["alias/a"] }],
      "aliases.alias/a is",
    ],
    [
      "too many aliases together",
      [{ keyId: KEY, aliases: Array.from({ length: 50 }, (_, i) => `alias/n${i}`) }],
      "aliases is 'at most 50', the seed has 51",
    ],
    [
      "too many tags together",
      [
        {
          keyId: KEY,
          tags: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`n${i}`, ""])),
        },
      ],
      "tags is 'at most 50', the seed has 51",
    ],
  ])("of %s refuses the whole before anything is changed", async (_, keys = [], message) => {
    const { keystore } = await tempKeystore();
    await apply(keystore, seedOf([{ keyId: KEY, aliases: ["alias/a"], tags: { a: "" } }]));
    const before = await auditRecords(keystore);
    const fine = { keyId: "00000000-0000-4000-8000-000000000009" };
    const seed = parseSeed(seedOf([fine, ...keys], [{ arn: ALICE }]));
    const plan = await keystore.seeding.plan(seed);
    expect(plan.steps.map(({ action }) => action)).toEqual(["create", "create", "conflict"]);
    const error = await rejection(keystore.seeding.apply(plan));
    expect(error).toMatchObject({ name: "ValidationException" });
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/; nothing was changed$/);
    expect(await auditRecords(keystore)).toEqual(before);
  });

  it("refuses a group that does not exist and that the seed does not create", async () => {
    const { keystore } = await tempKeystore();
    const member = seedOf([], [{ arn: ALICE, groups: [GROUP] }]);
    expect(await refusal(apply(keystore, member))).toContain(`groups.${GROUP} is absent`);
    await keystore.iam.put({ arn: GROUP });
    expect(await refusal(apply(keystore, member, true))).toContain(`groups.${GROUP} is absent`);
    expect(actions(await apply(keystore, member))).toEqual([`create ${ALICE}`]);
  });

  it("is an AWS managed key, and one that was deleted and is not yet destroyed", async () => {
    const { keystore, client } = await tempKeystore();
    const { KeyMetadata } = await client.describeKey({ KeyId: "alias/aws/s3" });
    expect(await refusal(apply(keystore, seedOf([{ keyId: KeyMetadata.KeyId }])))).toContain(
      "manager is 'AWS', the seed has 'CUSTOMER'",
    );
    const gone = await newKey(client);
    await client.scheduleKeyDeletion({ KeyId: gone, PendingWindowInDays: 7 });
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 7 * 86_400_000 + 1000);
    expect(await refusal(apply(keystore, seedOf([{ keyId: gone }])))).toContain("keyId is 'taken");
  });

  it("that is made after the plan also refuses the seed", async () => {
    const { keystore } = await tempKeystore();
    const plan = await keystore.seeding.plan(parseSeed(seedOf([{ keyId: KEY }])));
    await apply(keystore, seedOf([{ keyId: KEY, ...hmac }]));
    expect(await refusal(keystore.seeding.apply(plan))).toContain("keySpec is 'HMAC_256'");
  });
});

describe("a key with replicas", () => {
  const there = { region: "eu-1" };
  const family = (more: object = {}, replica: object = {}): unknown =>
    seedOf([{ keyId: MULTI, ...more, replicas: [{ ...there, ...replica }] }]);

  it("is made with them, and they decrypt what it encrypts", async () => {
    const { keystore, client } = await tempKeystore();
    const seed = family({ rotation: { periodInDays: 90 } }, { aliases: ["alias/there"] });
    const plan = await apply(keystore, seed);
    expect(actions(plan)).toEqual([`create ${MULTI}`, `create ${arnIn("eu-1", MULTI)}`]);
    const { CiphertextBlob } = await client.encrypt({ KeyId: MULTI, Plaintext: Buffer.from("a") });
    const { Plaintext, KeyId } = await keystore
      .as("root", there)
      .decrypt({ CiphertextBlob, KeyId: "alias/there" });
    expect(Buffer.from(Plaintext).toString()).toBe("a");
    expect(KeyId).toBe(arnIn("eu-1", MULTI));
    const facts = (await auditRecords(keystore)).map(({ eventName, awsRegion, resources }) => [
      eventName,
      awsRegion,
      resources?.map(({ ARN }) => ARN),
    ]);
    const home = [arnIn("local", MULTI)];
    const replica = [arnIn("eu-1", MULTI)];
    expect(facts.slice(0, 5)).toEqual([
      ["CreateKey", "local", home],
      ["EnableKeyRotation", "local", home],
      ["ReplicateKey", "local", home],
      ["CreateKey", "eu-1", replica],
      ["CreateAlias", "eu-1", ["arn:aws:kms:eu-1:000000000000:alias/there", ...replica]],
    ]);
    expect(actions(await apply(keystore, seed))).toEqual([
      `none ${MULTI}`,
      `none ${arnIn("eu-1", MULTI)}`,
    ]);
    expect(await keystore.verify()).toEqual([]);
  });

  it("changes each of them by itself", async () => {
    const { keystore } = await tempKeystore();
    await apply(keystore, family());
    const { steps } = await apply(keystore, family({}, { enabled: false, tags: { team: "b" } }));
    expect(steps.map(({ changes }) => changes.map(({ path }) => path))).toEqual([
      [],
      ["enabled", "tags.team"],
    ]);
    const { keys } = await keystore.seeding.exportConfig();
    expect(keys).toEqual([
      {
        keyId: MULTI,
        multiRegion: true,
        replicas: [{ region: "eu-1", enabled: false, tags: { team: "b" } }],
      },
    ]);
  });

  it("makes another one the primary key, which keeps the date of the next rotation", async () => {
    const { keystore, client } = await tempKeystore();
    await apply(keystore, family({ rotation: { periodInDays: 90 } }));
    const { NextRotationDate } = await client.getKeyRotationStatus({ KeyId: MULTI });
    const seed = seedOf([
      {
        keyId: MULTI,
        ...there,
        rotation: { periodInDays: 90 },
        replicas: [{ region: "local" }],
      },
    ]);
    const { steps } = await apply(keystore, seed);
    expect(steps).toMatchObject([
      {
        action: "update",
        record: arnIn("eu-1", MULTI),
        changes: [{ path: "primaryRegion", from: "local", to: "eu-1" }],
      },
      { action: "none", record: MULTI },
    ]);
    const status = await keystore.as("root", there).getKeyRotationStatus({ KeyId: MULTI });
    expect(status.NextRotationDate).toEqual(NextRotationDate);
    expect((await names(keystore)).slice(-2)).toEqual([
      "UpdatePrimaryRegion",
      "GetKeyRotationStatus",
    ]);
    expect(actions(await apply(keystore, seed))).toEqual([
      `none ${arnIn("eu-1", MULTI)}`,
      `none ${MULTI}`,
    ]);
    expect((await keystore.seeding.exportConfig()).keys?.[0]).toMatchObject(there);
  });

  it("cannot move to a region that has none of them", async () => {
    const { keystore } = await tempKeystore();
    await apply(keystore, family());
    const message = await refusal(apply(keystore, seedOf([{ keyId: MULTI, region: "us-1" }])));
    expect(message).toContain("region is 'eu-1', the seed has 'us-1'; nothing was changed");
  });

  it("is refused where the keystore's own region and a named one are the same", async () => {
    const { keystore } = await tempKeystore();
    const twice = seedOf([{ keyId: MULTI, replicas: [{ region: "local" }] }]);
    expect(await refusal(apply(keystore, twice))).toContain(
      `${MULTI} occurs twice in the seed: keys without a region are in local`,
    );
    const aliases = ["alias/a"];
    const alias = seedOf([
      { keyId: KEY, aliases },
      { keyId: OTHER, region: "local", aliases },
    ]);
    expect(await refusal(apply(keystore, alias))).toContain(
      "arn:aws:kms:local:000000000000:alias/a occurs twice",
    );
  });

  it("is not in the keystore's seed while it is pending deletion, nor are they", async () => {
    const { keystore, client } = await tempKeystore();
    await apply(keystore, family());
    await client.scheduleKeyDeletion({ KeyId: MULTI });
    const exported = await keystore.seeding.exportConfig();
    expect(exported.keys).toEqual([]);
    expect(actions(await apply(keystore, exported, true))).toEqual([]);
  });

  it("that others delete before its replica is made refuses the replica", async () => {
    const { keystore, client } = await tempKeystore();
    const plan = await keystore.seeding.plan(parseSeed(family()));
    const { steps } = plan;
    vi.spyOn(keystore.seeding, "plan").mockResolvedValueOnce({ ...plan, steps: steps.slice(1) });
    expect(await refusal(keystore.seeding.apply(plan))).toContain(
      "it was changed by others meanwhile",
    );
    expect((await client.listKeys({})).Keys).toEqual([]);
  });
});

describe("what others change while a seed is applied", () => {
  /** Applies a plan that others have overtaken. */
  const applyLate = (keystore: Keystore, plan: SeedPlan): Promise<SeedPlan> => {
    vi.spyOn(keystore.seeding, "plan").mockResolvedValueOnce(plan);
    return keystore.seeding.apply(plan);
  };

  it("is not overwritten where it conflicts", async () => {
    const { keystore } = await tempKeystore();
    const plan = await keystore.seeding.plan(parseSeed(seedOf([{ keyId: KEY }])));
    await apply(keystore, seedOf([{ keyId: KEY, description: "theirs" }]));
    expect(await refusal(applyLate(keystore, plan))).toContain(
      "it was changed by others meanwhile",
    );
    expect((await keystore.seeding.exportConfig()).keys?.[0]?.description).toBe("theirs");
  });

  it("may be what pruning was to do", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    await keystore.iam.put({ arn: ROLE });
    const plan = await keystore.seeding.plan(parseSeed({ version: 1 }), { prune: true });
    expect(actions(plan)).toEqual([`delete ${ROLE}`, `delete ${KeyId}`]);
    await keystore.iam.delete(ROLE);
    const { DeletionDate } = await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    await applyLate(keystore, plan);
    const { KeyMetadata } = await client.describeKey({ KeyId });
    expect(KeyMetadata.DeletionDate).toEqual(DeletionDate);
  });
});

it("stopped before any of its steps, it is completed by applying the seed again", async () => {
  const whole = await tempKeystore();
  await apply(whole.keystore, EVERYTHING);
  const expected = await whole.keystore.seeding.exportConfig();
  const { steps } = await whole.keystore.seeding.plan(parseSeed(EVERYTHING));
  expect(steps).toHaveLength(8);
  for (let stop = 0; stop < steps.length; stop++) {
    const { path, keystore, root } = await tempKeystore();
    const { signal } = new AbortController();
    let left = stop;
    vi.spyOn(signal, "throwIfAborted").mockImplementation(() => {
      if (left-- === 0) throw new Error("stopped");
    });
    const plan = await keystore.seeding.plan(parseSeed(EVERYTHING));
    await expect(keystore.seeding.apply(plan, { signal })).rejects.toThrow("stopped");
    keystore.close();
    using again = await openKeystore(path, { root });
    const rest = await apply(again, EVERYTHING);
    expect(rest.steps.filter(({ action }) => action === "none")).toHaveLength(stop);
    expect(await again.seeding.exportConfig()).toEqual(expected);
  }
});

it("stops for a signal, between two steps", async () => {
  const { keystore } = await tempKeystore();
  const plan = await keystore.seeding.plan(parseSeed(EVERYTHING));
  const reason = new Error("interrupted");
  const stopped = keystore.seeding.apply(plan, { signal: AbortSignal.abort(reason) });
  await expect(stopped).rejects.toBe(reason);
  expect(await auditRecords(keystore)).toEqual([]);
});

describe("fixed key material", () => {
  const [first, second] = [1, 2].map((n) => Buffer.alloc(32, n).toString("base64"));
  const seed = (...material: (string | undefined)[]) =>
    parseSeed(
      { version: 1, insecureFixedMaterial: true, keys: [{ keyId: KEY, material }] },
      { insecureFixedMaterial: true },
    );

  it("makes the same key in two keystores, with every version", async () => {
    const [one, two] = [await tempKeystore(), await tempKeystore()];
    const plan = await one.keystore.seeding.plan(seed(first, second));
    expect(plan.warnings).toHaveLength(1);
    expect(plan.warnings[0]).toContain("tests only");
    expect(plan.steps[0]?.changes).toEqual([
      { path: "material", from: undefined, to: "from the seed, versions: 2" },
    ]);
    await one.keystore.seeding.apply(plan);
    await two.keystore.seeding.apply(await two.keystore.seeding.plan(seed(first, second)));
    expect((await names(one.keystore)).slice(0, 2)).toEqual(["CreateKey", "RotateKeyOnDemand"]);
    for (const { keystore } of [one, two]) {
      const materials = (await materialOf(keystore)).map((key) => key.export());
      expect(materials).toEqual([Buffer.alloc(32, 1), Buffer.alloc(32, 2)]);
    }
    const found = [one, two].map(({ keystore }) => keystore.seeding.plan(seed(first, second)));
    for (const { steps } of await Promise.all(found)) expect(steps[0]?.action).toBe("none");
  });

  it("is never replaced, nor added to; versions that came later do no harm", async () => {
    const { keystore, client } = await tempKeystore();
    const put = async (wanted: ReturnType<typeof seed>) =>
      keystore.seeding.apply(await keystore.seeding.plan(wanted));
    await put(seed(first));
    for (const other of [seed(second), seed(first, second)]) {
      const message = await refusal(put(other));
      expect(message).toContain("material is 'other material', the seed has 'that of the seed'");
    }
    await client.rotateKeyOnDemand({ KeyId: KEY });
    expect(actions(await put(seed(first)))).toEqual([`none ${KEY}`]);
    const random = await newKey(client);
    const taken = parseSeed(
      { version: 1, insecureFixedMaterial: true, keys: [{ keyId: random, material: [first] }] },
      { insecureFixedMaterial: true },
    );
    expect(await refusal(put(taken))).toContain("material is 'other material'");
  });

  it("is in no plan, export or file", async () => {
    const { keystore, path } = await tempKeystore();
    const plan = await keystore.seeding.plan(seed(first, second));
    await keystore.seeding.apply(plan);
    const texts = [
      JSON.stringify(plan),
      JSON.stringify(await keystore.seeding.exportConfig()),
      JSON.stringify(await auditRecords(keystore)),
    ];
    const folder = dirname(path);
    for (const name of readdirSync(folder)) {
      texts.push(readFileSync(join(folder, name), "latin1"));
    }
    for (const n of [1, 2]) {
      const bytes = Buffer.alloc(32, n);
      for (const encoding of ["base64", "base64url", "hex", "latin1"] as const) {
        for (const text of texts) expect(text.includes(bytes.toString(encoding))).toBe(false);
      }
    }
  });
});

describe("the seed of a keystore", () => {
  it("holds no key material, of any kind of key", async () => {
    const { keystore } = await tempKeystore();
    await apply(
      keystore,
      seedOf([{ keyId: KEY }, { keyId: OTHER, keySpec: "ECC_NIST_P256", keyUsage: "SIGN_VERIFY" }]),
    );
    const materials = (await materialOf(keystore)).map((key) =>
      key.type === "secret" ? key.export() : key.export({ format: "der", type: "pkcs8" }),
    );
    expect(materials).toHaveLength(2);
    const text = JSON.stringify(await keystore.seeding.exportConfig());
    for (const bytes of materials) {
      for (const encoding of ["base64", "base64url", "hex", "latin1"] as const) {
        expect(text.includes(bytes.toString(encoding))).toBe(false);
      }
    }
    expect(text).not.toContain("aterial");
  });

  it("keeps numbers of a policy to the digit", async () => {
    const { keystore } = await tempKeystore();
    const policy = JSON.stringify(keyPolicy("kms:Decrypt")).replace(
      '"Resource":"*"',
      '"Resource":"*","Condition":{"NumericEquals":{"kms:RotationPeriodInDays":12345678901234567890}}',
    );
    await apply(keystore, seedOf([{ keyId: KEY, policy }]));
    const document = await keystore.seeding.exportConfig();
    expect(document.keys?.[0]?.policy).toBe(policy);
    expect(actions(await apply(keystore, document))).toEqual([`none ${KEY}`]);
  });

  it("leaves out memberships of groups that are gone", async () => {
    const { keystore } = await tempKeystore();
    await keystore.iam.put({ arn: GROUP });
    await keystore.iam.put({ arn: ALICE, groups: [GROUP] });
    await keystore.iam.delete(GROUP);
    const document = await keystore.seeding.exportConfig();
    expect(document.principals).toEqual([{ arn: ALICE }]);
    expect(actions(await apply(keystore, document))).toEqual([`none ${ALICE}`]);
  });

  it("makes the same keystore again, whatever is in it", async () => {
    const folder = tempFolder();
    let runs = 0;
    const text = fc.string({ unit: character, maxLength: 12 });
    const name = fc.stringMatching(/^[a-zA-Z0-9_/-]{1,12}$/);
    const tagKey = fc
      .string({ unit: character, minLength: 1, maxLength: 12 })
      .filter((one) => !/^aws:/i.test(one));
    const tags = fc.dictionary(tagKey, text, { maxKeys: 4 });
    const action = fc.constantFrom("kms:Decrypt", "kms:*", "kms:Generate*");
    const policies = fc.dictionary(fc.stringMatching(/^[\w+=,.@-]{1,10}$/), action, { maxKeys: 3 });
    const kind = fc.constantFrom<Partial<NonNullable<SeedDocument["keys"]>[number]>>(
      {},
      { origin: "EXTERNAL" },
      { keySpec: "HMAC_384", keyUsage: "GENERATE_VERIFY_MAC" },
      { keySpec: "ECC_NIST_P256", keyUsage: "KEY_AGREEMENT" },
    );
    const key = fc.record({
      kind,
      text,
      tags,
      policy: fc.option(action),
      enabled: fc.boolean(),
      multi: fc.boolean(),
      period: fc.option(fc.integer({ min: 90, max: 2560 })),
      names: fc.uniqueArray(name, { maxLength: 3 }),
      region: fc.option(fc.constantFrom("local", "b-1"), { nil: undefined }),
      replicas: fc.uniqueArray(fc.record({ region: fc.constantFrom("a-1", "c-1"), text, tags }), {
        selector: ({ region }) => region,
      }),
    });
    const user = fc.record({ tags, policies, bounded: fc.boolean(), grouped: fc.boolean() });

    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.uuid(), { maxLength: 4 }),
        fc.array(key, { minLength: 4, maxLength: 4 }),
        fc.array(user, { maxLength: 3 }),
        async (ids, keys, users) => {
          const wanted: SeedDocument = {
            version: 1,
            keys: ids.map((id, i) => {
              const one = keys[i];
              if (one === undefined) throw new Error("there are as many");
              const rotates = one.period !== null && Object.keys(one.kind).length === 0;
              return {
                ...one.kind,
                ...(one.region === undefined ? {} : { region: one.region }),
                keyId: one.multi ? `mrk-${id.replaceAll("-", "")}` : id,
                description: one.text,
                tags: one.tags,
                enabled: one.enabled,
                aliases: one.names.map((each) => `alias/${i}${each}`),
                ...(one.policy === null ? {} : { policy: keyPolicy(one.policy) }),
                ...(rotates ? { rotation: { periodInDays: one.period ?? 0 } } : {}),
                replicas: (one.multi ? one.replicas : []).map((each) => ({
                  region: each.region,
                  description: each.text,
                  tags: each.tags,
                  aliases: one.names.map((alias) => `alias/${i}${alias}`),
                })),
              };
            }),
            principals: [
              { arn: GROUP },
              ...users.map((one, i) => ({
                arn: `${ALICE}${i}`,
                tags: one.tags,
                policies: Object.fromEntries(
                  Object.entries(one.policies).map(([each, what]) => [each, identityPolicy(what)]),
                ),
                groups: one.grouped ? [GROUP] : [],
                ...(one.bounded
                  ? { boundary: { name: "b", policy: identityPolicy("kms:*") } }
                  : {}),
              })),
            ],
          };
          const fresh = async (): Promise<Keystore> => {
            const path = join(folder, `${runs++}.kms`);
            return createKeystore(path, { root: { keyFile: `${path}.key` } });
          };
          using source = await fresh();
          await apply(source, wanted);
          const exported = await source.seeding.exportConfig();
          expect(exported.keys).toHaveLength(ids.length);
          using copy = await fresh();
          await apply(copy, JSON.parse(JSON.stringify(exported)));
          expect(JSON.stringify(await copy.seeding.exportConfig())).toBe(JSON.stringify(exported));
          const { steps } = await copy.seeding.plan(parseSeed(wanted), { prune: true });
          expect(steps.filter(({ action: what }) => what !== "none")).toEqual([]);
        },
      ),
      { numRuns: process.env["SLOW"] === undefined ? 25 : 500 },
    );
  });
});

/** What only somebody inside the keystore has. */
async function materialOf(keystore: Keystore): Promise<KeyObject[]> {
  const read = vi.spyOn(KeyTable.prototype, "list");
  await keystore.seeding.exportConfig();
  const listed: Listed<KeyRecord, number>[] = read.mock.results.map(({ value }) => value);
  read.mockRestore();
  return listed.flatMap(({ items }) =>
    items.flatMap(({ versions }) => versions.flatMap(({ material }) => material ?? [])),
  );
}
