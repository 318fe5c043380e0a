import { afterEach, describe, expect, it, vi } from "vitest";
import { describeCiphertextBlob, type KmsClient } from "../src/index.ts";
import { keyMaterialId } from "../src/key.ts";
import { arn, newKey, NOWHERE, refusal, rejection, tempKeystore } from "./support/keystore.ts";

afterEach(() => {
  vi.useRealTimers();
});

const DAY_MS = 86_400_000;
const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill);
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

  it("refuses what it cannot make", async () => {
    const { client } = await tempKeystore();
    for (const request of [
      { KeySpec: "RSA_2048" },
      { CustomerMasterKeySpec: "ECC_NIST_P256" },
      { KeyUsage: "SIGN_VERIFY" },
      { Origin: "EXTERNAL" },
      { MultiRegion: true },
      { Policy: "{}" },
      { Tags: [] },
    ]) {
      expect((await rejection(client.createKey(request))).name).toBe(
        "UnsupportedOperationException",
      );
    }
    expect((await client.listKeys()).Keys).toEqual([]);
  });

  it("says what is not there", async () => {
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

describe("aliases", () => {
  it("are listed by name, all or those of a key, in pages", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client, "alias/B");
    await client.createAlias({ AliasName: "alias/c", TargetKeyId: arn(other) });
    const names = async (request: Parameters<KmsClient["listAliases"]>[0]): Promise<string[]> =>
      (await client.listAliases(request)).Aliases.map(({ AliasName }) => AliasName);
    expect(await names({})).toEqual(["alias/B", "alias/app", "alias/c"]);
    expect(await names({ KeyId: other })).toEqual(["alias/B", "alias/c"]);
    for (const filter of [{}, { KeyId: other }]) {
      const first = await client.listAliases({ ...filter, Limit: 1 });
      expect(first).toMatchObject({ Truncated: true, Aliases: [{ AliasName: "alias/B" }] });
      const rest = await names({ ...filter, Marker: first.NextMarker });
      expect(rest).toEqual(filter.KeyId === undefined ? ["alias/app", "alias/c"] : ["alias/c"]);
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
    expect((await client.listAliases()).Aliases).toHaveLength(1);
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
    expect((await client.listAliases()).Aliases).toMatchObject([
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
      client.createAlias({ AliasName: "alias/x", TargetKeyId: "alias/app" }),
    ]) {
      expect(await refusal(call)).toBe(
        "InvalidArnException: Key Aliases are not supported for this operation.",
      );
    }
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

  it("schedules a deletion and leaves the key disabled when it is cancelled", async () => {
    const { client, KeyId } = await setup();
    const before = Date.now();
    const scheduled = await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    expect(scheduled).toEqual({
      KeyId: arn(KeyId),
      DeletionDate: expect.any(Date),
      KeyState: "PendingDeletion",
      PendingWindowInDays: 7,
    });
    expect(scheduled.DeletionDate.getTime()).toBeGreaterThanOrEqual(before + 7 * DAY_MS);
    expect(scheduled.DeletionDate.getTime()).toBeLessThan(before + 7 * DAY_MS + 60_000);
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
    expect((await client.listAliases()).Aliases).toEqual([]);
    await newKey(client, "alias/app");
  });
});

describe("rotation", () => {
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

describe("encrypt, decrypt", () => {
  it("name the key by its ARN", async () => {
    const { client, KeyId } = await setup();
    const made = await client.encrypt({ KeyId: "alias/app", Plaintext: bytes(4096) });
    expect(made).toEqual({
      CiphertextBlob: expect.any(Uint8Array),
      KeyId: arn(KeyId),
      EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
    });
    const { CiphertextBlob } = made;
    expect(await client.decrypt({ KeyId: "alias/app", CiphertextBlob })).toEqual({
      Plaintext: bytes(4096),
      KeyId: arn(KeyId),
      EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      KeyMaterialId: keyMaterialId(KeyId, 1),
    });
  });

  it("bind the context exactly, in any order", async () => {
    const { client, KeyId } = await setup();
    const EncryptionContext = { tenant: "acme", purpose: "" };
    const request = { KeyId, Plaintext: bytes(1), EncryptionContext };
    const { CiphertextBlob } = await client.encrypt(request);
    const decrypt = (context?: Record<string, string>): Promise<{ Plaintext: Uint8Array }> =>
      client.decrypt({ CiphertextBlob, EncryptionContext: context });
    expect((await decrypt({ purpose: "", tenant: "acme" })).Plaintext).toEqual(bytes(1));
    for (const context of [
      undefined,
      {},
      { tenant: "acme" },
      { tenant: "Acme", purpose: "" },
      { tenant: "acme", purpose: "", extra: "" },
      { tenantacme: "", purpose: "" },
    ]) {
      expect((await rejection(decrypt(context))).name).toBe("InvalidCiphertextException");
    }
  });

  it("treat no context and the empty one alike", async () => {
    const { client, KeyId } = await setup();
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    const { Plaintext } = await client.decrypt({ CiphertextBlob, EncryptionContext: {} });
    expect(Plaintext).toEqual(bytes(1));
  });

  it("find the key of a blob without being told, and hold to the one they are told", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    expect((await client.decrypt({ CiphertextBlob })).KeyId).toBe(arn(KeyId));
    expect(await refusal(client.decrypt({ KeyId: other, CiphertextBlob }))).toBe(
      "IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation.",
    );
  });

  it("do not tell whether a foreign blob's key exists", async () => {
    const { client, KeyId } = await setup();
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    CiphertextBlob[1] = (CiphertextBlob[1] ?? 0) ^ 1;
    expect(await refusal(client.decrypt({ CiphertextBlob }))).toBe(
      "AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
    );
    expect((await rejection(client.decrypt({ KeyId, CiphertextBlob }))).name).toBe(
      "IncorrectKeyException",
    );
  });

  it("refuse every altered bit, and every cut, with one error", async () => {
    const { client, KeyId } = await setup();
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(2) });
    const messages = new Set<string>();
    const refuse = async (blob: Uint8Array): Promise<void> => {
      messages.add(await refusal(client.decrypt({ CiphertextBlob: blob })));
    };
    for (let bit = 17 * 8; bit < CiphertextBlob.length * 8; bit++) {
      const altered = CiphertextBlob.slice();
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await refuse(altered);
    }
    for (let end = 1; end < CiphertextBlob.length; end++)
      await refuse(CiphertextBlob.subarray(0, end));
    await refuse(Uint8Array.of(...CiphertextBlob, 0));
    expect([...messages]).toEqual([expect.stringMatching(/^InvalidCiphertextException: /)]);
  });

  it("neither change nor keep the caller's bytes", async () => {
    const { client, KeyId } = await setup();
    const Plaintext = bytes(3);
    const { CiphertextBlob: made } = await client.encrypt({ KeyId, Plaintext });
    expect(Plaintext).toEqual(bytes(3));
    const encrypting = client.encrypt({ KeyId, Plaintext });
    Plaintext.fill(1);
    const { CiphertextBlob } = await encrypting;
    expect((await client.decrypt({ CiphertextBlob: made })).Plaintext).toEqual(bytes(3));
    const blob = CiphertextBlob.slice();
    const first = await client.decrypt({ CiphertextBlob });
    first.Plaintext.fill(0);
    expect(CiphertextBlob).toEqual(blob);
    expect((await client.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(3));
  });
});

describe("generateDataKey", () => {
  it("gives a key in clear and wrapped, of the length asked for", async () => {
    const { client, KeyId } = await setup();
    for (const [request, length] of [
      [{ KeySpec: "AES_256" }, 32],
      [{ KeySpec: "AES_128" }, 16],
      [{ NumberOfBytes: 1 }, 1],
      [{ NumberOfBytes: 1024 }, 1024],
    ] as const) {
      const made = await client.generateDataKey({ KeyId, ...request });
      expect(made.Plaintext).toHaveLength(length);
      const { CiphertextBlob } = made;
      expect((await client.decrypt({ KeyId, CiphertextBlob })).Plaintext).toEqual(made.Plaintext);
      expect(made).toMatchObject({ KeyId: arn(KeyId), KeyMaterialId: keyMaterialId(KeyId, 1) });
    }
  });

  it("gives the wrapped key alone where asked", async () => {
    const { client, KeyId } = await setup();
    const made = await client.generateDataKeyWithoutPlaintext({ KeyId, KeySpec: "AES_256" });
    expect(Object.keys(made).toSorted()).toEqual(["CiphertextBlob", "KeyId", "KeyMaterialId"]);
    const { Plaintext } = await client.decrypt({ CiphertextBlob: made.CiphertextBlob });
    expect(Plaintext).toHaveLength(32);
    expect(Plaintext).not.toEqual(new Uint8Array(32));
  });
});

describe("reEncrypt", () => {
  it("moves a blob to another key, version and context", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client);
    await client.rotateKeyOnDemand({ KeyId: other });
    const from = { a: "1" };
    const to = { b: "2" };
    const { CiphertextBlob } = await client.encrypt({
      KeyId,
      Plaintext: bytes(5),
      EncryptionContext: from,
    });
    const moved = await client.reEncrypt({
      CiphertextBlob,
      SourceKeyId: "alias/app",
      SourceEncryptionContext: from,
      DestinationKeyId: other,
      DestinationEncryptionContext: to,
    });
    expect(moved).toEqual({
      CiphertextBlob: expect.any(Uint8Array),
      SourceKeyId: arn(KeyId),
      KeyId: arn(other),
      SourceEncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      DestinationEncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      SourceKeyMaterialId: keyMaterialId(KeyId, 1),
      DestinationKeyMaterialId: keyMaterialId(other, 2),
    });
    const request = { CiphertextBlob: moved.CiphertextBlob, KeyId: other, EncryptionContext: to };
    expect((await client.decrypt(request)).Plaintext).toEqual(bytes(5));
  });

  it("refuses a wrong source context, source key or a disabled destination", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    const request = { CiphertextBlob, DestinationKeyId: other };
    const name = async (more: object): Promise<string> =>
      (await rejection(client.reEncrypt({ ...request, ...more }))).name;
    expect(await name({ SourceEncryptionContext: { a: "b" } })).toBe("InvalidCiphertextException");
    expect(await name({ SourceKeyId: other })).toBe("IncorrectKeyException");
    await client.disableKey({ KeyId: other });
    expect(await name({})).toBe("DisabledException");
  });
});

describe("DryRun", () => {
  it("ends in its own exception where the call would succeed, else in the real one", async () => {
    const { client, KeyId } = await setup();
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    const DryRun = true;
    const calls = (): Promise<unknown>[] => [
      client.encrypt({ KeyId, Plaintext: bytes(1), DryRun }),
      client.decrypt({ CiphertextBlob, DryRun }),
      client.reEncrypt({ CiphertextBlob, DestinationKeyId: KeyId, DryRun }),
      client.generateDataKey({ KeyId, KeySpec: "AES_256", DryRun }),
      client.generateDataKeyWithoutPlaintext({ KeyId, KeySpec: "AES_256", DryRun }),
    ];
    for (const call of calls()) {
      expect(await refusal(call)).toBe(
        "DryRunOperationException: The request would have succeeded, but the DryRun option is set.",
      );
    }
    const EncryptionContext = { a: "b" };
    const wrong = client.decrypt({ CiphertextBlob, EncryptionContext, DryRun });
    expect((await rejection(wrong)).name).toBe("InvalidCiphertextException");
    await client.disableKey({ KeyId });
    for (const call of calls()) expect((await rejection(call)).name).toBe("DisabledException");
  });
});

it("generates random bytes", async () => {
  const { client } = await tempKeystore();
  const one = await client.generateRandom({ NumberOfBytes: 1024 });
  expect(one.Plaintext).toHaveLength(1024);
  expect(one).not.toEqual(await client.generateRandom({ NumberOfBytes: 1024 }));
  expect(await refusal(client.generateRandom({}))).toBe(
    "ValidationException: NumberOfBytes is required.",
  );
});

it("stores the default policy of a key", async () => {
  const { client, KeyId } = await setup();
  const { Policy, PolicyName } = await client.getKeyPolicy({ KeyId, PolicyName: "default" });
  expect(PolicyName).toBe("default");
  expect(JSON.parse(Policy)).toEqual({
    Version: "2012-10-17",
    Id: "key-default-1",
    Statement: [
      {
        Sid: "Enable IAM User Permissions",
        Effect: "Allow",
        Principal: { AWS: "arn:aws:iam::000000000000:root" },
        Action: "kms:*",
        Resource: "*",
      },
    ],
  });
  expect(await refusal(client.getKeyPolicy({ KeyId, PolicyName: "other" }))).toBe(
    "NotFoundException: No such policy exists",
  );
});

it("updates a description", async () => {
  const { client, KeyId } = await setup();
  await client.updateKeyDescription({ KeyId, Description: "new" });
  expect((await client.describeKey({ KeyId })).KeyMetadata.Description).toBe("new");
});
