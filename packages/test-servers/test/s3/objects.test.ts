import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { Bucket, refusal, testServer } from "./support.ts";

const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("hex");

describe("PutObject", () => {
  it("keeps bytes, metadata and headers, and answers with the MD5 of the bytes", async () => {
    const { server, client } = await testServer();
    const Body = randomBytes(100_000);
    const Key = "a folder/ü+1 & more?.txt";
    const kept = {
      CacheControl: "no-cache",
      ContentDisposition: 'attachment; filename="x"',
      ContentEncoding: "gzip",
      ContentLanguage: "de",
      ContentType: "text/plain",
      Metadata: { owner: "ann", note: "a  b" },
      StorageClass: "STANDARD_IA",
      WebsiteRedirectLocation: "/elsewhere",
    } as const;
    const put = await client.send(
      new PutObjectCommand({ Bucket, Key, Body, ...kept, Tagging: "a=1&b=2" }),
    );
    expect(put.ETag).toBe(`"${md5(Body)}"`);
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(got).toMatchObject({
      ...kept,
      AcceptRanges: "bytes",
      ContentLength: Body.length,
      ETag: put.ETag,
      ServerSideEncryption: "AES256",
      TagCount: 2,
    });
    expect(await got.Body?.transformToByteArray()).toEqual(new Uint8Array(Body));
    expect(server.object(Bucket, Key)).toMatchObject({ body: Body, metadata: kept.Metadata });
  });

  it.each([
    ["bytes", Buffer.from("hello"), {}],
    ["a stream of known length", Readable.from(["hel", "lo"]), { ContentLength: 5 }],
    ["nothing", Buffer.alloc(0), {}],
  ])("takes %s with a checksum in a header or after the body", async (_, Body, more) => {
    const { server, client } = await testServer();
    await client.send(new PutObjectCommand({ Bucket, Key: "k", Body, ...more }));
    expect(server.object(Bucket, "k")?.body.toString()).toBe(
      Buffer.isBuffer(Body) && Body.length === 0 ? "" : "hello",
    );
    expect(server.object(Bucket, "k")?.headers).not.toHaveProperty("content-encoding");
  });

  it.each(["a/../b", "./a", "/a//b/", "%2F", "a?b#c", " a ", "~!*'()"])(
    "keeps the key %j as it is",
    async (Key) => {
      const { server, client } = await testServer();
      await client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
      expect(server.keys(Bucket)).toEqual([Key]);
      await client.send(new GetObjectCommand({ Bucket, Key }));
    },
  );

  it("refuses a body of unknown length", async () => {
    const { server, client } = await testServer(
      {},
      { requestChecksumCalculation: "WHEN_REQUIRED" },
    );
    const Body = Readable.from(["hello"]);
    expect(await refusal(client.send(new PutObjectCommand({ Bucket, Key: "k", Body })))).toEqual([
      501,
      "NotImplemented",
    ]);
    expect(server.keys(Bucket)).toEqual([]);
  });

  it("refuses more than 2 KB of user metadata, and counts bytes of names and values", async () => {
    const { client } = await testServer();
    const put = (value: string) =>
      client.send(new PutObjectCommand({ Bucket, Key: "k", Metadata: { name: value } }));
    await put("x".repeat(2044));
    expect(await refusal(put("x".repeat(2045)))).toEqual([400, "MetadataTooLarge"]);
    // S3 keeps a character of Latin-1 as two bytes of UTF-8.
    expect(await refusal(put(`${"x".repeat(2043)}ü`))).toEqual([400, "MetadataTooLarge"]);
  });

  it("gives metadata that is not ASCII back as encoded words", async () => {
    const { client } = await testServer();
    // The SDK's transport writes characters as bytes of Latin-1. These are the examples of S3's documentation.
    const Metadata = {
      latin: "ÄMÄZÕÑ S3",
      utf8: Buffer.from("ÄMÄZÕÑ S3").toString("latin1"),
      long: "ä".repeat(60),
    };
    await client.send(new PutObjectCommand({ Bucket, Key: "k", Metadata }));
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: "k" }));
    expect(head.Metadata).toEqual({
      latin: "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=",
      utf8: "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=",
      long: Array(4)
        .fill(`=?UTF-8?B?${Buffer.from("ä".repeat(15)).toString("base64")}?=`)
        .join(" "),
    });
  });

  it.each<[string, Partial<PutObjectCommandInput>, number, string]>([
    ["a long key", { Key: "k".repeat(1025) }, 400, "KeyTooLongError"],
    ["another bucket", { Bucket: "others" }, 404, "NoSuchBucket"],
    ["an unknown storage class", { StorageClass: "FAST" as never }, 400, "InvalidStorageClass"],
    ["a tag of other characters", { Tagging: "a=%3C" }, 400, "InvalidTag"],
    [
      "eleven tags",
      { Tagging: Array.from("abcdefghijk", (name) => `${name}=1`).join("&") },
      400,
      "InvalidTag",
    ],
  ])("refuses %s", async (_, more, status, code) => {
    const { client } = await testServer();
    const put = new PutObjectCommand({ Bucket, Key: "k", Body: "x", ...more });
    expect(await refusal(client.send(put))).toEqual([status, code]);
  });

  it("refuses more bytes than one request may have", async () => {
    const { client } = await testServer({ limits: { maxPutBytes: 10 } });
    const put = (bytes: number) =>
      client.send(new PutObjectCommand({ Bucket, Key: "k", Body: Buffer.alloc(bytes) }));
    await put(10);
    expect(await refusal(put(11))).toEqual([400, "EntityTooLarge"]);
  });
});

describe("GetObject", () => {
  const Key = "k";
  const body = Buffer.from("0123456789");

  it.each([
    ["bytes=2-4", "234", "bytes 2-4/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=7-100", "789", "bytes 7-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=-100", "0123456789", "bytes 0-9/10"],
    ["bytes=0-0", "0", "bytes 0-0/10"],
    ["bytes=4-2", "0123456789", undefined],
    ["bytes=0-1,4-5", "0123456789", undefined],
    ["lines=0-1", "0123456789", undefined],
  ])("answers %s", async (Range, text, ContentRange) => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, { body });
    const got = await client.send(new GetObjectCommand({ Bucket, Key, Range }));
    expect(await got.Body?.transformToString()).toBe(text);
    expect(got.ContentRange).toBe(ContentRange);
    expect(got.ContentLength).toBe(text.length);
    expect(got.$metadata.httpStatusCode).toBe(ContentRange === undefined ? 200 : 206);
    expect(server.requests.at(-1)).toMatchObject({
      operation: "GetObject",
      range: Range,
      sent: text.length,
    });
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, Range }));
    expect(head).toMatchObject({ ContentLength: text.length });
  });

  it.each([
    ["bytes=10-", body],
    ["bytes=-0", body],
    ["bytes=0-0", Buffer.alloc(0)],
    ["bytes=-1", Buffer.alloc(0)],
  ])("refuses %s, and says how long the object is", async (Range, bytes) => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, { body: bytes });
    const get = client.send(new GetObjectCommand({ Bucket, Key, Range }));
    const error = await get.catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      name: "InvalidRange",
      $metadata: { httpStatusCode: 416 },
      ActualObjectSize: String(bytes.length),
    });
  });

  it("takes conditions on the ETag and on the time", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, { body });
    const etag = `"${md5(body)}"`;
    const get = (conditions: object) =>
      client.send(new GetObjectCommand({ Bucket, Key, ...conditions }));
    const [past, future] = [new Date(0), new Date(Date.now() + 3_600_000)];
    await get({ IfMatch: etag });
    await get({ IfNoneMatch: '"other"' });
    await get({ IfModifiedSince: past });
    await get({ IfUnmodifiedSince: future });
    await get({ IfMatch: etag, IfUnmodifiedSince: past });
    expect(await refusal(get({ IfMatch: '"other"' }))).toEqual([412, "PreconditionFailed"]);
    expect(await refusal(get({ IfUnmodifiedSince: past }))).toEqual([412, "PreconditionFailed"]);
    for (const unmodified of [
      { IfNoneMatch: etag },
      { IfModifiedSince: future },
      { IfNoneMatch: etag, IfModifiedSince: past },
    ]) {
      expect((await refusal(get(unmodified)))[0]).toBe(304);
    }
    const head = new HeadObjectCommand({ Bucket, Key, IfMatch: '"other"' });
    expect((await refusal(client.send(head)))[0]).toBe(412);
  });

  it("replaces headers of the answer where the query says so", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, { body });
    const get = new GetObjectCommand({ Bucket, Key, ResponseContentType: "text/x" });
    expect((await client.send(get)).ContentType).toBe("text/x");
  });

  it("does not read from an archive", async () => {
    const { client } = await testServer();
    await client.send(new PutObjectCommand({ Bucket, Key, StorageClass: "DEEP_ARCHIVE" }));
    expect((await client.send(new HeadObjectCommand({ Bucket, Key }))).StorageClass).toBe(
      "DEEP_ARCHIVE",
    );
    expect(await refusal(client.send(new GetObjectCommand({ Bucket, Key })))).toEqual([
      403,
      "InvalidObjectState",
    ]);
  });

  it("asks for the key of an object that was encrypted with the caller's", async () => {
    const { client } = await testServer();
    const key = (bytes: Buffer) => ({
      SSECustomerAlgorithm: "AES256",
      SSECustomerKey: bytes.toString("base64"),
      SSECustomerKeyMD5: createHash("md5").update(bytes).digest("base64"),
    });
    const [right, wrong] = [key(randomBytes(32)), key(randomBytes(32))];
    const put = await client.send(new PutObjectCommand({ Bucket, Key, Body: "x", ...right }));
    expect(put.ETag).not.toBe(`"${md5(Buffer.from("x"))}"`);
    const get = (keys: object) => client.send(new GetObjectCommand({ Bucket, Key, ...keys }));
    await get(right);
    expect(await refusal(get({}))).toEqual([400, "InvalidRequest"]);
    expect(await refusal(get(wrong))).toEqual([403, "AccessDenied"]);
  });
});

describe("conditional writes", () => {
  const Key = "k";

  it("create only what is not there, and replace only what is known", async () => {
    const { client } = await testServer();
    const put = (Body: string, more: object) =>
      client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
    expect(await refusal(put("a", { IfMatch: '"x"' }))).toEqual([404, "NoSuchKey"]);
    const { ETag } = await put("a", { IfNoneMatch: "*" });
    expect(await refusal(put("b", { IfNoneMatch: "*" }))).toEqual([412, "PreconditionFailed"]);
    expect(await refusal(put("b", { IfNoneMatch: ETag }))).toEqual([501, "NotImplemented"]);
    await put("b", { IfMatch: ETag });
    expect(await refusal(put("c", { IfMatch: ETag }))).toEqual([412, "PreconditionFailed"]);
  });

  it("delete only what is known", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, { body: Buffer.from("a") });
    const remove = (IfMatch: string) =>
      client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch }));
    expect(await refusal(remove('"other"'))).toEqual([412, "PreconditionFailed"]);
    await remove(`"${md5(Buffer.from("a"))}"`);
    expect(server.keys(Bucket)).toEqual([]);
    expect(await refusal(remove("*"))).toEqual([404, "NoSuchKey"]);
  });
});

describe("deletes and tags", () => {
  it("deletes what is there and what is not", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, "k", {});
    await client.send(new DeleteObjectCommand({ Bucket, Key: "k" }));
    await client.send(new DeleteObjectCommand({ Bucket, Key: "k" }));
    const error = await refusal(client.send(new GetObjectCommand({ Bucket, Key: "k" })));
    expect(error).toEqual([404, "NoSuchKey"]);
    expect(await refusal(client.send(new HeadObjectCommand({ Bucket, Key: "k" })))).toEqual([
      404,
      "NotFound",
    ]);
  });

  it("deletes many at once, and says which it did not", async () => {
    const { server, client } = await testServer();
    for (const key of ["a", "b & <c>", "d"]) server.put(Bucket, key, {});
    const Objects = [{ Key: "a" }, { Key: "b & <c>" }, { Key: "d", ETag: '"other"' }];
    const result = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    expect(result.Deleted).toEqual([{ Key: "a" }, { Key: "b & <c>" }]);
    expect(result.Errors).toMatchObject([{ Key: "d", Code: "PreconditionFailed" }]);
    expect(server.keys(Bucket)).toEqual(["d"]);
  });

  it("keeps tags, and replaces them without a new object", async () => {
    const { server, client } = await testServer();
    await client.send(new PutObjectCommand({ Bucket, Key: "k", Tagging: "a=1&b=x%20y" }));
    const tags = async () =>
      (await client.send(new GetObjectTaggingCommand({ Bucket, Key: "k" }))).TagSet;
    expect(await tags()).toEqual([
      { Key: "a", Value: "1" },
      { Key: "b", Value: "x y" },
    ]);
    const before = server.object(Bucket, "k");
    const TagSet = [{ Key: "c", Value: "a_b-c=" }];
    await client.send(new PutObjectTaggingCommand({ Bucket, Key: "k", Tagging: { TagSet } }));
    expect(await tags()).toEqual(TagSet);
    expect(server.object(Bucket, "k")).toMatchObject({
      etag: before?.etag,
      versionId: before?.versionId,
    });
  });
});
