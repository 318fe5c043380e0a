import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { KmsClient } from "../../src/index.ts";
import { keyMaterialId } from "../../src/keys/key.ts";
import { bytes } from "../support/kinds.ts";
import {
  allow,
  arn,
  newKey,
  newUser,
  NOWHERE,
  refusal,
  tempKeystore,
} from "../support/keystore.ts";

afterEach(() => {
  vi.useRealTimers();
});

const DAY_MS = 86_400_000;
const setup = async (): Promise<{ client: KmsClient; KeyId: string }> => {
  const { client } = await tempKeystore();
  return { client, KeyId: await newKey(client, "alias/app") };
};

describe("createKey, describeKey", () => {
  it("gives AWS's metadata", async () => {
    const { client } = await tempKeystore({ accountId: "111122223333", region: "lab-1" });
    const { KeyMetadata } = await client.createKey({ Description: "für Rechnungen" });
    const { KeyId } = KeyMetadata;
    expect(KeyMetadata).toEqual({
      AWSAccountId: "111122223333",
      KeyId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      Arn: `arn:aws:kms:lab-1:111122223333:key/${KeyId}`,
      CreationDate: expect.any(Date),
      Enabled: true,
      Description: "für Rechnungen",
      KeyUsage: "ENCRYPT_DECRYPT",
      KeyState: "Enabled",
      Origin: "AWS_KMS",
      KeyManager: "CUSTOMER",
      CustomerMasterKeySpec: "SYMMETRIC_DEFAULT",
      KeySpec: "SYMMETRIC_DEFAULT",
      EncryptionAlgorithms: ["SYMMETRIC_DEFAULT"],
      MultiRegion: false,
      CurrentKeyMaterialId: keyMaterialId(KeyId, 1),
    });
    expect(await client.describeKey({ KeyId })).toEqual({ KeyMetadata });
  });

  it("finds a key by id, ARN, alias and alias ARN", async () => {
    const { client, KeyId } = await setup();
    for (const name of [
      KeyId,
      arn(KeyId),
      "alias/app",
      "arn:aws:kms:local:000000000000:alias/app",
    ]) {
      expect((await client.describeKey({ KeyId: name })).KeyMetadata.KeyId).toBe(KeyId);
    }
  });

  it("makes keys of every kind, with what the kind can do", async () => {
    const { client } = await tempKeystore();
    const make = async (KeySpec: string, KeyUsage?: string): Promise<unknown> => {
      const { KeyMetadata } = await client.createKey({ KeySpec, KeyUsage });
      const { KeySpec: spec, CustomerMasterKeySpec, KeyUsage: usage, ...rest } = KeyMetadata;
      expect([spec, CustomerMasterKeySpec]).toEqual([KeySpec, KeySpec]);
      expect(rest).not.toHaveProperty("CurrentKeyMaterialId");
      const { KeyId } = rest;
      expect(await client.describeKey({ KeyId })).toEqual({ KeyMetadata });
      const lists = Object.entries(rest).filter(([name]) => name.endsWith("Algorithms"));
      return { usage, ...Object.fromEntries(lists) };
    };
    expect(await make("HMAC_512", "GENERATE_VERIFY_MAC")).toEqual({
      usage: "GENERATE_VERIFY_MAC",
      MacAlgorithms: ["HMAC_SHA_512"],
    });
    expect(await make("ECC_NIST_P384", "SIGN_VERIFY")).toEqual({
      usage: "SIGN_VERIFY",
      SigningAlgorithms: ["ECDSA_SHA_384"],
    });
    expect(await make("ECC_NIST_P384", "KEY_AGREEMENT")).toEqual({
      usage: "KEY_AGREEMENT",
      KeyAgreementAlgorithms: ["ECDH"],
    });
    expect(await make("RSA_2048", "ENCRYPT_DECRYPT")).toEqual({
      usage: "ENCRYPT_DECRYPT",
      EncryptionAlgorithms: ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"],
    });
  });

  it.each([
    [
      { KeySpec: "RSA_1024" },
      "ValidationException: 1 validation error detected: Value 'RSA_1024' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [",
    ],
    [{ KeySpec: "SM2", KeyUsage: "SIGN_VERIFY" }, "UnsupportedOperationException: KeySpec SM2"],
    [
      { KeySpec: "RSA_2048", CustomerMasterKeySpec: "RSA_2048" },
      "ValidationException: You cannot specify KeySpec and CustomerMasterKeySpec in the same request.",
    ],
    [
      { KeySpec: "RSA_2048" },
      "ValidationException: You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    ],
    [
      { CustomerMasterKeySpec: "ECC_NIST_P256", KeyUsage: "ENCRYPT_DECRYPT" },
      "ValidationException: KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec ECC_NIST_P256",
    ],
    [
      { KeyUsage: "SIGN_VERIFY" },
      "ValidationException: KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT",
    ],
    [
      { KeyUsage: "FUN" },
      "ValidationException: 1 validation error detected: Value 'FUN' at 'keyUsage'",
    ],
    [
      { Origin: "MOON" },
      "ValidationException: 1 validation error detected: Value 'MOON' at 'origin' failed to satisfy constraint: Member must satisfy enum value set: [AWS_KMS, EXTERNAL]",
    ],
    [{ Origin: "AWS_CLOUDHSM" }, "UnsupportedOperationException: Origin AWS_CLOUDHSM"],
    [{ Origin: "EXTERNAL_KEY_STORE" }, "UnsupportedOperationException: Origin EXTERNAL_KEY_STORE"],
    [
      { MultiRegion: "yes" as never },
      "ValidationException: 1 validation error detected: Value at 'multiRegion' failed to satisfy constraint: Member must be true or false",
    ],
    [{ Policy: "{}" }, "MalformedPolicyDocumentException: "],
    [{ Tags: [{ TagKey: "aws:x", TagValue: "" }] }, "TagException: Tags beginning with aws:"],
  ])("refuses %j", async (request, expected) => {
    const { client } = await tempKeystore();
    const message = await refusal(client.createKey(request));
    expect(message.slice(0, expected.length)).toBe(expected);
    expect((await client.listKeys()).Keys).toEqual([]);
  });

  it("makes keys without material, for import", async () => {
    const { client } = await tempKeystore();
    const { KeyMetadata } = await client.createKey({ Origin: "EXTERNAL" });
    expect(KeyMetadata).toMatchObject({
      Origin: "EXTERNAL",
      KeyState: "PendingImport",
      Enabled: false,
    });
    expect(KeyMetadata).not.toHaveProperty("CurrentKeyMaterialId");
  });

  it("makes multi-Region primary keys, which are found by their whole id only", async () => {
    const { client } = await tempKeystore();
    const { KeyMetadata } = await client.createKey({ MultiRegion: true });
    const { KeyId, Arn } = KeyMetadata;
    expect(KeyId).toMatch(/^mrk-[0-9a-f]{32}$/);
    expect(KeyMetadata).toMatchObject({
      MultiRegion: true,
      MultiRegionConfiguration: {
        MultiRegionKeyType: "PRIMARY",
        PrimaryKey: { Arn, Region: "local" },
        ReplicaKeys: [],
      },
    });
    expect(await client.describeKey({ KeyId: Arn })).toEqual({ KeyMetadata });
    const hex = KeyId.slice(4);
    const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    expect((await rejection(client.describeKey({ KeyId: uuid }))).name).toBe("NotFoundException");
    const single = await newKey(client);
    const other = `mrk-${single.replaceAll("-", "")}`;
    expect((await rejection(client.describeKey({ KeyId: other }))).name).toBe("NotFoundException");
    expect((await client.listKeys()).Keys[0]).toEqual({ KeyId, KeyArn: Arn });
  });

  it("takes policy and tags, and asks for the permission to tag", async () => {
    const { keystore, client } = await tempKeystore();
    const { Policy } = await client.getKeyPolicy({ KeyId: await newKey(client) });
    const spaced = JSON.stringify(JSON.parse(Policy), undefined, 2);
    const Tags = [{ TagKey: "team", TagValue: "blue" }];
    const { KeyMetadata } = await client.createKey({ Policy: spaced, Tags });
    const { KeyId } = KeyMetadata;
    expect((await client.getKeyPolicy({ KeyId })).Policy).toBe(spaced);
    expect((await client.listResourceTags({ KeyId })).Tags).toEqual(Tags);
    const maker = await newUser(keystore, "maker", allow("kms:CreateKey"));
    await maker.createKey();
    expect(await refusal(maker.createKey({ Tags }))).toMatch(
      /^AccessDeniedException: .* kms:TagResource on resource: arn:aws:kms:local:000000000000:key\/[0-9a-f-]{36} /,
    );
  });

  it("asks for the permission to tag on the key that it makes", async () => {
    const { keystore } = await tempKeystore();
    const Tags = [{ TagKey: "team", TagValue: "blue" }];
    const Resource = "arn:aws:kms:*:000000000000:key/*";
    // The policy in "Controlling access to tags" in the AWS KMS developer guide.
    const maker = await newUser(
      keystore,
      "maker",
      allow("kms:CreateKey"),
      allow("kms:TagResource", { Resource }),
    );
    await maker.createKey({ Tags });
    await maker.createKey({ Tags, MultiRegion: true });

    const deny = (Condition: object): object => ({
      ...allow("kms:TagResource", { Resource, Condition }),
      Effect: "Deny",
    });
    const bounded = await newUser(
      keystore,
      "bounded",
      allow("kms:*"),
      deny({ StringEquals: { "kms:KeySpec": "HMAC_256" } }),
      deny({ StringEquals: { "aws:RequestTag/team": "red" } }),
    );
    await bounded.createKey({ Tags });
    const hmac = { KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" };
    await bounded.createKey(hmac);
    const red = [{ TagKey: "team", TagValue: "red" }];
    for (const request of [{ ...hmac, Tags }, { Tags: red }]) {
      expect(await refusal(bounded.createKey(request))).toMatch(
        /^AccessDeniedException: .*kms:TagResource .*explicit deny/,
      );
    }
  });

  it.each([
    ["kms:KeySpec", "SYMMETRIC_DEFAULT", { KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" }],
    ["kms:KeyUsage", "ENCRYPT_DECRYPT", { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" }],
    ["kms:KeyOrigin", "AWS_KMS", { Origin: "EXTERNAL" }],
    ["kms:MultiRegion", "false", { MultiRegion: true }],
    ["kms:BypassPolicyLockoutSafetyCheck", undefined, { BypassPolicyLockoutSafetyCheck: false }],
    ["aws:RequestTag/team", undefined, { Tags: [{ TagKey: "team", TagValue: "blue" }] }],
    ["aws:TagKeys", undefined, { Tags: [{ TagKey: "team", TagValue: "blue" }] }],
  ])("tells policies %s, its default among them", async (key, byDefault, other) => {
    const { keystore } = await tempKeystore();
    const condition =
      byDefault === undefined
        ? { Null: { [key]: "true" } }
        : { StringEquals: { [key]: byDefault } };
    const user = await newUser(
      keystore,
      "maker",
      allow("kms:TagResource"),
      allow("kms:CreateKey", { Condition: condition }),
    );
    await user.createKey();
    expect(await refusal(user.createKey(other))).toMatch(
      /^AccessDeniedException: .*kms:CreateKey /,
    );
  });

  it("names the resource that does not exist", async () => {
    const { client } = await setup();
    const find = (KeyId: string): Promise<string> => refusal(client.describeKey({ KeyId }));
    expect(await find(NOWHERE)).toBe(`NotFoundException: Key '${arn(NOWHERE)}' does not exist`);
    expect(await find("alias/none")).toBe(
      "NotFoundException: Alias arn:aws:kms:local:000000000000:alias/none is not found.",
    );
    expect(await find("app")).toBe("NotFoundException: Invalid keyId 'app'");
    expect(await find(arn(NOWHERE).replace("000000000000", "111122223333"))).toBe(
      "AccessDeniedException: User: arn:aws:iam::000000000000:root is not authorized to perform: kms:DescribeKey on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
    );
  });
});

describe("listKeys", () => {
  it("pages in the order of creation", async () => {
    const { client } = await tempKeystore();
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.push(await newKey(client));
    const listed: string[] = [];
    let Marker: string | undefined;
    do {
      const page = await client.listKeys({ Limit: 2, Marker });
      expect(page.Truncated).toBe(page.NextMarker !== undefined);
      for (const { KeyId, KeyArn } of page.Keys) {
        expect(KeyArn).toBe(arn(KeyId));
        listed.push(KeyId);
      }
      Marker = page.NextMarker;
    } while (Marker !== undefined);
    expect(listed).toEqual(made);
  });

  it("ends without a marker where the last page is full", async () => {
    const { client } = await setup();
    expect(await client.listKeys({ Limit: 1 })).not.toHaveProperty("NextMarker");
  });

  it("refuses a limit or marker out of bounds", async () => {
    const { client } = await setup();
    expect((await rejection(client.listKeys({ Limit: 0 }))).name).toBe("ValidationException");
    expect((await rejection(client.listKeys({ Limit: 1001 }))).name).toBe("ValidationException");
    expect((await rejection(client.listKeys({ Marker: "x" }))).name).toBe("InvalidMarkerException");
  });
});

describe("key states", () => {
  it("disables and enables", async () => {
    const { client, KeyId } = await setup();
    await client.disableKey({ KeyId });
    expect(await refusal(client.generateDataKey({ KeyId, KeySpec: "AES_256" }))).toBe(
      `DisabledException: ${arn(KeyId)} is disabled.`,
    );
    expect((await client.describeKey({ KeyId })).KeyMetadata).toMatchObject({
      KeyState: "Disabled",
      Enabled: false,
    });
    await client.enableKey({ KeyId });
    await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
  });

  it("tells policies the window of a deletion", async () => {
    const { keystore, client } = await tempKeystore();
    const key = "kms:ScheduleKeyDeletionPendingWindowInDays";
    const Condition = { NumericGreaterThanEquals: { [key]: "20" } };
    const user = await newUser(keystore, "u", allow("kms:ScheduleKeyDeletion", { Condition }));
    const KeyId = await newKey(client);
    const soon = user.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 19 });
    expect((await rejection(soon)).name).toBe("AccessDeniedException");
    await user.scheduleKeyDeletion({ KeyId });
  });

  it("schedules a deletion and leaves the key disabled when it is cancelled", async () => {
    const { client, KeyId } = await setup();
    const before = Date.now();
    const scheduled = await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    const after = Date.now();
    expect(scheduled).toEqual({
      KeyId: arn(KeyId),
      DeletionDate: expect.any(Date),
      KeyState: "PendingDeletion",
      PendingWindowInDays: 7,
    });
    expect(scheduled.DeletionDate?.getTime()).toBeGreaterThanOrEqual(before + 7 * DAY_MS);
    expect(scheduled.DeletionDate?.getTime()).toBeLessThanOrEqual(after + 7 * DAY_MS);
    const { DeletionDate } = scheduled;
    expect((await client.describeKey({ KeyId })).KeyMetadata).toMatchObject({
      KeyState: "PendingDeletion",
      Enabled: false,
      DeletionDate,
    });
    expect(await refusal(client.scheduleKeyDeletion({ KeyId }))).toBe(
      `KMSInvalidStateException: ${arn(KeyId)} is pending deletion.`,
    );
    expect(await client.cancelKeyDeletion({ KeyId })).toEqual({ KeyId: arn(KeyId) });
    const { KeyMetadata } = await client.describeKey({ KeyId });
    expect(KeyMetadata.KeyState).toBe("Disabled");
    expect(KeyMetadata).not.toHaveProperty("DeletionDate");
    expect(await refusal(client.cancelKeyDeletion({ KeyId }))).toBe(
      `KMSInvalidStateException: ${arn(KeyId)} is not pending deletion.`,
    );
  });

  it("waits 7 to 30 days, 30 by default", async () => {
    const { client, KeyId } = await setup();
    for (const PendingWindowInDays of [6, 31, 7.5, Number.NaN]) {
      const call = client.scheduleKeyDeletion({ KeyId, PendingWindowInDays });
      expect((await rejection(call)).name).toBe("ValidationException");
    }
    expect((await client.scheduleKeyDeletion({ KeyId })).PendingWindowInDays).toBe(30);
  });

  it("forgets a key, its aliases and its ciphertext when the window is over", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { client, KeyId } = await setup();
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    vi.setSystemTime(Date.now() + 7 * DAY_MS - 1);
    await client.describeKey({ KeyId });
    vi.setSystemTime(Date.now() + 1);
    expect((await rejection(client.describeKey({ KeyId }))).name).toBe("NotFoundException");
    expect((await rejection(client.cancelKeyDeletion({ KeyId }))).name).toBe("NotFoundException");
    expect((await rejection(client.describeKey({ KeyId: "alias/app" }))).name).toBe(
      "NotFoundException",
    );
    expect((await rejection(client.decrypt({ CiphertextBlob }))).name).toBe(
      "AccessDeniedException",
    );
    expect((await client.listKeys()).Keys).toEqual([]);
    const { Aliases } = await client.listAliases();
    expect(Aliases.filter(({ TargetKeyId }) => TargetKeyId !== undefined)).toEqual([]);
    await newKey(client, "alias/app");
  });
});

it("updates a description", async () => {
  const { client, KeyId } = await setup();
  await client.updateKeyDescription({ KeyId, Description: "new" });
  expect((await client.describeKey({ KeyId })).KeyMetadata.Description).toBe("new");
});
