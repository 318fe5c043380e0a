import { createReadStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { Envelope, fromHeader } from "@env/core";
import { boundaryLengths, pattern } from "@env/testkit/bytes";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { encryptedS3, type Placement } from "../src/index.ts";
import { Bucket, context, refuses, setUp } from "./support/s3.ts";

const placements: readonly Placement[] = ["metadata", "sidecar", "inline"];
const name = { Bucket, Key: "a folder/ü+ %.pdf" };

describe.each(placements)("with placement %s", (placement) => {
  it("an object comes back with everything that was put beside it", async () => {
    const setup = await setUp();
    const s3 = setup.with({ placement });
    const beside = {
      ContentType: "application/pdf",
      CacheControl: "no-store",
      Metadata: { mine: "1" },
      Tagging: "a=b",
    };
    expect(await s3.put({ ...name, ...beside, Body: "hello" })).toMatchObject({ placement });
    const stored = setup.server.object(Bucket, name.Key);
    expect(stored?.body.includes("hello")).toBe(false);
    expect(stored?.tags).toEqual({ a: "b" });
    const object = await s3.get(name);
    const { ContentType, CacheControl, Metadata, plaintextBytes } = object;
    expect({ ContentType, CacheControl, Metadata }).toEqual({
      ContentType: "application/pdf",
      CacheControl: "no-store",
      Metadata: { mine: "1" },
    });
    expect(plaintextBytes).toBe(5);
    expect(await object.text()).toBe("hello");
  });

  it.each(boundaryLengths)("%i bytes come back, whole and in ranges", async (length) => {
    const setup = await setUp();
    const s3 = setup.with({ placement });
    const plaintext = pattern(length);
    await s3.put({ ...name, Body: plaintext });
    expect(await (await s3.get(name)).bytes()).toEqual(plaintext);
    const [start, end] = [Math.floor(length / 3), Math.ceil(length / 2)];
    expect(await s3.getRange(name, start, end)).toEqual(plaintext.subarray(start, end));
    expect(await s3.getRange(name, start, length + 9)).toEqual(plaintext.subarray(start));
  });

  it("a body of any kind comes back", async () => {
    const setup = await setUp({ limits: { minPartBytes: 1 } });
    const s3 = setup.with({ placement });
    const plaintext = pattern(12_345_678);
    const path = join(tempFolder(), "file");
    writeFileSync(path, plaintext);
    const blob = new Blob([plaintext]);
    const bodies = [
      plaintext,
      createReadStream(path),
      blob,
      blob.stream(),
      Readable.from([plaintext.subarray(0, 10), plaintext.subarray(10)]),
    ];
    for (const Body of bodies) {
      await s3.put({ ...name, Body });
      const again = await (await s3.get(name)).bytes();
      expect(Buffer.compare(again, plaintext)).toBe(0);
    }
    expect(setup.server.object(Bucket, name.Key)?.partCount).toBe(2);
  });

  it("head and list tell what the object says of itself, without a KMS", async () => {
    const setup = await setUp();
    const s3 = setup.with({ placement });
    await s3.put(
      { ...name, Body: pattern(20_000), Metadata: { mine: "1" } },
      { storeContext: true },
    );
    setup.server.put(Bucket, "other", { body: Buffer.from("not encrypted") });
    setup.server.put(Bucket, "empty", {});
    const nobody = encryptedS3({
      client: setup.client,
      envelope: new Envelope({ cmks: [setup.newCmk()] }),
      context,
    });
    const facts = await nobody.head(name);
    expect(facts).toMatchObject({ placement, plaintextBytes: 20_000, storedContext: context });
    expect(facts.entries).toHaveLength(1);
    expect(facts.Metadata).toEqual({ mine: "1" });
    const listed = [];
    for await (const object of nobody.list({ Bucket })) listed.push(object);
    expect(listed.map(({ Key, encryption }) => [Key, encryption?.placement])).toEqual([
      [name.Key, placement],
      ["empty", undefined],
      ["other", undefined],
    ]);
    await refuses("ERR_ENVELOPE_FORMAT", () => nobody.head({ Bucket, Key: "empty" }));
  });

  it("a copy is opened like its source, by its own key block", async () => {
    const setup = await setUp();
    const s3 = setup.with({ placement });
    await s3.put({ ...name, Body: "hello", ContentType: "text/plain", Metadata: { mine: "1" } });
    await s3.copy({ from: name, Bucket, Key: "copy" });
    await s3.delete(name);
    const copy = await s3.get({ Bucket, Key: "copy" });
    expect([copy.ContentType, copy.Metadata, await copy.text()]).toEqual([
      "text/plain",
      { mine: "1" },
      "hello",
    ]);
  });

  it("a deletion leaves nothing, and an overwriting one object", async () => {
    const setup = await setUp();
    const s3 = setup.with({ placement });
    const count = placement === "sidecar" ? 2 : 1;
    for (const Body of ["one", "two"]) await s3.put({ ...name, Body });
    expect(setup.server.keys(Bucket)).toHaveLength(count);
    expect(await (await s3.get(name)).text()).toBe("two");
    await s3.delete(name);
    expect(setup.server.keys(Bucket)).toEqual([]);
  });

  it("every version of an object is opened, after it was overwritten and deleted", async () => {
    const setup = await setUp({ versioning: "Enabled" });
    const s3 = setup.with({ placement });
    const versions = [];
    for (const Body of ["one", "two"]) versions.push(await s3.put({ ...name, Body }));
    await s3.delete(name);
    const texts = versions.map(async ({ VersionId }) =>
      (await s3.get({ ...name, VersionId })).text(),
    );
    expect(await Promise.all(texts)).toEqual(["one", "two"]);
  });
});

// Requirements: E30
it("verifies the final chunk before it reports a length", async () => {
  const { server, s3 } = await setUp();
  await s3.put({ ...name, Body: pattern(100_000) });
  const { body = Buffer.alloc(0) } = server.object(Bucket, name.Key) ?? {};
  const cut = body.subarray(0, 10 + 56 + 4 * 16_400 + 100);
  server.alter(Bucket, name.Key, { body: cut });
  await using reader = await s3.open(name);
  await refuses("ERR_ENVELOPE_DECRYPT", () => reader.size());
  expect(await reader.read(0, 10)).toEqual(pattern(10));
});

describe("the context", () => {
  it("may be a function of the name, which a copy then cannot change", async () => {
    const setup = await setUp();
    const s3 = setup.with({ context: ({ Key }) => ({ Key }) });
    await s3.put({ ...name, Body: "hello" });
    expect(await (await s3.get(name)).text()).toBe("hello");
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () =>
      s3.copy({ from: name, Bucket, Key: "copy" }),
    );
    expect(setup.server.keys(Bucket)).toEqual([name.Key]);
    await expect(s3.getRange(name, 0, 1, { context })).rejects.toMatchObject({
      code: "ERR_ENVELOPE_DECRYPT",
    });
  });

  it("may be given for a call, and be taken from the object", async () => {
    const { s3 } = await setUp();
    await s3.put(
      { ...name, Body: "hello" },
      { context: { other: "1" }, storeContext: true, aad: { row: "7" } },
    );
    const options = { context: fromHeader({ require: { other: "1" } }), aad: { row: "7" } };
    expect(await (await s3.get(name, options)).text()).toBe("hello");
    const object = await s3.get(name, { ...options, aad: { row: "8" } });
    await refuses("ERR_ENVELOPE_DECRYPT", () => object.bytes());
  });
});

describe("reencrypt", () => {
  const plaintext = pattern(100_000);
  const kept = {
    ContentType: "text/csv",
    StorageClass: "STANDARD_IA",
    Metadata: { mine: "1" },
    Tagging: "a=b",
  } as const;

  it.each(["metadata", "sidecar", "inline"] as const)(
    "copies under another context and data key, with placement %s",
    async (placement) => {
      const setup = await setUp();
      const s3 = setup.with({ context: ({ Key }) => ({ Key }), placement });
      await s3.put({ ...name, ...kept, Body: plaintext });
      await s3.reencrypt({ from: name, Bucket, Key: "copy", CacheControl: "no-store" });
      const copy = await s3.get({ Bucket, Key: "copy" }, { context: { Key: "copy" } });
      const { Tagging: _, ...same } = kept;
      expect(copy).toMatchObject({ ...same, CacheControl: "no-store" });
      expect(Buffer.compare(await copy.bytes(), plaintext)).toBe(0);
      const [one, other] = [name.Key, "copy"].map((key) => setup.server.object(Bucket, key));
      expect(other?.tags).toEqual({ a: "b" });
      expect(other?.body.subarray(-16)).not.toEqual(one?.body.subarray(-16));
      expect(Buffer.compare(await (await s3.get(name)).bytes(), plaintext)).toBe(0);
    },
  );

  it("takes what each of the two is bound to", async () => {
    const { s3 } = await setUp();
    const former = { fromContext: fromHeader({ require: { v: "1" } }), fromAad: { row: "1" } };
    await s3.put(
      { ...name, Body: "x" },
      { context: { v: "1" }, aad: { row: "1" }, storeContext: true },
    );
    await s3.reencrypt(
      { from: name, ...name },
      { ...former, context: { v: "2" }, aad: { row: "2" } },
    );
    const object = await s3.get(name, { context: { v: "2" }, aad: { row: "2" } });
    expect(await object.text()).toBe("x");
  });

  it("stores nothing where the original is altered, or changes while it is replaced", async () => {
    const { server, s3 } = await setUp();
    await s3.put({ ...name, Body: plaintext });
    const { body = Buffer.alloc(0) } = server.object(Bucket, name.Key) ?? {};
    const altered = Buffer.from(body);
    altered[90_000] = (altered[90_000] ?? 0) ^ 1;
    server.alter(Bucket, name.Key, { body: altered });
    await refuses("ERR_ENVELOPE_DECRYPT", () => s3.reencrypt({ from: name, Bucket, Key: "copy" }));
    expect(server.keys(Bucket)).toEqual([name.Key]);
    server.alter(Bucket, name.Key, { body });
    server.hook = ({ operation }) => {
      if (operation !== "PutObject") return;
      server.hook = undefined;
      server.put(Bucket, name.Key, { body: Buffer.from("newer") });
    };
    await expect(s3.reencrypt({ from: name, ...name })).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    expect(server.object(Bucket, name.Key)?.body.toString()).toBe("newer");
    expect(server.uploads).toEqual([]);
  });
});

describe("presigned URLs", () => {
  it("give what fromResponse decrypts", async () => {
    const { client, s3 } = await setUp();
    await s3.put({ ...name, Body: "hello" });
    const response = await fetch(await getSignedUrl(client, new GetObjectCommand(name)));
    expect(await s3.fromResponse(response, name).toArray()).toEqual([Buffer.from("hello")]);
    const missing = await fetch(
      await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: "no" })),
    );
    expect(() => s3.fromResponse(missing, name)).toThrow("the response has status 404");
  });

  it("take what seal encrypts, with its metadata signed or its key block inline", async () => {
    const { client, s3 } = await setUp();
    for (const placement of ["metadata", "inline"] as const) {
      const { input, body } = await s3.seal({ ...name, Body: "hello" }, { placement });
      const headers = Object.fromEntries(
        Object.entries(input.Metadata ?? {}).map(([key, value]) => [`x-amz-meta-${key}`, value]),
      );
      const signed = new Set(Object.keys(headers));
      const url = await getSignedUrl(client, new PutObjectCommand(input), {
        unhoistableHeaders: signed,
      });
      const answer = await fetch(url, {
        method: "PUT",
        headers,
        body: body as Uint8Array<ArrayBuffer>,
      });
      expect(answer.status).toBe(200);
      expect(await (await s3.get(name)).text()).toBe("hello");
    }
  });
});

it("refuses options that cannot work", async () => {
  const { client, with: withOptions } = await setUp();
  expect(() => withOptions({ placement: "tags" as never })).toThrow(
    "placement must be one of metadata, sidecar, inline",
  );
  expect(() => withOptions({ colour: "red" } as never)).toThrow(TypeError);
  expect(() => withOptions({ client: {} as never })).toThrow("client must be an S3Client");
  expect(() => withOptions({ envelope: client as never })).toThrow("envelope must be an Envelope");
  await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () => withOptions({ context: { a: 1 } as never }));
});

it("refuses options that are misspelt, before any request", async () => {
  const { server, s3 } = await setUp();
  const misspelt = { add: { row: "7" } } as object;
  const calls = [
    () => s3.put({ ...name, Body: "hello" }, misspelt),
    () => s3.seal({ ...name, Body: "hello" }, misspelt),
    () => s3.get(name, misspelt),
    () => s3.open(name, misspelt),
    () => s3.getRange(name, 0, 1, misspelt),
    () => s3.head(name, misspelt),
    () => s3.copy({ from: name, Bucket, Key: "copy" }, misspelt),
    () => s3.reencrypt({ from: name, Bucket, Key: "copy" }, misspelt),
    () => s3.rewrap(name, misspelt),
    () => s3.rewrapSidecar(name, "a".repeat(16), misspelt),
    () => s3.delete(name, misspelt),
    async () => s3.list({ Bucket }, misspelt),
    async () => s3.fromResponse(new Response("x"), name, misspelt),
  ];
  for (const call of calls) await expect(call()).rejects.toThrow('unknown option "add"');
  const none = s3.list({ Bucket }, { concurrency: 0 });
  await expect(none.next()).rejects.toThrow(RangeError);
  expect(server.requests).toEqual([]);
});

it("opens a message that somebody stored as a file, with its key block in it", async () => {
  const { server, s3, cmk } = await setUp();
  const message = await new Envelope({ cmks: [cmk] }).encrypt(Buffer.from("hello"), { context });
  server.put(Bucket, name.Key, { body: message });
  expect(await (await s3.get(name)).text()).toBe("hello");
});
