import { DatabaseSync } from "node:sqlite";
import type { Bytes } from "@env/core";
import type { CmkDriver, KmsContext } from "@env/core/driver";
import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { LocalFileClient } from "../src/client.ts";
import { localFile, localFileDriver } from "../src/index.ts";
import { tempKeystore } from "./support/keystore.ts";

const context = { tenant: "acme" };
/** What Cmk makes of it; a driver here uses the map alone. */
const kms: KmsContext = { map: { tenant: "acme", "env:format": "1" }, bytes: new Uint8Array(0) };
const signal = undefined;
const arn = (keyId: string): string => `arn:aws:kms:local:000000000000:key/${keyId}`;

afterEach(() => {
  vi.restoreAllMocks();
});

/** A client that notes the names of its calls. */
function counted(client: LocalFileClient): { client: LocalFileClient; calls: string[] } {
  const calls: string[] = [];
  const names = ["generateDataKey", "encrypt", "decrypt", "reEncrypt", "describeKey"] as const;
  const noted = Object.fromEntries(
    names.map((name) => [
      name,
      (request: never) => {
        calls.push(name);
        return client[name](request);
      },
    ]),
  );
  return { client: noted as unknown as LocalFileClient, calls };
}

describe("a key by id, ARN, alias or alias ARN", () => {
  const names = (keyId: string): string[] => [
    keyId,
    arn(keyId),
    "alias/app",
    "arn:aws:kms:local:000000000000:alias/app",
  ];

  // Requirements: E8
  it("labels entries with the lower-case UUID, and reads what the others wrote", async () => {
    const { client, keyId } = await tempKeystore();
    const cmks = names(keyId).map((key) => localFile({ client, key }));
    for (const writer of cmks) {
      const { dataKey, entry, keyVersion } = await writer.generateDataKey({ context });
      expect(entry).toMatchObject({ provider: "local-file", keyId });
      expect(entry.wrapped).toHaveLength(93);
      expect(keyVersion).toBe("1");
      for (const reader of cmks) {
        using opened = await reader.unwrapDataKey(entry, { context });
        expect(opened.use((a) => dataKey.use((b) => Buffer.compare(a, b)))).toBe(0);
      }
    }
  });

  it("sends the context with the format's pair, exactly", async () => {
    const { client, keyId } = await tempKeystore();
    const { entry } = await localFile({ client, key: keyId }).generateDataKey({ context });
    const EncryptionContext = { "env:format": "1", tenant: "acme" };
    const CiphertextBlob = entry.wrapped;
    await client.decrypt({ CiphertextBlob, EncryptionContext });
    const bare = client.decrypt({ CiphertextBlob, EncryptionContext: context });
    expect((await rejection(bare)).name).toBe("InvalidCiphertextException");
  });
});

describe("matches", () => {
  const other = "00000000-0000-4000-8000-000000000000";

  it("asks nobody for a key id or ARN", async () => {
    const { client, keyId } = await tempKeystore();
    for (const key of [keyId, arn(keyId)]) {
      const { client: noted, calls } = counted(client);
      const driver = localFileDriver({ client: noted, key });
      expect(await driver.matches?.(keyId, signal)).toBe(true);
      expect(await driver.matches?.(other, signal)).toBe(false);
      expect(await driver.matches?.(arn(keyId), signal)).toBe(false);
      expect(calls).toEqual([]);
    }
  });

  it("resolves an alias once, and again after a minute", async () => {
    const { client, keyId } = await tempKeystore();
    const now = vi.spyOn(performance, "now").mockReturnValue(1000);
    const { client: noted, calls } = counted(client);
    const driver = localFileDriver({ client: noted, key: "alias/app" });
    expect(await driver.matches?.(keyId, signal)).toBe(true);
    expect(await driver.matches?.(keyId, signal)).toBe(true);
    expect(await driver.matches?.(other, signal)).toBe(false);
    now.mockReturnValue(60_999);
    expect(await driver.matches?.(other, signal)).toBe(false);
    expect(calls).toEqual(["describeKey"]);
    now.mockReturnValue(61_000);
    expect(await driver.matches?.(other, signal)).toBe(false);
    expect(calls).toEqual(["describeKey", "describeKey"]);
  });

  it("notices a moved alias within the minute, and at once by what it wraps itself", async () => {
    const { client, keyId } = await tempKeystore();
    const { KeyMetadata: moved } = await client.createKey();
    const now = vi.spyOn(performance, "now").mockReturnValue(0);
    const reader = localFileDriver({ client, key: "alias/app" });
    const writer = localFileDriver({ client, key: "alias/app" });
    for (const one of [reader, writer]) expect(await one.matches?.(keyId, signal)).toBe(true);
    await client.updateAlias({ AliasName: "alias/app", TargetKeyId: moved.KeyId });
    await writer.generate?.({ context: kms, signal });
    expect(await writer.matches?.(moved.KeyId, signal)).toBe(true);
    expect(await writer.matches?.(keyId, signal)).toBe(false);
    expect(await reader.matches?.(moved.KeyId, signal)).toBe(false);
    now.mockReturnValue(60_000);
    expect(await reader.matches?.(moved.KeyId, signal)).toBe(true);
  });

  it.each(["unwrap", "rewrap"] as const)(
    "resolves a moved alias anew at once where %s contradicts it",
    async (operation) => {
      const { client, keyId } = await tempKeystore();
      const { KeyMetadata: moved } = await client.createKey();
      const key = "alias/app";
      const { entry } = await localFile({ client, key }).generateDataKey({ context });
      const driver = localFileDriver({ client, key });
      expect(await driver.matches?.(keyId, signal)).toBe(true);
      await client.updateAlias({ AliasName: key, TargetKeyId: moved.KeyId });
      const request = { wrapped: entry.wrapped, keyId: key, context: kms, signal };
      await rejection(Promise.resolve(driver[operation]?.(request)));
      expect(await driver.matches?.(keyId, signal)).toBe(false);
      expect(await driver.matches?.(moved.KeyId, signal)).toBe(true);
    },
  );

  it("reads entries of a key that the alias has left where alsoUnwrap names it", async () => {
    const { client, keyId } = await tempKeystore();
    const key = "alias/app";
    const { entry } = await localFile({ client, key }).generateDataKey({ context });
    const { KeyMetadata } = await client.createKey();
    await client.updateAlias({ AliasName: key, TargetKeyId: KeyMetadata.KeyId });
    const without = localFile({ client, key }).unwrapDataKey(entry, { context });
    expect(await rejection(without)).toMatchObject({ code: "ERR_ENVELOPE_NO_KEY" });
    for (const name of [keyId, arn(keyId)]) {
      const cmk = localFile({ client, key, alsoUnwrap: [name] });
      using opened = await cmk.unwrapDataKey(entry, { context });
      expect(opened.use((bytes) => bytes.length)).toBe(32);
      // Rewrap goes to the CMK's own key, whatever the entry was wrapped under.
      const rewrapped = await cmk.rewrapEntry(entry, { context });
      expect(rewrapped).toMatchObject({
        changed: true,
        plaintextSeen: false,
        entry: { keyId: KeyMetadata.KeyId },
      });
    }
  });
});

describe("rewrap", () => {
  it("happens inside the KMS, from version to version", async () => {
    const { client, keyId } = await tempKeystore();
    const { client: noted, calls } = counted(client);
    const cmk = localFile({ client: noted, key: keyId });
    const { entry } = await cmk.generateDataKey({ context });
    await client.rotateKeyOnDemand({ KeyId: keyId });
    expect(await cmk.rewrapEntry(entry, { context })).toMatchObject({
      changed: true,
      plaintextSeen: false,
      fromVersion: "1",
      keyVersion: "2",
    });
    expect(new Set(calls)).toEqual(new Set(["generateDataKey", "reEncrypt"]));
  });

  it("leaves an entry of the current version as it was", async () => {
    const { client, keyId } = await tempKeystore();
    const cmk = localFile({ client, key: keyId });
    const { entry } = await cmk.generateDataKey({ context });
    const result = await cmk.rewrapEntry(entry, { context });
    expect(result.changed).toBe(false);
    expect(result.entry).toBe(entry);
  });
});

describe("a client that answers for another key", () => {
  const lying = async (
    lie: (client: LocalFileClient, otherId: string) => Partial<LocalFileClient>,
  ): Promise<{ driver: CmkDriver; keyId: string; wrapped: Bytes }> => {
    const { client, keyId } = await tempKeystore();
    const { KeyMetadata } = await client.createKey();
    const honest = localFileDriver({ client, key: keyId });
    const { wrapped } = await honest.wrap({ plaintext: new Uint8Array(32), context: kms, signal });
    const base = counted(client).client;
    const liar = { ...base, ...lie(base, KeyMetadata.KeyId) };
    return { driver: localFileDriver({ client: liar, key: keyId }), keyId, wrapped };
  };

  it("is not believed when it decrypts, and the plaintext is wiped", async () => {
    let plaintext: Uint8Array | undefined;
    const { driver, keyId, wrapped } = await lying((client, otherId) => ({
      decrypt: async (request) => {
        const out = await client.decrypt(request);
        plaintext = out.Plaintext.fill(7);
        return { ...out, KeyId: arn(otherId) };
      },
    }));
    const error = await rejection(driver.unwrap({ wrapped, keyId, context: kms, signal }));
    expect(error.name).toBe("IncorrectKeyException");
    expect(driver.classify(error)).toBe("ERR_ENVELOPE_KMS_REJECTED");
    expect(plaintext).toEqual(new Uint8Array(32));
  });

  it("is not believed under an alias either, where the blob says which key it is of", async () => {
    const { client } = await tempKeystore();
    const { KeyMetadata } = await client.createKey();
    const key = "alias/app";
    const { wrapped } = await localFileDriver({ client, key }).wrap({
      plaintext: new Uint8Array(32),
      context: kms,
      signal,
    });
    const liar: LocalFileClient = {
      ...counted(client).client,
      decrypt: async (request) => ({
        ...(await client.decrypt(request)),
        KeyId: arn(KeyMetadata.KeyId),
      }),
    };
    const driver = localFileDriver({ client: liar, key });
    const error = await rejection(driver.unwrap({ wrapped, keyId: key, context: kms, signal }));
    expect(error.name).toBe("IncorrectKeyException");
  });

  it("is not believed when it lets the blob pick the key", async () => {
    const { driver, wrapped } = await lying((client) => ({
      decrypt: ({ CiphertextBlob, EncryptionContext }) =>
        client.decrypt({ CiphertextBlob, EncryptionContext } as never),
    }));
    const keyId = "00000000-0000-4000-8000-000000000000";
    const error = await rejection(driver.unwrap({ wrapped, keyId, context: kms, signal }));
    expect(error.name).toBe("IncorrectKeyException");
  });

  it("is not believed when it encrypts", async () => {
    const { driver } = await lying((client, otherId) => ({
      encrypt: async (request) => ({ ...(await client.encrypt(request)), KeyId: arn(otherId) }),
    }));
    const plaintext = new Uint8Array(32);
    const error = await rejection(driver.wrap({ plaintext, context: kms, signal }));
    expect(error.name).toBe("IncorrectKeyException");
  });
});

it("rejects what is no blob of a keystore without asking", async () => {
  const { client, keyId } = await tempKeystore();
  const { client: noted, calls } = counted(client);
  const driver = localFileDriver({ client: noted, key: keyId });
  for (const wrapped of [new Uint8Array(0), new Uint8Array(93), new Uint8Array(4096).fill(1)]) {
    const request = { wrapped, keyId, context: kms, signal };
    for (const call of [driver.unwrap(request), driver.rewrap?.(request)]) {
      const error = await rejection(call ?? Promise.resolve());
      if (wrapped[0] === 0 || wrapped.length === 0) {
        expect(error.name).toBe("InvalidCiphertextException");
      }
      expect(driver.classify(error)).toBe("ERR_ENVELOPE_KMS_REJECTED");
    }
  }
  expect(calls).toEqual(["decrypt", "reEncrypt"]); // Those of the one that looks like a blob.
});

it("calls a lock that lasts unavailable", async () => {
  const { path, client, keyId } = await tempKeystore(undefined, 30);
  const cmk = localFile({ client, key: keyId });
  const db = new DatabaseSync(path);
  db.exec("BEGIN IMMEDIATE");
  const busy = await rejection(client.disableKey({ KeyId: keyId }));
  const driver = localFileDriver({ client, key: keyId });
  expect(driver.classify(busy)).toBe("ERR_ENVELOPE_KMS_UNAVAILABLE");
  db.exec("ROLLBACK");
  db.close();
  const { dataKey } = await cmk.generateDataKey({ context });
  expect(dataKey.use((bytes) => bytes.length)).toBe(32);
});

it("labels entries of a multi-Region key with its whole id", async () => {
  const { client } = await tempKeystore();
  const { KeyMetadata } = await client.createKey({ MultiRegion: true });
  const { KeyId: keyId, Arn } = KeyMetadata;
  await client.createAlias({ AliasName: "alias/mrk", TargetKeyId: keyId });
  for (const key of [keyId, Arn, "alias/mrk"]) {
    const cmk = localFile({ client, key });
    const { dataKey, entry } = await cmk.generateDataKey({ context });
    expect(entry.keyId).toBe(keyId);
    for (const reader of [cmk, localFile({ client, key: "alias/app", alsoUnwrap: [Arn] })]) {
      using opened = await reader.unwrapDataKey(entry, { context });
      expect(opened.use((a) => dataKey.use((b) => Buffer.compare(a, b)))).toBe(0);
    }
  }
});
