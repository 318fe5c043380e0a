import type { KmsClient } from "@env/kms";
import { servedOperations } from "@env/kms/server";
import { knownKeystore } from "../../kms/test/support/calls.ts";
import { rejection } from "@env/testkit/refusal";
import { expect, it } from "vitest";
import { sdk, strictServer } from "./support/server.ts";

it.each([...servedOperations.values()])(
  "serves $name to AWS's SDK, and logs the request by the id that it answers",
  async ({ name, method }) => {
    const { keystore, calls } = await knownKeystore();
    const { url, credentials } = await strictServer({}, keystore);
    const known = calls[method];
    if (known === undefined) throw new Error(`there is no call of ${method}`);
    // The SDK's client has the methods of ours.
    const call = known.call(sdk(url, { credentials }) as unknown as KmsClient);
    const answer = await (known.refused === undefined ? call : rejection(call));
    if (known.refused !== undefined) expect(answer).toMatchObject({ name: known.refused });
    const { requestId } = (answer as { $metadata: { requestId: string } }).$metadata;
    const { entries } = await keystore.audit.page({ limit: 1, first: "newest" });
    expect(entries[0]?.record).toMatchObject({
      eventName: name,
      requestID: requestId,
      sourceIPAddress: "127.0.0.1",
      userAgent: expect.stringContaining("aws-sdk-js"),
    });
  },
);

it("gives the SDK bytes, times and texts as the keystore gives them", async () => {
  const { owner, url, credentials } = await strictServer();
  const client = sdk(url, { credentials });
  const EncryptionContext = { tenant: "acme", __proto__: "x", ключ: "значение" };
  const { KeyMetadata } = await client.createKey({ Tags: [{ TagKey: "a", TagValue: "b" }] });
  const KeyId = KeyMetadata?.KeyId;
  const made = await client.generateDataKey({ KeyId, KeySpec: "AES_256", EncryptionContext });
  const opened = await owner.decrypt({
    CiphertextBlob: made.CiphertextBlob,
    EncryptionContext,
  });
  expect(opened.Plaintext).toEqual(new Uint8Array(made.Plaintext ?? []));
  const here = await owner.describeKey({ KeyId });
  const { $metadata: _, ...there } = await client.describeKey({ KeyId });
  expect(there).toEqual(here);
  expect((await client.listResourceTags({ KeyId })).Tags).toEqual([{ TagKey: "a", TagValue: "b" }]);
  expect((await client.getKeyPolicy({ KeyId })).Policy).toBe(
    (await owner.getKeyPolicy({ KeyId })).Policy,
  );
});

it("serves the region of the signature, which has its own keys", async () => {
  const { owner, url, credentials } = await strictServer();
  await owner.createKey();
  const elsewhere = sdk(url, { credentials, region: "eu-west-1" });
  expect((await elsewhere.listKeys({})).Keys).toEqual([]);
  const { KeyMetadata } = await elsewhere.createKey({});
  expect(KeyMetadata?.Arn).toMatch(/^arn:aws:kms:eu-west-1:/);
  expect((await elsewhere.listKeys({})).Keys).toHaveLength(1);
});
