import { expect, it } from "vitest";
import { auditRecords, refusal, tempKeystore } from "../support/keystore.ts";

const CustomKeyStoreId = "cks-1234567890abcdef0";
const NOT_FOUND = `CustomKeyStoreNotFoundException: Custom key store ${CustomKeyStoreId} does not exist.`;

it("lists no custom key stores, and finds none by an id or a name", async () => {
  const { client } = await tempKeystore();
  const none = { CustomKeyStores: [], Truncated: false };
  expect(await client.describeCustomKeyStores()).toEqual(none);
  expect(await client.describeCustomKeyStores({ Limit: 1 })).toEqual(none);
  expect(await refusal(client.describeCustomKeyStores({ CustomKeyStoreId }))).toBe(NOT_FOUND);
  expect(await refusal(client.describeCustomKeyStores({ CustomKeyStoreName: "store" }))).toBe(
    "CustomKeyStoreNotFoundException: Custom key store store does not exist.",
  );
  expect(
    await refusal(client.describeCustomKeyStores({ CustomKeyStoreId, CustomKeyStoreName: "s" })),
  ).toMatch(/^ValidationException/);
  for (const Marker of ["", "MQ"]) {
    expect(await refusal(client.describeCustomKeyStores({ Marker }))).toMatch(
      /^InvalidMarkerException/,
    );
  }
});

it("says which type of key store cannot be created, and keeps no credential of it", async () => {
  const { keystore, client } = await tempKeystore();
  const create = (CustomKeyStoreType?: string): Promise<string> =>
    refusal(
      client.createCustomKeyStore({
        CustomKeyStoreName: "store",
        CustomKeyStoreType,
        KeyStorePassword: "needle",
        XksProxyAuthenticationCredential: { AccessKeyId: "needle", RawSecretAccessKey: "needle" },
      }),
    );
  expect(await create()).toBe(
    "UnsupportedOperationException: CustomKeyStoreType AWS_CLOUDHSM is not supported by this KMS: all keys are in its own keystore",
  );
  expect(await create("EXTERNAL_KEY_STORE")).toMatch(
    /^UnsupportedOperationException: CustomKeyStoreType EXTERNAL_KEY_STORE/,
  );
  expect(await create("other")).toMatch(/^ValidationException/);
  expect(JSON.stringify(await auditRecords(keystore))).not.toContain("needle");
});

it("finds none where a request for a key or for random bytes names one", async () => {
  const { client } = await tempKeystore();
  expect(await refusal(client.createKey({ Origin: "AWS_CLOUDHSM", CustomKeyStoreId }))).toBe(
    NOT_FOUND,
  );
  expect(await refusal(client.generateRandom({ NumberOfBytes: 32, CustomKeyStoreId }))).toBe(
    NOT_FOUND,
  );
  expect(await refusal(client.createKey({ CustomKeyStoreId: "" }))).toMatch(/^ValidationException/);
});
