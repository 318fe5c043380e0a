import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Keystore, KmsClient } from "../../src/index.ts";
import { managedAliases } from "../../src/keys/managed.ts";
import { bytes } from "../support/kinds.ts";
import {
  allow,
  arn,
  auditRecords,
  newKey,
  newUser,
  refusal,
  ROOT,
  tempKeystore,
} from "../support/keystore.ts";

afterEach(() => {
  vi.useRealTimers();
});

const S3 = "alias/aws/s3";
const DAY_MS = 86_400_000;
const data = { KeyId: S3, KeySpec: "AES_256" };

/** A user, directly and through S3. */
async function setup(): Promise<{
  keystore: Keystore;
  client: KmsClient;
  user: KmsClient;
  throughS3: KmsClient;
}> {
  const { keystore, client } = await tempKeystore();
  const user = await newUser(keystore, "alice", allow(["kms:DescribeKey", "kms:ListAliases"]));
  return { keystore, client, user, throughS3: keystore.as(user.principal, { viaService: "s3" }) };
}

async function targetOf(client: KmsClient, name: string): Promise<string | undefined> {
  const { Aliases } = await client.listAliases();
  return Aliases.find(({ AliasName }) => AliasName === name)?.TargetKeyId;
}

describe("an AWS managed key", () => {
  it("is listed by its alias from the start, without a key", async () => {
    const { client } = await setup();
    const { Aliases } = await client.listAliases();
    expect(Aliases).toEqual(
      managedAliases.map((AliasName) => ({
        AliasName,
        AliasArn: `arn:aws:kms:local:000000000000:${AliasName}`,
      })),
    );
    expect(managedAliases).toContain(S3);
    expect((await client.listKeys()).Keys).toEqual([]);
  });

  it("is made when it is first described, once", async () => {
    const { client, user } = await setup();
    const { KeyMetadata } = await user.describeKey({ KeyId: S3 });
    expect(KeyMetadata).toMatchObject({
      Description: "Default key that protects my S3 objects when no other key is defined",
      KeyManager: "AWS",
      KeyState: "Enabled",
      KeySpec: "SYMMETRIC_DEFAULT",
      CurrentKeyMaterialId: expect.any(String),
    });
    expect(await user.describeKey({ KeyId: S3 })).toEqual({ KeyMetadata });
    expect(await targetOf(client, S3)).toBe(KeyMetadata.KeyId);
    expect((await client.listKeys()).Keys).toHaveLength(1);
  });

  it("is made when its service first uses it, and works for callers of that service only", async () => {
    const { keystore, client, user, throughS3 } = await setup();
    const { CiphertextBlob, KeyId } = await throughS3.generateDataKey(data);
    await throughS3.decrypt({ CiphertextBlob });
    expect(KeyId).toBe(arn((await targetOf(client, S3)) ?? ""));
    const names = (await auditRecords(keystore)).map(
      ({ eventName, userIdentity }) => `${eventName} ${userIdentity.type}`,
    );
    expect(names.slice(1, 3)).toEqual(["CreateKey AWSService", "GenerateDataKey IAMUser"]);
    const throughEbs = keystore.as(user.principal, { viaService: "ec2" });
    const zoe = keystore.as("arn:aws:iam::111122223333:user/zoe", { viaService: "s3" });
    for (const other of [user, client, throughEbs, zoe]) {
      const call = other.generateDataKey({ ...data, KeyId });
      expect((await rejection(call)).name).toBe("AccessDeniedException");
    }
  });

  it("is not made by a call that is refused", async () => {
    const { keystore, client } = await setup();
    expect((await rejection(client.generateDataKey(data))).name).toBe("AccessDeniedException");
    const throughS3 = keystore.as(ROOT, { viaService: "s3" });
    const dry = throughS3.generateDataKey({ ...data, DryRun: true });
    expect((await rejection(dry)).name).toBe("DryRunOperationException");
    expect(await targetOf(client, S3)).toBeUndefined();
    expect((await client.listKeys()).Keys).toEqual([]);
  });

  it("may be either end of its first call, or both", async () => {
    const { keystore, client } = await setup();
    const KeyId = await newKey(client);
    const throughS3 = keystore.as(ROOT, { viaService: "s3" });
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    const both = { CiphertextBlob, SourceKeyId: S3, DestinationKeyId: S3 };
    expect((await rejection(throughS3.reEncrypt(both))).name).toBe("IncorrectKeyException");
    expect(await targetOf(client, S3)).toBeUndefined();
    const moved = await throughS3.reEncrypt({ CiphertextBlob, DestinationKeyId: S3 });
    const { Plaintext } = await throughS3.decrypt({ CiphertextBlob: moved.CiphertextBlob });
    expect(Plaintext).toEqual(bytes(1));
    const throughEbs = keystore.as(ROOT, { viaService: "ec2" });
    const pair = { KeyId: "alias/aws/ebs", KeyPairSpec: "ECC_NIST_P256" };
    await throughEbs.generateDataKeyPair(pair);
  });

  it("can be looked at, and neither edited nor deleted", async () => {
    const { client, throughS3 } = await setup();
    const { KeyId } = (await throughS3.describeKey({ KeyId: S3 })).KeyMetadata;
    await client.getKeyPolicy({ KeyId });
    await client.listResourceTags({ KeyId });
    await client.listGrants({ KeyId });
    await client.listKeyRotations({ KeyId });
    for (const call of [
      client.putKeyPolicy({ KeyId, Policy: (await client.getKeyPolicy({ KeyId })).Policy }),
      client.disableKey({ KeyId }),
      client.scheduleKeyDeletion({ KeyId }),
      client.updateKeyDescription({ KeyId, Description: "mine" }),
      client.tagResource({ KeyId, Tags: [{ TagKey: "a", TagValue: "" }] }),
      client.enableKeyRotation({ KeyId }),
      client.disableKeyRotation({ KeyId }),
      client.rotateKeyOnDemand({ KeyId }),
      client.createAlias({ AliasName: "alias/mine", TargetKeyId: KeyId }),
    ]) {
      expect(await refusal(call)).toMatch(
        /^AccessDeniedException: .* because no resource-based policy allows the kms:/,
      );
    }
  });

  it("rotates every year", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1_700_000_000_000 });
    const { client, throughS3 } = await setup();
    const made = await throughS3.generateDataKey(data);
    const { KeyId } = made;
    expect(await client.getKeyRotationStatus({ KeyId })).toEqual({
      KeyId,
      KeyRotationEnabled: true,
      RotationPeriodInDays: 365,
      NextRotationDate: new Date(1_700_000_000_000 + 365 * DAY_MS),
    });
    vi.setSystemTime(1_700_000_000_000 + 365 * DAY_MS);
    expect((await throughS3.generateDataKey(data)).KeyMaterialId).not.toBe(made.KeyMaterialId);
    await throughS3.decrypt({ CiphertextBlob: made.CiphertextBlob });
  });

  it("is one of AWS's: no other name under alias/aws/ has a key", async () => {
    const { throughS3 } = await setup();
    for (const KeyId of ["alias/aws/mine", "alias/aws/", "alias/aws/constructor"]) {
      expect((await rejection(throughS3.describeKey({ KeyId }))).name).toBe("NotFoundException");
    }
  });

  it.each(managedAliases)("is there for %s", async (KeyId) => {
    const { keystore, client } = await setup();
    await client.describeKey({ KeyId });
    const { Policy } = await client.getKeyPolicy({ KeyId: (await targetOf(client, KeyId)) ?? "" });
    const [, service = ""] =
      /"kms:ViaService":"([a-z0-9]+)\.local\.amazonaws\.com"/.exec(Policy) ?? [];
    const made = await keystore
      .as(ROOT, { viaService: service })
      .generateDataKey({ ...data, KeyId });
    expect(made.Plaintext).toHaveLength(32);
  });
});
