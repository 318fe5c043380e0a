import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import type { KmsClient } from "../../src/index.ts";
import { keyMaterialId } from "../../src/keys/key.ts";
import { bytes, keyOf } from "../support/kinds.ts";
import { arn, auditRecords, newKey, refusal, tempKeystore } from "../support/keystore.ts";

const setup = async (): Promise<{ client: KmsClient; KeyId: string }> => {
  const { client } = await tempKeystore();
  return { client, KeyId: await newKey(client, "alias/app") };
};

describe("encrypt, decrypt", () => {
  it("name the key by its ARN", async () => {
    const { client, KeyId } = await setup();
    const made = await client.encrypt({ KeyId: "alias/app", Plaintext: bytes(4096) });
    expect(made).toEqual({
      CiphertextBlob: expect.any(Uint8Array),
      KeyId: arn(KeyId),
      EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
    });
    const { CiphertextBlob } = made;
    expect(await client.decrypt({ KeyId: "alias/app", CiphertextBlob })).toEqual({
      Plaintext: bytes(4096),
      KeyId: arn(KeyId),
      EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      KeyMaterialId: keyMaterialId(KeyId, 1),
    });
  });

  it("bind the context exactly, in any order", async () => {
    const { client, KeyId } = await setup();
    const EncryptionContext = { tenant: "acme", purpose: "" };
    const request = { KeyId, Plaintext: bytes(1), EncryptionContext };
    const { CiphertextBlob } = await client.encrypt(request);
    const decrypt = (context?: Record<string, string>): Promise<{ Plaintext: Uint8Array }> =>
      client.decrypt({ CiphertextBlob, EncryptionContext: context });
    expect((await decrypt({ purpose: "", tenant: "acme" })).Plaintext).toEqual(bytes(1));
    for (const context of [
      undefined,
      {},
      { tenant: "acme" },
      { tenant: "Acme", purpose: "" },
      { tenant: "acme", purpose: "", extra: "" },
      { tenantacme: "", purpose: "" },
    ]) {
      expect((await rejection(decrypt(context))).name).toBe("InvalidCiphertextException");
    }
  });

  it("treat no context and the empty one alike", async () => {
    const { client, KeyId } = await setup();
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    const { Plaintext } = await client.decrypt({ CiphertextBlob, EncryptionContext: {} });
    expect(Plaintext).toEqual(bytes(1));
  });

  it("refuse a context beyond its bound before anything else, and record that", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const stranger = keystore.as("arn:aws:iam::000000000000:user/stranger");
    const Plaintext = new Uint8Array(1);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext });
    const context = Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [`k${i}`, ""]));
    const calls: ((user: KmsClient) => Promise<unknown>)[] = [
      (user) => user.encrypt({ KeyId, Plaintext, EncryptionContext: context }),
      (user) => user.decrypt({ CiphertextBlob, EncryptionContext: context }),
      (user) => user.generateDataKey({ KeyId, KeySpec: "AES_256", EncryptionContext: context }),
      (user) =>
        user.reEncrypt({
          CiphertextBlob,
          DestinationKeyId: KeyId,
          DestinationEncryptionContext: context,
        }),
    ];
    for (const call of calls) {
      for (const user of [client, stranger]) {
        expect(await refusal(call(user))).toBe(
          "ValidationException: 1 validation error detected: Value at 'encryptionContext' failed to satisfy constraint: Member must have at most 8192 bytes in its canonical encoding",
        );
      }
    }
    const records = (await auditRecords(keystore)).slice(-2 * calls.length);
    expect(records.map(({ errorCode }) => errorCode)).toEqual(
      records.map(() => "ValidationException"),
    );
    const largest = { k: "x".repeat(8187) };
    const made = await client.encrypt({ KeyId, Plaintext, EncryptionContext: largest });
    const opened = await client.decrypt({ ...made, EncryptionContext: largest });
    expect(opened.Plaintext).toEqual(Plaintext);
  });

  it("find the key of a blob without a KeyId, and refuse one that differs from the blob's", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    expect((await client.decrypt({ CiphertextBlob })).KeyId).toBe(arn(KeyId));
    expect(await refusal(client.decrypt({ KeyId: other, CiphertextBlob }))).toBe(
      "IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation.",
    );
  });

  it("do not tell whether a foreign blob's key exists", async () => {
    const { client, KeyId } = await setup();
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    CiphertextBlob[1] = (CiphertextBlob[1] ?? 0) ^ 1;
    expect(await refusal(client.decrypt({ CiphertextBlob }))).toBe(
      "AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
    );
    expect((await rejection(client.decrypt({ KeyId, CiphertextBlob }))).name).toBe(
      "IncorrectKeyException",
    );
  });

  it("refuse every altered bit, and every cut, with one error", async () => {
    const { client, KeyId } = await setup();
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(2) });
    const messages = new Set<string>();
    const refuse = async (blob: Uint8Array): Promise<void> => {
      messages.add(await refusal(client.decrypt({ CiphertextBlob: blob })));
    };
    for (let bit = 17 * 8; bit < CiphertextBlob.length * 8; bit++) {
      const altered = CiphertextBlob.slice();
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await refuse(altered);
    }
    for (let end = 1; end < CiphertextBlob.length; end++)
      await refuse(CiphertextBlob.subarray(0, end));
    await refuse(Uint8Array.of(...CiphertextBlob, 0));
    expect([...messages]).toEqual([expect.stringMatching(/^InvalidCiphertextException: /)]);
  });

  it("neither change nor keep the caller's bytes", async () => {
    const { client, KeyId } = await setup();
    const Plaintext = bytes(3);
    const { CiphertextBlob: made } = await client.encrypt({ KeyId, Plaintext });
    expect(Plaintext).toEqual(bytes(3));
    const encrypting = client.encrypt({ KeyId, Plaintext });
    Plaintext.fill(1);
    const { CiphertextBlob } = await encrypting;
    expect((await client.decrypt({ CiphertextBlob: made })).Plaintext).toEqual(bytes(3));
    const blob = CiphertextBlob.slice();
    const first = await client.decrypt({ CiphertextBlob });
    first.Plaintext.fill(0);
    expect(CiphertextBlob).toEqual(blob);
    expect((await client.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(3));
  });
});

describe("reEncrypt", () => {
  it("moves a blob to another key, version and context", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client);
    await client.rotateKeyOnDemand({ KeyId: other });
    const from = { a: "1" };
    const to = { b: "2" };
    const { CiphertextBlob } = await client.encrypt({
      KeyId,
      Plaintext: bytes(5),
      EncryptionContext: from,
    });
    const moved = await client.reEncrypt({
      CiphertextBlob,
      SourceKeyId: "alias/app",
      SourceEncryptionContext: from,
      DestinationKeyId: other,
      DestinationEncryptionContext: to,
    });
    expect(moved).toEqual({
      CiphertextBlob: expect.any(Uint8Array),
      SourceKeyId: arn(KeyId),
      KeyId: arn(other),
      SourceEncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      DestinationEncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      SourceKeyMaterialId: keyMaterialId(KeyId, 1),
      DestinationKeyMaterialId: keyMaterialId(other, 2),
    });
    const request = { CiphertextBlob: moved.CiphertextBlob, KeyId: other, EncryptionContext: to };
    expect((await client.decrypt(request)).Plaintext).toEqual(bytes(5));
  });

  it("refuses a wrong source context, source key or a disabled destination", async () => {
    const { client, KeyId } = await setup();
    const other = await newKey(client);
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    const request = { CiphertextBlob, DestinationKeyId: other };
    const name = async (more: object): Promise<string> =>
      (await rejection(client.reEncrypt({ ...request, ...more }))).name;
    expect(await name({ SourceEncryptionContext: { a: "b" } })).toBe("InvalidCiphertextException");
    expect(await name({ SourceKeyId: other })).toBe("IncorrectKeyException");
    await client.disableKey({ KeyId: other });
    expect(await name({})).toBe("DisabledException");
  });
});

describe("DryRun", () => {
  it("ends in its own exception where the call would succeed, else in the real one", async () => {
    const { client, KeyId } = await setup();
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
    const DryRun = true;
    const calls = (): Promise<unknown>[] => [
      client.encrypt({ KeyId, Plaintext: bytes(1), DryRun }),
      client.decrypt({ CiphertextBlob, DryRun }),
      client.reEncrypt({ CiphertextBlob, DestinationKeyId: KeyId, DryRun }),
      client.generateDataKey({ KeyId, KeySpec: "AES_256", DryRun }),
      client.generateDataKeyWithoutPlaintext({ KeyId, KeySpec: "AES_256", DryRun }),
    ];
    for (const call of calls()) {
      expect(await refusal(call)).toBe(
        "DryRunOperationException: The request would have succeeded, but the DryRun option is set.",
      );
    }
    const EncryptionContext = { a: "b" };
    const wrong = client.decrypt({ CiphertextBlob, EncryptionContext, DryRun });
    expect((await rejection(wrong)).name).toBe("InvalidCiphertextException");
    await client.disableKey({ KeyId });
    for (const call of calls()) expect((await rejection(call)).name).toBe("DisabledException");
  });
});

describe("RSA keys", () => {
  const algorithms = ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"] as const;
  const most = { RSAES_OAEP_SHA_1: 214, RSAES_OAEP_SHA_256: 190 };

  it("encrypt and decrypt, up to what fits the algorithm", async () => {
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    for (const EncryptionAlgorithm of algorithms) {
      const request = { KeyId, EncryptionAlgorithm };
      const Plaintext = bytes(most[EncryptionAlgorithm]);
      const { CiphertextBlob, ...rest } = await client.encrypt({ ...request, Plaintext });
      expect(rest).toEqual({ KeyId: arn(KeyId), EncryptionAlgorithm });
      expect(CiphertextBlob).toHaveLength(256);
      expect(await client.decrypt({ ...request, CiphertextBlob })).toEqual({
        Plaintext,
        KeyId: arn(KeyId),
        EncryptionAlgorithm,
      });
      const tooLong = bytes(most[EncryptionAlgorithm] + 1);
      expect(await refusal(client.encrypt({ ...request, Plaintext: tooLong }))).toBe(
        `ValidationException: Algorithm ${EncryptionAlgorithm} and key spec RSA_2048 cannot encrypt data larger than ${most[EncryptionAlgorithm]} bytes.`,
      );
    }
  });

  it("need the key and the algorithm to be named, and take no context", async () => {
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    const EncryptionAlgorithm = "RSAES_OAEP_SHA_256";
    const request = { KeyId, Plaintext: bytes(1) };
    expect(await refusal(client.encrypt(request))).toBe(
      "InvalidKeyUsageException: Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.",
    );
    const { CiphertextBlob } = await client.encrypt({ ...request, EncryptionAlgorithm });
    expect(await refusal(client.decrypt({ CiphertextBlob, EncryptionAlgorithm }))).toBe(
      "ValidationException: 1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null",
    );
    const EncryptionContext = { tenant: "acme" };
    const withContext = { KeyId, CiphertextBlob, EncryptionAlgorithm, EncryptionContext };
    expect(await refusal(client.decrypt(withContext))).toBe(
      "ValidationException: Algorithm RSAES_OAEP_SHA_256 takes no encryption context.",
    );
    CiphertextBlob[0] = (CiphertextBlob[0] ?? 0) ^ 1;
    const altered = client.decrypt({ KeyId, CiphertextBlob, EncryptionAlgorithm });
    expect((await rejection(altered)).name).toBe("InvalidCiphertextException");
  });

  it("exchange blobs with symmetric keys through ReEncrypt", async () => {
    const { client, KeyId } = await setup();
    const rsa = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    const EncryptionContext = { tenant: "acme" };
    const { CiphertextBlob } = await client.encrypt({
      KeyId,
      Plaintext: bytes(32),
      EncryptionContext,
    });
    const there = await client.reEncrypt({
      CiphertextBlob,
      SourceEncryptionContext: EncryptionContext,
      DestinationKeyId: rsa,
      DestinationEncryptionAlgorithm: "RSAES_OAEP_SHA_256",
    });
    expect(there).not.toHaveProperty("DestinationKeyMaterialId");
    const back = await client.reEncrypt({
      CiphertextBlob: there.CiphertextBlob,
      SourceKeyId: rsa,
      SourceEncryptionAlgorithm: "RSAES_OAEP_SHA_256",
      DestinationKeyId: KeyId,
    });
    expect(back).not.toHaveProperty("SourceKeyMaterialId");
    const { Plaintext } = await client.decrypt({ CiphertextBlob: back.CiphertextBlob });
    expect(Plaintext).toEqual(bytes(32));
  });

  it("refuse an asymmetric algorithm for a symmetric key, and an unknown algorithm", async () => {
    const { client, KeyId } = await setup();
    const encrypt = (EncryptionAlgorithm: string): Promise<string> =>
      refusal(client.encrypt({ KeyId, Plaintext: bytes(1), EncryptionAlgorithm }));
    expect(await encrypt("RSAES_OAEP_SHA_1")).toBe(
      "InvalidKeyUsageException: Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT.",
    );
    expect(await encrypt("ROT13")).toBe(
      "ValidationException: 1 validation error detected: Value 'ROT13' at 'encryptionAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256]",
    );
  });
});

it("finds a multi-Region key by its blob", async () => {
  const { client } = await tempKeystore();
  const { KeyMetadata } = await client.createKey({ MultiRegion: true });
  const { KeyId } = KeyMetadata;
  const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(3) });
  expect(await client.decrypt({ CiphertextBlob })).toMatchObject({
    Plaintext: bytes(3),
    KeyId: KeyMetadata.Arn,
  });
});

describe("a dry run without a ciphertext", () => {
  const modified = { DryRun: true, DryRunModifiers: ["IGNORE_CIPHERTEXT"] };
  const EncryptionContext = { tenant: "acme" };

  it("succeeds where the key could be used, whether a ciphertext is there or not", async () => {
    const { client, KeyId } = await setup();
    const calls = [
      client.decrypt({ KeyId, EncryptionContext, ...modified }),
      client.decrypt({ KeyId, CiphertextBlob: bytes(7), ...modified }),
      client.reEncrypt({ SourceKeyId: KeyId, DestinationKeyId: "alias/app", ...modified }),
    ];
    for (const call of calls) expect((await rejection(call)).name).toBe("DryRunOperationException");
  });

  it("is refused by policy, by state and for other keys as the call would be", async () => {
    const { client, keystore } = await tempKeystore();
    const KeyId = await newKey(client);
    const bob = keystore.as("user/bob");
    expect((await rejection(bob.decrypt({ KeyId, ...modified }))).name).toBe(
      "AccessDeniedException",
    );
    const rsa = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    expect(await refusal(client.decrypt({ KeyId: rsa, ...modified }))).toContain(
      "InvalidKeyUsageException: Algorithm SYMMETRIC_DEFAULT is incompatible",
    );
    await client.disableKey({ KeyId });
    expect((await rejection(client.decrypt({ KeyId, ...modified }))).name).toBe(
      "DisabledException",
    );
  });

  it("needs DryRun and the key, and knows one modifier", async () => {
    const { client, KeyId } = await setup();
    const { DryRunModifiers } = modified;
    expect(await refusal(client.decrypt({ KeyId, DryRunModifiers }))).toBe(
      "ValidationException: DryRunModifiers can only be used with DryRun.",
    );
    expect(await refusal(client.decrypt({ ...modified }))).toContain("'keyId'");
    const other = { ...modified, DryRunModifiers: ["IGNORE_EVERYTHING"] };
    expect(await refusal(client.decrypt({ KeyId, ...other }))).toContain(
      "Member must satisfy enum value set: [IGNORE_CIPHERTEXT]",
    );
    expect(await refusal(client.decrypt({ KeyId, DryRun: true, DryRunModifiers: [] }))).toContain(
      "'ciphertextBlob'",
    );
  });
});
