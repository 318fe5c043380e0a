import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { DAY_MS } from "../../src/store/store.ts";
import { bytes } from "../support/kinds.ts";
import { allow, arn, document, newKey, refusal, ROOT, tempKeystore } from "../support/keystore.ts";

const START = Date.UTC(2030, 0, 1);
const Plaintext = bytes(8);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: START });
  onTestFinished(() => void vi.useRealTimers());
});

function passDays(days: number): void {
  vi.setSystemTime(Date.now() + days * DAY_MS);
}

describe("unused keys", () => {
  it("are those whose last use, or creation, is long enough ago, of every region", async () => {
    const { keystore, client } = await tempKeystore();
    const never = await newKey(client, "alias/never");
    const used = await newKey(client);
    passDays(1);
    await client.encrypt({ KeyId: used, Plaintext });
    const elsewhere = await newKey(keystore.as("root", { region: "eu-1" }));
    passDays(89);
    expect(await keystore.unusedKeys()).toEqual([
      {
        keyId: never,
        arn: arn(never),
        region: "local",
        aliases: ["alias/never"],
        state: "Enabled",
        created: new Date(START),
      },
    ]);
    passDays(1);
    await client.disableKey({ KeyId: used });
    const all = await keystore.unusedKeys(90);
    expect(all.map(({ keyId, region }) => [keyId, region])).toEqual([
      [never, "local"],
      [elsewhere, "eu-1"],
      [used, "local"],
    ]);
    expect(all[2]).toMatchObject({
      state: "Disabled",
      lastUse: { operation: "Encrypt", time: new Date(START + DAY_MS) },
    });
    expect(await keystore.unusedKeys(92)).toEqual([]);
  });

  it("are not AWS's own, and not those that were deleted", async () => {
    const { keystore, client } = await tempKeystore();
    await client.describeKey({ KeyId: "alias/aws/s3" });
    const KeyId = await newKey(client);
    await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    passDays(5);
    expect((await keystore.unusedKeys(5)).map(({ state }) => state)).toEqual(["PendingDeletion"]);
    passDays(3);
    expect(await keystore.unusedKeys(5)).toEqual([]);
  });

  it("are as many as there are", async () => {
    const { keystore, client } = await tempKeystore();
    for (let i = 0; i < 101; i++) await client.createKey();
    passDays(1);
    expect(await keystore.unusedKeys(1)).toHaveLength(101);
  });

  it.each([0, -1, 1.5, 36_501, Number.NaN])("cannot be those of %d days", async (days) => {
    const { keystore } = await tempKeystore();
    await expect(keystore.unusedKeys(days)).rejects.toThrow(RangeError);
  });
});

describe("the oldest rotation", () => {
  it("is that of the enabled key of any region that was rotated or created least recently", async () => {
    const { keystore, client } = await tempKeystore();
    const abroad = keystore.as("root", { region: "eu-1" });
    const first = await newKey(client);
    passDays(1);
    const second = await newKey(abroad);
    passDays(1);
    await newKey(client);
    await client.describeKey({ KeyId: "alias/aws/s3" });
    expect(await keystore.oldestRotation()).toBeUndefined();
    await abroad.enableKeyRotation({ KeyId: second });
    expect(await keystore.oldestRotation()).toEqual(new Date(START + DAY_MS));
    await client.enableKeyRotation({ KeyId: first });
    expect(await keystore.oldestRotation()).toEqual(new Date(START));
    passDays(1);
    await client.rotateKeyOnDemand({ KeyId: first });
    expect(await keystore.oldestRotation()).toEqual(new Date(START + DAY_MS));
    await abroad.disableKey({ KeyId: second });
    expect(await keystore.oldestRotation()).toEqual(new Date(START + 3 * DAY_MS));
  });
});

it("lets a key policy protect keys that were used lately from being disabled and deleted", async () => {
  const { keystore, client } = await tempKeystore();
  const statement = {
    Effect: "Deny",
    Principal: "*",
    Action: ["kms:DisableKey", "kms:ScheduleKeyDeletion"],
    Resource: "*",
    Condition: { NumericLessThan: { "kms:TrailingDaysWithoutKeyUsage": 30 } },
  };
  const Policy = document({ ...allow("kms:*"), Principal: { AWS: ROOT } }, statement);
  const { KeyId } = (await client.createKey({ Policy })).KeyMetadata;
  for (const use of [() => Promise.resolve(), () => client.encrypt({ KeyId, Plaintext })]) {
    await use();
    passDays(29.9);
    expect(await refusal(client.disableKey({ KeyId }))).toMatch(/^AccessDenied.*explicit deny/);
    expect(await refusal(client.scheduleKeyDeletion({ KeyId }))).toMatch(/^AccessDenied/);
    passDays(0.1);
    const explained = await keystore.explain({ action: "DisableKey", key: KeyId });
    expect(explained.decision.allowed).toBe(true);
    await client.disableKey({ KeyId });
    await client.enableKey({ KeyId });
  }
});
