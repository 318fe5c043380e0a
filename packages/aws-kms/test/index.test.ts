import { loadedModules } from "@env/testkit/loaded-modules";
import { expect, it } from "vitest";

const sdkModules = async (code: string): Promise<string[]> =>
  (await loadedModules(import.meta.dirname, code)).filter((url) => /@aws-sdk|@smithy/.test(url));

it("loads nothing of the SDK to be imported, configured and closed", async () => {
  const loaded = await sdkModules(`
    const { awsKms, awsKmsDriver, parseAwsKmsUri } = await import("@env/aws-kms");
    const uri = parseAwsKmsUri("aws-kms:alias/app?region=eu-west-1");
    await awsKms(uri).close();
    awsKmsDriver({ ...uri, maxAttempts: 2 });
  `);
  expect(loaded).toEqual([]);
});

it("loads nothing of the SDK to call a client that was passed in", async () => {
  const loaded = await sdkModules(`
    const { awsKms } = await import("@env/aws-kms");
    const KeyId = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const call = async () => ({ Plaintext: new Uint8Array(32), CiphertextBlob: new Uint8Array(1), KeyId });
    const client = { generateDataKey: call, encrypt: call, decrypt: call, reEncrypt: call, describeKey: call };
    await awsKms({ client, key: KeyId }).generateDataKey({ context: {} });
  `);
  expect(loaded).toEqual([]);
});

it("loads the SDK for the first call without a client", async () => {
  const loaded = await sdkModules(`
    const { openAwsKms } = await import("@env/aws-kms");
    await (await openAwsKms("aws-kms:alias/app?region=eu-west-1")).close();
  `);
  expect(loaded.some((url) => url.includes("client-kms"))).toBe(true);
});
