import { randomBytes } from "node:crypto";
import { encodeEncryptionContext, type Cmk, type Entry } from "@env/core";
import type { KmsContext } from "@env/core/driver";
import { gcpKmsFaults } from "@env/test-servers/gcp-kms";
import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { DecryptOutput, EncryptOutput } from "../src/client.ts";
import { crc32c } from "../src/crc32c.ts";
import { gcpKms, gcpKmsDriver, type GcpKmsClient } from "../src/index.ts";
import { fakeClient } from "./support/fake-client.ts";
import { testServer } from "./support/sdk.ts";

const context = { tenant: "acme" };
/** What Cmk makes of it; a driver here uses the bytes alone. */
const map = { tenant: "acme", "env:format": "1" };
const kms: KmsContext = { map, bytes: encodeEncryptionContext(map) };
const signal = undefined;

const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
const byNumber = key.replace("/p/", "/111122223333/");

afterEach(() => {
  vi.useRealTimers();
});

async function hexOf(cmk: Cmk, entry: Entry): Promise<string> {
  using dataKey = await cmk.unwrapDataKey(entry, { context });
  return dataKey.use((bytes) => Buffer.from(bytes).toString("hex"));
}

function encrypted(more: Partial<EncryptOutput> = {}): EncryptOutput {
  const ciphertext = new Uint8Array(113).fill(9);
  return {
    name: `${key}/cryptoKeyVersions/1`,
    ciphertext,
    ciphertextCrc32c: { value: String(crc32c(ciphertext)) },
    verifiedPlaintextCrc32c: true,
    verifiedAdditionalAuthenticatedDataCrc32c: true,
    ...more,
  };
}

function decrypted(more: Partial<DecryptOutput> = {}): DecryptOutput {
  const plaintext = new Uint8Array(32).fill(7);
  return {
    plaintext,
    plaintextCrc32c: { value: String(crc32c(plaintext)) },
    usedPrimary: true,
    ...more,
  };
}

function wrapWith(answer: EncryptOutput, keyId = key): Promise<unknown> {
  const client = fakeClient({ encrypt: async () => [answer] });
  const plaintext = new Uint8Array(32);
  return gcpKmsDriver({ client, key: keyId }).wrap({ plaintext, context: kms, signal });
}

function unwrapWith(answer: DecryptOutput) {
  const client = fakeClient({ decrypt: async () => [answer] });
  const request = { wrapped: new Uint8Array(113), keyId: key, context: kms, signal };
  return gcpKmsDriver({ client, key }).unwrap(request);
}

describe("what is sent", () => {
  it("is the key's name, the context as additional data, and checksums of all of it", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const cmk = gcpKms({ client, key: name });
    const { dataKey, entry } = await cmk.generateDataKey({ context });
    await hexOf(cmk, entry);
    const crc = (bytes: Uint8Array) => ({ value: String(crc32c(bytes)) });
    const plaintext = dataKey.use((bytes) => Buffer.from(bytes));
    const ciphertext = Buffer.from(entry.wrapped);
    const additionalAuthenticatedData = Buffer.from(kms.bytes);
    const aad = {
      additionalAuthenticatedData,
      additionalAuthenticatedDataCrc32c: crc(kms.bytes),
    };
    expect(server.calls.map(({ method, request }) => [method, request])).toEqual([
      ["Encrypt", { name, plaintext, plaintextCrc32c: crc(plaintext), ...aad }],
      ["Decrypt", { name, ciphertext, ciphertextCrc32c: crc(ciphertext), ...aad }],
    ]);
    for (const { routing } of server.calls)
      expect(routing).toBe(`name=${encodeURIComponent(name)}`);
  });

  it("is another key's name for an entry of another key", async () => {
    const { server, client } = await testServer();
    const [name, other] = [server.createKey(), server.createKey()];
    const { entry } = await gcpKms({ client, key: other }).generateDataKey({ context });
    await hexOf(gcpKms({ client, key: name, alsoUnwrap: [other] }), entry);
    expect(server.calls.at(-1)?.request).toMatchObject({ name: other });
  });

  it("is limited to what an HSM key takes", async () => {
    const { server, client } = await testServer();
    const name = server.createKey({ protectionLevel: "HSM" });
    const driver = gcpKmsDriver({ client, key: name });
    const plaintext = new Uint8Array(32);
    const most: KmsContext = { map, bytes: new Uint8Array(8192 - 32) };
    const { wrapped } = await driver.wrap({ plaintext, context: most, signal });
    const sent = server.calls.length;
    const more: KmsContext = { map, bytes: new Uint8Array(8192 - 31) };
    const calls = [
      driver.wrap({ plaintext, context: more, signal }),
      driver.unwrap({ wrapped, keyId: name, context: more, signal }),
    ];
    for (const call of calls) {
      const error = await rejection(call);
      expect(error.name).toBe("RequestTooLarge");
      expect(driver.classify(error)).toBe("ERR_ENVELOPE_KMS_ERROR");
    }
    expect(server.calls).toHaveLength(sent);
  });
});

describe("an answer to Encrypt", () => {
  it.each([
    ["whose checksum is missing", { ciphertextCrc32c: null }],
    ["whose checksum is empty", { ciphertextCrc32c: {} }],
    ["whose checksum is wrong", { ciphertextCrc32c: { value: "1" } }],
    ["that did not verify the data key", { verifiedPlaintextCrc32c: false }],
    ["that did not verify the context", { verifiedAdditionalAuthenticatedDataCrc32c: false }],
    ["that does not say so of the data key", { verifiedPlaintextCrc32c: null }],
    ["that does not say so of the context", { verifiedAdditionalAuthenticatedDataCrc32c: null }],
    ["of another key", { name: `${key}2/cryptoKeyVersions/1` }],
    ["of another project", { name: `${key.replace("/p/", "/q/")}/cryptoKeyVersions/1` }],
  ])("%s is not believed", async (_, more) => {
    const error = await rejection(wrapWith(encrypted(more)));
    expect(error.name).toBe("IntegrityMismatch");
  });

  it.each<[string, Partial<EncryptOutput>]>([
    ["no bytes", { ciphertext: null }],
    ["text for bytes", { ciphertext: "AAAA" }],
    ["empty bytes", { ciphertext: new Uint8Array(0) }],
    ["more bytes than an entry has", { ciphertext: new Uint8Array(4097) }],
    ["no name", { name: null }],
    ["the name of a key", { name: key }],
    ["another name", { name: "SECRET" }],
  ])("with %s is none", async (_, more) => {
    const bytes =
      more.ciphertext instanceof Uint8Array ? more.ciphertext : new Uint8Array(113).fill(9);
    const ciphertextCrc32c = { value: crc32c(bytes) };
    const error = await rejection(wrapWith(encrypted({ ciphertextCrc32c, ...more })));
    expect(error.name).toBe("InvalidAnswer");
    expect(error.message).not.toContain("SECRET");
  });

  it("may give its checksum as a number, or as an object that becomes one", async () => {
    const value = crc32c(new Uint8Array(113).fill(9));
    for (const given of [value, { toString: () => String(value) }]) {
      const made = await wrapWith(encrypted({ ciphertextCrc32c: { value: given } }));
      expect(made).toMatchObject({ keyId: key, keyVersion: "1" });
    }
  });

  it("is copied", async () => {
    const answer = encrypted();
    const made = (await wrapWith(answer)) as { wrapped: Uint8Array };
    (answer.ciphertext as Uint8Array).fill(0);
    expect(made.wrapped).toEqual(new Uint8Array(113).fill(9));
  });
});

describe("an answer to Decrypt", () => {
  it.each([
    ["is missing", { plaintextCrc32c: null }],
    ["is empty", { plaintextCrc32c: {} }],
    ["is wrong", { plaintextCrc32c: { value: "1" } }],
    ["is that of other bytes", { plaintext: new Uint8Array(32).fill(8) }],
  ])("whose checksum %s is not believed, and wiped", async (_, more) => {
    const answer = decrypted(more);
    expect((await rejection(unwrapWith(answer))).name).toBe("IntegrityMismatch");
    expect(answer.plaintext).toEqual(new Uint8Array(32));
  });

  it.each([null, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="])(
    "with %o for bytes is none",
    async (plaintext) => {
      expect((await rejection(unwrapWith(decrypted({ plaintext })))).name).toBe("InvalidAnswer");
    },
  );

  it("is copied, and wiped", async () => {
    const pool = new Uint8Array(64).fill(7);
    const { plaintext } = await unwrapWith(decrypted({ plaintext: pool.subarray(16, 48) }));
    expect(plaintext).toEqual(new Uint8Array(32).fill(7));
    expect(plaintext.buffer.byteLength).toBe(32);
    expect(pool.subarray(16, 48)).toEqual(new Uint8Array(32));
    expect(pool.subarray(48)).toEqual(new Uint8Array(16).fill(7));
  });
});

describe("the version", () => {
  it("that wrapped is reported by its number", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const cmk = gcpKms({ client, key: name });
    expect((await cmk.generateDataKey({ context })).keyVersion).toBe("1");
    server.rotate(name);
    expect((await cmk.generateDataKey({ context })).keyVersion).toBe("2");
  });

  it("that had wrapped is reported if it is known to be the primary one", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const writer = gcpKmsDriver({ client, key: name });
    const request = { context: kms, signal, plaintext: new Uint8Array(randomBytes(32)) };
    const old = { ...request, keyId: name, wrapped: (await writer.wrap(request)).wrapped };
    expect((await writer.unwrap(old)).keyVersion).toBe("1");
    const reader = gcpKmsDriver({ client, key: name });
    expect((await reader.unwrap(old)).keyVersion).toBeUndefined();
    server.rotate(name);
    await writer.wrap(request);
    expect((await writer.unwrap(old)).keyVersion).toBeUndefined();
  });

  it("of another key is not taken for that of its own", async () => {
    const { server, client } = await testServer();
    const [name, other] = [server.createKey(), server.createKey()];
    const driver = gcpKmsDriver({ client, key: name });
    const request = { context: kms, signal, plaintext: new Uint8Array(32) };
    await driver.wrap(request);
    const { wrapped } = await gcpKmsDriver({ client, key: other }).wrap(request);
    const out = await driver.unwrap({ ...request, keyId: other, wrapped });
    expect(out.keyVersion).toBeUndefined();
  });

  it("is believed for a minute", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const client = fakeClient({
      encrypt: async () => [encrypted()],
      decrypt: async () => [decrypted()],
    });
    const driver = gcpKmsDriver({ client, key });
    const request = { context: kms, signal, plaintext: new Uint8Array(32) };
    const { wrapped } = await driver.wrap(request);
    vi.advanceTimersByTime(59_999);
    const unwrap = { ...request, keyId: key, wrapped };
    expect((await driver.unwrap(unwrap)).keyVersion).toBe("1");
    vi.advanceTimersByTime(1);
    expect((await driver.unwrap(unwrap)).keyVersion).toBeUndefined();
  });
});

describe("a rewrap", () => {
  it("is an unwrap, a wrap and its proof, with the plaintext seen", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const { entry } = await gcpKms({ client, key: name }).generateDataKey({ context });
    server.rotate(name);
    server.calls.length = 0;
    const made = await gcpKms({ client, key: name }).rewrapEntry(entry, { context });
    expect(made).toMatchObject({ changed: true, plaintextSeen: true, keyVersion: "2" });
    expect(server.calls.map(({ method }) => method)).toEqual(["Decrypt", "Encrypt", "Decrypt"]);
  });

  it("of an entry that is current leaves it as it is", async () => {
    const { server, client } = await testServer();
    const cmk = gcpKms({ client, key: server.createKey() });
    const { entry } = await cmk.generateDataKey({ context });
    const made = await cmk.rewrapEntry(entry, { context });
    expect(made).toMatchObject({ changed: false, entry, keyVersion: "1", fromVersion: "1" });
  });

  it("of an old entry changes it, though the primary version is known", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const cmk = gcpKms({ client, key: name });
    const { entry } = await cmk.generateDataKey({ context });
    server.rotate(name);
    await cmk.generateDataKey({ context });
    expect(await cmk.rewrapEntry(entry, { context })).toMatchObject({
      changed: true,
      keyVersion: "2",
      fromVersion: undefined,
    });
  });

  it("right after a rotation nobody here knew of changes an entry rather than leaving it", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const cmk = gcpKms({ client, key: name });
    await cmk.generateDataKey({ context });
    server.rotate(name);
    const { entry } = await gcpKms({ client, key: name }).generateDataKey({ context });
    expect(await cmk.rewrapEntry(entry, { context })).toMatchObject({ changed: true });
  });
});

describe("versions of a key", () => {
  it("that are not primary any more still unwrap, until they are disabled or destroyed", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const cmk = gcpKms({ client, key: name });
    const { entry } = await cmk.generateDataKey({ context });
    server.rotate(name);
    await hexOf(cmk, entry);
    for (const state of ["DISABLED", "DESTROY_SCHEDULED", "DESTROYED"] as const) {
      server.setState(`${name}/cryptoKeyVersions/1`, state);
      expect(await rejection(hexOf(cmk, entry))).toMatchObject({
        code: "ERR_ENVELOPE_KMS_KEY_STATE",
        cause: { keyState: state },
      });
      await cmk.generateDataKey({ context });
    }
  });

  it("that are primary and disabled keep new data keys from being made, and no old ones", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const cmk = gcpKms({ client, key: name });
    const { entry } = await cmk.generateDataKey({ context });
    server.setState(server.rotate(name), "DISABLED");
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_STATE",
    });
    await hexOf(cmk, entry);
  });
});

describe("a project's number", () => {
  const keyOf = (name: string): string => name.replace("test-project", "111122223333");

  // Requirements: E8
  it("writes the name that Cloud KMS answers", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const { entry } = await gcpKms({ client, key: keyOf(name) }).generateDataKey({ context });
    expect(entry.keyId).toBe(name);
  });

  it("reads entries of the id, after one question", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const { entry } = await gcpKms({ client, key: name }).generateDataKey({ context });
    const cmk = gcpKms({ client, key: keyOf(name) });
    server.calls.length = 0;
    await Promise.all([hexOf(cmk, entry), hexOf(cmk, entry)]);
    await hexOf(cmk, entry);
    expect(server.calls.map(({ method }) => method)).toEqual([
      "GetCryptoKey",
      "Decrypt",
      "Decrypt",
      "Decrypt",
    ]);
    expect(await cmk.matches({ ...entry, keyId: name.replace("test-", "other-") })).toBe(false);
    expect(server.calls).toHaveLength(4);
  });

  it("makes no call for a label that does not name this key", async () => {
    const cmk = gcpKms({ client: fakeClient({}), key: byNumber });
    for (const label of [`${key}2`, "orders", `${byNumber}2`]) {
      expect(
        await cmk.matches({ provider: "gcp-kms", keyId: label, wrapped: new Uint8Array(1) }),
      ).toBe(false);
    }
  });

  it("asks again where the question failed", async () => {
    const getCryptoKey = vi.fn<GcpKmsClient["getCryptoKey"]>();
    const driver = gcpKmsDriver({ client: fakeClient({ getCryptoKey }), key: byNumber });
    getCryptoKey.mockRejectedValueOnce(Object.assign(new Error("x"), { code: 14 }));
    expect((await rejection(Promise.resolve(driver.matches?.(key, signal)))).name).toBe(
      "UNAVAILABLE",
    );
    getCryptoKey.mockResolvedValueOnce([{ name: key }]);
    expect(await driver.matches?.(key, signal)).toBe(true);
    expect(getCryptoKey).toHaveBeenCalledTimes(2);
  });

  it.each([`${key}2`, "SECRET", undefined])("does not stand for %o", async (name) => {
    const getCryptoKey = async () => [{ name: name ?? null }] as const;
    const driver = gcpKmsDriver({ client: fakeClient({ getCryptoKey }), key: byNumber });
    const error = await rejection(Promise.resolve(driver.matches?.(key, signal)));
    expect(error.name).toBe(name === undefined ? "InvalidAnswer" : "IntegrityMismatch");
    expect(error.message).not.toContain("SECRET");
  });

  it("says the way around where asking is denied", async () => {
    const { server, client } = await testServer();
    const name = server.createKey();
    const { entry } = await gcpKms({ client, key: name }).generateDataKey({ context });
    server.fail({ kind: "status", status: "PERMISSION_DENIED", message: "no" }, ["GetCryptoKey"]);
    const error = await rejection(hexOf(gcpKms({ client, key: keyOf(name) }), entry));
    expect(error).toMatchObject({
      code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
      cause: {
        message:
          "GetCryptoKey: PERMISSION_DENIED; to find the project of a number; allow cloudkms.cryptoKeys.get, or name the key with the project's id",
      },
    });
  });

  it("names one project, and a later answer for another project is not believed", async () => {
    const encrypt = vi.fn<GcpKmsClient["encrypt"]>();
    const driver = gcpKmsDriver({ client: fakeClient({ encrypt }), key: byNumber });
    const request = { context: kms, signal, plaintext: new Uint8Array(32) };
    encrypt.mockResolvedValueOnce([encrypted()]);
    expect((await driver.wrap(request)).keyId).toBe(key);
    const name = `${key.replace("/p/", "/q/")}/cryptoKeyVersions/1`;
    encrypt.mockResolvedValueOnce([encrypted({ name })]);
    expect((await rejection(driver.wrap(request))).name).toBe("IntegrityMismatch");
  });

  it("is looked up again after an answer that contradicts it, and once a minute", async () => {
    const now = vi.spyOn(performance, "now").mockReturnValue(0);
    onTestFinished(() => now.mockRestore());
    const getCryptoKey = vi.fn<GcpKmsClient["getCryptoKey"]>(async () => [{ name: key }]);
    const encrypt = vi.fn<GcpKmsClient["encrypt"]>();
    const decrypt = vi.fn<GcpKmsClient["decrypt"]>();
    const client = fakeClient({ getCryptoKey, encrypt, decrypt });
    const driver = gcpKmsDriver({ client, key: byNumber });
    const asks = async (times: number): Promise<void> => {
      expect(await driver.matches?.(key, signal)).toBe(true);
      expect(await driver.matches?.(key, signal)).toBe(true);
      expect(getCryptoKey).toHaveBeenCalledTimes(times);
    };
    await asks(1);
    const name = `${key.replace("/p/", "/q/")}/cryptoKeyVersions/1`;
    encrypt.mockResolvedValueOnce([encrypted({ name })]);
    await rejection(driver.wrap({ context: kms, signal, plaintext: new Uint8Array(32) }));
    await asks(2);
    decrypt.mockRejectedValueOnce(Object.assign(new Error("x"), { code: 5 }));
    const wrapped = new Uint8Array(1);
    await rejection(driver.unwrap({ context: kms, signal, wrapped, keyId: byNumber }));
    await asks(3);
    now.mockReturnValue(60_000);
    await asks(4);
    // What is known is kept where the question is refused.
    getCryptoKey.mockRejectedValueOnce(Object.assign(new Error("x"), { code: 7 }));
    now.mockReturnValue(120_000);
    await asks(5);
  });
});

it("leaves a client that was passed in open", async () => {
  const { server, client } = await testServer();
  const options = { client, key: server.createKey() };
  const close = vi.spyOn(client, "close");
  await gcpKms(options).close();
  expect(close).not.toHaveBeenCalled();
  await gcpKms(options).generateDataKey({ context });
});

it("takes no data key of another length for one", async () => {
  const { server, client } = await testServer();
  const cmk = gcpKms({ client, key: server.createKey() });
  const { entry } = await cmk.generateDataKey({ context });
  server.fail(gcpKmsFaults.shortPlaintext);
  expect(await rejection(hexOf(cmk, entry))).toMatchObject({ code: "ERR_ENVELOPE_KMS_REJECTED" });
});
