import { describe, expect, it } from "vitest";
import type { KmsClient } from "../../src/index.ts";
import { keyMaterialId } from "../../src/keys/key.ts";
import { keyOf } from "../support/kinds.ts";
import { arn, newKey, refusal, tempKeystore } from "../support/keystore.ts";

const setup = async (): Promise<{ client: KmsClient; KeyId: string }> => {
  const { client } = await tempKeystore();
  return { client, KeyId: await newKey(client, "alias/app") };
};

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

it("generates random bytes", async () => {
  const { client } = await tempKeystore();
  const one = await client.generateRandom({ NumberOfBytes: 1024 });
  expect(one.Plaintext).toHaveLength(1024);
  expect(one).not.toEqual(await client.generateRandom({ NumberOfBytes: 1024 }));
  expect(await refusal(client.generateRandom({}))).toBe(
    "ValidationException: NumberOfBytes is required.",
  );
});

it("makes data keys under symmetric keys only", async () => {
  const { client } = await tempKeystore();
  const KeyId = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
  const request = { KeyId, KeySpec: "AES_256" };
  expect(await refusal(client.generateDataKey(request))).toBe(
    `InvalidKeyUsageException: ${arn(KeyId)} key spec is RSA_2048 which is not valid for GenerateDataKey.`,
  );
  expect(await refusal(client.generateDataKeyWithoutPlaintext(request))).toBe(
    `InvalidKeyUsageException: ${arn(KeyId)} key spec is RSA_2048 which is not valid for GenerateDataKeyWithoutPlaintext.`,
  );
});
