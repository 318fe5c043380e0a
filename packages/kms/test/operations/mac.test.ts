import { createHmac } from "node:crypto";
import { rejection } from "@env/testkit/refusal";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { KmsClient } from "../../src/index.ts";
import { computeMac, verifyMac as isMacOf } from "../../src/material/hmac.ts";
import { bytes, denying, keyOf, refusalsByState } from "../support/kinds.ts";
import { arn, newKey, refusal, tempKeystore } from "../support/keystore.ts";
import { flipped, plain, utf8 } from "../support/material.ts";
import { importInto } from "../support/wrapping.ts";

vi.mock(import("../../src/material/hmac.ts"), async (original) => {
  const real = await original();
  return {
    computeMac: vi.fn<typeof real.computeMac>(real.computeMac),
    verifyMac: vi.fn<typeof real.verifyMac>(real.verifyMac),
  };
});

const specs = [
  ["HMAC_224", "HMAC_SHA_224", 28],
  ["HMAC_256", "HMAC_SHA_256", 32],
  ["HMAC_384", "HMAC_SHA_384", 48],
  ["HMAC_512", "HMAC_SHA_512", 64],
] as const;

const Message = utf8("a message");

async function setup(): Promise<{ client: KmsClient; KeyId: string }> {
  const { client } = await tempKeystore();
  return { client, KeyId: await keyOf(client, "HMAC_256", "GENERATE_VERIFY_MAC") };
}

describe("generateMac, verifyMac", () => {
  it.each(specs)("make and verify the MACs of %s", async (KeySpec, MacAlgorithm, length) => {
    const { client } = await tempKeystore();
    const KeyId = await keyOf(client, KeySpec, "GENERATE_VERIFY_MAC");
    const request = { KeyId, Message, MacAlgorithm };
    const { Mac, ...rest } = await client.generateMac(request);
    expect(rest).toEqual({ KeyId: arn(KeyId), MacAlgorithm });
    expect(Mac).toHaveLength(length);
    expect(await client.verifyMac({ ...request, Mac })).toEqual({
      KeyId: arn(KeyId),
      MacAlgorithm,
      MacValid: true,
    });
  });

  it("compute HMAC under the key's own material", async () => {
    const { client } = await tempKeystore();
    const { KeyMetadata } = await client.createKey({
      KeySpec: "HMAC_384",
      KeyUsage: "GENERATE_VERIFY_MAC",
      Origin: "EXTERNAL",
    });
    const { KeyId } = KeyMetadata;
    await importInto(client, KeyId, bytes(48, 3));
    const { Mac } = await client.generateMac({ KeyId, Message, MacAlgorithm: "HMAC_SHA_384" });
    expect(Mac).toEqual(plain(createHmac("sha384", bytes(48, 3)).update(Message).digest()));
  });

  it("refuse whatever is not the message's MAC, without a word", async () => {
    const { client, KeyId } = await setup();
    const request = { KeyId, Message, MacAlgorithm: "HMAC_SHA_256" };
    const { Mac } = await client.generateMac(request);
    const other = await keyOf(client, "HMAC_256", "GENERATE_VERIFY_MAC");
    for (const changed of [
      { Mac: flipped(Mac, 0) },
      { Mac: flipped(Mac, 31) },
      { Mac: Mac.subarray(0, 31) },
      { Mac: Uint8Array.of(...Mac, 0) },
      { Mac: bytes(6144) },
      { Message: flipped(Message, 0) },
      { KeyId: other },
    ]) {
      expect(await refusal(client.verifyMac({ ...request, Mac, ...changed }))).toBe(
        "KMSInvalidMacException: ",
      );
    }
  });

  it("hold for any message, and for no two alike", async () => {
    const { client, KeyId } = await setup();
    const MacAlgorithm = "HMAC_SHA_256";
    const message = fc.uint8Array({ minLength: 1, maxLength: 4096 });
    await fc.assert(
      fc.asyncProperty(message, message, async (one, other) => {
        fc.pre(Buffer.compare(one, other) !== 0);
        const { Mac } = await client.generateMac({ KeyId, Message: one, MacAlgorithm });
        const verified = await client.verifyMac({ KeyId, Message: one, MacAlgorithm, Mac });
        expect(verified.MacValid).toBe(true);
        const wrong = client.verifyMac({ KeyId, Message: other, MacAlgorithm, Mac });
        await expect(wrong).rejects.toMatchObject({ name: "KMSInvalidMacException" });
      }),
      { numRuns: 20 },
    );
  });

  it("leave the request's bytes unchanged, also those of a Buffer", async () => {
    const { client, KeyId } = await setup();
    for (const message of [bytes(20), Buffer.alloc(20, 7)]) {
      const request = { KeyId, Message: message, MacAlgorithm: "HMAC_SHA_256" };
      const { Mac } = await client.generateMac(request);
      const mac = Buffer.from(Mac);
      await client.verifyMac({ ...request, Mac: mac });
      expect(plain(message)).toEqual(bytes(20));
      expect(plain(mac)).toEqual(Mac);
    }
  });

  it("wipe their copies of the message, whatever becomes of the call", async () => {
    const { client, KeyId } = await setup();
    vi.mocked(computeMac).mockClear();
    vi.mocked(isMacOf).mockClear();
    const request = { KeyId, Message, MacAlgorithm: "HMAC_SHA_256" };
    await client.generateMac(request);
    await rejection(client.verifyMac({ ...request, Mac: bytes(32) }));
    const made = vi.mocked(computeMac).mock.calls.map(([, , message]) => message);
    const verified = vi.mocked(isMacOf).mock.calls.map(([, , message]) => message);
    expect([made, verified]).toEqual([
      [new Uint8Array(Message.length)],
      [new Uint8Array(Message.length)],
    ]);
  });

  it("take a message as it was when they were called", async () => {
    const { client, KeyId } = await setup();
    const message = bytes(20);
    const making = client.generateMac({ KeyId, Message: message, MacAlgorithm: "HMAC_SHA_256" });
    message.fill(0);
    const { Mac } = await making;
    const request = { KeyId, Message: bytes(20), MacAlgorithm: "HMAC_SHA_256", Mac };
    expect((await client.verifyMac(request)).MacValid).toBe(true);
  });

  it("find the key by alias, id and ARN", async () => {
    const { client, KeyId } = await setup();
    await client.createAlias({ AliasName: "alias/mac", TargetKeyId: KeyId });
    for (const name of ["alias/mac", arn(KeyId), "arn:aws:kms:local:000000000000:alias/mac"]) {
      const request = { KeyId: name, Message, MacAlgorithm: "HMAC_SHA_256" };
      const { Mac, KeyId: used } = await client.generateMac(request);
      expect(used).toBe(arn(KeyId));
      expect((await client.verifyMac({ ...request, Mac })).KeyId).toBe(arn(KeyId));
    }
  });
});

describe("refusals", () => {
  it("say which algorithm fits which key", async () => {
    const { client, KeyId } = await setup();
    const request = { KeyId, Message, MacAlgorithm: "HMAC_SHA_512" };
    const text =
      "InvalidKeyUsageException: Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256.";
    expect(await refusal(client.generateMac(request))).toBe(text);
    expect(await refusal(client.verifyMac({ ...request, Mac: bytes(32) }))).toBe(text);
  });

  it("name what a key is for", async () => {
    const { client, KeyId } = await setup();
    const symmetric = await newKey(client);
    const request = { KeyId: symmetric, Message, MacAlgorithm: "HMAC_SHA_256" };
    expect(await refusal(client.generateMac(request))).toBe(
      `InvalidKeyUsageException: ${arn(symmetric)} key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac.`,
    );
    expect(await refusal(client.verifyMac({ ...request, Mac: bytes(32) }))).toBe(
      `InvalidKeyUsageException: ${arn(symmetric)} key usage is ENCRYPT_DECRYPT which is not valid for VerifyMac.`,
    );
    const usage = `InvalidKeyUsageException: ${arn(KeyId)} key usage is GENERATE_VERIFY_MAC which is not valid for`;
    expect(await refusal(client.encrypt({ KeyId, Plaintext: Message }))).toBe(`${usage} Encrypt.`);
    expect(await refusal(client.generateDataKey({ KeyId, KeySpec: "AES_256" }))).toBe(
      `${usage} GenerateDataKey.`,
    );
  });

  it("hold the members to AWS's bounds", async () => {
    const { client, KeyId } = await setup();
    const good = { KeyId, Message, MacAlgorithm: "HMAC_SHA_256", Mac: bytes(32) };
    const violation = "ValidationException: 1 validation error detected:";
    const member = "failed to satisfy constraint: Member must";
    for (const [changed, text] of [
      [{ MacAlgorithm: undefined }, `Value null at 'macAlgorithm' ${member} not be null`],
      [
        { MacAlgorithm: "INVALID" },
        `Value 'INVALID' at 'macAlgorithm' ${member} satisfy enum value set: [HMAC_SHA_224, HMAC_SHA_256, HMAC_SHA_384, HMAC_SHA_512]`,
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
      [{ KeyId: undefined }, `Value null at 'keyId' ${member} not be null`],
    ] as const) {
      expect(await refusal(client.verifyMac({ ...good, ...changed }))).toBe(`${violation} ${text}`);
      const { Mac: _, ...request } = { ...good, ...changed };
      expect(await refusal(client.generateMac(request))).toBe(`${violation} ${text}`);
    }
    for (const [Mac, text] of [
      [undefined, `Value null at 'mac' ${member} not be null`],
      [bytes(0), `Value at 'mac' ${member} have length greater than or equal to 1`],
      [bytes(6145), `Value at 'mac' ${member} have length less than or equal to 6144`],
    ] as const) {
      expect(await refusal(client.verifyMac({ ...good, Mac }))).toBe(`${violation} ${text}`);
    }
    const largest = { KeyId, Message: bytes(4096), MacAlgorithm: "HMAC_SHA_256" };
    const { Mac } = await client.generateMac(largest);
    expect((await client.verifyMac({ ...largest, Mac })).MacValid).toBe(true);
  });

  it("follow the key's state", async () => {
    const { client, KeyId } = await setup();
    const request = { KeyId, Message, MacAlgorithm: "HMAC_SHA_256" };
    const texts = [
      `DisabledException: ${arn(KeyId)} is disabled.`,
      `KMSInvalidStateException: ${arn(KeyId)} is pending deletion.`,
    ];
    const generate = () => client.generateMac(request);
    const verify = () => client.verifyMac({ ...request, Mac: bytes(32) });
    expect(await refusalsByState(client, KeyId, generate)).toEqual(texts);
    expect(await refusalsByState(client, KeyId, verify)).toEqual(texts);
    expect((await client.generateMac(request)).KeyId).toBe(arn(KeyId));
  });

  it("come from kms:MacAlgorithm in a policy", async () => {
    const { client } = await tempKeystore();
    for (const [action, call] of [
      ["GenerateMac", "generateMac"],
      ["VerifyMac", "verifyMac"],
    ] as const) {
      const policy = denying(action, "kms:MacAlgorithm", "HMAC_SHA_256");
      const KeyId = await keyOf(client, "HMAC_256", "GENERATE_VERIFY_MAC", policy);
      const request = { KeyId, Message, MacAlgorithm: "HMAC_SHA_256", Mac: bytes(32) };
      const { Mac: _, ...short } = request;
      const answer = call === "verifyMac" ? client.verifyMac(request) : client.generateMac(short);
      expect(await refusal(answer)).toBe(
        `AccessDeniedException: User: arn:aws:iam::000000000000:root is not authorized to perform: kms:${action} on resource: ${arn(KeyId)} with an explicit deny in a resource-based policy`,
      );
    }
  });

  it("tell in a dry run what the call would come to", async () => {
    const { client, KeyId } = await setup();
    const request = { KeyId, Message, MacAlgorithm: "HMAC_SHA_256" };
    const { Mac } = await client.generateMac(request);
    const fine =
      "DryRunOperationException: The request would have succeeded, but the DryRun option is set.";
    expect(await refusal(client.generateMac({ ...request, DryRun: true }))).toBe(fine);
    expect(await refusal(client.verifyMac({ ...request, Mac, DryRun: true }))).toBe(fine);
    expect(
      await refusal(client.verifyMac({ ...request, Mac: flipped(Mac, 1), DryRun: true })),
    ).toBe("KMSInvalidMacException: ");
  });
});
