/** Instruction files: written, read, and given other wrapped keys. */
import { createSecretKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { S3Client } from "@aws-sdk/client-s3";
import { Cmk } from "@env/core";
import { MemoryKms } from "@env/core/testing";
import { startS3Server } from "@env/test-servers/s3";
import { pattern, same } from "@env/testkit/bytes";
import { rejection } from "@env/testkit/refusal";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { aesKeyring, kmsKeyring, rsaKeyring, s3EncryptionClient } from "../../src/s3ec/index.ts";
import { refuses } from "./support/opened.ts";

const server = await startS3Server({ buckets: ["b"] });
const client = new S3Client({ ...server.clientOptions, maxAttempts: 1 });
afterAll(async () => {
  client.destroy();
  await server.close();
});
beforeEach(() => {
  server.hook = undefined;
  server.requests.length = 0;
});

const keyring = aesKeyring(createSecretKey(randomBytes(32)), {
  materialDescription: { generation: "1" },
});
const next = aesKeyring(createSecretKey(randomBytes(32)), {
  materialDescription: { generation: "2" },
});
const partner = rsaKeyring(generateKeyPairSync("rsa", { modulusLength: 2048 }));
const kms = new MemoryKms({ provider: "aws-kms" });
const kmsRing = kmsKeyring(new Cmk(kms.driver(kms.createKey())));
const objects = s3EncryptionClient({ client, keyring });
const name = { Bucket: "b", Key: "report" };
const plaintext = pattern(1000);

function put(): Promise<unknown> {
  return objects.put({ ...name, Body: plaintext }, { instructionFile: true });
}

function sent(): string[] {
  return server.requests.map(({ operation, key }) => `${operation} ${key}`);
}

describe("an instruction file", () => {
  it("holds the wrapped key of V3, while the commitment stays with the object", async () => {
    await put();
    const object = server.object("b", "report");
    expect(Object.keys(object?.metadata ?? {}).toSorted()).toEqual([
      "x-amz-c",
      "x-amz-d",
      "x-amz-i",
    ]);
    const file = server.object("b", "report.instruction");
    expect(Object.keys(JSON.parse(String(file?.body)) as object).toSorted()).toEqual([
      "x-amz-3",
      "x-amz-m",
      "x-amz-w",
    ]);
    expect(file?.metadata).toEqual({ "x-amz-crypto-instr-file": "" });
    const found = await objects.get(name);
    expect(same(found.body, plaintext)).toBe(true);
    expect(found.encryption).toEqual({
      version: "V3",
      placement: "instruction-file",
      wrapAlgorithm: "AES/GCM",
      contentAlgorithm: "115",
      description: { generation: "1" },
    });
    expect((await objects.head(name)).plaintextBytes).toBe(1000);
  });

  it("holds all headers of V2", async () => {
    const old = s3EncryptionClient({
      client,
      keyring,
      commitmentPolicy: "FORBID_ENCRYPT_ALLOW_DECRYPT",
      allowLegacy: true,
    });
    await old.put({ ...name, Body: plaintext }, { instructionFile: true });
    expect(server.object("b", "report")?.metadata).toEqual({});
    expect(same((await old.get(name)).body, plaintext)).toBe(true);
    await old.rewrap(name, { to: next });
    const reader = s3EncryptionClient({ client, keyring: next, allowLegacy: true });
    expect(same((await reader.get(name)).body, plaintext)).toBe(true);
    await refuses("ERR_ENVELOPE_DECRYPT", () => old.get(name));
  });

  it("is missed with the name that was looked for", async () => {
    await put();
    const error = await refuses("ERR_ENVELOPE_NO_KEY", () =>
      objects.get(name, { instructionFileSuffix: "other" }),
    );
    expect(error.message).toContain('"report.other"');
  });

  it("is refused where it is too long, not UTF-8, or not a file for this object", async () => {
    await put();
    const body = server.object("b", "report.instruction")?.body ?? Buffer.alloc(0);
    const bodies = [
      Buffer.concat([body, Buffer.alloc(40_000, " ")]),
      Buffer.from(String(body), "utf16le"),
      Buffer.concat([body.subarray(0, -2), Buffer.from([0xff]), body.subarray(-2)]),
      Buffer.alloc(0),
    ];
    for (const each of bodies) {
      server.alter("b", "report.instruction", { body: each });
      await refuses("ERR_ENVELOPE_FORMAT", () => objects.get(name));
    }
    await refuses("ERR_ENVELOPE_FORMAT", () => objects.get({ ...name, Key: "report.instruction" }));
  });
});

describe("rewrap", () => {
  it("replaces the wrapped key and leaves the object alone", async () => {
    await put();
    const before = server.object("b", "report");
    server.requests.length = 0;
    await objects.rewrap(name, { to: next });
    expect(sent()).toEqual([
      "HeadObject report",
      "GetObject report.instruction",
      "PutObject report.instruction",
    ]);
    expect(server.object("b", "report")).toEqual(before);
    const reader = s3EncryptionClient({ client, keyring: next });
    const found = await reader.get(name);
    expect(same(found.body, plaintext)).toBe(true);
    expect(found.encryption.description).toEqual({ generation: "2" });
    await refuses("ERR_ENVELOPE_DECRYPT", () => objects.get(name));
  });

  it("gives the object to a further reader under another suffix", async () => {
    await put();
    await objects.rewrap(name, { to: partner, toSuffix: "partner" });
    const reader = s3EncryptionClient({ client, keyring: partner });
    const theirs = await reader.get(name, { instructionFileSuffix: ".partner" });
    expect(same(theirs.body, plaintext)).toBe(true);
    expect(same((await objects.get(name)).body, plaintext)).toBe(true);
    await reader.rewrap(name, { to: next, instructionFileSuffix: "partner" });
    const third = s3EncryptionClient({ client, keyring: next });
    expect((await third.get(name, { instructionFileSuffix: "partner" })).body).toHaveLength(1000);
  });

  it("moves a wrap between kinds of keyrings, with the context of KMS", async () => {
    await put();
    await objects.rewrap(name, { to: kmsRing, toContext: { app: "a" } });
    const reader = s3EncryptionClient({ client, keyring: kmsRing });
    expect((await reader.get(name, { context: { app: "a" } })).body).toHaveLength(1000);
    await reader.rewrap(name, { to: kmsRing, context: { app: "a" }, toContext: { app: "b" } });
    await refuses("ERR_ENVELOPE_DECRYPT", () => reader.get(name, { context: { app: "a" } }));
    await reader.rewrap(name, { to: partner, context: { app: "b" } });
    expect((await s3EncryptionClient({ client, keyring: partner }).get(name)).body).toHaveLength(
      1000,
    );
  });

  it("does not overwrite what somebody else has written meanwhile", async () => {
    await put();
    server.hook = ({ operation }) => {
      if (operation === "PutObject") {
        server.alter("b", "report.instruction", { body: Buffer.from("theirs") });
      }
    };
    const error = await rejection(objects.rewrap(name, { to: next }));
    expect(error.name).toBe("PreconditionFailed");
    expect(String(server.object("b", "report.instruction")?.body)).toBe("theirs");
  });

  it("wraps nothing that the commitment does not confirm", async () => {
    await put();
    const swapped = server.object("b", "report.instruction")?.body ?? Buffer.alloc(0);
    await put();
    server.alter("b", "report.instruction", { body: swapped });
    server.requests.length = 0;
    await refuses("ERR_ENVELOPE_DECRYPT", () => objects.rewrap(name, { to: next }));
    expect(sent()).not.toContain("PutObject report.instruction");
  });

  it("refuses objects without an instruction file, and a context that nothing binds", async () => {
    await objects.put({ ...name, Body: plaintext });
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () => objects.rewrap(name, { to: next }));
    const wrong = [{ to: next, toContext: {} }, { to: next, suffix: "x" }, { to: {} }, {}];
    for (const options of wrong) {
      const call = objects.rewrap(name, options as Parameters<typeof objects.rewrap>[1]);
      expect(await rejection(call)).toBeInstanceOf(TypeError);
    }
  });

  it("refuses AES-CBC, which it would make look authenticated", async () => {
    server.put("b", "report", { body: Buffer.alloc(16) });
    const fields = { "x-amz-key": "A".repeat(64), "x-amz-iv": `${"A".repeat(22)}==` };
    server.put("b", "report.instruction", { body: Buffer.from(JSON.stringify(fields)) });
    const legacy = s3EncryptionClient({ client, keyring, allowLegacy: true });
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () => legacy.rewrap(name, { to: next }));
  });
});
