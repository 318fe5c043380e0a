import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createKeystore } from "../../src/index.ts";
import { awsQuotas, Quotas } from "../../src/access/quotas.ts";
import type { OperationName } from "../../src/catalogue/operations.ts";
import { bytes } from "../support/kinds.ts";
import { auditRecords, newKey, refusal, tempKeystore, tempPath } from "../support/keystore.ts";

afterEach(() => {
  vi.useRealTimers();
});

const A = "111122223333";
const MESSAGE =
  "ThrottlingException: You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.";

/** How many calls in a row are let through. */
function taken(quotas: Quotas, operation: OperationName, now: number, keySpec?: string): number {
  for (let count = 0; count < 20_000; count++) {
    try {
      quotas.take(operation, A, keySpec, now);
    } catch (error) {
      expect(String(error)).toBe(MESSAGE);
      return count;
    }
  }
  return Infinity;
}

describe("a quota", () => {
  it("lets a second's worth through at once, and then as many as time brings", () => {
    const quotas = new Quotas({ CreateKey: 5 });
    expect(taken(quotas, "CreateKey", 0)).toBe(5);
    expect(taken(quotas, "CreateKey", 199)).toBe(0);
    expect(taken(quotas, "CreateKey", 200)).toBe(1);
    expect(taken(quotas, "CreateKey", 800)).toBe(3);
    expect(taken(quotas, "CreateKey", 60_000)).toBe(5);
  });

  it("below one per second lets one through every so many seconds", () => {
    const quotas = new Quotas({ GetParametersForImport: 0.25 });
    expect(taken(quotas, "GetParametersForImport", 0)).toBe(1);
    expect(taken(quotas, "GetParametersForImport", 3999)).toBe(0);
    expect(taken(quotas, "GetParametersForImport", 4000)).toBe(1);
  });

  it("is shared by what AWS lets share one, and by kind of key", () => {
    const quotas = new Quotas({
      CryptographicSymmetric: 4,
      CryptographicRsa: 2,
      CryptographicEcc: 1,
      CryptographicMlDsa: 3,
    });
    expect(taken(quotas, "Encrypt", 0, "RSA_2048")).toBe(2);
    expect(taken(quotas, "Sign", 0, "RSA_4096")).toBe(0);
    expect(taken(quotas, "Sign", 0, "ECC_NIST_P256")).toBe(1);
    expect(taken(quotas, "DeriveSharedSecret", 0, "ECC_NIST_P384")).toBe(0);
    expect(taken(quotas, "Sign", 0, "ML_DSA_87")).toBe(3);
    expect(taken(quotas, "Verify", 0, "ML_DSA_44")).toBe(0);
    quotas.take("GenerateMac", A, "HMAC_256", 0);
    quotas.take("GenerateRandom", A, undefined, 0);
    expect(taken(quotas, "ReEncrypt", 0, "SYMMETRIC_DEFAULT")).toBe(2);
  });

  it("is of its operation and the kind of pair for GenerateDataKeyPair", () => {
    const quotas = new Quotas(awsQuotas);
    expect(taken(quotas, "GenerateDataKeyPair", 0, "RSA_4096")).toBe(1);
    expect(taken(quotas, "GenerateDataKeyPairWithoutPlaintext", 999, "RSA_4096")).toBe(0);
    expect(taken(quotas, "GenerateDataKeyPair", 0, "ECC_NIST_P256")).toBe(100);
  });

  it("is the caller's account's own", () => {
    const quotas = new Quotas({ CreateKey: 1 });
    quotas.take("CreateKey", A, undefined, 0);
    quotas.take("CreateKey", "444455556666", undefined, 0);
    expect(taken(quotas, "CreateKey", 0)).toBe(0);
  });

  it("limits only the operations that are named", () => {
    const quotas = new Quotas({ CreateKey: 1 });
    expect(taken(quotas, "ListKeys", 0)).toBe(Infinity);
  });
});

it("takes AWS's numbers, one's own, or none", async () => {
  expect(Quotas.from(undefined)).toBeUndefined();
  expect(Quotas.from("off")).toBeUndefined();
  expect(taken(Quotas.from("aws") ?? new Quotas({}), "Decrypt", 0)).toBe(10_000);
  expect(() => new Quotas({ CreateKey: 0 })).toThrow(RangeError);
  expect(() => new Quotas({ CreateKey: Number.NaN })).toThrow(RangeError);
  expect(() => new Quotas({ Dance: 1 } as object)).toThrow(RangeError);
  const path = tempPath();
  const options = { root: { keyFile: `${path}.key` }, quotas: { ListKeys: -1 } };
  await expect(createKeystore(path, options)).rejects.toThrow(RangeError);
});

it("throttles the calls of a keystore, and records that", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const quotas = { CryptographicSymmetric: 2, CreateAlias: 1 };
  const { keystore, client } = await tempKeystore({ quotas });
  const KeyId = await newKey(client, "alias/a");
  const encrypt = (): Promise<unknown> => client.encrypt({ KeyId, Plaintext: bytes(1) });
  await encrypt();
  await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
  expect(await refusal(encrypt())).toBe(MESSAGE);
  const alias = { AliasName: "alias/b", TargetKeyId: KeyId };
  expect(await refusal(client.createAlias(alias))).toBe(MESSAGE);
  vi.setSystemTime(Date.now() + 500);
  await encrypt();
  expect((await rejection(encrypt())).name).toBe("ThrottlingException");
  const { errorCode } = (await auditRecords(keystore)).at(-1) ?? {};
  expect(errorCode).toBe("ThrottlingException");
});

it("counts a call once, however many passes it takes", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const { client } = await tempKeystore({
    quotas: { CreateKey: 2, "GenerateDataKeyPair:ECC_NIST_P256": 1 },
  });
  const KeyId = await newKey(client);
  await newKey(client);
  expect((await rejection(client.createKey())).name).toBe("ThrottlingException");
  const pair = { KeyId, KeyPairSpec: "ECC_NIST_P256" };
  await client.generateDataKeyPair(pair);
  expect((await rejection(client.generateDataKeyPair(pair))).name).toBe("ThrottlingException");
});
