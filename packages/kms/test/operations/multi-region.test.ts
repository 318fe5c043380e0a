import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { DAY_MS } from "../../src/store/store.ts";
import type { Keystore, KmsClient } from "../../src/index.ts";
import {
  allow,
  auditRecords,
  document,
  newKey,
  newUser,
  refusal,
  ROOT,
  tempKeystore,
} from "../support/keystore.ts";
import { bytes } from "../support/kinds.ts";
import { signers } from "../support/material.ts";
import { wrapMaterial } from "../support/wrapping.ts";

const START = Date.UTC(2090, 0, 1);
const ACCOUNT = "000000000000";
const [HOME, EU, US] = ["local", "eu-west-1", "us-east-1"] as const;
const arnIn = (region: string, keyId: string): string =>
  `arn:aws:kms:${region}:${ACCOUNT}:key/${keyId}`;

let keystore: Keystore;
let home: KmsClient;
let eu: KmsClient;
let us: KmsClient;

beforeEach(async () => {
  ({ keystore } = await tempKeystore());
  home = keystore.as();
  eu = keystore.as("root", { region: EU });
  us = keystore.as("root", { region: US });
});

async function multiRegionKey(more: object = {}): Promise<string> {
  return (await home.createKey({ MultiRegion: true, ...more })).KeyMetadata.KeyId;
}

const decrypt = (client: KmsClient, { CiphertextBlob }: { readonly CiphertextBlob: Uint8Array }) =>
  client.decrypt({ CiphertextBlob });

const metadata = async (client: KmsClient, KeyId: string) =>
  (await client.describeKey({ KeyId })).KeyMetadata;

describe("a region", () => {
  it("has its own keys, aliases, grants and ARNs", async () => {
    const here = await newKey(home, "alias/app");
    const there = await newKey(eu, "alias/app");
    await eu.createGrant({
      KeyId: there,
      GranteePrincipal: ROOT,
      RetiringPrincipal: ROOT,
      Operations: ["Decrypt"],
    });
    expect((await home.listKeys()).Keys).toEqual([{ KeyId: here, KeyArn: arnIn(HOME, here) }]);
    expect((await eu.listKeys()).Keys).toEqual([{ KeyId: there, KeyArn: arnIn(EU, there) }]);
    expect((await us.listKeys()).Keys).toEqual([]);
    const aliases = (await eu.listAliases()).Aliases;
    expect(aliases).toContainEqual(
      expect.objectContaining({
        AliasArn: `arn:aws:kms:${EU}:${ACCOUNT}:alias/app`,
        TargetKeyId: there,
      }),
    );
    expect((await metadata(eu, "alias/app")).Arn).toBe(arnIn(EU, there));
    expect((await metadata(home, "alias/app")).Arn).toBe(arnIn(HOME, here));
    const grants = (client: KmsClient) => client.listRetirableGrants({ RetiringPrincipal: ROOT });
    expect((await grants(eu)).Grants).toMatchObject([{ KeyId: arnIn(EU, there) }]);
    expect((await grants(home)).Grants).toEqual([]);
    expect(await keystore.verify()).toEqual([]);
  });

  it("does not know the keys of another", async () => {
    const KeyId = await newKey(home, "alias/app");
    expect(await refusal(eu.describeKey({ KeyId }))).toBe(
      `NotFoundException: Key '${arnIn(EU, KeyId)}' does not exist`,
    );
    expect(await refusal(eu.describeKey({ KeyId: arnIn(HOME, KeyId) }))).toBe(
      `NotFoundException: Invalid arn ${HOME}`,
    );
    expect(await refusal(eu.describeKey({ KeyId: "alias/app" }))).toBe(
      `NotFoundException: Alias arn:aws:kms:${EU}:${ACCOUNT}:alias/app is not found.`,
    );
    const { CiphertextBlob } = await home.encrypt({ KeyId, Plaintext: bytes(1) });
    expect(await refusal(eu.decrypt({ CiphertextBlob }))).toMatch(/does not exist in this region/);
  });

  it("has AWS managed keys of its own, for its own services", async () => {
    const alias = { KeyId: "alias/aws/s3" };
    const [here, there] = [await home.describeKey(alias), await eu.describeKey(alias)];
    expect(there.KeyMetadata.KeyId).not.toBe(here.KeyMetadata.KeyId);
    const { Policy } = await eu.getKeyPolicy({ KeyId: there.KeyMetadata.KeyId });
    expect(Policy).toContain(`s3.${EU}.amazonaws.com`);
  });

  it("is what policies and the audit log see", async () => {
    const statement = {
      ...allow(["kms:CreateKey", "kms:ListKeys"]),
      Condition: { StringEquals: { "aws:RequestedRegion": EU } },
    };
    const { principal } = await newUser(keystore, "alice", statement);
    await keystore.as(principal, { region: EU }).createKey();
    expect(await refusal(keystore.as(principal).createKey())).toMatch(/^AccessDeniedException/);
    const explain = (region: string) =>
      keystore.explain({ principal, action: "kms:ListKeys", session: { region } });
    expect([(await explain(EU)).decision.allowed, (await explain(US)).decision.allowed]).toEqual([
      true,
      false,
    ]);
    const records = await auditRecords(keystore);
    expect(records.filter(({ awsRegion }) => awsRegion === EU)).toHaveLength(1);
  });

  it("must have a name that a region can have", () => {
    for (const region of ["", "Europe", "a:b", "x".repeat(33)]) {
      expect(() => keystore.as("root", { region })).toThrow(RangeError);
    }
    expect(keystore.as("root", { region: "any-where-9" }).region).toBe("any-where-9");
    expect(keystore.as().region).toBe(HOME);
  });
});

describe("ReplicateKey", () => {
  it("makes a key with the same id and material, and nothing else in common", async () => {
    const KeyId = await multiRegionKey({
      Description: "here",
      Tags: [{ TagKey: "a", TagValue: "b" }],
    });
    await home.createAlias({ AliasName: "alias/app", TargetKeyId: KeyId });
    const Policy = document({ ...allow("kms:*"), Principal: { AWS: ROOT } });
    const replicated = await home.replicateKey({
      KeyId,
      ReplicaRegion: EU,
      Policy,
      Description: "there",
      Tags: [{ TagKey: "c", TagValue: "d" }],
    });
    const regions = {
      PrimaryKey: { Arn: arnIn(HOME, KeyId), Region: HOME },
      ReplicaKeys: [{ Arn: arnIn(EU, KeyId), Region: EU }],
    };
    expect(replicated).toMatchObject({
      ReplicaKeyMetadata: {
        Arn: arnIn(EU, KeyId),
        Description: "there",
        KeyState: "Enabled",
        MultiRegionConfiguration: { MultiRegionKeyType: "REPLICA", ...regions },
      },
      ReplicaPolicy: Policy,
      ReplicaTags: [{ TagKey: "c", TagValue: "d" }],
    });
    expect(await metadata(eu, KeyId)).toEqual(replicated.ReplicaKeyMetadata);
    expect(await metadata(home, KeyId)).toMatchObject({
      Description: "here",
      MultiRegionConfiguration: { MultiRegionKeyType: "PRIMARY", ...regions },
    });
    expect((await eu.listAliases({ KeyId })).Aliases).toEqual([]);
    const { CiphertextBlob } = await home.encrypt({ KeyId, Plaintext: bytes(9) });
    expect((await eu.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(9));
    await home.disableKey({ KeyId });
    expect((await eu.decrypt({ CiphertextBlob })).KeyId).toBe(arnIn(EU, KeyId));
    expect(await keystore.verify()).toEqual([]);
  });

  it("copies HMAC and asymmetric material as well", async () => {
    for (const [KeySpec, SigningAlgorithm] of signers) {
      if (!["ECC_NIST_P256", "ML_DSA_44"].includes(KeySpec)) continue;
      const KeyId = await multiRegionKey({ KeySpec, KeyUsage: "SIGN_VERIFY" });
      await home.replicateKey({ KeyId, ReplicaRegion: EU });
      const signing = { KeyId, Message: bytes(3), SigningAlgorithm };
      const { Signature } = await home.sign(signing);
      expect((await eu.verify({ ...signing, Signature })).SignatureValid).toBe(true);
    }
  });

  it("refuses keys that are not primary, and regions that have the key", async () => {
    const single = await newKey(home);
    const refused = (client: KmsClient, KeyId: string, ReplicaRegion: string) =>
      refusal(client.replicateKey({ KeyId, ReplicaRegion }));
    expect(await refused(home, single, EU)).toBe(
      `UnsupportedOperationException: ${arnIn(HOME, single)} is not a multi-region primary key.`,
    );
    const KeyId = await multiRegionKey();
    await home.replicateKey({ KeyId, ReplicaRegion: EU });
    expect(await refused(eu, KeyId, US)).toBe(
      `UnsupportedOperationException: ${arnIn(EU, KeyId)} is not a multi-region primary key.`,
    );
    for (const region of [EU, HOME]) {
      expect(await refused(home, KeyId, region)).toBe(
        `AlreadyExistsException: Key ${arnIn(region, KeyId)} already exists`,
      );
    }
    expect(await refused(home, KeyId, "Nowhere!")).toMatch(/^ValidationException.*replicaRegion/);
    await home.disableKey({ KeyId });
    expect(await refused(home, KeyId, US)).toMatch(/^DisabledException/);
  });

  it("asks on the key where it is, and for a new key where it is to be", async () => {
    const KeyId = await multiRegionKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
    const Tags = [{ TagKey: "team", TagValue: "blue" }];
    const ask = (client: KmsClient) =>
      refusal(client.replicateKey({ KeyId, ReplicaRegion: EU, Tags }));
    const replicate = {
      ...allow("kms:ReplicateKey"),
      Condition: { StringEquals: { "kms:ReplicaRegion": EU, "aws:RequestedRegion": HOME } },
    };
    const create = {
      ...allow("kms:CreateKey"),
      Condition: {
        StringEquals: {
          "aws:RequestedRegion": EU,
          "kms:MultiRegionKeyType": "REPLICA",
          "kms:KeySpec": "HMAC_256",
        },
      },
    };
    const tag = { ...allow("kms:TagResource"), Resource: `arn:aws:kms:${EU}:*:key/*` };
    expect(await ask(await newUser(keystore, "a", create, tag))).toMatch(/kms:ReplicateKey/);
    expect(await ask(await newUser(keystore, "b", replicate, tag))).toMatch(/kms:CreateKey/);
    expect(await ask(await newUser(keystore, "c", replicate, create))).toMatch(/kms:TagResource/);
    const all = await newUser(keystore, "d", replicate, create, tag);
    expect((await all.replicateKey({ KeyId, ReplicaRegion: EU, Tags })).ReplicaTags).toEqual(Tags);
  });

  it("needs imported material to be imported again, the same into every region", async () => {
    const KeyId = await multiRegionKey({ Origin: "EXTERNAL" });
    const importInto = async (client: KmsClient, fill: number, ImportType?: string) => {
      const WrappingAlgorithm = "RSAES_OAEP_SHA_256";
      const { ImportToken, PublicKey } = await client.getParametersForImport({
        KeyId,
        WrappingAlgorithm,
        WrappingKeySpec: "RSA_2048",
      });
      return client.importKeyMaterial({
        KeyId,
        ImportToken,
        EncryptedKeyMaterial: wrapMaterial(
          PublicKey,
          WrappingAlgorithm,
          new Uint8Array(32).fill(fill),
        ),
        ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE",
        ImportType,
      });
    };
    await importInto(home, 1);
    await home.replicateKey({ KeyId, ReplicaRegion: EU });
    expect((await metadata(eu, KeyId)).KeyState).toBe("PendingImport");
    expect(await refusal(importInto(eu, 2))).toMatch(/^IncorrectKeyMaterialException/);
    await importInto(eu, 1);
    const { CiphertextBlob } = await home.encrypt({ KeyId, Plaintext: bytes(9) });
    expect((await eu.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(9));

    const isNew = "NEW_KEY_MATERIAL";
    expect(await refusal(importInto(eu, 2, isNew))).toMatch(/into the primary key first/);
    await importInto(home, 2, isNew);
    const states = async (client: KmsClient) =>
      (
        await client.listKeyRotations({ KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" })
      ).Rotations.map(({ KeyMaterialState }) => KeyMaterialState);
    expect(await states(home)).toEqual(["CURRENT", "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"]);
    expect(await refusal(home.rotateKeyOnDemand({ KeyId }))).toBe(
      `KMSInvalidStateException: No available key material pending rotation for the key: ${arnIn(EU, KeyId)}.`,
    );
    expect(await refusal(importInto(eu, 3, isNew))).toMatch(/into the primary key first/);
    await importInto(eu, 2, isNew);
    expect(await states(home)).toEqual(["CURRENT", "PENDING_ROTATION"]);
    await home.rotateKeyOnDemand({ KeyId });
    expect(await states(eu)).toEqual(["NON_CURRENT", "CURRENT"]);
    const second = await eu.encrypt({ KeyId, Plaintext: bytes(8) });
    expect((await decrypt(home, second)).Plaintext).toEqual(bytes(8));
  });
});

describe("related keys", () => {
  it("rotate together, as the primary key says", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: START });
    onTestFinished(() => void vi.useRealTimers());
    const KeyId = await multiRegionKey();
    await home.enableKeyRotation({ KeyId, RotationPeriodInDays: 90 });
    await home.replicateKey({ KeyId, ReplicaRegion: EU });
    expect(await eu.getKeyRotationStatus({ KeyId })).toMatchObject({
      KeyId: arnIn(EU, KeyId),
      KeyRotationEnabled: true,
      RotationPeriodInDays: 90,
    });
    for (const call of [
      eu.disableKeyRotation({ KeyId }),
      eu.enableKeyRotation({ KeyId }),
      eu.rotateKeyOnDemand({ KeyId }),
    ]) {
      expect(await refusal(call)).toMatch(/is not a multi-region primary key\.$/);
    }
    vi.setSystemTime(START + 90 * DAY_MS);
    // The replica is used first.
    const automatic = await eu.generateDataKey({ KeyId, KeySpec: "AES_256" });
    expect((await metadata(home, KeyId)).CurrentKeyMaterialId).toBe(automatic.KeyMaterialId);
    expect((await decrypt(home, automatic)).Plaintext).toEqual(automatic.Plaintext);
    await home.rotateKeyOnDemand({ KeyId });
    const onDemand = await home.generateDataKey({ KeyId, KeySpec: "AES_256" });
    expect((await decrypt(eu, onDemand)).Plaintext).toEqual(onDemand.Plaintext);
    expect((await eu.listKeyRotations({ KeyId })).Rotations).toMatchObject([
      { RotationType: "AUTOMATIC" },
      { RotationType: "ON_DEMAND" },
    ]);
    const own = (await auditRecords(keystore)).filter(
      ({ eventType }) => eventType !== "AwsApiCall",
    );
    expect(own.map(({ eventName, awsRegion }) => [eventName, awsRegion])).toEqual([
      ["CreateKey", EU],
      ["RotateKey", HOME],
      ["SynchronizeMultiRegionKey", EU],
      ["SynchronizeMultiRegionKey", EU],
    ]);
    expect(own.at(-1)?.requestParameters).toEqual({ keyId: KeyId });
  });

  it("exchange roles with UpdatePrimaryRegion", async () => {
    const KeyId = await multiRegionKey();
    await home.enableKeyRotation({ KeyId });
    await home.replicateKey({ KeyId, ReplicaRegion: EU });
    await home.replicateKey({ KeyId, ReplicaRegion: US });
    expect(await refusal(eu.updatePrimaryRegion({ KeyId, PrimaryRegion: US }))).toMatch(
      /is not a multi-region primary key\.$/,
    );
    expect(await refusal(home.updatePrimaryRegion({ KeyId, PrimaryRegion: HOME }))).toMatch(
      /^ValidationException/,
    );
    expect(await refusal(home.updatePrimaryRegion({ KeyId, PrimaryRegion: "xx-east-1" }))).toMatch(
      /^NotFoundException/,
    );
    await home.updatePrimaryRegion({ KeyId: arnIn(HOME, KeyId), PrimaryRegion: EU });
    for (const [client, type] of [
      [home, "REPLICA"],
      [eu, "PRIMARY"],
      [us, "REPLICA"],
    ] as const) {
      expect((await metadata(client, KeyId)).MultiRegionConfiguration).toEqual({
        MultiRegionKeyType: type,
        PrimaryKey: { Arn: arnIn(EU, KeyId), Region: EU },
        ReplicaKeys: [HOME, US].map((Region) => ({ Arn: arnIn(Region, KeyId), Region })),
      });
      expect((await client.getKeyRotationStatus({ KeyId })).KeyRotationEnabled).toBe(true);
    }
    await eu.rotateKeyOnDemand({ KeyId });
    expect(await keystore.verify()).toEqual([]);
  });

  it("let a policy tell primary keys and their next region", async () => {
    const KeyId = await multiRegionKey();
    await home.replicateKey({ KeyId, ReplicaRegion: EU });
    const user = await newUser(keystore, "alice", {
      ...allow("kms:UpdatePrimaryRegion"),
      Condition: { StringEquals: { "kms:PrimaryRegion": US } },
    });
    expect(await refusal(user.updatePrimaryRegion({ KeyId, PrimaryRegion: EU }))).toMatch(
      /^AccessDeniedException/,
    );
  });

  it("have aliases and grants of their own, which decide about them alone", async () => {
    const KeyId = await multiRegionKey();
    await home.replicateKey({ KeyId, ReplicaRegion: EU });
    const other = await newKey(eu);
    await home.createAlias({ AliasName: "alias/app", TargetKeyId: KeyId });
    await eu.createAlias({ AliasName: "alias/app", TargetKeyId: other });
    const byAlias = await newUser(keystore, "alice", {
      ...allow("kms:GenerateDataKey"),
      Condition: { "ForAnyValue:StringEquals": { "kms:ResourceAliases": "alias/app" } },
    });
    const use = (principal: string, region: string, id: string) =>
      keystore.as(principal, { region }).generateDataKey({ KeyId: id, KeySpec: "AES_256" });
    const { principal } = byAlias;
    await use(principal, HOME, KeyId);
    await use(principal, HOME, "alias/app");
    expect((await use(principal, EU, "alias/app")).KeyId).toBe(arnIn(EU, other));
    expect(await refusal(use(principal, EU, KeyId))).toMatch(/^AccessDeniedException/);
    await eu.updateAlias({ AliasName: "alias/app", TargetKeyId: KeyId });
    await use(principal, EU, KeyId);

    const BOB = `arn:aws:iam::${ACCOUNT}:user/bob`;
    const Operations = ["GenerateDataKey"];
    const { GrantToken } = await eu.createGrant({ KeyId, GranteePrincipal: BOB, Operations });
    await use(BOB, EU, KeyId);
    expect(await refusal(use(BOB, HOME, KeyId))).toMatch(/^AccessDeniedException/);
    const atHome = keystore.as(BOB);
    const request = { KeyId, KeySpec: "AES_256" as const, GrantTokens: [GrantToken] };
    expect(await refusal(atHome.generateDataKey(request))).toMatch(/^InvalidGrantTokenException/);
    await home.updatePrimaryRegion({ KeyId, PrimaryRegion: EU });
    await use(BOB, EU, KeyId);
    expect(await refusal(use(BOB, HOME, KeyId))).toMatch(/^AccessDeniedException/);
  });

  it("are deleted before their primary key, whose waiting period begins after the last", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: START });
    onTestFinished(() => void vi.useRealTimers());
    const KeyId = await multiRegionKey();
    await home.replicateKey({ KeyId, ReplicaRegion: EU });
    expect(await home.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 10 })).toEqual({
      KeyId: arnIn(HOME, KeyId),
      KeyState: "PendingReplicaDeletion",
      PendingWindowInDays: 10,
    });
    const waiting = await metadata(home, KeyId);
    expect(waiting).toMatchObject({
      KeyState: "PendingReplicaDeletion",
      PendingDeletionWindowInDays: 10,
    });
    expect(waiting).not.toHaveProperty("DeletionDate");
    const { CiphertextBlob } = await eu.encrypt({ KeyId, Plaintext: bytes(1) });
    expect(await refusal(home.decrypt({ CiphertextBlob }))).toMatch(/^KMSInvalidStateException/);
    expect(await eu.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 })).toMatchObject({
      KeyState: "PendingDeletion",
    });
    // Twice: what is past its date is destroyed a day later at the earliest.
    for (const days of [8, 10]) {
      vi.setSystemTime(START + days * DAY_MS);
      await home.createKey();
    }
    expect(await refusal(eu.describeKey({ KeyId }))).toMatch(/^NotFoundException/);
    expect(await metadata(home, KeyId)).toMatchObject({
      KeyState: "PendingDeletion",
      DeletionDate: new Date(START + 20 * DAY_MS),
      MultiRegionConfiguration: { MultiRegionKeyType: "PRIMARY", ReplicaKeys: [] },
    });
    expect(await keystore.verify()).toEqual([]);
  });
});
