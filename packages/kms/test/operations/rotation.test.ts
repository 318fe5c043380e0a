import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import { describeCiphertextBlob, type Keystore, type KmsClient } from "../../src/index.ts";
import { keyMaterialId } from "../../src/keys/key.ts";
import { bytes, keyOf } from "../support/kinds.ts";
import {
  allow,
  arn,
  auditRecords,
  newKey,
  newUser,
  refusal,
  tempKeystore,
} from "../support/keystore.ts";
import { importInto } from "../support/wrapping.ts";

afterEach(() => {
  vi.useRealTimers();
});

const DAY_MS = 86_400_000;
const setup = async (): Promise<{ client: KmsClient; KeyId: string }> => {
  const { client } = await tempKeystore();
  return { client, KeyId: await newKey(client, "alias/app") };
};

describe("rotation on demand", () => {
  it("encrypts under the new version and still decrypts the old ones", async () => {
    const { client, KeyId } = await setup();
    const old = await client.encrypt({ KeyId, Plaintext: bytes(32) });
    expect(await client.rotateKeyOnDemand({ KeyId })).toEqual({ KeyId: arn(KeyId) });
    const made = await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
    expect(describeCiphertextBlob(old.CiphertextBlob)?.keyVersion).toBe(1);
    expect(describeCiphertextBlob(made.CiphertextBlob)?.keyVersion).toBe(2);
    expect(made.KeyMaterialId).toBe(keyMaterialId(KeyId, 2));
    const { CiphertextBlob } = old;
    expect(await client.decrypt({ KeyId, CiphertextBlob })).toMatchObject({
      Plaintext: bytes(32),
      KeyMaterialId: keyMaterialId(KeyId, 1),
    });
  });

  it("happens 25 times at most", async () => {
    const { client, KeyId } = await setup();
    for (let i = 0; i < 25; i++) await client.rotateKeyOnDemand({ KeyId });
    expect(await refusal(client.rotateKeyOnDemand({ KeyId }))).toBe(
      `LimitExceededException: The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: ${arn(KeyId)}`,
    );
    expect((await client.listKeyRotations({ KeyId })).Rotations).toHaveLength(25);
  });

  it("is listed, with or without the first material, in pages", async () => {
    const { client, KeyId } = await setup();
    expect((await client.listKeyRotations({ KeyId })).Rotations).toEqual([]);
    for (let i = 0; i < 3; i++) await client.rotateKeyOnDemand({ KeyId });
    const rotated = (version: number, KeyMaterialState: string): unknown => ({
      KeyId,
      KeyMaterialId: keyMaterialId(KeyId, version),
      KeyMaterialState,
      RotationDate: expect.any(Date),
      RotationType: "ON_DEMAND",
    });
    const rotations = [rotated(2, "NON_CURRENT"), rotated(3, "NON_CURRENT"), rotated(4, "CURRENT")];
    const first = {
      KeyId,
      KeyMaterialId: keyMaterialId(KeyId, 1),
      KeyMaterialState: "NON_CURRENT",
    };
    expect((await client.listKeyRotations({ KeyId })).Rotations).toEqual(rotations);
    for (const [IncludeKeyMaterial, expected] of [
      ["ROTATIONS_ONLY", rotations],
      ["ALL_KEY_MATERIAL", [first, ...rotations]],
    ] as const) {
      const listed: unknown[] = [];
      let Marker: string | undefined;
      do {
        const page = await client.listKeyRotations({ KeyId, IncludeKeyMaterial, Limit: 2, Marker });
        listed.push(...page.Rotations);
        Marker = page.NextMarker;
      } while (Marker !== undefined);
      expect(listed).toEqual(expected);
    }
  });
});

describe("automatic rotation", () => {
  /** A key that rotates every so many days, on a clock that stands still. */
  async function rotating(periodInDays: number): Promise<{
    keystore: Keystore;
    client: KmsClient;
    KeyId: string;
    later: (days: number) => void;
    versions: () => Promise<number>;
    records: () => Promise<string[]>;
  }> {
    const start = 1_700_000_000_000;
    vi.useFakeTimers({ toFake: ["Date"], now: start });
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    await client.enableKeyRotation({ KeyId, RotationPeriodInDays: periodInDays });
    return {
      keystore,
      client,
      KeyId,
      later: (days) => vi.setSystemTime(Date.now() + days * DAY_MS),
      versions: async () => {
        const request = { KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" };
        return (await client.listKeyRotations(request)).Rotations.length;
      },
      records: async () => (await auditRecords(keystore)).map(({ eventName }) => eventName),
    };
  }

  it("is off by default, and says when it comes next", async () => {
    const { client, KeyId } = await setup();
    const status = (): Promise<unknown> => client.getKeyRotationStatus({ KeyId });
    expect(await status()).toEqual({ KeyId: arn(KeyId), KeyRotationEnabled: false });
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 1000 });
    await client.enableKeyRotation({ KeyId });
    const inAYear = new Date(Date.now() + 365 * DAY_MS);
    const yearly = {
      KeyId: arn(KeyId),
      KeyRotationEnabled: true,
      RotationPeriodInDays: 365,
      NextRotationDate: inAYear,
    };
    expect(await status()).toEqual(yearly);
    vi.setSystemTime(Date.now() + DAY_MS);
    await client.enableKeyRotation({ KeyId });
    expect(await status()).toEqual(yearly);
    await client.enableKeyRotation({ KeyId, RotationPeriodInDays: 90 });
    expect(await status()).toMatchObject({
      RotationPeriodInDays: 90,
      NextRotationDate: new Date(Date.now() + 90 * DAY_MS),
    });
    await client.disableKeyRotation({ KeyId });
    expect(await status()).toEqual({ KeyId: arn(KeyId), KeyRotationEnabled: false });
  });

  it("has a period of 90 to 2560 days", async () => {
    const { client, KeyId } = await setup();
    for (const RotationPeriodInDays of [89, 2561, 100.5]) {
      const call = client.enableKeyRotation({ KeyId, RotationPeriodInDays });
      expect((await rejection(call)).name).toBe("ValidationException");
    }
    await client.enableKeyRotation({ KeyId, RotationPeriodInDays: 2560 });
  });

  it("is carried out by the first call on or after its date, and old blobs still open", async () => {
    const { client, KeyId, later, versions, records } = await rotating(90);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(4) });
    later(90 - 1 / DAY_MS);
    expect(await versions()).toBe(1);
    later(1 / DAY_MS);
    const made = await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
    expect(made.KeyMaterialId).toBe(keyMaterialId(KeyId, 2));
    expect(await versions()).toBe(2);
    const { Rotations } = await client.listKeyRotations({ KeyId });
    expect(Rotations).toEqual([
      {
        KeyId,
        KeyMaterialId: keyMaterialId(KeyId, 2),
        KeyMaterialState: "CURRENT",
        RotationDate: new Date(Date.now()),
        RotationType: "AUTOMATIC",
      },
    ]);
    expect((await client.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(4));
    expect(await client.getKeyRotationStatus({ KeyId })).toMatchObject({
      NextRotationDate: new Date(Date.now() + 90 * DAY_MS),
    });
    expect((await records()).filter((name) => name === "RotateKey")).toHaveLength(1);
  });

  it("happens once for a key that nobody used for years", async () => {
    const { later, versions, records } = await rotating(90);
    later(1000);
    expect(await versions()).toBe(2);
    later(89);
    expect(await versions()).toBe(2);
    later(1);
    expect(await versions()).toBe(3);
    expect((await records()).filter((name) => name === "RotateKey")).toHaveLength(2);
  });

  it("waits for a key that is disabled or pending deletion, and follows when it is enabled", async () => {
    const { client, KeyId, later, versions } = await rotating(90);
    await client.disableKey({ KeyId });
    later(200);
    expect(await versions()).toBe(1);
    await client.scheduleKeyDeletion({ KeyId });
    expect(await client.getKeyRotationStatus({ KeyId })).toEqual({
      KeyId: arn(KeyId),
      KeyRotationEnabled: false,
    });
    await client.cancelKeyDeletion({ KeyId });
    expect(await versions()).toBe(1);
    await client.enableKey({ KeyId });
    expect(await versions()).toBe(2);
  });

  it("is not moved by a rotation on demand, nor does it count as one", async () => {
    const { client, KeyId, later, versions } = await rotating(90);
    const before = await client.getKeyRotationStatus({ KeyId });
    later(10);
    await client.rotateKeyOnDemand({ KeyId });
    expect(await client.getKeyRotationStatus({ KeyId })).toEqual(before);
    for (let i = 0; i < 3; i++) {
      later(90);
      await versions();
    }
    for (let i = 0; i < 24; i++) await client.rotateKeyOnDemand({ KeyId });
    expect((await rejection(client.rotateKeyOnDemand({ KeyId }))).name).toBe(
      "LimitExceededException",
    );
    expect(await versions()).toBe(1 + 3 + 25);
  });

  it("is not carried out for a call that is refused, nor for a dry run", async () => {
    const { keystore, client, KeyId, later, records } = await rotating(90);
    later(91);
    const eve = keystore.as("arn:aws:iam::000000000000:user/eve");
    await rejection(eve.generateDataKey({ KeyId, KeySpec: "AES_256" }));
    await rejection(client.generateDataKey({ KeyId, KeySpec: "AES_256", DryRun: true }));
    expect(await records()).not.toContain("RotateKey");
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    expect(describeCiphertextBlob(CiphertextBlob)?.keyVersion).toBe(2);
    expect(await records()).toContain("RotateKey");
  });

  it("is a condition key for policies, together with its period", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const Condition = { NumericLessThanEquals: { "kms:RotationPeriodInDays": "180" } };
    const user = await newUser(keystore, "u", allow("kms:EnableKeyRotation", { Condition }));
    expect((await rejection(user.enableKeyRotation({ KeyId }))).name).toBe("AccessDeniedException");
    await user.enableKeyRotation({ KeyId, RotationPeriodInDays: 180 });
  });
});

describe("keys that do not rotate", () => {
  it.each([
    ["HMAC_256", "GENERATE_VERIFY_MAC"],
    ["ECC_NIST_P256", "SIGN_VERIFY"],
  ])("say so: %s", async (KeySpec, KeyUsage) => {
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, KeySpec, KeyUsage);
    const message = `UnsupportedOperationException: ${arn(KeyId)} key spec is ${KeySpec} which is not valid for this operation.`;
    expect(await refusal(client.enableKeyRotation({ KeyId }))).toBe(message);
    expect(await refusal(client.disableKeyRotation({ KeyId }))).toBe(message);
    expect(await refusal(client.rotateKeyOnDemand({ KeyId }))).toBe(message);
    expect(await refusal(client.listKeyRotations({ KeyId }))).toBe(message);
    // Terraform asks this of every key.
    expect(await client.getKeyRotationStatus({ KeyId })).toEqual({
      KeyId: arn(KeyId),
      KeyRotationEnabled: false,
    });
  });

  it("are those with imported material, but for rotation on demand to further material", async () => {
    const { client } = await tempKeystore();
    const { KeyMetadata } = await client.createKey({ Origin: "EXTERNAL" });
    const { KeyId } = KeyMetadata;
    const message = `UnsupportedOperationException: ${arn(KeyId)} origin is EXTERNAL which is not valid for this operation.`;
    const calls = (): Promise<unknown>[] => [
      client.enableKeyRotation({ KeyId }),
      client.disableKeyRotation({ KeyId }),
      client.getKeyRotationStatus({ KeyId }),
    ];
    for (const call of calls()) expect(await refusal(call)).toBe(message);
    expect(await refusal(client.rotateKeyOnDemand({ KeyId }))).toBe(
      `KMSInvalidStateException: ${arn(KeyId)} is pending import.`,
    );
    await importInto(client, KeyId, bytes(32));
    for (const call of calls()) expect(await refusal(call)).toBe(message);
    expect(await refusal(client.rotateKeyOnDemand({ KeyId }))).toBe(
      `KMSInvalidStateException: No available key material pending rotation for the key: ${arn(KeyId)}.`,
    );
    await importInto(client, KeyId, bytes(32, 8), { ImportType: "NEW_KEY_MATERIAL" });
    const all = { KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" };
    const states = async (): Promise<string[]> =>
      (await client.listKeyRotations(all)).Rotations.map((one) => one.KeyMaterialState);
    expect(await states()).toEqual(["CURRENT", "PENDING_ROTATION"]);
    expect((await client.listKeyRotations({ KeyId })).Rotations).toEqual([]);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    await client.rotateKeyOnDemand({ KeyId });
    expect(await states()).toEqual(["NON_CURRENT", "CURRENT"]);
    expect((await client.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(1));
  });
});
