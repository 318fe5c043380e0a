/** What the driver makes of answers that AWS KMS does not give. */
import { randomBytes } from "node:crypto";
import type { Cmk } from "@env/core";
import type { KmsContext } from "@env/core/driver";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, vi } from "vitest";
import { awsKms, awsKmsDriver, type AwsKmsClient } from "../src/index.ts";
import { fakeClient } from "./support/fake-client.ts";
import { testEndpoint } from "./support/endpoint.ts";

const context = { tenant: "acme" };
/** What Cmk makes of it; a driver here uses the map alone. */
const kms: KmsContext = {
  map: { tenant: "acme", "env:format": "1" },
  bytes: new Uint8Array(0),
};
const signal = undefined;

const uuid = "1234abcd-12ab-34cd-56ef-1234567890ab";
const arn = `arn:aws:kms:eu-west-1:111122223333:key/${uuid}`;
const otherArn = arn.replace("1234", "4321");

async function hexOf(cmk: Cmk, entry: Parameters<Cmk["unwrapDataKey"]>[0]): Promise<string> {
  using dataKey = await cmk.unwrapDataKey(entry, { context });
  return dataKey.use((bytes) => Buffer.from(bytes).toString("hex"));
}

describe("an answer for another key", () => {
  it.each([
    ["unwrap", "KeyId", "ERR_ENVELOPE_KMS_REJECTED"],
    ["rewrap", "SourceKeyId", "ERR_ENVELOPE_KMS_REJECTED"],
    ["rewrap", "KeyId", "ERR_ENVELOPE_KMS_ERROR"],
    ["generate", "KeyId", "ERR_ENVELOPE_KMS_ERROR"],
    ["wrap", "KeyId", "ERR_ENVELOPE_KMS_ERROR"],
  ] as const)("is not believed: %s, %s", async (what, member, code) => {
    const { endpoint, client } = await testEndpoint();
    const cmk = awsKms({ client, key: await endpoint.newKey() });
    const other = await endpoint.newKey();
    const { dataKey, entry } = await cmk.generateDataKey({ context });
    endpoint.fail({ kind: "alter", alter: (answer) => ({ ...answer, [member]: other }) });
    const call = {
      generate: () => cmk.generateDataKey({ context }),
      wrap: () => cmk.wrapDataKey(dataKey, { context }),
      unwrap: () => cmk.unwrapDataKey(entry, { context }),
      rewrap: () => cmk.rewrapEntry(entry, { context }),
    }[what];
    expect(await rejection(call())).toMatchObject({ code });
  });

  it.each([
    [undefined, "InvalidAnswer"],
    [7, "InvalidAnswer"],
    ["", "IncorrectKeyException"],
    [uuid, "IncorrectKeyException"],
    ["alias/app", "IncorrectKeyException"],
  ])("is not believed where it names %o", async (keyId, name) => {
    const client = fakeClient({
      decrypt: async () => ({ Plaintext: new Uint8Array(32), KeyId: keyId as string }),
      encrypt: async () => ({ CiphertextBlob: new Uint8Array(1), KeyId: keyId as string }),
    });
    const driver = awsKmsDriver({ client, key: arn });
    const unwrap = driver.unwrap({
      wrapped: new Uint8Array(1),
      keyId: arn,
      context: kms,
      signal,
    });
    expect((await rejection(unwrap)).name).toBe(name);
    const wrap = driver.wrap({ plaintext: new Uint8Array(32), context: kms, signal });
    expect((await rejection(wrap)).name).toBe("InvalidAnswer");
  });

  it("is not believed for an alias that points at another key", async () => {
    const decrypt = async () => ({ Plaintext: new Uint8Array(32), KeyId: otherArn });
    const describeKey = async () => ({ KeyMetadata: { Arn: arn } });
    const driver = awsKmsDriver({ client: fakeClient({ decrypt, describeKey }), key: "alias/app" });
    await driver.matches?.(arn, signal);
    const unwrap = driver.unwrap({
      wrapped: new Uint8Array(1),
      keyId: "alias/app",
      context: kms,
      signal,
    });
    expect((await rejection(unwrap)).name).toBe("IncorrectKeyException");
  });
});

describe("an invalid answer", () => {
  const blob = { CiphertextBlob: new Uint8Array(1), KeyId: arn };
  const key = { Plaintext: new Uint8Array(32), KeyId: arn };

  it.each([
    ["no bytes", { ...blob, ...key, CiphertextBlob: undefined }],
    ["empty bytes", { ...blob, ...key, CiphertextBlob: new Uint8Array(0) }],
    ["more bytes than an entry has", { ...blob, ...key, CiphertextBlob: new Uint8Array(4097) }],
    ["text for bytes", { ...blob, ...key, CiphertextBlob: "AAAA" }],
  ])("gives no wrapped key: %s", async (_, made) => {
    const answer = made as typeof blob & typeof key;
    const client = fakeClient({
      generateDataKey: async () => answer,
      encrypt: async () => answer,
      reEncrypt: async () => ({ ...answer, SourceKeyId: arn }),
    });
    const driver = awsKmsDriver({ client, key: arn });
    const request = { context: kms, signal };
    for (const call of [
      driver.generate?.(request),
      driver.wrap({ ...request, plaintext: new Uint8Array(32) }),
      driver.rewrap?.({ ...request, wrapped: new Uint8Array(1), keyId: arn }),
    ]) {
      const error = await rejection(Promise.resolve(call));
      expect(error.name).toBe("InvalidAnswer");
      expect(driver.classify(error)).toBe("ERR_ENVELOPE_KMS_ERROR");
    }
  });

  it.each([undefined, new Uint8Array(0), new Uint8Array(31), new Uint8Array(33), "x".repeat(32)])(
    "gives no data key: %o",
    async (Plaintext) => {
      const generateDataKey = async () => ({ ...blob, Plaintext: Plaintext as Uint8Array });
      const driver = awsKmsDriver({ client: fakeClient({ generateDataKey }), key: arn });
      const error = await rejection(Promise.resolve(driver.generate?.({ context: kms, signal })));
      expect(error.name).toBe("InvalidAnswer");
    },
  );

  it("to Decrypt is refused if it has no plaintext, or one that is not a data key", async () => {
    const decrypt = vi.fn<AwsKmsClient["decrypt"]>();
    const cmk = awsKms({ client: fakeClient({ decrypt }), key: arn });
    const entry = { provider: "aws-kms", keyId: arn, wrapped: new Uint8Array(1) };
    decrypt.mockResolvedValueOnce({ KeyId: arn });
    expect(await rejection(hexOf(cmk, entry))).toMatchObject({ code: "ERR_ENVELOPE_KMS_ERROR" });
    decrypt.mockResolvedValueOnce({ KeyId: arn, Plaintext: new Uint8Array(33) });
    expect(await rejection(hexOf(cmk, entry))).toMatchObject({ code: "ERR_ENVELOPE_KMS_REJECTED" });
  });

  it("leaves out a version that is not a string", async () => {
    const KeyMaterialId = 7 as unknown as string;
    const client = fakeClient({
      generateDataKey: async () => ({ ...blob, ...key, KeyMaterialId }),
    });
    expect((await awsKms({ client, key: arn }).generateDataKey({ context })).keyVersion).toBe(
      undefined,
    );
  });
});

describe("plaintext", () => {
  it("of the SDK is wiped, whatever became of the answer", async () => {
    const given: Uint8Array[] = [];
    const fresh = (length: number): Uint8Array => {
      const bytes = new Uint8Array(randomBytes(length));
      given.push(bytes);
      return bytes;
    };
    const answers = [
      { Plaintext: () => fresh(32), KeyId: arn, CiphertextBlob: new Uint8Array(1) },
      { Plaintext: () => fresh(32), KeyId: otherArn, CiphertextBlob: new Uint8Array(1) },
      { Plaintext: () => fresh(32), KeyId: arn, CiphertextBlob: new Uint8Array(0) },
      { Plaintext: () => fresh(33), KeyId: arn, CiphertextBlob: new Uint8Array(1) },
    ];
    for (const answer of answers) {
      const answered = async () => ({ ...answer, Plaintext: answer.Plaintext() });
      const client = fakeClient({ generateDataKey: answered, decrypt: answered });
      const driver = awsKmsDriver({ client, key: arn });
      const request = { context: kms, signal };
      await Promise.allSettled([
        driver.generate?.(request),
        driver.unwrap({ ...request, wrapped: new Uint8Array(1), keyId: arn }),
      ]);
    }
    expect(given).toHaveLength(8);
    for (const bytes of given) expect(bytes).toEqual(new Uint8Array(bytes.length));
  });

  it("is a copy of the caller's own, not the SDK's buffer", async () => {
    const pool = new Uint8Array(64).fill(7);
    const answered = async () => ({
      Plaintext: pool.subarray(16, 48),
      CiphertextBlob: pool.subarray(0, 16),
      KeyId: arn,
    });
    const driver = awsKmsDriver({ client: fakeClient({ generateDataKey: answered }), key: arn });
    const made = await driver.generate?.({ context: kms, signal });
    expect(made?.plaintext).toEqual(new Uint8Array(32).fill(7));
    expect(made?.wrapped).toEqual(new Uint8Array(16).fill(7));
    expect(made?.wrapped.buffer.byteLength).toBe(16);
    expect(pool.subarray(48)).toEqual(new Uint8Array(16).fill(7));
  });
});
