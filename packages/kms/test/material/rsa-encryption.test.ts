import { constants, privateDecrypt, publicEncrypt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decryptRsa, encryptRsa, maxRsaPlaintextBytes } from "../../src/material/rsa-encryption.ts";
import { flipped, samplePair, utf8 } from "../support/material.ts";

const specs = ["RSA_2048", "RSA_3072", "RSA_4096"] as const;
const algorithms = ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"] as const;
const oaepHash = { RSAES_OAEP_SHA_1: "sha1", RSAES_OAEP_SHA_256: "sha256" } as const;

describe("maxRsaPlaintextBytes", () => {
  it("is AWS's table", () => {
    expect(specs.map((spec) => algorithms.map((one) => maxRsaPlaintextBytes(spec, one)))).toEqual([
      [214, 190],
      [342, 318],
      [470, 446],
    ]);
    expect(() => maxRsaPlaintextBytes("HMAC_256", "RSAES_OAEP_SHA_1")).toThrow(RangeError);
  });
});

describe.each(specs)("%s", (spec) => {
  it.each(algorithms)("encrypts with %s as others do", async (algorithm) => {
    const { privateKey, publicKey } = await samplePair(spec);
    const scheme = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaepHash[algorithm] };
    for (const length of [1, 32, maxRsaPlaintextBytes(spec, algorithm)]) {
      const plaintext = new Uint8Array(length).fill(length);
      const ours = encryptRsa(privateKey, algorithm, plaintext);
      expect(privateDecrypt({ key: privateKey, ...scheme }, ours)).toEqual(Buffer.from(plaintext));
      const theirs = publicEncrypt({ key: publicKey, ...scheme }, plaintext);
      expect(decryptRsa(privateKey, algorithm, theirs)).toEqual(plaintext);
    }
  });
});

describe("decryptRsa", () => {
  it("refuses everything else alike", async () => {
    const { privateKey } = await samplePair("RSA_2048");
    const { privateKey: other } = await samplePair("RSA_3072");
    const [sha1, sha256] = algorithms;
    const sealed = encryptRsa(privateKey, sha256, Buffer.from("secret"));
    expect(decryptRsa(privateKey, sha256, sealed)).toEqual(utf8("secret"));
    for (const [key, algorithm, ciphertext] of [
      [privateKey, sha1, sealed],
      [other, sha256, sealed],
      [privateKey, sha256, flipped(sealed, 0)],
      [privateKey, sha256, flipped(sealed, 255)],
      [privateKey, sha256, sealed.subarray(1)],
      [privateKey, sha256, Buffer.concat([Buffer.alloc(1), sealed])],
      [privateKey, sha256, new Uint8Array(0)],
      [privateKey, sha256, new Uint8Array(256).fill(255)],
    ] as const) {
      expect(decryptRsa(key, algorithm, ciphertext)).toBeUndefined();
    }
  });
});
