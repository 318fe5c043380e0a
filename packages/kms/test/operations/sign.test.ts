import { createHash, createPublicKey, verify as verifyMessage, constants } from "node:crypto";
import { rejection } from "@env/testkit/refusal";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { KmsClient } from "../../src/index.ts";
import type { KeySpec, SigningAlgorithm } from "../../src/catalogue/key-specs.ts";
import {
  digestBytes,
  sign as signWith,
  verify as verifyWith,
} from "../../src/material/signature.ts";
import { bytes, denying, keyOf, refusalsByState } from "../support/kinds.ts";
import { arn, newKey, refusal, tempKeystore } from "../support/keystore.ts";
import {
  allSpecs,
  digestOf,
  flipped,
  hashName,
  plain,
  signers,
  utf8,
} from "../support/material.ts";

vi.mock(import("../../src/material/signature.ts"), async (original) => {
  const real = await original();
  return {
    ...real,
    sign: vi.fn<typeof real.sign>(real.sign),
    verify: vi.fn<typeof real.verify>(real.verify),
  };
});

const Message = utf8("a message");
const pairs = signers.filter(([spec]) => spec !== "RSA_3072" && spec !== "RSA_4096");

async function setup(KeySpec: KeySpec): Promise<{ client: KmsClient; KeyId: string }> {
  const { client } = await tempKeystore();
  return { client, KeyId: await keyOf(client, KeySpec, "SIGN_VERIFY") };
}

/** Anybody with the public key, without the KMS. */
function verifiedElsewhere(
  spki: Uint8Array,
  algorithm: SigningAlgorithm,
  signature: Uint8Array,
): boolean {
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  const padding = algorithm.startsWith("RSASSA_PSS")
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(algorithm.slice(-3)) / 8 }
    : {};
  return verifyMessage(hashName(algorithm), Message, { key, ...padding }, signature);
}

describe.each(pairs)("%s with %s", (spec, SigningAlgorithm) => {
  it("signs messages, and what it signed verifies here and elsewhere", async () => {
    const { client, KeyId } = await setup(spec);
    const request = { KeyId, Message, SigningAlgorithm };
    const { Signature, ...rest } = await client.sign(request);
    expect(rest).toEqual({ KeyId: arn(KeyId), SigningAlgorithm });
    const { PublicKey } = await client.getPublicKey({ KeyId });
    expect(verifiedElsewhere(PublicKey, SigningAlgorithm, Signature)).toBe(true);
    const valid = { KeyId: arn(KeyId), SigningAlgorithm, SignatureValid: true };
    expect(await client.verify({ ...request, Signature })).toEqual(valid);
    expect(await client.verify({ ...request, Signature, MessageType: "RAW" })).toEqual(valid);
    for (const changed of [
      { Signature: flipped(Signature, Signature.length - 1) },
      { Signature: bytes(6144) },
      { Signature: bytes(1) },
      { Message: flipped(Message, 0) },
      { KeyId: await keyOf(client, spec, "SIGN_VERIFY") },
    ]) {
      expect(await refusal(client.verify({ ...request, Signature, ...changed }))).toBe(
        "KMSInvalidSignatureException: ",
      );
    }
  });

  it("takes a digest for what it is", async () => {
    const { client, KeyId } = await setup(spec);
    if (digestBytes(SigningAlgorithm) === undefined) {
      const digest = createHash("sha512").update(Message).digest();
      const request = { KeyId, Message: digest, MessageType: "DIGEST", SigningAlgorithm };
      const text = `ValidationException: MessageType DIGEST is not valid for algorithm ${SigningAlgorithm}.`;
      expect(await refusal(client.sign(request))).toBe(text);
      expect(await refusal(client.verify({ ...request, Signature: bytes(64) }))).toBe(text);
      return;
    }
    const digest = digestOf(SigningAlgorithm, Message);
    const request = { KeyId, Message: digest, MessageType: "DIGEST", SigningAlgorithm };
    const { Signature } = await client.sign(request);
    expect((await client.verify({ ...request, Signature })).SignatureValid).toBe(true);
    const asMessage = { KeyId, Message, SigningAlgorithm, Signature };
    expect((await client.verify(asMessage)).SignatureValid).toBe(true);
    const { PublicKey } = await client.getPublicKey({ KeyId });
    expect(verifiedElsewhere(PublicKey, SigningAlgorithm, Signature)).toBe(true);
    expect(await refusal(client.verify({ ...request, MessageType: "RAW", Signature }))).toBe(
      "KMSInvalidSignatureException: ",
    );
    for (const length of [1, digest.length - 1, digest.length + 1, 4096]) {
      const text = `ValidationException: Digest is invalid length for algorithm ${SigningAlgorithm}.`;
      const wrong = { ...request, Message: bytes(length) };
      expect(await refusal(client.sign(wrong))).toBe(text);
      expect(await refusal(client.verify({ ...wrong, Signature }))).toBe(text);
    }
  });
});

describe("sign, verify", () => {
  it("accept a message and its digest alike, whatever the message", async () => {
    const { client, KeyId } = await setup("RSA_2048");
    const SigningAlgorithm = "RSASSA_PSS_SHA_256";
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 4096 }), async (message) => {
        const raw = { KeyId, Message: message, SigningAlgorithm };
        const digest = {
          ...raw,
          Message: digestOf(SigningAlgorithm, message),
          MessageType: "DIGEST",
        };
        const { Signature: one } = await client.sign(raw);
        const { Signature: other } = await client.sign(digest);
        expect((await client.verify({ ...digest, Signature: one })).SignatureValid).toBe(true);
        expect((await client.verify({ ...raw, Signature: other })).SignatureValid).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  it("wipe their copies of the message, whatever becomes of the call", async () => {
    const { client, KeyId } = await setup("ECC_NIST_P256");
    vi.mocked(signWith).mockClear();
    vi.mocked(verifyWith).mockClear();
    const request = { KeyId, Message, SigningAlgorithm: "ECDSA_SHA_256" };
    await client.sign(request);
    await rejection(client.verify({ ...request, Signature: bytes(70) }));
    const signed = vi.mocked(signWith).mock.calls.map(([, , message]) => message);
    const verified = vi.mocked(verifyWith).mock.calls.map(([, , message]) => message);
    expect([signed, verified]).toEqual([
      [new Uint8Array(Message.length)],
      [new Uint8Array(Message.length)],
    ]);
  });

  it("take requests as they were when called, and leave them so", async () => {
    const { client, KeyId } = await setup("ECC_NIST_P256");
    const message = Buffer.alloc(20, 7);
    const request = { KeyId, SigningAlgorithm: "ECDSA_SHA_256" };
    const { Signature } = await client.sign({ ...request, Message: message });
    expect(plain(message)).toEqual(bytes(20));
    const signature = Signature.slice();
    const verifying = client.verify({ ...request, Message: message, Signature: signature });
    message.fill(0);
    signature.fill(0);
    expect((await verifying).SignatureValid).toBe(true);
  });
});

describe("refusals", () => {
  it("say which algorithm fits which key", async () => {
    const { client } = await tempKeystore();
    for (const [spec, SigningAlgorithm] of [
      ["ECC_NIST_P256", "ECDSA_SHA_384"],
      ["ECC_NIST_P256", "RSASSA_PSS_SHA_256"],
      ["ECC_SECG_P256K1", "ECDSA_SHA_512"],
      ["RSA_2048", "ECDSA_SHA_256"],
      ["RSA_2048", "SM2DSA"],
      ["RSA_2048", "ED25519_PH_SHA_512"],
      ["ECC_NIST_EDWARDS25519", "ML_DSA_SHAKE_256"],
      ["ECC_NIST_EDWARDS25519", "ECDSA_SHA_512"],
    ] as const) {
      const KeyId = await keyOf(client, spec, "SIGN_VERIFY");
      const text = `InvalidKeyUsageException: Algorithm ${SigningAlgorithm} is incompatible with key spec ${spec}.`;
      const request = { KeyId, Message, SigningAlgorithm };
      expect(await refusal(client.sign(request))).toBe(text);
      expect(await refusal(client.verify({ ...request, Signature: bytes(64) }))).toBe(text);
    }
  });

  it("say that there is no Ed25519ph", async () => {
    const { client, KeyId } = await setup("ECC_NIST_EDWARDS25519");
    const SigningAlgorithm = "ED25519_PH_SHA_512";
    const request = { KeyId, Message: bytes(64), MessageType: "DIGEST", SigningAlgorithm };
    expect(await refusal(client.sign(request))).toBe(
      "UnsupportedOperationException: Algorithm ED25519_PH_SHA_512 is not supported by this KMS: Node.js has no Ed25519ph. Sign the message itself with ED25519_SHA_512",
    );
  });

  it.skipIf(!allSpecs.includes("ML_DSA_65"))(
    "say that ML-DSA signs whole messages only (on Node.js 24 with OpenSSL 3.5)",
    async () => {
      const { client, KeyId } = await setup("ML_DSA_65");
      const SigningAlgorithm = "ML_DSA_SHAKE_256";
      const request = { KeyId, Message: bytes(64), MessageType: "EXTERNAL_MU", SigningAlgorithm };
      const text =
        "UnsupportedOperationException: MessageType EXTERNAL_MU is not supported by this KMS: Node.js computes µ itself. Pass the message with MessageType RAW";
      expect(await refusal(client.sign(request))).toBe(text);
      expect(await refusal(client.verify({ ...request, Signature: bytes(3309) }))).toBe(text);
      const wrong = { ...request, SigningAlgorithm: "ED25519_SHA_512" };
      expect(await refusal(client.sign(wrong))).toBe(
        "InvalidKeyUsageException: Algorithm ED25519_SHA_512 is incompatible with key spec ML_DSA_65.",
      );
    },
  );

  it("say of EXTERNAL_MU that no other algorithm takes it", async () => {
    const { client, KeyId } = await setup("ECC_NIST_P384");
    const SigningAlgorithm = "ECDSA_SHA_384";
    const request = { KeyId, Message: bytes(64), MessageType: "EXTERNAL_MU", SigningAlgorithm };
    expect(await refusal(client.sign(request))).toBe(
      "ValidationException: MessageType EXTERNAL_MU is not valid for algorithm ECDSA_SHA_384.",
    );
  });

  it("name what a key is for", async () => {
    const { client } = await tempKeystore();
    const hmac = await keyOf(client, "HMAC_256", "GENERATE_VERIFY_MAC");
    const symmetric = await newKey(client);
    const encrypting = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    const agreeing = await keyOf(client, "ECC_NIST_P256", "KEY_AGREEMENT");
    for (const [KeyId, usage] of [
      [hmac, "GENERATE_VERIFY_MAC"],
      [symmetric, "ENCRYPT_DECRYPT"],
      [encrypting, "ENCRYPT_DECRYPT"],
      [agreeing, "KEY_AGREEMENT"],
    ] as const) {
      const request = { KeyId, Message, SigningAlgorithm: "RSASSA_PSS_SHA_256" };
      const text = `InvalidKeyUsageException: ${arn(KeyId)} key usage is ${usage} which is not valid for`;
      expect(await refusal(client.sign(request))).toBe(`${text} Sign.`);
      const Signature = bytes(256);
      expect(await refusal(client.verify({ ...request, Signature }))).toBe(`${text} Verify.`);
    }
    const signing = await keyOf(client, "RSA_2048", "SIGN_VERIFY");
    const EncryptionAlgorithm = "RSAES_OAEP_SHA_256";
    expect(
      await refusal(client.encrypt({ KeyId: signing, Plaintext: Message, EncryptionAlgorithm })),
    ).toBe(
      `InvalidKeyUsageException: ${arn(signing)} key usage is SIGN_VERIFY which is not valid for Encrypt.`,
    );
  });

  it("hold the members to AWS's bounds", async () => {
    const { client, KeyId } = await setup("RSA_2048");
    const SigningAlgorithm = "RSASSA_PSS_SHA_256";
    const good = { KeyId, Message, SigningAlgorithm, Signature: bytes(256) };
    const violation = "ValidationException: 1 validation error detected:";
    const member = "failed to satisfy constraint: Member must";
    for (const [changed, text] of [
      [{ SigningAlgorithm: undefined }, `Value null at 'signingAlgorithm' ${member} not be null`],
      [
        { SigningAlgorithm: "RSA" },
        `Value 'RSA' at 'signingAlgorithm' ${member} satisfy enum value set: [RSASSA_PSS_SHA_256, RSASSA_PSS_SHA_384, RSASSA_PSS_SHA_512, RSASSA_PKCS1_V1_5_SHA_256, RSASSA_PKCS1_V1_5_SHA_384, RSASSA_PKCS1_V1_5_SHA_512, ECDSA_SHA_256, ECDSA_SHA_384, ECDSA_SHA_512, ED25519_SHA_512, ED25519_PH_SHA_512, SM2DSA, ML_DSA_SHAKE_256]`,
      ],
      [
        { MessageType: "raw" },
        `Value 'raw' at 'messageType' ${member} satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]`,
      ],
      [{ Message: undefined }, `Value null at 'message' ${member} not be null`],
      [
        { Message: bytes(0) },
        `Value at 'message' ${member} have length greater than or equal to 1`,
      ],
      [
        { Message: bytes(4097) },
        `Value at 'message' ${member} have length less than or equal to 4096`,
      ],
    ] as const) {
      expect(await refusal(client.verify({ ...good, ...changed }))).toBe(`${violation} ${text}`);
      const { Signature: _, ...request } = { ...good, ...changed };
      expect(await refusal(client.sign(request))).toBe(`${violation} ${text}`);
    }
    for (const [Signature, text] of [
      [undefined, `Value null at 'signature' ${member} not be null`],
      [bytes(0), `Value at 'signature' ${member} have length greater than or equal to 1`],
      [bytes(6145), `Value at 'signature' ${member} have length less than or equal to 6144`],
    ] as const) {
      expect(await refusal(client.verify({ ...good, Signature }))).toBe(`${violation} ${text}`);
    }
    const largest = { KeyId, Message: bytes(4096), SigningAlgorithm };
    const { Signature } = await client.sign(largest);
    expect((await client.verify({ ...largest, Signature })).SignatureValid).toBe(true);
  });

  it("follow the key's state", async () => {
    const { client, KeyId } = await setup("ECC_NIST_P256");
    const request = { KeyId, Message, SigningAlgorithm: "ECDSA_SHA_256" };
    const texts = [
      `DisabledException: ${arn(KeyId)} is disabled.`,
      `KMSInvalidStateException: ${arn(KeyId)} is pending deletion.`,
    ];
    const sign = () => client.sign(request);
    const verify = () => client.verify({ ...request, Signature: bytes(70) });
    expect(await refusalsByState(client, KeyId, sign)).toEqual(texts);
    expect(await refusalsByState(client, KeyId, verify)).toEqual(texts);
  });

  it("come from kms:SigningAlgorithm and kms:MessageType in a policy", async () => {
    const { client } = await tempKeystore();
    const SigningAlgorithm = "ECDSA_SHA_256";
    for (const [key, value] of [
      ["kms:SigningAlgorithm", SigningAlgorithm],
      ["kms:MessageType", "RAW"],
    ] as const) {
      for (const action of ["Sign", "Verify"] as const) {
        const policy = denying(action, key, value);
        const KeyId = await keyOf(client, "ECC_NIST_P256", "SIGN_VERIFY", policy);
        const request = { KeyId, Message, SigningAlgorithm };
        const call =
          action === "Sign"
            ? client.sign(request)
            : client.verify({ ...request, Signature: Message });
        expect((await rejection(call)).name).toBe("AccessDeniedException");
      }
    }
  });

  it("tell in a dry run what the call would come to", async () => {
    const { client, KeyId } = await setup("ECC_NIST_P256");
    const request = { KeyId, Message, SigningAlgorithm: "ECDSA_SHA_256" };
    const { Signature } = await client.sign(request);
    const fine =
      "DryRunOperationException: The request would have succeeded, but the DryRun option is set.";
    expect(await refusal(client.sign({ ...request, DryRun: true }))).toBe(fine);
    expect(await refusal(client.verify({ ...request, Signature, DryRun: true }))).toBe(fine);
    const bad = { ...request, Signature: flipped(Signature, 9), DryRun: true };
    expect(await refusal(client.verify(bad))).toBe("KMSInvalidSignatureException: ");
  });
});

it("refuses a digest that is 0 modulo the order of the curve", async () => {
  const { client, KeyId } = await setup("ECC_NIST_P256");
  const request = { KeyId, Message: new Uint8Array(32), MessageType: "DIGEST" };
  expect(await refusal(client.sign({ ...request, SigningAlgorithm: "ECDSA_SHA_256" }))).toBe(
    "ValidationException: Digest is invalid for algorithm ECDSA_SHA_256.",
  );
});
