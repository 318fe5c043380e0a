import {
  constants,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  publicEncrypt,
} from "node:crypto";
import { describe, expect, it } from "vitest";
import { encapsulateSecret } from "../../src/material/encapsulation.ts";
import { encodePublicKey } from "../../src/material/material.ts";
import { bytes, denying, keyOf, refusalsByState } from "../support/kinds.ts";
import { arn, newKey, refusal, tempKeystore } from "../support/keystore.ts";
import { allSpecs, flipped, hex, plain, sample, utf8 } from "../support/material.ts";
import { importInto } from "../support/wrapping.ts";

const RSA_SIGNING = [
  "RSASSA_PKCS1_V1_5_SHA_256",
  "RSASSA_PKCS1_V1_5_SHA_384",
  "RSASSA_PKCS1_V1_5_SHA_512",
  "RSASSA_PSS_SHA_256",
  "RSASSA_PSS_SHA_384",
  "RSASSA_PSS_SHA_512",
];

const postQuantum = (
  [
    ["ML_DSA_44", "SIGN_VERIFY", { SigningAlgorithms: ["ML_DSA_SHAKE_256"] }],
    ["ML_DSA_87", "SIGN_VERIFY", { SigningAlgorithms: ["ML_DSA_SHAKE_256"] }],
    ["ML_KEM_768", "ENCAPSULATE_DECAPSULATE", { EncapsulationAlgorithms: ["ML_KEM"] }],
  ] as const
).filter(([spec]) => allSpecs.includes(spec));

describe("getPublicKey", () => {
  it.each([
    ["RSA_2048", "SIGN_VERIFY", { SigningAlgorithms: RSA_SIGNING }],
    [
      "RSA_2048",
      "ENCRYPT_DECRYPT",
      { EncryptionAlgorithms: ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"] },
    ],
    ["ECC_NIST_P256", "SIGN_VERIFY", { SigningAlgorithms: ["ECDSA_SHA_256"] }],
    ["ECC_NIST_P384", "KEY_AGREEMENT", { KeyAgreementAlgorithms: ["ECDH"] }],
    ["ECC_NIST_P521", "SIGN_VERIFY", { SigningAlgorithms: ["ECDSA_SHA_512"] }],
    ["ECC_SECG_P256K1", "SIGN_VERIFY", { SigningAlgorithms: ["ECDSA_SHA_256"] }],
    ["ECC_NIST_EDWARDS25519", "SIGN_VERIFY", { SigningAlgorithms: ["ED25519_SHA_512"] }],
    ...postQuantum,
  ] as const)("gives the public key of %s for %s, and its algorithms", async (...of) => {
    const [KeySpec, KeyUsage, algorithms] = of;
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, KeySpec, KeyUsage);
    const { PublicKey, ...rest } = await client.getPublicKey({ KeyId });
    expect(rest).toEqual({
      KeyId: arn(KeyId),
      CustomerMasterKeySpec: KeySpec,
      KeySpec,
      KeyUsage,
      ...algorithms,
    });
    const key = createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
    expect(plain(key.export({ format: "der", type: "spki" }))).toEqual(PublicKey);
    expect((await client.getPublicKey({ KeyId })).PublicKey).toEqual(PublicKey);
  });

  it("gives what others encrypt to", async () => {
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    const { PublicKey } = await client.getPublicKey({ KeyId });
    const key = createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
    const scheme = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
    const CiphertextBlob = publicEncrypt(scheme, utf8("for the key alone"));
    const EncryptionAlgorithm = "RSAES_OAEP_SHA_256";
    const { Plaintext } = await client.decrypt({ KeyId, CiphertextBlob, EncryptionAlgorithm });
    expect(Plaintext).toEqual(utf8("for the key alone"));
  });

  it("is the imported key's own", async () => {
    const { client } = await tempKeystore();
    const { KeyMetadata } = await client.createKey({
      KeySpec: "ECC_NIST_P256",
      KeyUsage: "SIGN_VERIFY",
      Origin: "EXTERNAL",
    });
    const { KeyId } = KeyMetadata;
    expect(await refusal(client.getPublicKey({ KeyId }))).toBe(
      `KMSInvalidStateException: ${arn(KeyId)} is pending import.`,
    );
    const material = await sample("ECC_NIST_P256");
    await importInto(client, KeyId, material.export({ format: "der", type: "pkcs8" }));
    expect((await client.getPublicKey({ KeyId })).PublicKey).toEqual(encodePublicKey(material));
  });

  it("refuses keys without one", async () => {
    const { client } = await tempKeystore();
    const symmetric = await newKey(client);
    const hmac = await keyOf(client, "HMAC_512", "GENERATE_VERIFY_MAC");
    for (const [KeyId, spec] of [
      [symmetric, "SYMMETRIC_DEFAULT"],
      [hmac, "HMAC_512"],
    ] as const) {
      expect(await refusal(client.getPublicKey({ KeyId }))).toBe(
        `UnsupportedOperationException: ${arn(KeyId)} key spec is ${spec} which is not valid for GetPublicKey.`,
      );
    }
  });

  it("follows the key's state, and takes no DryRun", async () => {
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, "ECC_NIST_P256", "KEY_AGREEMENT");
    expect(await refusalsByState(client, KeyId, () => client.getPublicKey({ KeyId }))).toEqual([
      `DisabledException: ${arn(KeyId)} is disabled.`,
      `KMSInvalidStateException: ${arn(KeyId)} is pending deletion.`,
    ]);
    const request = { KeyId, DryRun: true };
    expect(await refusal(client.getPublicKey(request))).toBe(
      "UnsupportedOperationException: DryRun is not supported by this KMS",
    );
  });
});

describe("deriveSharedSecret", () => {
  const KeyAgreementAlgorithm = "ECDH";

  it.each([
    ["ECC_NIST_P256", "prime256v1", 32],
    ["ECC_NIST_P384", "secp384r1", 48],
    ["ECC_NIST_P521", "secp521r1", 66],
  ] as const)("agrees on %s with a peer outside", async (KeySpec, namedCurve, length) => {
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, KeySpec, "KEY_AGREEMENT");
    const peer = generateKeyPairSync("ec", { namedCurve });
    const PublicKey = peer.publicKey.export({ format: "der", type: "spki" });
    const request = { KeyId, KeyAgreementAlgorithm, PublicKey };
    const { SharedSecret, ...rest } = await client.deriveSharedSecret(request);
    expect(rest).toEqual({ KeyId: arn(KeyId), KeyAgreementAlgorithm, KeyOrigin: "AWS_KMS" });
    const ours = await client.getPublicKey({ KeyId });
    const publicKey = createPublicKey({
      key: Buffer.from(ours.PublicKey),
      format: "der",
      type: "spki",
    });
    expect(SharedSecret).toHaveLength(length);
    expect(SharedSecret).toEqual(plain(diffieHellman({ privateKey: peer.privateKey, publicKey })));
  });

  it("agrees between two keys of the KMS, and gives RFC 5903's secret for its keys", async () => {
    const { client } = await tempKeystore();
    const ids: string[] = [];
    for (const scalar of [
      "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
      "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
    ]) {
      const { KeyMetadata } = await client.createKey({
        KeySpec: "ECC_NIST_P256",
        KeyUsage: "KEY_AGREEMENT",
        Origin: "EXTERNAL",
      });
      const head = hex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420");
      await importInto(client, KeyMetadata.KeyId, Buffer.concat([head, hex(scalar)]));
      ids.push(KeyMetadata.KeyId);
    }
    const secret = hex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
    for (const [KeyId, other] of [ids, ids.toReversed()]) {
      const { PublicKey } = await client.getPublicKey({ KeyId: other });
      const request = { KeyId, KeyAgreementAlgorithm, PublicKey };
      expect(await client.deriveSharedSecret(request)).toEqual({
        KeyId: arn(KeyId ?? ""),
        SharedSecret: secret,
        KeyAgreementAlgorithm,
        KeyOrigin: "EXTERNAL",
      });
    }
  });

  it("refuses a value that is not a public key on the key's curve", async () => {
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, "ECC_NIST_P384", "KEY_AGREEMENT");
    for (const PublicKey of [
      encodePublicKey(await sample("ECC_NIST_P256")),
      encodePublicKey(await sample("RSA_2048")),
      bytes(8192),
      bytes(1),
    ]) {
      expect(
        await refusal(client.deriveSharedSecret({ KeyId, KeyAgreementAlgorithm, PublicKey })),
      ).toBe(
        "ValidationException: PublicKey must be a DER-encoded public key of key spec ECC_NIST_P384.",
      );
    }
  });

  it("holds the members to AWS's bounds", async () => {
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, "ECC_NIST_P256", "KEY_AGREEMENT");
    const good = { KeyId, KeyAgreementAlgorithm, PublicKey: bytes(91) };
    const member = "failed to satisfy constraint: Member must";
    for (const [changed, text] of [
      [
        { KeyAgreementAlgorithm: undefined },
        `Value null at 'keyAgreementAlgorithm' ${member} not be null`,
      ],
      [
        { KeyAgreementAlgorithm: "X25519" },
        `Value 'X25519' at 'keyAgreementAlgorithm' ${member} satisfy enum value set: [ECDH]`,
      ],
      [{ PublicKey: undefined }, `Value null at 'publicKey' ${member} not be null`],
      [
        { PublicKey: bytes(8193) },
        `Value at 'publicKey' ${member} have length less than or equal to 8192`,
      ],
    ] as const) {
      expect(await refusal(client.deriveSharedSecret({ ...good, ...changed }))).toBe(
        `ValidationException: 1 validation error detected: ${text}`,
      );
    }
    const recipient = { ...good, Recipient: {} };
    expect(await refusal(client.deriveSharedSecret(recipient))).toBe(
      "UnsupportedOperationException: Recipient is not supported by this KMS",
    );
  });

  it("follows usage, state, policy and DryRun", async () => {
    const { client } = await tempKeystore();
    const PublicKey = encodePublicKey(await sample("ECC_NIST_P256"));
    const derive = (KeyId: string, DryRun?: boolean) =>
      client.deriveSharedSecret({ KeyId, KeyAgreementAlgorithm, PublicKey, DryRun });
    const signing = await keyOf(client, "ECC_NIST_P256", "SIGN_VERIFY");
    expect(await refusal(derive(signing))).toBe(
      `InvalidKeyUsageException: ${arn(signing)} key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret.`,
    );
    const KeyId = await keyOf(client, "ECC_NIST_P256", "KEY_AGREEMENT");
    expect(await refusalsByState(client, KeyId, () => derive(KeyId))).toEqual([
      `DisabledException: ${arn(KeyId)} is disabled.`,
      `KMSInvalidStateException: ${arn(KeyId)} is pending deletion.`,
    ]);
    expect(await refusal(derive(KeyId, true))).toBe(
      "DryRunOperationException: The request would have succeeded, but the DryRun option is set.",
    );
    const policy = denying("DeriveSharedSecret", "kms:KeyAgreementAlgorithm", "ECDH");
    const denied = await keyOf(client, "ECC_NIST_P256", "KEY_AGREEMENT", policy);
    expect(await refusal(derive(denied))).toContain("AccessDeniedException");
  });
});

describe.skipIf(!allSpecs.includes("ML_KEM_512"))(
  "encapsulate, decapsulate (on Node.js 24 with OpenSSL 3.5)",
  () => {
    const EncapsulationAlgorithm = "ML_KEM";
    const usage = "ENCAPSULATE_DECAPSULATE";

    it.each([
      ["ML_KEM_512", 768],
      ["ML_KEM_768", 1088],
      ["ML_KEM_1024", 1568],
    ] as const)("share a secret through %s", async (KeySpec, length) => {
      const { client } = await tempKeystore();
      const KeyId = await keyOf(client, KeySpec, usage);
      const { KeyMetadata } = await client.describeKey({ KeyId });
      expect(KeyMetadata).toMatchObject({ KeySpec, EncapsulationAlgorithms: ["ML_KEM"] });
      const made = await client.encapsulate({ KeyId, EncapsulationAlgorithm });
      const { SharedSecret, SharedSecretCiphertextBlob, ...rest } = made;
      expect(rest).toEqual({ KeyId: arn(KeyId), EncapsulationAlgorithm });
      expect([SharedSecret.length, SharedSecretCiphertextBlob.length]).toEqual([32, length]);
      const request = { KeyId, EncapsulationAlgorithm, SharedSecretCiphertextBlob };
      expect(await client.decapsulate(request)).toEqual({ ...rest, SharedSecret });
    });

    it("share it with whoever has the public key", async () => {
      const { client } = await tempKeystore();
      const KeyId = await keyOf(client, "ML_KEM_512", usage);
      const { PublicKey } = await client.getPublicKey({ KeyId });
      const key = createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
      const { secret, ciphertext } = encapsulateSecret(key);
      const SharedSecretCiphertextBlob = ciphertext;
      const request = { KeyId, EncapsulationAlgorithm, SharedSecretCiphertextBlob };
      expect((await client.decapsulate(request)).SharedSecret).toEqual(secret);
    });

    it("give another secret, and no error, for a ciphertext that is not the key's", async () => {
      const { client } = await tempKeystore();
      const KeyId = await keyOf(client, "ML_KEM_512", usage);
      const other = await keyOf(client, "ML_KEM_512", usage);
      const made = await client.encapsulate({ KeyId, EncapsulationAlgorithm });
      const ciphertext = made.SharedSecretCiphertextBlob;
      for (const request of [
        { KeyId, SharedSecretCiphertextBlob: flipped(ciphertext, 5) },
        { KeyId: other, SharedSecretCiphertextBlob: ciphertext },
      ]) {
        const { SharedSecret } = await client.decapsulate({ ...request, EncapsulationAlgorithm });
        expect(SharedSecret).toHaveLength(32);
        expect(SharedSecret).not.toEqual(made.SharedSecret);
      }
    });

    it("refuse a ciphertext of another length", async () => {
      const { client } = await tempKeystore();
      const KeyId = await keyOf(client, "ML_KEM_512", usage);
      for (const length of [1, 767, 769, 1088, 6144]) {
        const SharedSecretCiphertextBlob = bytes(length);
        const request = { KeyId, EncapsulationAlgorithm, SharedSecretCiphertextBlob };
        expect(await refusal(client.decapsulate(request))).toBe(
          "InvalidCiphertextException: SharedSecretCiphertextBlob is invalid length for key spec ML_KEM_512.",
        );
      }
    });

    it("hold the members to AWS's bounds", async () => {
      const { client } = await tempKeystore();
      const KeyId = await keyOf(client, "ML_KEM_512", usage);
      const good = { KeyId, EncapsulationAlgorithm, SharedSecretCiphertextBlob: bytes(768) };
      const member = "failed to satisfy constraint: Member must";
      const violation = "ValidationException: 1 validation error detected:";
      for (const [algorithm, text] of [
        [undefined, `Value null at 'encapsulationAlgorithm' ${member} not be null`],
        [
          "ECDH",
          `Value 'ECDH' at 'encapsulationAlgorithm' ${member} satisfy enum value set: [ML_KEM]`,
        ],
      ] as const) {
        const wrong = { EncapsulationAlgorithm: algorithm };
        expect(await refusal(client.encapsulate({ KeyId, ...wrong }))).toBe(`${violation} ${text}`);
        expect(await refusal(client.decapsulate({ ...good, ...wrong }))).toBe(
          `${violation} ${text}`,
        );
      }
      const at = `${violation} Value at 'sharedSecretCiphertextBlob' ${member} have length`;
      for (const [SharedSecretCiphertextBlob, text] of [
        [
          undefined,
          `${violation} Value null at 'sharedSecretCiphertextBlob' ${member} not be null`,
        ],
        [bytes(0), `${at} greater than or equal to 1`],
        [bytes(6145), `${at} less than or equal to 6144`],
      ] as const) {
        const wrong = { ...good, SharedSecretCiphertextBlob };
        expect(await refusal(client.decapsulate(wrong))).toBe(text);
      }
    });

    it("follow usage, state, policy and DryRun", async () => {
      const { client } = await tempKeystore();
      const SharedSecretCiphertextBlob = bytes(768);
      for (const operation of ["Encapsulate", "Decapsulate"] as const) {
        const call = (KeyId: string, DryRun?: boolean) =>
          operation === "Encapsulate"
            ? client.encapsulate({ KeyId, EncapsulationAlgorithm, DryRun })
            : client.decapsulate({
                KeyId,
                EncapsulationAlgorithm,
                SharedSecretCiphertextBlob,
                DryRun,
              });
        const agreeing = await keyOf(client, "ECC_NIST_P256", "KEY_AGREEMENT");
        expect(await refusal(call(agreeing))).toBe(
          `InvalidKeyUsageException: ${arn(agreeing)} key usage is KEY_AGREEMENT which is not valid for ${operation}.`,
        );
        const KeyId = await keyOf(client, "ML_KEM_512", usage);
        expect(await refusalsByState(client, KeyId, () => call(KeyId))).toEqual([
          `DisabledException: ${arn(KeyId)} is disabled.`,
          `KMSInvalidStateException: ${arn(KeyId)} is pending deletion.`,
        ]);
        expect(await refusal(call(KeyId, true))).toBe(
          "DryRunOperationException: The request would have succeeded, but the DryRun option is set.",
        );
        const policy = denying(operation, "kms:KeySpec", "ML_KEM_512");
        const denied = await keyOf(client, "ML_KEM_512", usage, policy);
        expect(await refusal(call(denied))).toContain("AccessDeniedException");
      }
      const KeyId = await keyOf(client, "ML_KEM_512", usage);
      const request = { KeyId, Message: bytes(1), SigningAlgorithm: "ML_DSA_SHAKE_256" };
      expect(await refusal(client.sign(request))).toBe(
        `InvalidKeyUsageException: ${arn(KeyId)} key usage is ENCAPSULATE_DECAPSULATE which is not valid for Sign.`,
      );
    });

    it("can be granted", async () => {
      const { keystore, client } = await tempKeystore();
      const KeyId = await keyOf(client, "ML_KEM_512", usage);
      const alice = "arn:aws:iam::000000000000:user/alice";
      const call = () => keystore.as(alice).encapsulate({ KeyId, EncapsulationAlgorithm });
      expect(await refusal(call())).toContain("AccessDeniedException");
      const Operations = ["Decapsulate", "Encapsulate"];
      await client.createGrant({ KeyId, GranteePrincipal: alice, Operations });
      const { SharedSecretCiphertextBlob } = await call();
      const request = { KeyId, EncapsulationAlgorithm, SharedSecretCiphertextBlob };
      await keystore.as(alice).decapsulate(request);
    });
  },
);
