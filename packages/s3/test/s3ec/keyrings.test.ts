import {
  constants,
  createCipheriv,
  createHash,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import { memoryCmk } from "@env/core/testing";
import { describe, expect, it } from "vitest";
import { readHeaders } from "../../src/s3ec/headers.ts";
import { aesKeyring, kmsKeyring, rsaKeyring } from "../../src/s3ec/index.ts";
import { opened, refuses, type StoredObject } from "./support/opened.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const plaintext = Buffer.from("an object of an old client");

/** An object of an old client: GCM content under a data key that is wrapped as given. */
function old(wrapAlgorithm: string, wrap: (dataKey: Buffer) => Buffer): StoredObject {
  const [dataKey, iv] = [randomBytes(32), randomBytes(12)];
  const cipher = createCipheriv("aes-256-gcm", dataKey, iv);
  const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  const metadata = {
    "x-amz-key-v2": wrap(dataKey).toString("base64"),
    "x-amz-iv": iv.toString("base64"),
    "x-amz-cek-alg": "AES/GCM/NoPadding",
    "x-amz-wrap-alg": wrapAlgorithm,
    "x-amz-tag-len": "128",
  };
  return { metadata, body };
}

/** OAEP with SHA-256 for the label and SHA-1 in MGF1, the defaults of Java's provider. */
function javaOaep(dataKey: Uint8Array): Buffer {
  const size = 256;
  const label = createHash("sha256").digest();
  const seed = randomBytes(32);
  const data = Buffer.concat([
    label,
    Buffer.alloc(size - 2 * 32 - 2 - dataKey.length),
    Buffer.of(1),
    dataKey,
  ]);
  const mgf1 = (from: Buffer, length: number): Buffer => {
    const blocks = Array.from({ length: Math.ceil(length / 20) }, (_, i) =>
      createHash("sha1")
        .update(from)
        .update(Buffer.of(0, 0, 0, i))
        .digest(),
    );
    return Buffer.concat(blocks).subarray(0, length);
  };
  const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));
  const masked = xor(data, mgf1(seed, data.length));
  const block = Buffer.concat([Buffer.of(0), xor(seed, mgf1(masked, 32)), masked]);
  return publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, block);
}

describe("legacy wraps", () => {
  const rsa = rsaKeyring({ privateKey });

  it.each([16, 24, 32])("opens AESWrap and AES under a key of %i bytes", async (length) => {
    const key = createSecretKey(randomBytes(length));
    const keyring = aesKeyring(key);
    const wrapped = old("AESWrap", (dataKey) => {
      const cipher = createCipheriv(`id-aes${length * 8}-wrap`, key, Buffer.alloc(8, 0xa6));
      return Buffer.concat([cipher.update(dataKey), cipher.final()]);
    });
    const ecb = old("AES", (dataKey) => {
      const cipher = createCipheriv(`aes-${length * 8}-ecb`, key, null);
      return Buffer.concat([cipher.update(dataKey), cipher.final()]);
    });
    for (const object of [wrapped, ecb]) {
      expect(await opened(object, keyring, { allowLegacy: true })).toEqual(plaintext);
      await refuses("ERR_ENVELOPE_UNSUPPORTED", () => opened(object, keyring));
      await refuses("ERR_ENVELOPE_DECRYPT", () =>
        opened(object, aesKeyring(createSecretKey(randomBytes(length))), { allowLegacy: true }),
      );
    }
  });

  it("opens RSA and Java's OAEP", async () => {
    const pkcs1 = old("RSA", (dataKey) =>
      publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, dataKey),
    );
    const oaep = old("RSA/ECB/OAEPWithSHA-256AndMGF1Padding", javaOaep);
    const other = rsaKeyring(generateKeyPairSync("rsa", { modulusLength: 2048 }));
    for (const object of [pkcs1, oaep]) {
      expect(await opened(object, rsa, { allowLegacy: true })).toEqual(plaintext);
      await refuses("ERR_ENVELOPE_UNSUPPORTED", () => opened(object, rsa));
      await refuses("ERR_ENVELOPE_DECRYPT", () => opened(object, other, { allowLegacy: true }));
    }
  });

  it("refuses Java's OAEP around a data key of another length", async () => {
    for (const length of [0, 16, 33]) {
      const object = old("RSA/ECB/OAEPWithSHA-256AndMGF1Padding", () =>
        javaOaep(randomBytes(length)),
      );
      await refuses("ERR_ENVELOPE_DECRYPT", () => opened(object, rsa, { allowLegacy: true }));
    }
  });

  it("takes a wrapped key of V1 for AES up to 48 bytes, and for RSA above", () => {
    const iv = Buffer.alloc(16).toString("base64");
    const wrapOf = (length: number): unknown =>
      readHeaders({ "x-amz-key": Buffer.alloc(length).toString("base64"), "x-amz-iv": iv });
    expect(wrapOf(48)).toMatchObject({ wrapAlgorithm: "AES" });
    expect(wrapOf(256)).toMatchObject({ wrapAlgorithm: "RSA" });
  });
});

describe("keyrings", () => {
  it("refuse keys of another kind", () => {
    const secret = createSecretKey(randomBytes(32));
    const small = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const wrong: readonly (() => unknown)[] = [
      () => kmsKeyring(memoryCmk()),
      () => aesKeyring(createSecretKey(randomBytes(20))),
      () => aesKeyring(publicKey),
      () => aesKeyring(randomBytes(32) as unknown as KeyObject),
      () => aesKeyring(secret, { description: {} } as object),
      () => rsaKeyring({}),
      () => rsaKeyring({ publicKey: privateKey }),
      () => rsaKeyring({ privateKey: publicKey }),
      () => rsaKeyring({ privateKey: secret }),
      () => rsaKeyring(small),
      () => rsaKeyring(ec),
    ];
    for (const make of wrong) expect(make).toThrow(TypeError);
  });
});
