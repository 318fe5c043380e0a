import { Envelope, type Cmk } from "@env/core";
import type { CmkDriver, KmsContext } from "@env/core/driver";
import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import { awsKms, awsKmsDriver, type AwsKmsClient, type AwsKmsOptions } from "../src/index.ts";
import { fakeClient } from "./support/fake-client.ts";
import { testEndpoint } from "./support/endpoint.ts";

const context = { tenant: "acme" };
const EncryptionContext = { tenant: "acme", "env:format": "1" };
/** What Cmk makes of it; a driver here uses the map alone. */
const kms: KmsContext = { map: EncryptionContext, bytes: new Uint8Array(0) };
const signal = undefined;

const uuid = "1234abcd-12ab-34cd-56ef-1234567890ab";
const arn = `arn:aws:kms:eu-west-1:111122223333:key/${uuid}`;
const otherArn = arn.replace("1234", "4321");
const mrk = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
const mrkInUsEast1 = mrk.replace("eu-west-1", "us-east-1");

afterEach(() => {
  vi.restoreAllMocks();
});

/** An error of the SDK's. */
function named(name: string): Error {
  return Object.assign(new Error("refused"), { name });
}

async function hexOf(cmk: Cmk, entry: Parameters<Cmk["unwrapDataKey"]>[0]): Promise<string> {
  using dataKey = await cmk.unwrapDataKey(entry, { context });
  return dataKey.use((bytes) => Buffer.from(bytes).toString("hex"));
}

describe("what is sent", () => {
  it("is GenerateDataKey for the first CMK and Encrypt for the next, with the context", async () => {
    const { endpoint, client } = await testEndpoint();
    const keys = [await endpoint.newKey(), await endpoint.newKey()];
    const envelope = new Envelope({ cmks: keys.map((key) => awsKms({ client, key })) });
    const sent = endpoint.requests.length;
    const message = await envelope.encrypt(new Uint8Array(1), { context });
    const [first, second, ...more] = endpoint.requests.slice(sent);
    expect(first).toMatchObject({
      operation: "GenerateDataKey",
      body: { KeyId: keys[0], KeySpec: "AES_256", EncryptionContext },
    });
    expect(Object.keys(first?.body ?? {})).toHaveLength(3);
    expect(second).toMatchObject({
      operation: "Encrypt",
      body: { KeyId: keys[1], EncryptionContext, Plaintext: expect.stringMatching(/^.{44}$/) },
    });
    expect(Object.keys(second?.body ?? {})).toHaveLength(3);
    expect(more).toEqual([]);
    const opened = await new Envelope({ cmks: [awsKms({ client, key: keys[1] ?? "" })] }).decrypt(
      message,
      { context },
    );
    expect(opened).toEqual(new Uint8Array(1));
  });

  // Requirements: E7
  it("is Decrypt with the configured key, never the entry's word", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey("alias/app");
    const { entry } = await awsKms({ client, key }).generateDataKey({ context });
    const CiphertextBlob = Buffer.from(entry.wrapped).toString("base64");
    for (const name of [key, key.replace(/^.*\//, ""), "alias/app"]) {
      await hexOf(awsKms({ client, key: name }), entry);
      expect(endpoint.requests.at(-1)).toMatchObject({
        operation: "Decrypt",
        body: { KeyId: name, CiphertextBlob, EncryptionContext },
      });
    }
  });

  it("is ReEncrypt with the same context on both sides", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    const cmk = awsKms({ client, key });
    const { entry } = await cmk.generateDataKey({ context });
    await cmk.rewrapEntry(entry, { context });
    expect(endpoint.requests.at(-1)).toMatchObject({
      operation: "ReEncrypt",
      body: {
        SourceKeyId: key,
        DestinationKeyId: key,
        SourceEncryptionContext: EncryptionContext,
        DestinationEncryptionContext: EncryptionContext,
      },
    });
  });

  it("has the grant tokens in every operation, those of the moment", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = "alias/app";
    const keyArn = await endpoint.newKey(key);
    const newToken = () => endpoint.newGrantToken(keyArn);
    const [a, b] = [await newToken(), await newToken()];
    const used: string[] = [];
    const grantTokens = async () => {
      used.push(await newToken());
      return [...used.slice(-1), b];
    };
    const options = { client, key, grantTokens };
    const cmk = awsKms(options);
    const { dataKey, entry } = await cmk.generateDataKey({ context });
    await cmk.wrapDataKey(dataKey, { context });
    await hexOf(cmk, entry);
    await cmk.rewrapEntry(entry, { context });
    await awsKms(options).matches(entry);
    await awsKms({ client, key, grantTokens: [a] }).generateDataKey({ context });
    expect(
      endpoint.requests.map(({ operation, body }) => [operation, body["GrantTokens"]]),
    ).toEqual([
      ["GenerateDataKey", [used[0], b]],
      ["Encrypt", [used[1], b]],
      ["Decrypt", [used[2], b]],
      ["ReEncrypt", [used[3], b]],
      ["DescribeKey", [used[4], b]],
      ["GenerateDataKey", [a]],
    ]);
  });

  it("has no grant tokens where there are none", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    await awsKms({ client, key, grantTokens: () => [] }).generateDataKey({ context });
    expect(endpoint.requests.at(-1)?.body).not.toHaveProperty("GrantTokens");
  });
});

describe("a key by ARN, id, alias or alias ARN", () => {
  // Requirements: E8
  it("labels entries with the key ARN, and reads what the others wrote", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey("alias/app");
    const names = [
      key,
      key.replace(/^.*\//, ""),
      "alias/app",
      key.replace(/key\/.*$/, "alias/app"),
    ];
    for (const writer of names) {
      const { dataKey, entry } = await awsKms({ client, key: writer }).generateDataKey({ context });
      expect(entry).toMatchObject({ provider: "aws-kms", keyId: key });
      const hex = dataKey.use((bytes) => Buffer.from(bytes).toString("hex"));
      for (const reader of names) {
        expect(await hexOf(awsKms({ client, key: reader }), entry)).toBe(hex);
      }
    }
  });
});

describe("matches", () => {
  const describeKey = vi.fn<AwsKmsClient["describeKey"]>();
  const driver = (key: string): CmkDriver =>
    awsKmsDriver({ client: fakeClient({ describeKey }), key });
  const answer = (keyArn: string): void => {
    describeKey.mockReset();
    describeKey.mockImplementation(async () => ({ KeyMetadata: { Arn: keyArn } }));
  };

  it("asks nobody for a key id or ARN", async () => {
    answer(arn);
    for (const key of [uuid, arn]) {
      expect(await driver(key).matches?.(arn, signal)).toBe(true);
      expect(await driver(key).matches?.(otherArn, signal)).toBe(false);
    }
    expect(describeKey).not.toHaveBeenCalled();
  });

  it("resolves an alias once, and again after a minute", async () => {
    answer(arn);
    const now = vi.spyOn(performance, "now").mockReturnValue(1000);
    const one = driver("alias/app");
    expect(await one.matches?.(arn, signal)).toBe(true);
    expect(await one.matches?.(arn, signal)).toBe(true);
    expect(await one.matches?.(otherArn, signal)).toBe(false);
    now.mockReturnValue(60_999);
    expect(await one.matches?.(otherArn, signal)).toBe(false);
    expect(describeKey).toHaveBeenCalledTimes(1);
    now.mockReturnValue(61_000);
    answer(otherArn);
    expect(await one.matches?.(otherArn, signal)).toBe(true);
    expect(await one.matches?.(arn, signal)).toBe(false);
    expect(describeKey).toHaveBeenCalledTimes(1);
  });

  it.each([
    ["the KMS refuses for the alias's key", () => Promise.reject(named("IncorrectKeyException"))],
    ["another key answers", async () => ({ Plaintext: new Uint8Array(32), KeyId: otherArn })],
    ["the KMS finds no key", () => Promise.reject(named("NotFoundException"))],
  ])("resolves an alias anew at once where %s", async (_, decrypt) => {
    answer(arn);
    const client = fakeClient({ describeKey, decrypt });
    const one = awsKmsDriver({ client, key: "alias/app" });
    expect(await one.matches?.(arn, signal)).toBe(true);
    answer(otherArn);
    const request = { wrapped: new Uint8Array(1), keyId: "alias/app", context: kms, signal };
    await rejection(one.unwrap(request));
    expect(await one.matches?.(arn, signal)).toBe(false);
    expect(await one.matches?.(otherArn, signal)).toBe(true);
    expect(describeKey).toHaveBeenCalledTimes(1);
  });

  it("keeps what an alias stood for where it may not be resolved again", async () => {
    answer(arn);
    const now = vi.spyOn(performance, "now").mockReturnValue(0);
    const one = driver("alias/app");
    expect(await one.matches?.(arn, signal)).toBe(true);
    describeKey.mockReset();
    describeKey.mockRejectedValue(named("AccessDeniedException"));
    now.mockReturnValue(60_000);
    expect(await one.matches?.(arn, signal)).toBe(true);
    now.mockReturnValue(119_999);
    expect(await one.matches?.(arn, signal)).toBe(true);
    expect(describeKey).toHaveBeenCalledTimes(1);
  });

  it("asks once for all who ask at once, and again after a failure", async () => {
    answer(arn);
    describeKey.mockRejectedValueOnce(new Error("once"));
    const one = driver("alias/app");
    const ask = async (): Promise<unknown> =>
      Promise.allSettled([one.matches?.(arn, signal), one.matches?.(arn, signal)]);
    const failed = { status: "rejected", reason: expect.any(Error) };
    expect(await ask()).toEqual([failed, failed]);
    expect(describeKey).toHaveBeenCalledTimes(1);
    const yes = { status: "fulfilled", value: true };
    expect(await ask()).toEqual([yes, yes]);
    expect(describeKey).toHaveBeenCalledTimes(2);
  });

  it("learns from what it wraps", async () => {
    answer(arn);
    const CiphertextBlob = new Uint8Array(1);
    const encrypt = async () => ({ CiphertextBlob, KeyId: otherArn });
    const one = awsKmsDriver({ client: fakeClient({ describeKey, encrypt }), key: "alias/app" });
    expect(await one.matches?.(arn, signal)).toBe(true);
    await one.wrap({ plaintext: new Uint8Array(32), context: kms, signal });
    expect(await one.matches?.(otherArn, signal)).toBe(true);
    expect(await one.matches?.(arn, signal)).toBe(false);
    expect(describeKey).toHaveBeenCalledTimes(1);
  });

  it("knows a multi-Region key in every region, by ARN, id and alias", async () => {
    answer(mrk);
    for (const key of [mrk, mrk.replace(/^.*\//, ""), "alias/app"]) {
      expect(await driver(key).matches?.(mrkInUsEast1, signal), key).toBe(true);
      expect(await driver(key).matches?.(mrkInUsEast1.replace("1234", "4321"), signal), key).toBe(
        false,
      );
    }
    expect(await driver(arn).matches?.(arn.replace("eu-west-1", "us-east-1"), signal)).toBe(false);
  });

  it.each([undefined, "alias/app", otherArn.replace("1111", "2222"), 7])(
    "does not believe an alias to stand for %o",
    async (keyArn) => {
      answer(keyArn as string);
      const alias = driver("arn:aws:kms:eu-west-1:111122223333:alias/app");
      const error = await rejection(Promise.resolve(alias.matches?.(arn, signal)));
      expect(error.name).toBe("InvalidAnswer");
      expect(alias.classify(error)).toBe("ERR_ENVELOPE_KMS_ERROR");
    },
  );

  it("says what to do where an alias may not be resolved", async () => {
    describeKey.mockReset();
    describeKey.mockRejectedValue(
      Object.assign(new Error("denied"), { name: "AccessDeniedException" }),
    );
    const entry = { provider: "aws-kms", keyId: arn, wrapped: new Uint8Array(1) };
    const cmk = awsKms({ client: fakeClient({ describeKey }), key: "alias/app" });
    const error = await rejection(cmk.unwrapDataKey(entry, { context }));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KMS_ACCESS_DENIED" });
    expect((error.cause as Error).message).toBe(
      "DescribeKey: AccessDeniedException; to find the key of an alias; allow kms:DescribeKey, or name the key's ARN in alsoUnwrap",
    );
  });

  it("is not asked for an entry of a key in alsoUnwrap", async () => {
    answer(arn);
    const decrypt = async () => ({ Plaintext: new Uint8Array(32), KeyId: otherArn });
    const client = fakeClient({ describeKey, decrypt });
    const cmk = awsKms({ client, key: "alias/app", alsoUnwrap: [otherArn] });
    const entry = { provider: "aws-kms", keyId: otherArn, wrapped: new Uint8Array(1) };
    expect(await hexOf(cmk, entry)).toBe("00".repeat(32));
    expect(describeKey).not.toHaveBeenCalled();
  });
});

describe("an alias that was moved", () => {
  it("is followed by those who wrap and, with alsoUnwrap, by those who unwrap", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = "alias/app";
    const old = await endpoint.newKey(key);
    const { entry } = await awsKms({ client, key }).generateDataKey({ context });
    const moved = await endpoint.newKey();
    await endpoint.root.updateAlias({ AliasName: key, TargetKeyId: moved });
    expect((await awsKms({ client, key }).generateDataKey({ context })).entry.keyId).toBe(moved);
    expect(await rejection(hexOf(awsKms({ client, key }), entry))).toMatchObject({
      code: "ERR_ENVELOPE_NO_KEY",
    });
    const cmk = awsKms({ client, key, alsoUnwrap: [old] });
    const hex = await hexOf(cmk, entry);
    expect(endpoint.requests.at(-1)?.body).toMatchObject({ KeyId: old });
    // A rewrap goes to the CMK's own key, whatever the entry was wrapped under.
    const rewrapped = await cmk.rewrapEntry(entry, { context });
    expect(rewrapped).toMatchObject({
      changed: true,
      plaintextSeen: false,
      entry: { keyId: moved },
    });
    expect(await hexOf(awsKms({ client, key }), rewrapped.entry)).toBe(hex);
  });
});

describe("rewrap", () => {
  it("happens inside the KMS, from version to version, and is verified there", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    const cmk = awsKms({ client, key });
    const { entry, keyVersion: old } = await cmk.generateDataKey({ context });
    const hex = await hexOf(cmk, entry);
    await endpoint.root.rotateKeyOnDemand({ KeyId: key });
    const { keyVersion: current } = await cmk.generateDataKey({ context });
    expect(old).toMatch(/^[0-9a-f]{64}$/);
    expect(current).not.toBe(old);
    const sent = endpoint.requests.length;
    const made = await cmk.rewrapEntry(entry, { context });
    expect(made).toMatchObject({
      changed: true,
      plaintextSeen: false,
      fromVersion: old,
      keyVersion: current,
    });
    expect(endpoint.requests.slice(sent).map(({ operation }) => operation)).toEqual([
      "ReEncrypt",
      "ReEncrypt",
    ]);
    expect(made.entry.keyId).toBe(key);
    expect(Buffer.compare(made.entry.wrapped, entry.wrapped)).not.toBe(0);
    expect(await hexOf(cmk, made.entry)).toBe(hex);
    expect(await hexOf(cmk, entry)).toBe(hex);
    const driver = awsKmsDriver({ client, key });
    const direct = await driver.unwrap({
      wrapped: made.entry.wrapped,
      keyId: key,
      context: kms,
      signal,
    });
    expect(direct.keyVersion).toBe(current);
  });

  it("leaves an entry of the current version as it was", async () => {
    const { endpoint, client } = await testEndpoint();
    const cmk = awsKms({ client, key: await endpoint.newKey() });
    const { entry } = await cmk.generateDataKey({ context });
    const result = await cmk.rewrapEntry(entry, { context });
    expect(result.changed).toBe(false);
    expect(result.entry).toBe(entry);
  });

  it("takes a server that tells no versions for one where everything changes", async () => {
    const { endpoint, client } = await testEndpoint();
    const cmk = awsKms({ client, key: await endpoint.newKey() });
    endpoint.fail({
      kind: "alter",
      alter: ({
        KeyMaterialId: _k,
        SourceKeyMaterialId: _s,
        DestinationKeyMaterialId: _d,
        ...rest
      }) => rest,
    });
    const { entry, keyVersion } = await cmk.generateDataKey({ context });
    expect(keyVersion).toBe(undefined);
    expect((await cmk.rewrapEntry(entry, { context })).changed).toBe(true);
  });
});

describe("a multi-Region key", () => {
  /** Knows one key, by its ARN here. */
  function replica(here: string): { client: AwsKmsClient; called: string[] } {
    const called: string[] = [];
    const decrypt: AwsKmsClient["decrypt"] = async ({ KeyId }) => {
      called.push(KeyId);
      return { Plaintext: new Uint8Array(32), KeyId: here };
    };
    const reEncrypt: AwsKmsClient["reEncrypt"] = async ({ SourceKeyId, DestinationKeyId }) => {
      called.push(SourceKeyId, DestinationKeyId);
      return { CiphertextBlob: new Uint8Array(1), SourceKeyId: here, KeyId: here };
    };
    const describeKey = async () => ({ KeyMetadata: { Arn: here } });
    return { client: fakeClient({ decrypt, reEncrypt, describeKey }), called };
  }
  const entry = { provider: "aws-kms", keyId: mrkInUsEast1, wrapped: new Uint8Array(1) };

  it("opens what another region wrapped, by calling its own region", async () => {
    for (const key of [mrk, mrk.replace(/^.*\//, ""), "alias/app"]) {
      const { client, called } = replica(mrk);
      await hexOf(awsKms({ client, key }), entry);
      expect(called).toEqual([key]);
    }
  });

  it("is also called in its own region if alsoUnwrap names it in another", async () => {
    const { client, called } = replica(mrk);
    const cmk = awsKms({ client, key: arn, alsoUnwrap: [mrkInUsEast1] });
    await hexOf(cmk, entry);
    expect(called).toEqual([mrk]);
    called.length = 0;
    await awsKms({ client, key: mrk, alsoUnwrap: [mrkInUsEast1] }).rewrapEntry(entry, { context });
    expect(new Set(called)).toEqual(new Set([mrk]));
  });

  it("is the only kind of key that is looked for in another region", async () => {
    const { client, called } = replica(otherArn);
    const driver = awsKmsDriver({ client, key: "alias/app" });
    await driver.matches?.(otherArn, signal);
    const elsewhere = otherArn.replace("eu-west-1", "us-east-1");
    const request = { wrapped: new Uint8Array(1), keyId: elsewhere, context: kms, signal };
    await rejection(driver.unwrap(request));
    expect(called).toEqual([elsewhere]);
  });

  it("is called in the region of an alias's key once that is known", async () => {
    const { client, called } = replica(mrk);
    const driver = awsKmsDriver({ client, key: "alias/app" });
    const request = { wrapped: new Uint8Array(1), keyId: mrkInUsEast1, context: kms, signal };
    await driver.unwrap(request);
    await driver.matches?.(mrk, signal);
    await driver.unwrap(request);
    expect(called).toEqual([mrkInUsEast1, mrk]);
  });

  it("moves an entry of another region to this one", async () => {
    const { client, called } = replica(mrk);
    const made = await awsKms({ client, key: mrk }).rewrapEntry(entry, { context });
    expect(made).toMatchObject({ changed: true, entry: { keyId: mrk } });
    expect(new Set(called)).toEqual(new Set([mrk]));
  });

  it("is another key with another id, whatever the region", async () => {
    const { client } = replica(mrk.replace("1234", "4321"));
    expect(await rejection(hexOf(awsKms({ client, key: mrk }), entry))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_REJECTED",
      cause: { name: "IncorrectKeyException" },
    });
  });
});

it("leaves a client that was passed in open", async () => {
  const { endpoint, client } = await testEndpoint();
  const options: AwsKmsOptions = { client, key: await endpoint.newKey() };
  const destroy = vi.spyOn(client, "destroy");
  await awsKms(options).close();
  expect(destroy).not.toHaveBeenCalled();
  await awsKms(options).generateDataKey({ context });
});
