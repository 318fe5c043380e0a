import { createHash } from "node:crypto";
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCopyCommand,
  CreateMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CopyObjectCommandInput,
} from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { Bucket, refusal, testServer } from "./support.ts";

const Key = "a/source & ü.txt";
const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
const kept = {
  CacheControl: "no-cache",
  ContentType: "text/plain",
  Metadata: { owner: "ann" },
} as const;

async function copying(options?: Parameters<typeof testServer>[0]) {
  const { server, client } = await testServer(options);
  const put = await client.send(
    new PutObjectCommand({
      Bucket,
      Key,
      Body: "0123456789",
      ...kept,
      StorageClass: "STANDARD_IA",
      WebsiteRedirectLocation: "/x",
      Tagging: "a=1",
    }),
  );
  const copy = (more: Partial<CopyObjectCommandInput> = {}) =>
    client.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource, ...more }));
  const head = (name = "copy") => client.send(new HeadObjectCommand({ Bucket, Key: name }));
  return { server, client, put, copy, head };
}

describe("CopyObject", () => {
  it("copies bytes, metadata and tags, but neither storage class nor redirection", async () => {
    const { server, put, copy, head } = await copying();
    const { CopyObjectResult } = await copy();
    expect(CopyObjectResult?.ETag).toBe(put.ETag);
    expect(CopyObjectResult?.ChecksumCRC32).toBe(put.ChecksumCRC32);
    const copied = await head();
    expect(copied).toMatchObject(kept);
    expect(copied.StorageClass).toBeUndefined();
    expect(copied.WebsiteRedirectLocation).toBeUndefined();
    expect(server.object(Bucket, "copy")?.tags).toEqual({ a: "1" });
  });

  it("ignores new metadata unless it is told to replace the old", async () => {
    const { server, copy, head } = await copying();
    const Metadata = { owner: "bob" };
    await copy({ Metadata, ContentType: "text/html" });
    expect(await head()).toMatchObject(kept);
    await copy({ Metadata, MetadataDirective: "REPLACE" });
    const replaced = await head();
    expect(replaced).toMatchObject({ Metadata, ContentType: "binary/octet-stream" });
    expect(replaced.CacheControl).toBeUndefined();
    await copy({ Tagging: "b=2" });
    expect(server.object(Bucket, "copy")?.tags).toEqual({ a: "1" });
    await copy({ Tagging: "b=2", TaggingDirective: "REPLACE" });
    expect(server.object(Bucket, "copy")?.tags).toEqual({ b: "2" });
  });

  it("copies an object to itself only with a change", async () => {
    const { server, copy, head } = await copying();
    expect(await refusal(copy({ Key }))).toEqual([400, "InvalidRequest"]);
    expect(await refusal(copy({ Key, ChecksumAlgorithm: "SHA256" }))).toEqual([
      400,
      "InvalidRequest",
    ]);
    await copy({ Key, StorageClass: "GLACIER_IR" });
    await copy({ Key, Metadata: { owner: "bob" }, MetadataDirective: "REPLACE" });
    expect((await head(Key)).Metadata).toEqual({ owner: "bob" });
    expect(server.object(Bucket, Key)?.body.toString()).toBe("0123456789");
  });

  it("takes conditions on the source", async () => {
    const { put, copy } = await copying();
    const [past, future] = [new Date(0), new Date(Date.now() + 3_600_000)];
    await copy({ CopySourceIfMatch: put.ETag });
    await copy({ CopySourceIfNoneMatch: '"other"' });
    await copy({ CopySourceIfModifiedSince: past });
    await copy({ CopySourceIfUnmodifiedSince: future });
    for (const condition of [
      { CopySourceIfMatch: '"other"' },
      { CopySourceIfNoneMatch: put.ETag },
      { CopySourceIfModifiedSince: future },
      { CopySourceIfUnmodifiedSince: past },
    ]) {
      expect(await refusal(copy(condition))).toEqual([412, "PreconditionFailed"]);
    }
  });

  it("takes conditions on the destination", async () => {
    const { put, copy } = await copying();
    expect(await refusal(copy({ IfMatch: put.ETag }))).toEqual([404, "NoSuchKey"]);
    await copy({ IfNoneMatch: "*" });
    expect(await refusal(copy({ IfNoneMatch: "*" }))).toEqual([412, "PreconditionFailed"]);
    await copy({ IfMatch: put.ETag });
    expect(await refusal(copy({ IfMatch: '"other"' }))).toEqual([412, "PreconditionFailed"]);
  });

  it("copies at most as much as one request can", async () => {
    const { copy } = await copying({ limits: { maxCopyBytes: 9 } });
    expect(await refusal(copy())).toEqual([400, "InvalidRequest"]);
  });

  it("computes another checksum, and a plain ETag for what arrived in parts", async () => {
    const { server, client, copy } = await copying({ limits: { minPartBytes: 1 } });
    await copy({ ChecksumAlgorithm: "SHA256" });
    const head = new HeadObjectCommand({ Bucket, Key: "copy", ChecksumMode: "ENABLED" });
    expect((await client.send(head)).ChecksumSHA256).toBe(
      createHash("sha256").update("0123456789").digest("base64"),
    );
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "m" }));
    const Parts = [];
    for (const [index, range] of ["bytes=0-3", "bytes=4-9"].entries()) {
      const part = { PartNumber: index + 1 };
      const { CopyPartResult } = await client.send(
        new UploadPartCopyCommand({
          Bucket,
          Key: "m",
          UploadId,
          CopySource,
          CopySourceRange: range,
          ...part,
        }),
      );
      Parts.push({ ...part, ETag: CopyPartResult?.ETag });
    }
    await client.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key: "m",
        UploadId,
        MultipartUpload: { Parts },
      }),
    );
    expect(server.object(Bucket, "m")?.body.toString()).toBe("0123456789");
    expect(server.object(Bucket, "m")?.etag).toMatch(/-2$/);
    const copied = await copy({ Key: "n", CopySource: `${Bucket}/m` });
    expect(copied.CopyObjectResult?.ETag).toBe(
      `"${createHash("md5").update("0123456789").digest("hex")}"`,
    );
  });

  it.each([
    ["a source that is not there", { CopySource: `${Bucket}/none` }, 404, "NoSuchKey"],
    ["a bucket that is not there", { CopySource: "others/x" }, 404, "NoSuchBucket"],
    ["a source without a key", { CopySource: "x" }, 400, "InvalidArgument"],
    [
      "too much metadata",
      { Metadata: { a: "x".repeat(2048) }, MetadataDirective: "REPLACE" as const },
      400,
      "MetadataTooLarge",
    ],
  ])("refuses %s", async (_, more, status, code) => {
    const { copy } = await copying();
    expect(await refusal(copy(more))).toEqual([status, code]);
  });

  it("names the versions of source and copy", async () => {
    const { client, put, copy } = await copying({ versioning: "Enabled" });
    await client.send(new PutObjectCommand({ Bucket, Key, Body: "newer" }));
    // An older version may be copied to its own key: it becomes the newest.
    const copied = await copy({ Key, CopySource: `${CopySource}?versionId=${put.VersionId}` });
    expect(copied.CopySourceVersionId).toBe(put.VersionId);
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(got.VersionId).toBe(copied.VersionId);
    expect(await got.Body?.transformToString()).toBe("0123456789");
  });
});
