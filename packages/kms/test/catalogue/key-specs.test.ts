import { describe, expect, it } from "vitest";
import {
  dataKeyPairSpecs,
  isKeySpec,
  keySpecs,
  keySpecsNotOffered,
} from "../../src/catalogue/key-specs.ts";
import { allSpecs } from "../support/material.ts";

describe("keySpecs", () => {
  it("gives each use of a key its algorithms, and no other", () => {
    for (const spec of allSpecs) {
      const { usages, encryption, signing, mac, agreement, encapsulation } = keySpecs[spec];
      const listed = {
        ENCRYPT_DECRYPT: encryption.length > 0,
        SIGN_VERIFY: signing.length > 0,
        GENERATE_VERIFY_MAC: mac.length > 0,
        KEY_AGREEMENT: agreement.length > 0,
        ENCAPSULATE_DECAPSULATE: encapsulation.length > 0,
      };
      const used = Object.entries(listed).flatMap(([usage, has]) => (has ? [usage] : []));
      expect([spec, ...used]).toEqual([spec, ...usages]);
    }
  });

  it("has AWS's pairs of key spec and algorithm", () => {
    expect(
      Object.entries(keySpecs).map(([spec, { signing }]) => `${spec} ${signing.join(" ")}`.trim()),
    ).toEqual([
      "SYMMETRIC_DEFAULT",
      "HMAC_224",
      "HMAC_256",
      "HMAC_384",
      "HMAC_512",
      ...["RSA_2048", "RSA_3072", "RSA_4096"].map(
        (spec) =>
          `${spec} RSASSA_PKCS1_V1_5_SHA_256 RSASSA_PKCS1_V1_5_SHA_384 RSASSA_PKCS1_V1_5_SHA_512 RSASSA_PSS_SHA_256 RSASSA_PSS_SHA_384 RSASSA_PSS_SHA_512`,
      ),
      "ECC_NIST_P256 ECDSA_SHA_256",
      "ECC_NIST_P384 ECDSA_SHA_384",
      "ECC_NIST_P521 ECDSA_SHA_512",
      "ECC_SECG_P256K1 ECDSA_SHA_256",
      "ECC_NIST_EDWARDS25519 ED25519_SHA_512",
      ...["ML_DSA_44", "ML_DSA_65", "ML_DSA_87"].map((spec) => `${spec} ML_DSA_SHAKE_256`),
      "ML_KEM_512",
      "ML_KEM_768",
      "ML_KEM_1024",
    ]);
    expect(keySpecs.HMAC_384.mac).toEqual(["HMAC_SHA_384"]);
    expect(keySpecs.RSA_3072.encryption).toEqual(["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]);
    expect(keySpecs.ECC_SECG_P256K1.usages).toEqual(["SIGN_VERIFY"]);
  });
});

describe("isKeySpec", () => {
  it("knows what is offered, and takes no member of an object for a key spec", () => {
    expect(allSpecs.every(isKeySpec)).toBe(true);
    expect(
      [...keySpecsNotOffered, "toString", "__proto__", "AES_256", ""].filter(isKeySpec),
    ).toEqual([]);
  });
});

describe("dataKeyPairSpecs", () => {
  it("are all the asymmetric ones but ML-DSA", () => {
    const asymmetric = Object.entries(keySpecs).filter(
      ([, { material }]) => material.type !== "secret",
    );
    expect([...dataKeyPairSpecs]).toEqual(
      asymmetric.map(([spec]) => spec).filter((spec) => !spec.startsWith("ML_DSA")),
    );
  });
});
