import { createSecretKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { KMS } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { awsKms } from "@env/aws-kms";
import { createKeystore } from "@env/kms";
import { createKmsServer } from "@env/kms-server";
import { startS3Server } from "@env/test-servers/s3";
import { pattern, same } from "@env/testkit/bytes";
import { rejection } from "@env/testkit/refusal";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import {
  aesKeyring,
  kmsKeyring,
  rsaKeyring,
  s3EncryptionClient,
  type CommitmentPolicy,
  type S3EncryptionClient,
  type S3Keyring,
} from "../../src/s3ec/index.ts";
import { refuses } from "./support/opened.ts";

const server = await startS3Server({ buckets: ["b"] });
const client = new S3Client({ ...server.clientOptions, maxAttempts: 1 });
const folder = mkdtempSync(join(tmpdir(), "s3ec-"));
const keystore = await createKeystore(join(folder, "kms"), {
  root: { keyFile: join(folder, "key") },
});
const kmsServer = createKmsServer(keystore, { port: 0 });
const kms = new KMS({
  ...server.clientOptions,
  region: "local",
  endpoint: await kmsServer.listen(),
});
const { KeyMetadata } = await keystore.as().createKey();

beforeEach(() => {
  server.hook = undefined;
  server.requests.length = 0;
});
afterAll(async () => {
  client.destroy();
  await server.close();
  kms.destroy();
  await kmsServer.close();
  keystore.close();
  rmSync(folder, { recursive: true });
});

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keyrings: Readonly<Record<string, S3Keyring>> = {
  kms: kmsKeyring(awsKms({ client: kms, key: KeyMetadata.Arn })),
  aes: aesKeyring(createSecretKey(randomBytes(32)), { materialDescription: { key: "ä1" } }),
  rsa: rsaKeyring({ privateKey }),
};
const writing: Readonly<Record<string, CommitmentPolicy>> = {
  V2: "FORBID_ENCRYPT_ALLOW_DECRYPT",
  V3: "REQUIRE_ENCRYPT_REQUIRE_DECRYPT",
};
const kinds = Object.keys(writing).flatMap((version) =>
  Object.keys(keyrings).map((keyring) => ({ version, keyring })),
);
const contexts = { kms: { app: "reports", note: "Zürich 😀" } } as const;

function objectsOf(keyring: string, version = "V3"): S3EncryptionClient {
  const commitmentPolicy = writing[version];
  return s3EncryptionClient({ client, keyring: keyringOf(keyring), commitmentPolicy });
}

function keyringOf(name: string): S3Keyring {
  const keyring = keyrings[name];
  if (keyring === undefined) throw new Error(`no keyring ${name}`);
  return keyring;
}

describe.each(kinds)("$version under $keyring", ({ version, keyring }) => {
  const objects = objectsOf(keyring, version);
  const context = keyring === "kms" ? contexts.kms : undefined;

  it.each([0, 1, 15, 16, 17, 31, 32, 33, 1000, 70_000])("reads back %i bytes", async (length) => {
    const plaintext = pattern(length);
    const name = { Bucket: "b", Key: `${version}/${keyring}/${length}` };
    await objects.put(
      { ...name, Body: plaintext, Metadata: { owner: "me" }, ContentType: "text/csv" },
      { context },
    );
    const stored = server.object("b", name.Key);
    expect(stored?.body.length).toBe(length + 16);
    if (length > 15)
      expect(stored?.body.includes(Buffer.from(plaintext.subarray(0, 16)))).toBe(false);
    const found = await objects.get(name, { context });
    expect(same(found.body, plaintext)).toBe(true);
    expect(found).toMatchObject({ Metadata: { owner: "me" }, ContentType: "text/csv" });
    expect(found.encryption).toMatchObject({ version, placement: "metadata" });
    const head = await objects.head(name);
    expect(head).toMatchObject({ plaintextBytes: length, Metadata: { owner: "me" } });
  });

  it("reads back a stream of unknown length that was uploaded in parts", async () => {
    const plaintext = pattern(10 * 2 ** 20 + 5);
    const name = { Bucket: "b", Key: `${version}/${keyring}/parts` };
    await objects.put(
      { ...name, Body: Readable.from(cut(plaintext)) },
      { context, partSize: 5 * 2 ** 20 },
    );
    expect(server.object("b", name.Key)?.partCount).toBe(3);
    expect(same((await objects.get(name, { context })).body, plaintext)).toBe(true);
    const file = join(folder, `${version}-${keyring}`);
    await objects.getToFile(name, file, { context });
    expect(same(readFileSync(file), plaintext)).toBe(true);
  });

  it("keeps no header that is not ASCII", async () => {
    const name = { Bucket: "b", Key: `${version}/${keyring}/ascii` };
    await objects.put({ ...name, Body: "text" }, { context });
    const metadata = server.object("b", name.Key)?.metadata ?? {};
    expect(Object.values(metadata).every((value) => /^[ -~]*$/.test(value))).toBe(true);
  });

  it.each([
    ["bytes=0-0", 0, 1],
    ["bytes=15-16", 15, 17],
    ["bytes=17-99", 17, 100],
    ["bytes=990-", 990, 1000],
    ["bytes=990-99999", 990, 1000],
    ["bytes=-10", 990, 1000],
    ["bytes=-5000", 0, 1000],
  ])("reads the range %s in one request", async (Range, start, end) => {
    const plaintext = pattern(1000);
    const name = { Bucket: "b", Key: `${version}/${keyring}/range` };
    await objects.put({ ...name, Body: plaintext }, { context });
    server.requests.length = 0;
    const { body, range } = await objects.getUnauthenticated({ ...name, Range }, { context });
    expect(same(await buffer(body), plaintext.subarray(start, end))).toBe(true);
    expect(range).toEqual({ start, end });
    expect(server.requests).toHaveLength(1);
  });
});

function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 999_999) yield bytes.subarray(at, at + 999_999);
}

describe("get", () => {
  const objects = objectsOf("aes");
  const name = { Bucket: "b", Key: "altered" };

  it("releases nothing of an altered object", async () => {
    await objects.put({ ...name, Body: pattern(1000) });
    const { body } = server.object("b", "altered") ?? { body: Buffer.alloc(0) };
    for (const at of [0, 500, 999, 1000, 1015]) {
      const altered = Buffer.from(body);
      altered[at] = (altered[at] ?? 0) ^ 1;
      server.alter("b", "altered", { body: altered });
      await refuses("ERR_ENVELOPE_DECRYPT", () => objects.get(name));
    }
    server.alter("b", "altered", { body: body.subarray(0, -1) });
    await refuses("ERR_ENVELOPE_DECRYPT", () => objects.get(name));
    server.alter("b", "altered", { body: Buffer.concat([body, Buffer.alloc(1)]) });
    await refuses("ERR_ENVELOPE_DECRYPT", () => objects.get(name));
    server.alter("b", "altered", { body: body.subarray(0, 15) });
    await refuses("ERR_ENVELOPE_TRUNCATED", () => objects.get(name));
  });

  it("refuses an object above its limit before it unwraps the data key, and reads one at the limit", async () => {
    const small = s3EncryptionClient({
      client,
      keyring: { ...keyringOf("aes"), unwrap: () => Promise.reject(new Error("was asked")) },
      maxBufferedBytes: 999,
    });
    await objects.put({ ...name, Body: pattern(1000) });
    const error = await refuses("ERR_ENVELOPE_LIMIT", () => small.get(name));
    expect(error.message).toContain("maxBufferedBytes");
    const exact = s3EncryptionClient({ client, keyring: keyringOf("aes"), maxBufferedBytes: 1000 });
    expect((await exact.get(name)).body).toHaveLength(1000);
  });

  it("passes what S3 answers", async () => {
    const error = await rejection(objects.get({ Bucket: "b", Key: "missing" }));
    expect(error.name).toBe("NoSuchKey");
  });

  it("frees the connection of an object that it refuses", async () => {
    server.put("b", "plain", { body: pattern(10_000_000) });
    await refuses("ERR_ENVELOPE_NO_KEY", () => objects.get({ Bucket: "b", Key: "plain" }));
    const other = new S3Client(server.clientOptions);
    const its = s3EncryptionClient({ client: other, keyring: keyringOf("aes") });
    await refuses("ERR_ENVELOPE_NO_KEY", () => its.get({ Bucket: "b", Key: "plain" }));
    other.destroy();
    client.destroy();
    await server.disconnected();
  });

  it.each(["arrived", "sending"] as const)(
    "throws the signal's reason where it aborts when the request is %s",
    async (at) => {
      await objects.put({ ...name, Body: pattern(3_000_000) });
      const controller = new AbortController();
      const reason = new Error("enough");
      const fault = at === "arrived" ? { at } : { at, bytes: 1_000_000 };
      server.hook = ({ operation }) => {
        if (operation !== "GetObject") return undefined;
        setImmediate(() => controller.abort(reason));
        return { kind: "hang", ...fault };
      };
      const { signal } = controller;
      expect(await rejection(objects.get(name, { signal }))).toBe(reason);
      expect(await rejection(objects.get(name, { signal }))).toBe(reason);
    },
  );

  it("refuses options that are misspelt, and a context that nothing binds, before any request", async () => {
    server.requests.length = 0;
    const misspelt = { conText: {} } as object;
    expect(await rejection(objects.get(name, misspelt))).toBeInstanceOf(TypeError);
    expect(await rejection(objects.get(name, { context: {} }))).toBeInstanceOf(TypeError);
    expect(await rejection(objects.get({ Bucket: "b", Key: "" }))).toBeInstanceOf(TypeError);
    expect(server.requests).toEqual([]);
  });
});

describe("getToFile", () => {
  const objects = objectsOf("aes");

  it("leaves no file of an object that was altered", async () => {
    const name = { Bucket: "b", Key: "to-file" };
    await objects.put({ ...name, Body: pattern(3_000_000) });
    const { body } = server.object("b", "to-file") ?? { body: Buffer.alloc(0) };
    body[2_999_999] = (body[2_999_999] ?? 0) ^ 1;
    server.alter("b", "to-file", { body });
    const before = readdirSync(folder);
    const path = join(folder, "target");
    await refuses("ERR_ENVELOPE_DECRYPT", () => objects.getToFile(name, path));
    expect(readdirSync(folder)).toEqual(before);
  });

  it("replaces a file only where it may", async () => {
    const name = { Bucket: "b", Key: "to-file" };
    await objects.put({ ...name, Body: "second" });
    const path = join(folder, "there");
    await objects.getToFile(name, path);
    expect(await rejection(objects.getToFile(name, path))).toMatchObject({ code: "EEXIST" });
    await objects.getToFile(name, path, { overwrite: true });
    expect(readFileSync(path, "utf8")).toBe("second");
  });
});

describe("getUnauthenticated", () => {
  const objects = objectsOf("aes");
  const name = { Bucket: "b", Key: "streamed" };

  it("streams a whole object, and fails at its end where it was altered", async () => {
    const plaintext = pattern(3_000_000);
    await objects.put({ ...name, Body: plaintext });
    const { body, range } = await objects.getUnauthenticated(name);
    expect(range).toEqual({ start: 0, end: plaintext.length });
    expect(same(await buffer(body), plaintext)).toBe(true);
    const stored = server.object("b", "streamed")?.body ?? Buffer.alloc(0);
    stored[0] = (stored[0] ?? 0) ^ 1;
    server.alter("b", "streamed", { body: stored });
    const altered = await objects.getUnauthenticated(name);
    await refuses("ERR_ENVELOPE_DECRYPT", () => buffer(altered.body));
  });

  it("refuses ranges that hold nothing or are written otherwise", async () => {
    await objects.put({ ...name, Body: pattern(100) });
    for (const Range of ["bytes=5-4", "bytes=-0", "bytes=-", "bytes=1-2,4-5", "items=1-2", ""]) {
      const error = await rejection(objects.getUnauthenticated({ ...name, Range }));
      expect(error).toBeInstanceOf(TypeError);
    }
    const tag = await rejection(objects.getUnauthenticated({ ...name, Range: "bytes=100-" }));
    expect(tag).toBeInstanceOf(RangeError);
    const after = await rejection(objects.getUnauthenticated({ ...name, Range: "bytes=116-" }));
    expect(after.name).toBe("InvalidRange");
  });

  it("checks the commitment also of a range", async () => {
    await objects.put({ ...name, Body: pattern(100) });
    const metadata = { ...server.object("b", "streamed")?.metadata };
    metadata["x-amz-d"] = Buffer.alloc(28).toString("base64");
    server.alter("b", "streamed", { metadata });
    await refuses("ERR_ENVELOPE_DECRYPT", () =>
      objects.getUnauthenticated({ ...name, Range: "bytes=0-1" }),
    );
  });

  it("ends a stream with the signal's reason", async () => {
    await objects.put({ ...name, Body: pattern(10_000_000) });
    const controller = new AbortController();
    const reason = new Error("enough");
    const { body } = await objects.getUnauthenticated(name, { signal: controller.signal });
    controller.abort(reason);
    expect(await rejection(buffer(body))).toBe(reason);
    client.destroy();
    await server.disconnected();
  });

  it("frees the connection of a stream that is destroyed", async () => {
    await objects.put({ ...name, Body: pattern(10_000_000) });
    const { body } = await objects.getUnauthenticated(name);
    body.destroy();
    client.destroy();
    await server.disconnected();
    expect(server.connections).toBe(0);
  });
});

describe("put", () => {
  const objects = objectsOf("aes");
  const name = { Bucket: "b", Key: "written" };

  it.each([
    ["text", "grün"],
    ["bytes", Buffer.from("grün")],
    ["a Blob", new Blob(["grün"])],
    ["a web stream", new Blob(["grün"]).stream()],
    ["a Node stream of text", Readable.from(["gr", "ün"])],
  ])("takes %s", async (_, Body) => {
    await objects.put({ ...name, Body });
    expect(Buffer.from((await objects.get(name)).body).toString()).toBe("grün");
  });

  it("never uses a data key, message id or IV twice", async () => {
    const bodies = new Set<string>();
    for (let i = 0; i < 5; i++) {
      await objects.put({ ...name, Body: "equal" });
      bodies.add(server.object("b", "written")?.body.toString("hex") ?? "");
    }
    expect(bodies.size).toBe(5);
  });

  it("leaves no parts of an upload whose source fails", async () => {
    const failure = new Error("disk");
    const Body = (async function* () {
      yield pattern(20_000_000);
      throw failure;
    })();
    expect(await rejection(objects.put({ ...name, Body }))).toBe(failure);
    expect(server.uploads).toEqual([]);
  });

  it("leaves no parts of an upload that is aborted, and ends its source", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    server.hook = ({ operation }) => {
      if (operation === "UploadPart") controller.abort(reason);
    };
    let ended = false;
    const Body = (async function* () {
      try {
        for (;;) yield pattern(1_000_000);
      } finally {
        ended = true;
      }
    })();
    const { signal } = controller;
    expect(await rejection(objects.put({ ...name, Body }, { signal }))).toBe(reason);
    expect(ended).toBe(true);
    await expect.poll(() => server.uploads).toEqual([]);
  });

  it("refuses metadata above S3's limit before anything is sent, and names the way out", async () => {
    const Metadata = { note: "x".repeat(1900) };
    const error = await refuses("ERR_ENVELOPE_LIMIT", () =>
      objects.put({ ...name, Body: "a", Metadata }),
    );
    expect(error.message).toContain("instructionFile: true");
    expect(server.requests).toEqual([]);
    await objects.put({ ...name, Body: "a", Metadata }, { instructionFile: true });
    expect((await objects.get(name)).Metadata).toEqual(Metadata);
  });

  it("refuses lengths and checksums of the plaintext, and reserved names", async () => {
    const inputs = [
      { ContentLength: 1 },
      { ContentMD5: "x" },
      { ChecksumCRC32: "x" },
      { Metadata: { "X-Amz-D": "x" } },
      { Body: 5 },
    ];
    for (const input of inputs) {
      const wrong = { ...name, Body: "a", ...input } as Parameters<typeof objects.put>[0];
      expect(await rejection(objects.put(wrong))).toBeInstanceOf(TypeError);
    }
    expect(server.requests).toEqual([]);
  });

  it("refuses a context with the format's own names", async () => {
    for (const reserved of ["aws:x-amz-cek-alg", "kms_cmk_id", "env:format"]) {
      await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () =>
        objectsOf("kms").put({ ...name, Body: "a" }, { context: { [reserved]: "115" } }),
      );
    }
  });
});

describe("the encryption context", () => {
  const objects = objectsOf("kms");
  const name = { Bucket: "b", Key: "context" };

  it("has to be the same pairs, or to please a function", async () => {
    await objects.put({ ...name, Body: "a" }, { context: contexts.kms });
    const wrong = [undefined, {}, { app: "reports" }, { ...contexts.kms, more: "" }];
    for (const context of [...wrong, () => false]) {
      const error = await refuses("ERR_ENVELOPE_DECRYPT", () => objects.get(name, { context }));
      expect(error.message).not.toContain("Zürich");
    }
    const judge = (stored: Readonly<Record<string, string>>): boolean =>
      stored["app"] === "reports" && Object.keys(stored).length === 2;
    expect((await objects.get(name, { context: judge })).body).toHaveLength(1);
  });

  it("is not given by an asynchronous function, whose promise is always there", async () => {
    const context = (async () => false) as unknown as () => boolean;
    await refuses("ERR_ENVELOPE_DECRYPT", () => objects.get(name, { context }));
  });
});

describe("s3EncryptionClient", () => {
  it("refuses options that are misspelt or out of range", () => {
    const keyring = keyringOf("aes");
    const make = (options: object) => () =>
      s3EncryptionClient(options as Parameters<typeof s3EncryptionClient>[0]);
    expect(make({ client })).toThrow(TypeError);
    expect(make({ client: {}, keyring })).toThrow(TypeError);
    expect(make({ client, keyring, allowlegacy: true })).toThrow(TypeError);
    expect(make({ client, keyring, allowLegacy: "yes" })).toThrow(TypeError);
    expect(make({ client, keyring, commitmentPolicy: "NONE" })).toThrow(TypeError);
    expect(make({ client, keyring, maxBufferedBytes: "1" })).toThrow(TypeError);
    expect(make({ client, keyring, maxBufferedBytes: -1 })).toThrow(RangeError);
    expect(make({ client, keyring, maxBufferedBytes: 2 ** 32 })).toThrow(RangeError);
  });
});
