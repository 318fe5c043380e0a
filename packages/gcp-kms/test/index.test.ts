import { loadedModules } from "@env/testkit/loaded-modules";
import { expect, it } from "vitest";

const sdkModules = async (code: string): Promise<string[]> =>
  (await loadedModules(import.meta.dirname, code)).filter((url) =>
    /@google-cloud|google-gax|grpc/.test(url),
  );

const key = '"projects/p/locations/l/keyRings/r/cryptoKeys/k"';

it("loads nothing of the SDK to be imported, configured and closed", async () => {
  const loaded = await sdkModules(`
    const { gcpKms, gcpKmsDriver, parseGcpKmsUri } = await import("@env/gcp-kms");
    const uri = parseGcpKmsUri("gcp-kms:" + ${key} + "?endpoint=http://127.0.0.1:1");
    await gcpKms(uri).close();
    gcpKmsDriver({ ...uri, maxAttempts: 2 });
  `);
  expect(loaded).toEqual([]);
});

it("loads nothing of the SDK to call a client that was passed in", async () => {
  const loaded = await sdkModules(`
    const { gcpKms } = await import("@env/gcp-kms");
    const key = ${key};
    const answer = {
      name: key + "/cryptoKeyVersions/1",
      ciphertext: new Uint8Array(0),
      verifiedPlaintextCrc32c: true,
      verifiedAdditionalAuthenticatedDataCrc32c: true,
    };
    const call = async () => [answer];
    const client = { encrypt: call, decrypt: call, getCryptoKey: call };
    await gcpKms({ client, key }).generateDataKey({ context: {} }).catch(({ cause }) => {
      if (cause.name !== "InvalidAnswer") throw cause;
    });
  `);
  expect(loaded).toEqual([]);
});

it("loads the SDK for the first call without a client", async () => {
  const loaded = await sdkModules(`
    const { openGcpKms } = await import("@env/gcp-kms");
    await (await openGcpKms("gcp-kms:" + ${key} + "?endpoint=http://127.0.0.1:1")).close();
  `);
  expect(loaded.some((url) => url.includes("@google-cloud/kms"))).toBe(true);
});
