import { createPrivateKey, createPublicKey } from "node:crypto";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, vi } from "vitest";
import { describeCiphertextBlob } from "../../src/index.ts";
import { dataKeyPairSpecs } from "../../src/catalogue/key-specs.ts";
import {
  encodeMaterial,
  generateMaterial,
  isAvailable,
  isOfSpec,
} from "../../src/material/material.ts";
import { denying, keyOf, refusalsByState } from "../support/kinds.ts";
import { arn, newKey, refusal, tempKeystore } from "../support/keystore.ts";

vi.mock(import("../../src/material/material.ts"), async (original) => {
  const real = await original();
  return {
    ...real,
    encodeMaterial: vi.fn<typeof real.encodeMaterial>(real.encodeMaterial),
    generateMaterial: vi.fn<typeof real.generateMaterial>(real.generateMaterial),
  };
});

const context = { tenant: "acme" };

function privateKey(pkcs8: Uint8Array) {
  return createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
}

/** A promise that is resolved from outside. */
function signal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe("generateDataKeyPair", () => {
  it.each(dataKeyPairSpecs.filter(isAvailable))(
    "makes %s, its private key encrypted",
    async (KeyPairSpec) => {
      const { client } = await tempKeystore();
      const KeyId = await newKey(client);
      const request = { KeyId, KeyPairSpec, EncryptionContext: context };
      const pair = await client.generateDataKeyPair(request);
      const { PrivateKeyPlaintext, PrivateKeyCiphertextBlob, PublicKey, ...rest } = pair;
      const { KeyMetadata } = await client.describeKey({ KeyId });
      expect(rest).toEqual({
        KeyId: arn(KeyId),
        KeyPairSpec,
        KeyMaterialId: KeyMetadata.CurrentKeyMaterialId,
      });
      const key = privateKey(PrivateKeyPlaintext);
      expect(isOfSpec(key, KeyPairSpec)).toBe(true);
      const spki = createPublicKey(key).export({ format: "der", type: "spki" });
      expect(Buffer.compare(spki, PublicKey)).toBe(0);
      expect(PrivateKeyCiphertextBlob.length).toBe(PrivateKeyPlaintext.length + 61);
      const CiphertextBlob = PrivateKeyCiphertextBlob;
      const opened = await client.decrypt({ CiphertextBlob, EncryptionContext: context });
      expect(opened.Plaintext).toEqual(PrivateKeyPlaintext);
    },
  );

  it.each(dataKeyPairSpecs.filter((spec) => spec.startsWith("ML_KEM") && isAvailable(spec)))(
    "gives the seed of %s as the private key, as AWS does",
    async (KeyPairSpec) => {
      const { client } = await tempKeystore();
      const KeyId = await newKey(client);
      const { PrivateKeyPlaintext } = await client.generateDataKeyPair({ KeyId, KeyPairSpec });
      expect(PrivateKeyPlaintext).toHaveLength(86);
    },
  );

  it("is bound to its encryption context", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    const request = { KeyId, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: context };
    const { PrivateKeyCiphertextBlob } = await client.generateDataKeyPair(request);
    for (const EncryptionContext of [undefined, {}, { tenant: "other" }]) {
      const wrong = { CiphertextBlob: PrivateKeyCiphertextBlob, EncryptionContext };
      expect((await rejection(client.decrypt(wrong))).name).toBe("InvalidCiphertextException");
    }
  });

  it("goes without the private key where it is not asked for", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client, "alias/pairs");
    const request = {
      KeyId: "alias/pairs",
      KeyPairSpec: "ECC_NIST_EDWARDS25519",
      EncryptionContext: context,
    };
    vi.mocked(encodeMaterial).mockClear();
    const pair = await client.generateDataKeyPairWithoutPlaintext(request);
    const encoded = vi.mocked(encodeMaterial).mock.results.map(({ value }) => value);
    // The one that was encrypted is wiped.
    expect(encoded).toEqual([new Uint8Array(48)]);
    expect(Object.keys(pair).toSorted()).toEqual([
      "KeyId",
      "KeyMaterialId",
      "KeyPairSpec",
      "PrivateKeyCiphertextBlob",
      "PublicKey",
    ]);
    expect(pair.KeyId).toBe(arn(KeyId));
    const CiphertextBlob = pair.PrivateKeyCiphertextBlob;
    const opened = await client.decrypt({ CiphertextBlob, EncryptionContext: context });
    const spki = createPublicKey(privateKey(opened.Plaintext)).export({
      format: "der",
      type: "spki",
    });
    expect(Buffer.compare(spki, pair.PublicKey)).toBe(0);
  });

  it("makes another pair each time, under the current version", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    const request = { KeyId, KeyPairSpec: "ECC_NIST_P256" };
    const one = await client.generateDataKeyPair(request);
    await client.rotateKeyOnDemand({ KeyId });
    const other = await client.generateDataKeyPair(request);
    expect(one.PublicKey).not.toEqual(other.PublicKey);
    expect(one.KeyMaterialId).not.toBe(other.KeyMaterialId);
    const versions = [one, other].map(
      (pair) => describeCiphertextBlob(pair.PrivateKeyCiphertextBlob)?.keyVersion,
    );
    expect(versions).toEqual([1, 2]);
    const { Plaintext } = await client.decrypt({ CiphertextBlob: one.PrivateKeyCiphertextBlob });
    expect(Plaintext).toEqual(one.PrivateKeyPlaintext);
  });

  it("lets other calls read and write while it makes the pair", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    const started = signal();
    const gate = signal();
    vi.mocked(generateMaterial).mockImplementationOnce(async (spec) => {
      started.resolve();
      await gate.promise;
      return generateMaterial(spec);
    });
    const making = client.generateDataKeyPair({ KeyId, KeyPairSpec: "RSA_2048" });
    await started.promise;
    await client.updateKeyDescription({ KeyId, Description: "written meanwhile" });
    await client.rotateKeyOnDemand({ KeyId });
    gate.resolve();
    const { PrivateKeyCiphertextBlob } = await making;
    // Encrypted with what was current at the end.
    expect(describeCiphertextBlob(PrivateKeyCiphertextBlob)?.keyVersion).toBe(2);
  });

  it("asks again once the pair is made", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    const started = signal();
    const gate = signal();
    vi.mocked(generateMaterial).mockImplementationOnce(async (spec) => {
      started.resolve();
      await gate.promise;
      return generateMaterial(spec);
    });
    const making = refusal(client.generateDataKeyPair({ KeyId, KeyPairSpec: "ECC_NIST_P256" }));
    await started.promise;
    await client.disableKey({ KeyId });
    gate.resolve();
    expect(await making).toBe(`DisabledException: ${arn(KeyId)} is disabled.`);
  });
});

describe("refusals", () => {
  const names = ["generateDataKeyPair", "generateDataKeyPairWithoutPlaintext"] as const;

  it.each(names)("of %s follow key, state, policy and DryRun", async (name) => {
    const { client } = await tempKeystore();
    const action = `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
    const KeyPairSpec = "ECC_NIST_P256";
    const make = (KeyId: string, DryRun?: boolean) => client[name]({ KeyId, KeyPairSpec, DryRun });
    const rsa = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    vi.mocked(generateMaterial).mockClear();
    expect(await refusal(make(rsa))).toBe(
      `InvalidKeyUsageException: ${arn(rsa)} key spec is RSA_2048 which is not valid for ${action}.`,
    );
    // Nor is a pair made in vain.
    expect(generateMaterial).not.toHaveBeenCalled();
    const hmac = await keyOf(client, "HMAC_256", "GENERATE_VERIFY_MAC");
    expect(await refusal(make(hmac))).toBe(
      `InvalidKeyUsageException: ${arn(hmac)} key usage is GENERATE_VERIFY_MAC which is not valid for ${action}.`,
    );
    const KeyId = await newKey(client);
    expect(await refusalsByState(client, KeyId, () => make(KeyId))).toEqual([
      `DisabledException: ${arn(KeyId)} is disabled.`,
      `KMSInvalidStateException: ${arn(KeyId)} is pending deletion.`,
    ]);
    expect(await refusal(make(KeyId, true))).toBe(
      "DryRunOperationException: The request would have succeeded, but the DryRun option is set.",
    );
    const Policy = denying(action, "kms:DataKeyPairSpec", KeyPairSpec);
    const denied = await client.createKey({ Policy });
    const text = await refusal(make(denied.KeyMetadata.KeyId));
    expect(text).toContain(`is not authorized to perform: kms:${action} on resource`);
    const byContext = denying(action, "kms:EncryptionContext:tenant", "acme");
    const { KeyMetadata } = await client.createKey({ Policy: byContext });
    const request = { KeyId: KeyMetadata.KeyId, KeyPairSpec };
    expect((await client[name](request)).KeyPairSpec).toBe(KeyPairSpec);
    const bound = client[name]({ ...request, EncryptionContext: context });
    expect((await rejection(bound)).name).toBe("AccessDeniedException");
  });

  it.each(names)("of %s name pairs that are not there", async (name) => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    expect(await refusal(client[name]({ KeyId, KeyPairSpec: "SM2" }))).toBe(
      "UnsupportedOperationException: KeyPairSpec SM2 is not supported by this KMS",
    );
    const violation = "ValidationException: 1 validation error detected:";
    const member = "failed to satisfy constraint: Member must";
    expect(await refusal(client[name]({ KeyId, KeyPairSpec: undefined }))).toBe(
      `${violation} Value null at 'keyPairSpec' ${member} not be null`,
    );
    expect(await refusal(client[name]({ KeyId, KeyPairSpec: "HMAC_256" }))).toBe(
      `${violation} Value 'HMAC_256' at 'keyPairSpec' ${member} satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, ECC_NIST_EDWARDS25519, ML_KEM_512, ML_KEM_768, ML_KEM_1024, SM2]`,
    );
  });
});
