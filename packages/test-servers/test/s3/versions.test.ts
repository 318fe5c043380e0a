import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { Bucket, refusal, testServer } from "./support.ts";

const Key = "k";

describe("versions", () => {
  it("keep what was replaced", async () => {
    const { client } = await testServer({ versioning: "Enabled" });
    const put = (Body: string) => client.send(new PutObjectCommand({ Bucket, Key, Body }));
    const [first, second] = [await put("one"), await put("two")];
    expect(first.VersionId).not.toBe(second.VersionId);
    const get = async (VersionId?: string) => {
      const got = await client.send(new GetObjectCommand({ Bucket, Key, VersionId }));
      return [await got.Body?.transformToString(), got.VersionId];
    };
    expect(await get()).toEqual(["two", second.VersionId]);
    expect(await get(first.VersionId)).toEqual(["one", first.VersionId]);
    expect(await refusal(get("0".repeat(32)))).toEqual([404, "NoSuchVersion"]);
    expect(await refusal(get("none"))).toEqual([400, "InvalidArgument"]);
  });

  it("are hidden by a delete marker, until it is deleted itself", async () => {
    const { client } = await testServer({ versioning: "Enabled" });
    const put = await client.send(new PutObjectCommand({ Bucket, Key, Body: "one" }));
    const remove = (VersionId?: string) =>
      client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
    const marker = await remove();
    expect(marker).toMatchObject({ DeleteMarker: true });
    const get = (VersionId?: string) =>
      client.send(new GetObjectCommand({ Bucket, Key, VersionId }));
    expect(await refusal(get())).toEqual([404, "NoSuchKey"]);
    expect(await refusal(get(marker.VersionId))).toEqual([405, "MethodNotAllowed"]);
    expect((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount).toBe(0);
    expect(await remove(marker.VersionId)).toMatchObject({ DeleteMarker: true });
    expect((await get()).VersionId).toBe(put.VersionId);
    await remove(put.VersionId);
    expect(await refusal(get(put.VersionId))).toEqual([404, "NoSuchVersion"]);
  });

  it("are listed with their markers, the newest first, page by page", async () => {
    const { client } = await testServer({ versioning: "Enabled" });
    const put = (name: string) =>
      client.send(new PutObjectCommand({ Bucket, Key: name, Body: name }));
    const ids = [
      (await put("a")).VersionId,
      (await put("b")).VersionId,
      (await put("b")).VersionId,
    ];
    const marker = await client.send(new DeleteObjectCommand({ Bucket, Key: "a" }));
    const list = (more: object = {}) =>
      client.send(new ListObjectVersionsCommand({ Bucket, ...more }));
    const all = await list();
    expect(all.Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
      [ids[0], false],
      [ids[2], true],
      [ids[1], false],
    ]);
    expect(all.DeleteMarkers).toMatchObject([
      { Key: "a", VersionId: marker.VersionId, IsLatest: true },
    ]);
    const seen: (string | undefined)[] = [];
    let page: object = { MaxKeys: 1 };
    for (;;) {
      const { Versions, DeleteMarkers, IsTruncated, ...markers } = await list(page);
      seen.push(...[...(Versions ?? []), ...(DeleteMarkers ?? [])].map((each) => each.VersionId));
      if (IsTruncated !== true) break;
      const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = markers;
      page = { MaxKeys: 1, KeyMarker, VersionIdMarker };
    }
    expect(seen).toEqual([marker.VersionId, ids[0], ids[2], ids[1]]);
  });

  it("can be suspended: the version without an id is replaced, the others stay", async () => {
    const { client } = await testServer({ versioning: "Enabled" });
    const put = () => client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
    const { VersionId } = await put();
    const VersioningConfiguration = { Status: "Suspended" } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    expect((await put()).VersionId).toBe("null");
    await put();
    const { Versions } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    expect(Versions?.map((version) => version.VersionId)).toEqual(["null", VersionId]);
  });

  it("cannot be deleted while they are locked", async () => {
    const { client } = await testServer({ versioning: "Enabled" });
    const locked = {
      ObjectLockMode: "GOVERNANCE",
      ObjectLockRetainUntilDate: new Date("2999-01-01T00:00:00Z"),
      ObjectLockLegalHoldStatus: "ON",
    } as const;
    const { VersionId } = await client.send(
      new PutObjectCommand({ Bucket, Key, Body: "x", ...locked }),
    );
    expect(await client.send(new HeadObjectCommand({ Bucket, Key }))).toMatchObject(locked);
    const remove = new DeleteObjectCommand({ Bucket, Key, VersionId });
    expect(await refusal(client.send(remove))).toEqual([403, "AccessDenied"]);
  });
});

describe("buckets", () => {
  it("are made, found, listed, and deleted when they are empty", async () => {
    const { server, client } = await testServer();
    await client.send(new CreateBucketCommand({ Bucket: "others" }));
    await client.send(new HeadBucketCommand({ Bucket: "others" }));
    const { Buckets } = await client.send(new ListBucketsCommand({}));
    expect(Buckets?.map(({ Name }) => Name)).toEqual([Bucket, "others"]);
    server.put("others", "k", {});
    const remove = () => client.send(new DeleteBucketCommand({ Bucket: "others" }));
    expect(await refusal(remove())).toEqual([409, "BucketNotEmpty"]);
    await client.send(new DeleteObjectCommand({ Bucket: "others", Key: "k" }));
    await remove();
    expect((await refusal(client.send(new HeadBucketCommand({ Bucket: "others" }))))[0]).toBe(404);
    expect(await refusal(client.send(new CreateBucketCommand({ Bucket })))).toEqual([
      409,
      "BucketAlreadyOwnedByYou",
    ]);
  });

  it("say whether they keep versions", async () => {
    const { client } = await testServer();
    const status = async () =>
      (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status;
    expect(await status()).toBeUndefined();
    const VersioningConfiguration = { Status: "Enabled" } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    expect(await status()).toBe("Enabled");
  });
});
