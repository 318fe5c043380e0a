import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { KmsClient } from "../../src/index.ts";
import { managedAliases } from "../../src/keys/managed.ts";
import { keyOf } from "../support/kinds.ts";
import { arn, newKey, refusal, tempKeystore } from "../support/keystore.ts";

afterEach(() => {
  vi.useRealTimers();
});

const setup = async (): Promise<{ client: KmsClient; KeyId: string }> => {
  const { client } = await tempKeystore();
  return { client, KeyId: await newKey(client, "alias/app") };
};

describe("aliases", () => {
  it("are listed by name, all or those of a key, in pages", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client, "alias/B");
    await client.createAlias({ AliasName: "alias/c", TargetKeyId: arn(other) });
    const names = async (request: Parameters<KmsClient["listAliases"]>[0]): Promise<string[]> =>
      (await client.listAliases(request)).Aliases.map(({ AliasName }) => AliasName);
    const all = ["alias/B", "alias/app", ...managedAliases, "alias/c"];
    expect(await names({})).toEqual(all);
    expect(await names({ KeyId: other })).toEqual(["alias/B", "alias/c"]);
    for (const filter of [{}, { KeyId: other }]) {
      const first = await client.listAliases({ ...filter, Limit: 1 });
      expect(first).toMatchObject({ Truncated: true, Aliases: [{ AliasName: "alias/B" }] });
      const rest = await names({ ...filter, Marker: first.NextMarker });
      expect(rest).toEqual(filter.KeyId === undefined ? all.slice(1) : ["alias/c"]);
    }
    expect((await client.listAliases({ KeyId })).Aliases).toEqual([
      {
        AliasName: "alias/app",
        AliasArn: "arn:aws:kms:local:000000000000:alias/app",
        TargetKeyId: KeyId,
        CreationDate: expect.any(Date),
        LastUpdatedDate: expect.any(Date),
      },
    ]);
  });

  it("exist once", async () => {
    const { client, KeyId } = await setup();
    expect(await refusal(client.createAlias({ AliasName: "alias/app", TargetKeyId: KeyId }))).toBe(
      "AlreadyExistsException: An alias with the name arn:aws:kms:local:000000000000:alias/app already exists",
    );
  });

  it("are case-sensitive", async () => {
    const { client, KeyId } = await setup();
    await client.createAlias({ AliasName: "alias/App", TargetKeyId: KeyId });
    await client.deleteAlias({ AliasName: "alias/App" });
    expect((await client.listAliases({ KeyId })).Aliases).toMatchObject([
      { AliasName: "alias/app" },
    ]);
  });

  it("move between keys, both ways", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client);
    const target = async (): Promise<string> =>
      (await client.describeKey({ KeyId: "alias/app" })).KeyMetadata.KeyId;
    await client.updateAlias({ AliasName: "alias/app", TargetKeyId: other });
    expect(await target()).toBe(other);
    expect((await client.listAliases({ KeyId })).Aliases).toEqual([]);
    await client.updateAlias({ AliasName: "alias/app", TargetKeyId: KeyId });
    await client.updateAlias({ AliasName: "alias/app", TargetKeyId: KeyId });
    expect(await target()).toBe(KeyId);
  });

  it("keep their creation date when they move", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 });
    const { client } = await setup();
    const other = await newKey(client);
    vi.setSystemTime(2_000_000);
    await client.updateAlias({ AliasName: "alias/app", TargetKeyId: other });
    expect((await client.listAliases({ KeyId: other })).Aliases).toMatchObject([
      { CreationDate: new Date(1_000_000), LastUpdatedDate: new Date(2_000_000) },
    ]);
  });

  it("are deleted without the key noticing", async () => {
    const { client, KeyId } = await setup();
    await client.deleteAlias({ AliasName: "alias/app" });
    expect(await refusal(client.deleteAlias({ AliasName: "alias/app" }))).toMatch(
      /^NotFoundException: Alias .* is not found\.$/,
    );
    await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
  });

  it("number 50 per key, also when one moves there", async () => {
    const { client, KeyId } = await setup();
    for (let i = 1; i < 50; i++) {
      await client.createAlias({ AliasName: `alias/${i}`, TargetKeyId: KeyId });
    }
    await newKey(client, "alias/other");
    for (const call of [
      client.createAlias({ AliasName: "alias/50", TargetKeyId: KeyId }),
      client.updateAlias({ AliasName: "alias/other", TargetKeyId: KeyId }),
    ]) {
      expect((await rejection(call)).name).toBe("LimitExceededException");
    }
    await client.updateAlias({ AliasName: "alias/1", TargetKeyId: KeyId });
    expect((await client.listAliases({ KeyId, Limit: 100 })).Aliases).toHaveLength(50);
  });

  it("may leave a key that is pending deletion, but not join one", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client, "alias/other");
    await client.scheduleKeyDeletion({ KeyId });
    const join = client.updateAlias({ AliasName: "alias/other", TargetKeyId: KeyId });
    expect((await rejection(join)).name).toBe("KMSInvalidStateException");
    await client.updateAlias({ AliasName: "alias/app", TargetKeyId: other });
    expect((await client.listAliases({ KeyId: other })).Aliases).toHaveLength(2);
  });

  it("do not stand for keys where AWS wants a key", async () => {
    const { client } = await setup();
    for (const call of [
      client.enableKey({ KeyId: "alias/app" }),
      client.scheduleKeyDeletion({ KeyId: "alias/app" }),
      client.getKeyPolicy({ KeyId: "alias/app" }),
    ]) {
      expect(await refusal(call)).toBe(
        "InvalidArnException: Key Aliases are not supported for this operation.",
      );
    }
    const target = { AliasName: "alias/app", TargetKeyId: "alias/app" };
    for (const call of [
      client.createAlias({ ...target, AliasName: "alias/x" }),
      client.updateAlias(target),
      client.updateAlias({ ...target, TargetKeyId: "arn:aws:kms:local:000000000000:alias/app" }),
    ]) {
      expect(await refusal(call)).toBe(
        "ValidationException: Aliases must refer to keys. Not aliases",
      );
    }
  });

  it("are listed in pages of any size, those of AWS among them", async () => {
    const { client, KeyId } = await setup();
    for (const name of ["alias/aws", "alias/awt/x", "alias/aws-s3", "alias/aws0"]) {
      await client.createAlias({ AliasName: name, TargetKeyId: KeyId });
    }
    await client.describeKey({ KeyId: "alias/aws/s3" });
    const expected = (await client.listAliases()).Aliases.map(({ AliasName }) => AliasName);
    expect(expected).toEqual(expected.toSorted());
    expect(expected).toHaveLength(managedAliases.length + 5);
    for (const Limit of [1, 2, 3, 7]) {
      const listed: string[] = [];
      let Marker: string | undefined;
      do {
        const page = await client.listAliases({ Limit, Marker });
        expect(page.Aliases.length).toBeLessThanOrEqual(Limit);
        listed.push(...page.Aliases.map(({ AliasName }) => AliasName));
        Marker = page.NextMarker;
      } while (Marker !== undefined);
      expect(listed).toEqual(expected);
    }
  });

  it("are listed past those of keys that are gone but not yet destroyed", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { client, KeyId } = await setup();
    const gone = await newKey(client, "alias/a");
    await client.createAlias({ AliasName: "alias/b", TargetKeyId: gone });
    await client.createAlias({ AliasName: "alias/ab", TargetKeyId: KeyId });
    await client.scheduleKeyDeletion({ KeyId: gone, PendingWindowInDays: 7 });
    vi.setSystemTime(Date.now() + 7 * 86_400_000);
    const listed: string[] = [];
    let Marker: string | undefined;
    do {
      const page = await client.listAliases({ Limit: 1, Marker });
      listed.push(...page.Aliases.map(({ AliasName }) => AliasName));
      Marker = page.NextMarker;
    } while (Marker !== undefined);
    expect(listed).toEqual(["alias/ab", "alias/app", ...managedAliases]);
  });

  it("are reserved under alias/aws/", async () => {
    const { client, KeyId } = await setup();
    const AliasName = "alias/aws/s3";
    for (const call of [
      client.createAlias({ AliasName, TargetKeyId: KeyId }),
      client.updateAlias({ AliasName, TargetKeyId: KeyId }),
      client.deleteAlias({ AliasName }),
    ]) {
      expect((await rejection(call)).name).toBe("NotAuthorizedException");
    }
  });

  it("move only between keys of the same type and usage", async () => {
    const { client, KeyId } = await setup();
    const hmac = await keyOf(client, "HMAC_256", "GENERATE_VERIFY_MAC");
    const ecc = await keyOf(client, "ECC_NIST_P256", "SIGN_VERIFY");
    const agreement = await keyOf(client, "ECC_NIST_P384", "KEY_AGREEMENT");
    const otherEcc = await keyOf(client, "ECC_NIST_P384", "SIGN_VERIFY");
    await client.createAlias({ AliasName: "alias/signer", TargetKeyId: ecc });
    const rsa = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    for (const [AliasName, TargetKeyId] of [
      ["alias/app", rsa],
      ["alias/app", hmac],
      ["alias/app", ecc],
      ["alias/signer", KeyId],
      ["alias/signer", agreement],
    ] as const) {
      expect(await refusal(client.updateAlias({ AliasName, TargetKeyId }))).toMatch(
        /^ValidationException: An alias moves only between keys of the same type and usage/,
      );
    }
    await client.updateAlias({ AliasName: "alias/signer", TargetKeyId: otherEcc });
  });
});
