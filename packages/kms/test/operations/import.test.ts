import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { rejection } from "@env/testkit/refusal";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openKeystore, type ImportKeyMaterialRequest, type KmsClient } from "../../src/index.ts";
import { fingerprint } from "../../src/material/unwrap.ts";
import { keySpecs, type KeySpec } from "../../src/catalogue/key-specs.ts";
import { encodeMaterial, generateMaterial } from "../../src/material/material.ts";
import { bytes, denying } from "../support/kinds.ts";
import {
  arn,
  auditRecords,
  newKey,
  NOWHERE,
  refusal,
  tempKeystore,
  onFiles,
} from "../support/keystore.ts";
import { allSpecs, flipped, sample, utf8 } from "../support/material.ts";
import { copyOf, openStore } from "../support/store.ts";
import { importInto, wrapMaterial } from "../support/wrapping.ts";

vi.mock(import("../../src/material/material.ts"), async (original) => {
  const real = await original();
  return { ...real, generateMaterial: vi.fn<typeof real.generateMaterial>(real.generateMaterial) };
});

afterEach(() => {
  vi.useRealTimers();
});

const DAY_MS = 86_400_000;
const FOREVER = { ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" } as const;
const wrapping = { WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048" } as const;
const material = bytes(32, 5);
const other = bytes(32, 6);

async function externalKey(
  client: KmsClient,
  KeySpec: KeySpec = "SYMMETRIC_DEFAULT",
  Policy?: string,
): Promise<string> {
  const [KeyUsage] = keySpecs[KeySpec].usages;
  const request = { KeySpec, KeyUsage, Origin: "EXTERNAL", Policy };
  return (await client.createKey(request)).KeyMetadata.KeyId;
}

async function setup(): Promise<{ client: KmsClient; KeyId: string }> {
  const { client } = await tempKeystore();
  return { client, KeyId: await externalKey(client) };
}

async function metadata(client: KmsClient, KeyId: string) {
  return (await client.describeKey({ KeyId })).KeyMetadata;
}

/** A request that is in order, for changing one thing in it. */
async function importRequest(client: KmsClient, KeyId: string, raw: Uint8Array = material) {
  const { ImportToken, PublicKey } = await client.getParametersForImport({ KeyId, ...wrapping });
  const EncryptedKeyMaterial = wrapMaterial(PublicKey, wrapping.WrappingAlgorithm, raw);
  return { KeyId, ImportToken, EncryptedKeyMaterial, ...FOREVER };
}

describe("getParametersForImport", () => {
  it("gives a wrapping key and a token for 24 hours", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const { client, KeyId } = await setup();
    for (const [WrappingKeySpec, length] of [
      ["RSA_2048", 294],
      ["RSA_3072", 422],
      ["RSA_4096", 550],
    ] as const) {
      const request = { KeyId, ...wrapping, WrappingKeySpec };
      const { ImportToken, PublicKey, ...rest } = await client.getParametersForImport(request);
      expect(rest).toEqual({
        KeyId: arn(KeyId),
        ParametersValidTo: new Date(Date.now() + DAY_MS),
      });
      expect(PublicKey).toHaveLength(length);
      expect(ImportToken.length).toBeLessThanOrEqual(6144);
    }
  });

  it("gives another key each time, and no private key in clear", async () => {
    const { client, KeyId } = await setup();
    const one = await client.getParametersForImport({ KeyId, ...wrapping });
    const two = await client.getParametersForImport({ KeyId, ...wrapping });
    expect(one.PublicKey).not.toEqual(two.PublicKey);
    const modulus = Buffer.from(one.PublicKey.subarray(33, 33 + 256));
    expect(Buffer.from(one.PublicKey).indexOf(modulus)).toBe(33);
    expect(Buffer.from(one.ImportToken).indexOf(modulus)).toBe(-1);
  });

  it("is for keys of origin EXTERNAL", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    const text = `UnsupportedOperationException: ${arn(KeyId)} origin is AWS_KMS which is not valid for this operation.`;
    vi.mocked(generateMaterial).mockClear();
    expect(await refusal(client.getParametersForImport({ KeyId, ...wrapping }))).toBe(text);
    // Nor is a wrapping key made in vain.
    expect(generateMaterial).not.toHaveBeenCalled();
    const request = { KeyId, ImportToken: bytes(9), EncryptedKeyMaterial: bytes(9), ...FOREVER };
    expect(await refusal(client.importKeyMaterial(request))).toBe(text);
    expect(await refusal(client.deleteImportedKeyMaterial({ KeyId }))).toBe(text);
  });

  it("names wrappings that are too small, unknown or not offered", async () => {
    const { client } = await tempKeystore();
    const rsa = await externalKey(client, "RSA_2048");
    const p521 = await externalKey(client, "ECC_NIST_P521");
    const get = (KeyId: string, WrappingAlgorithm?: string, WrappingKeySpec?: string) =>
      refusal(client.getParametersForImport({ KeyId, WrappingAlgorithm, WrappingKeySpec }));
    expect(await get(rsa, "RSAES_OAEP_SHA_256", "RSA_4096")).toBe(
      "ValidationException: Wrapping algorithm RSAES_OAEP_SHA_256 and wrapping key spec RSA_4096 cannot wrap key material of key spec RSA_2048.",
    );
    expect(await get(p521, "RSAES_OAEP_SHA_1", "RSA_2048")).toBe(
      "ValidationException: Wrapping algorithm RSAES_OAEP_SHA_1 and wrapping key spec RSA_2048 cannot wrap key material of key spec ECC_NIST_P521.",
    );
    expect(await get(rsa, "RSAES_PKCS1_V1_5", "RSA_2048")).toBe(
      "UnsupportedOperationException: WrappingAlgorithm RSAES_PKCS1_V1_5 is not supported by this KMS",
    );
    expect(await get(rsa, "SM2PKE", "SM2")).toBe(
      "UnsupportedOperationException: WrappingAlgorithm SM2PKE is not supported by this KMS",
    );
    expect(await get(rsa, "RSA_AES_KEY_WRAP_SHA_1", "SM2")).toBe(
      "UnsupportedOperationException: WrappingKeySpec SM2 is not supported by this KMS",
    );
    const violation = "ValidationException: 1 validation error detected:";
    const member = "failed to satisfy constraint: Member must";
    expect(await get(rsa, undefined, "RSA_2048")).toBe(
      `${violation} Value null at 'wrappingAlgorithm' ${member} not be null`,
    );
    expect(await get(rsa, "RSAES_OAEP_SHA_1", undefined)).toBe(
      `${violation} Value null at 'wrappingKeySpec' ${member} not be null`,
    );
    expect(await get(rsa, "AES", "RSA_2048")).toBe(
      `${violation} Value 'AES' at 'wrappingAlgorithm' ${member} satisfy enum value set: [RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, RSA_AES_KEY_WRAP_SHA_1, RSA_AES_KEY_WRAP_SHA_256, RSAES_PKCS1_V1_5, SM2PKE]`,
    );
    expect(await get(rsa, "RSAES_OAEP_SHA_1", "RSA_1024")).toBe(
      `${violation} Value 'RSA_1024' at 'wrappingKeySpec' ${member} satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, SM2]`,
    );
    expect(await get("alias/none", "RSAES_OAEP_SHA_1", "RSA_2048")).toBe(
      "InvalidArnException: Key Aliases are not supported for this operation.",
    );
  });

  it("follows its condition keys", async () => {
    const { client } = await tempKeystore();
    for (const [key, value] of [
      ["kms:WrappingAlgorithm", wrapping.WrappingAlgorithm],
      ["kms:WrappingKeySpec", wrapping.WrappingKeySpec],
    ] as const) {
      const policy = denying("GetParametersForImport", key, value);
      const KeyId = await externalKey(client, "SYMMETRIC_DEFAULT", policy);
      const call = client.getParametersForImport({ KeyId, ...wrapping });
      expect((await rejection(call)).name).toBe("AccessDeniedException");
    }
  });
});

describe("importKeyMaterial", () => {
  it("makes a key of origin EXTERNAL usable", async () => {
    const { client, KeyId } = await setup();
    const before = await metadata(client, KeyId);
    expect(before).toMatchObject({ KeyState: "PendingImport", Enabled: false, Origin: "EXTERNAL" });
    expect(before).not.toHaveProperty("ExpirationModel");
    const pending = `KMSInvalidStateException: ${arn(KeyId)} is pending import.`;
    expect(await refusal(client.encrypt({ KeyId, Plaintext: bytes(4) }))).toBe(pending);
    expect(await refusal(client.enableKey({ KeyId }))).toBe(pending);

    const imported = await importInto(client, KeyId, material);
    const after = await metadata(client, KeyId);
    expect(after).toMatchObject({ KeyState: "Enabled", Enabled: true, ...FOREVER });
    expect(after).not.toHaveProperty("ValidTo");
    expect(imported).toEqual({
      KeyId: arn(KeyId),
      KeyMaterialId: after.CurrentKeyMaterialId,
    });
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(4) });
    const opened = await client.decrypt({ CiphertextBlob });
    expect(opened).toMatchObject({ Plaintext: bytes(4), KeyMaterialId: imported.KeyMaterialId });
  });

  it.each(allSpecs)("takes material of %s", async (spec) => {
    const { client } = await tempKeystore();
    const KeyId = await externalKey(client, spec);
    const key = await sample(spec);
    const answer = await importInto(client, KeyId, encodeMaterial(key));
    const symmetric = spec === "SYMMETRIC_DEFAULT";
    expect(answer).toEqual({
      KeyId: arn(KeyId),
      ...(symmetric ? { KeyMaterialId: fingerprint(KeyId, key) } : {}),
    });
    expect(await metadata(client, KeyId)).toMatchObject({ KeyState: "Enabled", KeySpec: spec });
  });

  it("gives the same material another id in another key", async () => {
    const { client, KeyId } = await setup();
    const twin = await externalKey(client);
    const one = await importInto(client, KeyId, material);
    const two = await importInto(client, twin, material);
    expect(one.KeyMaterialId).toMatch(/^[0-9a-f]{64}$/);
    expect(one.KeyMaterialId).not.toBe(two.KeyMaterialId);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(4) });
    const wrong = client.decrypt({ KeyId: twin, CiphertextBlob });
    expect((await rejection(wrong)).name).toBe("IncorrectKeyException");
  });

  it("takes the same material again, and no other", async () => {
    const { client, KeyId } = await setup();
    const { KeyMaterialId } = await importInto(client, KeyId, material);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(4) });
    const incorrect =
      "IncorrectKeyMaterialException: the key material does not meet expectations: it was not imported into this key before";
    expect(await refusal(importInto(client, KeyId, other))).toBe(incorrect);
    await client.deleteImportedKeyMaterial({ KeyId });
    expect(await refusal(importInto(client, KeyId, other))).toBe(incorrect);
    expect((await metadata(client, KeyId)).KeyState).toBe("PendingImport");
    const again = await importInto(client, KeyId, material);
    expect(again.KeyMaterialId).toBe(KeyMaterialId);
    expect((await client.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(4));
  });

  it("holds signing keys to their first material, however it is encoded", async () => {
    const { client } = await tempKeystore();
    const KeyId = await externalKey(client, "ECC_NIST_P256");
    const key = await sample("ECC_NIST_P256");
    await importInto(client, KeyId, encodeMaterial(key));
    await client.deleteImportedKeyMaterial({ KeyId });
    const another = encodeMaterial(await generateMaterial("ECC_NIST_P256"));
    const wrong = importInto(client, KeyId, another);
    expect((await rejection(wrong)).name).toBe("IncorrectKeyMaterialException");
    // Without the public key in it.
    const whole = Buffer.from(encodeMaterial(key));
    const head = Buffer.from(
      "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420",
      "hex",
    );
    await importInto(client, KeyId, Buffer.concat([head, whole.subarray(36, 68)]));
    expect((await metadata(client, KeyId)).KeyState).toBe("Enabled");
  });

  it("is bound to the token's key, keystore, algorithm and bits", async () => {
    const { client, KeyId } = await setup();
    const request = await importRequest(client, KeyId);
    const second = await externalKey(client);
    const invalid =
      "InvalidImportTokenException: the import token is malformed or altered, or was made for another key";
    expect(await refusal(client.importKeyMaterial({ ...request, KeyId: second }))).toBe(invalid);
    const { client: elsewhere } = await tempKeystore();
    const there = await externalKey(elsewhere);
    expect(await refusal(elsewhere.importKeyMaterial({ ...request, KeyId: there }))).toBe(invalid);
    for (const ImportToken of [
      flipped(request.ImportToken, 0),
      flipped(request.ImportToken, 100),
      request.ImportToken.subarray(1),
      bytes(1),
    ]) {
      expect(await refusal(client.importKeyMaterial({ ...request, ImportToken }))).toBe(invalid);
    }
    const garbled =
      "InvalidCiphertextException: the key material was not wrapped with the public key of this import token by RSAES_OAEP_SHA_256";
    const { PublicKey } = await client.getParametersForImport({ KeyId, ...wrapping });
    for (const EncryptedKeyMaterial of [
      flipped(request.EncryptedKeyMaterial, 9),
      // Of another token of the same key.
      wrapMaterial(PublicKey, "RSAES_OAEP_SHA_256", material),
      bytes(256),
      bytes(1),
    ]) {
      const call = client.importKeyMaterial({ ...request, EncryptedKeyMaterial });
      expect(await refusal(call)).toBe(garbled);
    }
    expect((await metadata(client, KeyId)).KeyState).toBe("PendingImport");
    // None of this has used the token up.
    await client.importKeyMaterial(request);
    await client.importKeyMaterial(request);
    expect((await metadata(client, KeyId)).KeyState).toBe("Enabled");
  });

  it("takes a token after the keystore was opened again, for 24 hours", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const { path, keystore, client, root } = await tempKeystore();
    const KeyId = await externalKey(client);
    const request = await importRequest(client, KeyId);
    keystore.close();
    using reopened = await openKeystore(path, { root });
    const again = reopened.as();
    vi.setSystemTime(Date.now() + DAY_MS);
    expect(await refusal(again.importKeyMaterial(request))).toBe(
      "ExpiredImportTokenException: the import token has expired: call GetParametersForImport for another, and wrap the key material with its public key",
    );
    const fresh = await importRequest(again, KeyId);
    vi.setSystemTime(Date.now() + DAY_MS - 1);
    await again.importKeyMaterial(fresh);
    expect((await metadata(again, KeyId)).KeyState).toBe("Enabled");
  });

  it("refuses material that does not fit the key's spec", async () => {
    const { client } = await tempKeystore();
    const p384 = encodeMaterial(await sample("ECC_NIST_P384"));
    for (const [spec, raw] of [
      ["SYMMETRIC_DEFAULT", bytes(16)],
      ["SYMMETRIC_DEFAULT", bytes(33)],
      ["HMAC_224", bytes(32)],
      ["HMAC_512", bytes(48)],
      ["ECC_NIST_P256", p384],
      ["RSA_2048", p384],
      ["ECC_NIST_P256", bytes(138)],
    ] as const) {
      const KeyId = await externalKey(client, spec);
      expect(await refusal(importInto(client, KeyId, raw))).toBe(
        `IncorrectKeyMaterialException: the key material does not meet expectations: it is not key material of key spec ${spec}`,
      );
      expect((await metadata(client, KeyId)).KeyState).toBe("PendingImport");
    }
  });

  it("asks for a date exactly where the material expires", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const { client, KeyId } = await setup();
    const { ExpirationModel: _, ...request } = await importRequest(client, KeyId);
    const now = Date.now();
    const call = (members: object) => refusal(client.importKeyMaterial({ ...request, ...members }));
    const missing =
      "ValidationException: A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES";
    expect(await call({})).toBe(missing);
    expect(await call({ ExpirationModel: "KEY_MATERIAL_EXPIRES" })).toBe(missing);
    expect(await call({ ...FOREVER, ValidTo: new Date(now + DAY_MS) })).toBe(
      "ValidationException: A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
    );
    for (const time of [0, now - 1, now, now + 365 * DAY_MS + 1]) {
      expect(await call({ ValidTo: new Date(time) })).toBe(
        "ValidationException: A validTo date must be in the future and within 365 days",
      );
    }
    const violation = "ValidationException: 1 validation error detected:";
    const member = "failed to satisfy constraint: Member must";
    for (const ValidTo of [now + DAY_MS, "2030-01-01", new Date(Number.NaN)]) {
      expect(await call({ ValidTo })).toBe(`${violation} Value at 'validTo' ${member} be a date`);
    }
    expect(await call({ ExpirationModel: "NEVER" })).toBe(
      `${violation} Value 'NEVER' at 'expirationModel' ${member} satisfy enum value set: [KEY_MATERIAL_EXPIRES, KEY_MATERIAL_DOES_NOT_EXPIRE]`,
    );
    await client.importKeyMaterial({ ...request, ValidTo: new Date(now + 365 * DAY_MS) });
    expect(await metadata(client, KeyId)).toMatchObject({
      ExpirationModel: "KEY_MATERIAL_EXPIRES",
      ValidTo: new Date(now + 365 * DAY_MS),
    });
  });

  it("lets material expire, and come back", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const { client, KeyId } = await setup();
    const ValidTo = new Date(Date.now() + 2 * DAY_MS);
    const expiring = { ValidTo, ExpirationModel: "KEY_MATERIAL_EXPIRES" };
    await importInto(client, KeyId, material, expiring);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(4) });
    vi.setSystemTime(ValidTo.getTime() - 1);
    expect((await client.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(4));
    vi.setSystemTime(ValidTo);
    const pending = `KMSInvalidStateException: ${arn(KeyId)} is pending import.`;
    expect(await refusal(client.decrypt({ CiphertextBlob }))).toBe(pending);
    const expired = await metadata(client, KeyId);
    expect(expired).toMatchObject({ KeyState: "PendingImport", Enabled: false });
    expect(expired).not.toHaveProperty("ValidTo");
    // A clock that goes backwards brings nothing back.
    vi.setSystemTime(ValidTo.getTime() - DAY_MS);
    expect(await refusal(client.decrypt({ CiphertextBlob }))).toBe(pending);
    vi.setSystemTime(ValidTo.getTime() + 10 * DAY_MS);
    expect((await rejection(importInto(client, KeyId, other))).name).toBe(
      "IncorrectKeyMaterialException",
    );
    await importInto(client, KeyId, material);
    expect((await client.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(4));
    expect(await metadata(client, KeyId)).toMatchObject({ KeyState: "Enabled", ...FOREVER });
  });

  it("changes the expiry of material that is there", async () => {
    const { client, KeyId } = await setup();
    const ValidTo = new Date(Date.now() + 2 * DAY_MS);
    const expiring = { ValidTo, ExpirationModel: "KEY_MATERIAL_EXPIRES" };
    await importInto(client, KeyId, material, expiring);
    expect(await metadata(client, KeyId)).toMatchObject(expiring);
    await importInto(client, KeyId, material);
    expect(await metadata(client, KeyId)).not.toHaveProperty("ValidTo");
    await client.disableKey({ KeyId });
    await importInto(client, KeyId, material, expiring);
    // Importing is not enabling.
    expect(await metadata(client, KeyId)).toMatchObject({ KeyState: "Disabled", ValidTo });
  });

  it("refuses a key pending deletion", async () => {
    const { client, KeyId } = await setup();
    const request = await importRequest(client, KeyId);
    await client.scheduleKeyDeletion({ KeyId });
    const text = `KMSInvalidStateException: ${arn(KeyId)} is pending deletion.`;
    expect(await refusal(client.importKeyMaterial(request))).toBe(text);
    expect(await refusal(client.getParametersForImport({ KeyId, ...wrapping }))).toBe(text);
    // Not even a member that is undefined: there is no material that has been deleted.
    expect(await client.deleteImportedKeyMaterial({ KeyId })).toStrictEqual({ KeyId: arn(KeyId) });
  });

  it("follows its condition keys", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const { client } = await tempKeystore();
    const ValidTo = new Date(Date.now() + DAY_MS);
    const policy = denying("ImportKeyMaterial", "kms:ExpirationModel", "KEY_MATERIAL_EXPIRES");
    const KeyId = await externalKey(client, "SYMMETRIC_DEFAULT", policy);
    const expiring = { ValidTo, ExpirationModel: "KEY_MATERIAL_EXPIRES" };
    expect((await rejection(importInto(client, KeyId, material, expiring))).name).toBe(
      "AccessDeniedException",
    );
    await importInto(client, KeyId, material);
    const dated = JSON.parse(denying("ImportKeyMaterial", "kms:ValidTo", "")) as {
      Statement: { Condition?: object }[];
    };
    const deny = dated.Statement[1];
    if (deny === undefined) throw new Error("there is a second statement");
    deny.Condition = { DateGreaterThan: { "kms:ValidTo": ValidTo.toISOString() } };
    const bounded = await externalKey(client, "SYMMETRIC_DEFAULT", JSON.stringify(dated));
    const late = { ...expiring, ValidTo: new Date(ValidTo.getTime() + 1000) };
    expect((await rejection(importInto(client, bounded, material, late))).name).toBe(
      "AccessDeniedException",
    );
    await importInto(client, bounded, material, expiring);
    // Absent for material that does not expire.
    await importInto(client, bounded, material);
  });

  it("holds the members to AWS's bounds", async () => {
    const { client, KeyId } = await setup();
    const good = await importRequest(client, KeyId);
    const violation = "ValidationException: 1 validation error detected:";
    const member = "failed to satisfy constraint: Member must";
    for (const [changed, text] of [
      [{ ImportToken: undefined }, `Value null at 'importToken' ${member} not be null`],
      [
        { ImportToken: bytes(6145) },
        `Value at 'importToken' ${member} have length less than or equal to 6144`,
      ],
      [
        { EncryptedKeyMaterial: undefined },
        `Value null at 'encryptedKeyMaterial' ${member} not be null`,
      ],
      [
        { EncryptedKeyMaterial: bytes(0) },
        `Value at 'encryptedKeyMaterial' ${member} have length greater than or equal to 1`,
      ],
      [
        { ImportType: "OLD" },
        `Value 'OLD' at 'importType' ${member} satisfy enum value set: [NEW_KEY_MATERIAL, EXISTING_KEY_MATERIAL]`,
      ],
      [
        { KeyMaterialDescription: "a;b" },
        `Value 'a;b' at 'keyMaterialDescription' ${member} satisfy regular expression pattern: ^[a-zA-Z0-9:/_\\s.-]+$`,
      ],
      [
        { KeyMaterialDescription: "a".repeat(257) },
        `Value '${"a".repeat(257)}' at 'keyMaterialDescription' ${member} have length less than or equal to 256`,
      ],
      [
        { KeyMaterialId: "ab" },
        `Value 'ab' at 'keyMaterialId' ${member} have length greater than or equal to 64`,
      ],
      [
        { KeyMaterialId: "Z".repeat(64) },
        `Value '${"Z".repeat(64)}' at 'keyMaterialId' ${member} satisfy regular expression pattern: ^[a-f0-9]+$`,
      ],
    ] as const) {
      expect(await refusal(client.importKeyMaterial({ ...good, ...changed }))).toBe(
        `${violation} ${text}`,
      );
    }
    expect(await refusal(client.importKeyMaterial({ ...good, KeyId: NOWHERE }))).toBe(
      `NotFoundException: Key '${arn(NOWHERE)}' does not exist`,
    );
  });

  it("tells nothing of the material in what it refuses", async () => {
    const { client, KeyId } = await setup();
    const secret = Buffer.from("a secret that is far too long to be a key of 256 bits");
    const error = await rejection(importInto(client, KeyId, secret));
    const text = inspect(error, { depth: 9, showHidden: true });
    for (const form of ["utf8", "hex", "base64"] as const) {
      expect(text).not.toContain(secret.toString(form).slice(0, 12));
    }
  });
});

describe("further material of symmetric keys", () => {
  const NEW = { ImportType: "NEW_KEY_MATERIAL" } as const;

  it("waits for a rotation on demand, and old blobs still open", async () => {
    const { client, KeyId } = await setup();
    const one = await importInto(client, KeyId, material, NEW);
    const { CiphertextBlob: first } = await client.encrypt({ KeyId, Plaintext: bytes(4) });
    const none = `KMSInvalidStateException: No available key material pending rotation for the key: ${arn(KeyId)}.`;
    expect(await refusal(client.rotateKeyOnDemand({ KeyId }))).toBe(none);
    const described = { ...NEW, KeyMaterialDescription: "of 2027" };
    const two = await importInto(client, KeyId, other, described);
    expect((await metadata(client, KeyId)).CurrentKeyMaterialId).toBe(one.KeyMaterialId);
    await client.rotateKeyOnDemand({ KeyId });
    expect((await metadata(client, KeyId)).CurrentKeyMaterialId).toBe(two.KeyMaterialId);
    const { CiphertextBlob: second } = await client.encrypt({ KeyId, Plaintext: bytes(5) });
    const opened = [first, second].map((CiphertextBlob) => client.decrypt({ CiphertextBlob }));
    expect((await Promise.all(opened)).map(({ KeyMaterialId }) => KeyMaterialId)).toEqual([
      one.KeyMaterialId,
      two.KeyMaterialId,
    ]);
    expect(await refusal(client.rotateKeyOnDemand({ KeyId }))).toBe(none);
  });

  it("is listed as pending, and is the only one that is", async () => {
    const { client, KeyId } = await setup();
    const one = await importInto(client, KeyId, material);
    const two = await importInto(client, KeyId, other, NEW);
    const all = { KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" };
    const { Rotations } = await client.listKeyRotations(all);
    expect(Rotations.map((row) => [row.KeyMaterialId, row.KeyMaterialState])).toEqual([
      [one.KeyMaterialId, "CURRENT"],
      [two.KeyMaterialId, "PENDING_ROTATION"],
    ]);
    const third = bytes(32, 9);
    const text = await refusal(importInto(client, KeyId, third, NEW));
    expect(text).toMatch(
      new RegExp(
        `^KMSInvalidStateException: New key material \\(id: [0-9a-f]{64}\\) cannot be imported into KMS key ${arn(KeyId)}, because another key material \\(id: ${two.KeyMaterialId}\\) is pending rotation\\.$`,
      ),
    );
    expect(text.match(/id: [0-9a-f]{64}/g)?.[0]).not.toBe(`id: ${two.KeyMaterialId}`);
    for (const raw of [material, other]) {
      expect(await refusal(importInto(client, KeyId, raw, NEW))).toBe(
        "IncorrectKeyMaterialException: the key material does not meet expectations: it was imported into this key before",
      );
    }
  });

  it("can be imported again, pending or not, by id or without", async () => {
    const { client, KeyId } = await setup();
    const one = await importInto(client, KeyId, material, { KeyMaterialDescription: "first" });
    const two = await importInto(client, KeyId, other, NEW);
    const ValidTo = new Date(Date.now() + DAY_MS);
    const expiring = { ValidTo, ExpirationModel: "KEY_MATERIAL_EXPIRES" };
    const { KeyMaterialId } = two;
    await importInto(client, KeyId, other, { ...expiring, KeyMaterialId });
    const wrong = importInto(client, KeyId, material, { KeyMaterialId });
    expect(await refusal(wrong)).toBe(
      "IncorrectKeyMaterialException: the key material does not meet expectations: it is not that of the KeyMaterialId in the request",
    );
    const EXISTING = { ImportType: "EXISTING_KEY_MATERIAL" };
    await importInto(client, KeyId, material, EXISTING);
    const all = { KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" };
    const { Rotations } = await client.listKeyRotations(all);
    expect(Rotations).toMatchObject([
      {
        KeyMaterialId: one.KeyMaterialId,
        ImportState: "IMPORTED",
        KeyMaterialDescription: "first",
      },
      { KeyMaterialId, ImportState: "IMPORTED", ValidTo },
    ]);
    expect(Rotations[0]).not.toHaveProperty("ValidTo");
  });

  it("all of it must be there for the key to be used", async () => {
    const { client, KeyId } = await setup();
    const one = await importInto(client, KeyId, material);
    await importInto(client, KeyId, other, NEW);
    await client.rotateKeyOnDemand({ KeyId });
    const { KeyMaterialId } = one;
    expect(await client.deleteImportedKeyMaterial({ KeyId, KeyMaterialId })).toEqual({
      KeyId: arn(KeyId),
      KeyMaterialId,
    });
    expect((await metadata(client, KeyId)).KeyState).toBe("PendingImport");
    const call = client.encrypt({ KeyId, Plaintext: bytes(4) });
    expect((await rejection(call)).name).toBe("KMSInvalidStateException");
    await importInto(client, KeyId, material);
    expect((await metadata(client, KeyId)).KeyState).toBe("Enabled");
  });

  it("is for symmetric keys alone", async () => {
    const { client } = await tempKeystore();
    const KeyId = await externalKey(client, "HMAC_256");
    for (const [member, value] of [
      ["ImportType", "NEW_KEY_MATERIAL"],
      ["ImportType", "EXISTING_KEY_MATERIAL"],
      ["KeyMaterialDescription", "x"],
      ["KeyMaterialId", "0".repeat(64)],
    ] as const) {
      const text = await refusal(importInto(client, KeyId, material, { [member]: value }));
      expect(text).toBe(
        `ValidationException: ${member} is only valid for symmetric encryption keys.`,
      );
    }
    const symmetric = await externalKey(client);
    const both = { ...NEW, KeyMaterialId: "0".repeat(64) };
    expect(await refusal(importInto(client, symmetric, material, both))).toBe(
      "ValidationException: KeyMaterialId is not valid with ImportType NEW_KEY_MATERIAL.",
    );
    const none = { ImportType: "EXISTING_KEY_MATERIAL" };
    expect(await refusal(importInto(client, symmetric, material, none))).toBe(
      "IncorrectKeyMaterialException: the key material does not meet expectations: it was not imported into this key before",
    );
  });
});

describe("deleteImportedKeyMaterial", () => {
  it("makes a key unusable until the same material is back", async () => {
    const { client, KeyId } = await setup();
    const { KeyMaterialId } = await importInto(client, KeyId, material);
    const answer = { KeyId: arn(KeyId), KeyMaterialId };
    expect(await client.deleteImportedKeyMaterial({ KeyId })).toEqual(answer);
    const deleted = await metadata(client, KeyId);
    expect(deleted).toMatchObject({ KeyState: "PendingImport", Enabled: false });
    expect(deleted).not.toHaveProperty("ExpirationModel");
    expect(await refusal(client.encrypt({ KeyId, Plaintext: utf8("x") }))).toBe(
      `KMSInvalidStateException: ${arn(KeyId)} is pending import.`,
    );
    // And again: there is nothing more to delete.
    expect(await client.deleteImportedKeyMaterial({ KeyId })).toEqual(answer);
    await importInto(client, KeyId, material);
    expect((await metadata(client, KeyId)).KeyState).toBe("Enabled");
  });

  it("turns a disabled key into one that an import enables", async () => {
    const { client, KeyId } = await setup();
    await importInto(client, KeyId, material);
    await client.disableKey({ KeyId });
    await client.deleteImportedKeyMaterial({ KeyId });
    expect((await metadata(client, KeyId)).KeyState).toBe("PendingImport");
    await importInto(client, KeyId, material);
    expect((await metadata(client, KeyId)).KeyState).toBe("Enabled");
  });

  it("leaves a key pending deletion as it is", async () => {
    const { client, KeyId } = await setup();
    await importInto(client, KeyId, material);
    await client.scheduleKeyDeletion({ KeyId });
    await client.deleteImportedKeyMaterial({ KeyId });
    expect((await metadata(client, KeyId)).KeyState).toBe("PendingDeletion");
    await client.cancelKeyDeletion({ KeyId });
    expect((await metadata(client, KeyId)).KeyState).toBe("PendingImport");
  });

  it("gives up material that is pending, for other material to take its place", async () => {
    const { client, KeyId } = await setup();
    await importInto(client, KeyId, material);
    const NEW = { ImportType: "NEW_KEY_MATERIAL" };
    const { KeyMaterialId } = await importInto(client, KeyId, other, NEW);
    await client.deleteImportedKeyMaterial({ KeyId, KeyMaterialId });
    expect((await metadata(client, KeyId)).KeyState).toBe("Enabled");
    await importInto(client, KeyId, bytes(32, 9), NEW);
    await client.rotateKeyOnDemand({ KeyId });
    expect((await metadata(client, KeyId)).KeyState).toBe("Enabled");
  });

  it("names material that it does not know", async () => {
    const { client, KeyId } = await setup();
    const KeyMaterialId = "0".repeat(64);
    const text = `NotFoundException: Key material ${KeyMaterialId} does not exist`;
    expect(await refusal(client.deleteImportedKeyMaterial({ KeyId, KeyMaterialId }))).toBe(text);
    await importInto(client, KeyId, material);
    expect(await refusal(client.deleteImportedKeyMaterial({ KeyId, KeyMaterialId }))).toBe(text);
  });

  it("leaves no material in the file", async () => {
    const { path, keystore, client, root } = await tempKeystore();
    const KeyId = await externalKey(client);
    await importInto(client, KeyId, material);
    await client.deleteImportedKeyMaterial({ KeyId });
    keystore.close();
    using reopened = await openKeystore(path, { root });
    const again = reopened.as();
    const wrong = importInto(again, KeyId, other);
    expect((await rejection(wrong)).name).toBe("IncorrectKeyMaterialException");
    await importInto(again, KeyId, material);
  });
});

describe("material that is destroyed", () => {
  const expiring = (days: number) => ({
    ExpirationModel: "KEY_MATERIAL_EXPIRES",
    ValidTo: new Date(Date.now() + days * DAY_MS),
  });

  /** Every sealing that a key's row has had, each told by its random salt. */
  function sealings(path: string) {
    const seen: Buffer[] = [];
    return {
      note: (): void => {
        for (const [{ sealed } = {}] of copyOf(path, "cmk").values()) {
          seen.push(Buffer.from(sealed as Uint8Array).subarray(0, 64));
        }
      },
      left: (): string[] => {
        return [path, `${path}-wal`].filter((file) => {
          const there = readFileSync(file);
          return seen.some((one) => there.includes(one));
        });
      },
    };
  }

  async function sealedKey(more: Partial<ImportKeyMaterialRequest> = {}) {
    const { path, client, keystore } = await tempKeystore();
    const KeyId = await externalKey(client);
    const { note, left } = sealings(path);
    const { KeyMaterialId } = await importInto(client, KeyId, material, more);
    note();
    await client.updateKeyDescription({ KeyId, Description: "sealed again" });
    note();
    expect(left()).not.toEqual([]);
    return { path, keystore, client, KeyId, KeyMaterialId, note, left };
  }

  it.runIf(onFiles)("is left neither in the file nor in its log once it was deleted", async () => {
    const { client, KeyId, left } = await sealedKey();
    await client.deleteImportedKeyMaterial({ KeyId });
    expect(left()).toEqual([]);
  });

  it.runIf(onFiles)(
    "is left neither there once material that was pending was deleted",
    async () => {
      const { client, KeyId, note, left } = await sealedKey();
      const { KeyMaterialId } = await importInto(client, KeyId, other, {
        ImportType: "NEW_KEY_MATERIAL",
      });
      note();
      await client.deleteImportedKeyMaterial({ KeyId, KeyMaterialId });
      expect(left()).toEqual([]);
    },
  );

  it.runIf(onFiles).each(["current", "pending"])(
    "is left neither there once %s material has expired",
    async (which) => {
      vi.useFakeTimers({ toFake: ["Date"] });
      const pending = which === "pending";
      const key = await sealedKey(pending ? {} : expiring(1));
      const { path, keystore, client, KeyId, note, left } = key;
      if (pending) {
        await importInto(client, KeyId, other, { ...expiring(1), ImportType: "NEW_KEY_MATERIAL" });
        note();
      }
      for (let day = 0; day < 4; day++) {
        vi.setSystemTime(Date.now() + DAY_MS);
        await newKey(client);
      }
      await client.describeKey({ KeyId });
      const records = await auditRecords(keystore);
      const destroyed = records.filter(({ eventName }) => eventName === "DeleteExpiredKeyMaterial");
      expect(destroyed).toHaveLength(1);
      const { store } = await openStore(path);
      const record = await store.read(() => store.keys.get("local", KeyId));
      const versions = [...(record?.versions ?? []), record?.pending];
      const expired = versions.filter((version) => version?.imported?.expires !== undefined);
      expect(expired.map((version) => version?.material)).toEqual([undefined]);
      expect(left()).toEqual([]);
    },
  );

  it("is not rotated to once it has expired, and can be imported again", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { client, KeyId } = await setup();
    const one = await importInto(client, KeyId, material);
    const NEW = { ImportType: "NEW_KEY_MATERIAL" };
    const two = await importInto(client, KeyId, other, { ...NEW, ...expiring(1) });
    vi.setSystemTime(Date.now() + DAY_MS);
    expect(await refusal(client.rotateKeyOnDemand({ KeyId }))).toBe(
      `KMSInvalidStateException: No available key material pending rotation for the key: ${arn(KeyId)}.`,
    );
    const all = { KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" };
    expect((await client.listKeyRotations(all)).Rotations[1]).toMatchObject({
      KeyMaterialState: "PENDING_ROTATION",
      ImportState: "PENDING_IMPORT",
    });
    // The key itself goes on with what it has.
    expect(await metadata(client, KeyId)).toMatchObject({
      KeyState: "Enabled",
      CurrentKeyMaterialId: one.KeyMaterialId,
    });
    await importInto(client, KeyId, other, { KeyMaterialId: two.KeyMaterialId });
    await client.rotateKeyOnDemand({ KeyId });
    expect((await metadata(client, KeyId)).CurrentKeyMaterialId).toBe(two.KeyMaterialId);
  });
});

it("any sequence of imports and deletions keeps to the first material", async () => {
  const { client } = await tempKeystore();
  const choices = [bytes(32, 1), bytes(32, 2), bytes(32, 3)];
  const step = fc.oneof(
    fc.record({ import: fc.nat({ max: 2 }) }),
    fc.constant({ delete: true as const }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
      const KeyId = await externalKey(client);
      const parameters = { KeyId, ...wrapping };
      const { ImportToken, PublicKey } = await client.getParametersForImport(parameters);
      let first: number | undefined;
      let present = false;
      for (const one of steps) {
        if ("delete" in one) {
          await client.deleteImportedKeyMaterial({ KeyId });
          present = false;
        } else {
          const raw = choices[one.import] ?? randomBytes(32);
          const EncryptedKeyMaterial = wrapMaterial(PublicKey, wrapping.WrappingAlgorithm, raw);
          const request = { KeyId, ImportToken, EncryptedKeyMaterial, ...FOREVER };
          const done = await client.importKeyMaterial(request).then(
            () => true,
            () => false,
          );
          expect(done).toBe(first === undefined || first === one.import);
          if (done) [first, present] = [one.import, true];
        }
        const { KeyState } = await metadata(client, KeyId);
        expect(KeyState).toBe(present ? "Enabled" : "PendingImport");
      }
    }),
    { numRuns: 15 },
  );
});
