import { ListObjectsV2Command, type ListObjectsV2CommandInput } from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { Bucket, refusal, testServer } from "./support.ts";

async function listing(keys: readonly string[]) {
  const { server, client } = await testServer();
  for (const key of keys) server.put(Bucket, key, {});
  const list = (more: Partial<ListObjectsV2CommandInput> = {}) =>
    client.send(new ListObjectsV2Command({ Bucket, ...more }));
  const keysOf = async (more: Partial<ListObjectsV2CommandInput> = {}) =>
    (await list(more)).Contents?.map(({ Key }) => Key) ?? [];
  /** Keys and common prefixes of all pages. */
  const pages = async (more: Partial<ListObjectsV2CommandInput>) => {
    const seen: (string | undefined)[][] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await list({ ...more, ContinuationToken });
      seen.push([
        ...(page.Contents ?? []).map(({ Key }) => Key),
        ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
      ]);
      expect(page.KeyCount).toBe(seen.at(-1)?.length);
      ContinuationToken = page.NextContinuationToken;
      expect(page.IsTruncated).toBe(ContinuationToken !== undefined);
    } while (ContinuationToken !== undefined);
    return seen;
  };
  return { server, list, keysOf, pages };
}

describe("ListObjectsV2", () => {
  it("lists by the bytes of keys in UTF-8", async () => {
    const keys = ["b", "a", "B", "ä", "a/b", "\u{10000}", "\uE000", "a b"];
    const { keysOf } = await listing(keys);
    expect(await keysOf()).toEqual(
      keys.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other))),
    );
  });

  it("says what each object is", async () => {
    const { server, list } = await listing(["a"]);
    server.put(Bucket, "a", { body: Buffer.from("hello") });
    expect((await list()).Contents).toMatchObject([
      { Key: "a", Size: 5, ETag: '"5d41402abc4b2a76b9719d911017c592"', StorageClass: "STANDARD" },
    ]);
  });

  it("starts after a key, within a prefix", async () => {
    const { keysOf } = await listing(["a/1", "a/2", "a/3", "b/1"]);
    expect(await keysOf({ Prefix: "a/" })).toEqual(["a/1", "a/2", "a/3"]);
    expect(await keysOf({ StartAfter: "a/2" })).toEqual(["a/3", "b/1"]);
    expect(await keysOf({ Prefix: "a/", StartAfter: "a/2" })).toEqual(["a/3"]);
    expect(await keysOf({ Prefix: "b/", StartAfter: "a/2" })).toEqual(["b/1"]);
    expect(await keysOf({ Prefix: "a/", StartAfter: "b" })).toEqual([]);
  });

  it("rolls keys up to a delimiter into common prefixes", async () => {
    const { list } = await listing(["a/1", "a/2", "b", "c/d/1", "c/d/2", "c/e"]);
    const root = await list({ Delimiter: "/" });
    expect(root.Contents?.map(({ Key }) => Key)).toEqual(["b"]);
    expect(root.CommonPrefixes).toEqual([{ Prefix: "a/" }, { Prefix: "c/" }]);
    const inner = await list({ Delimiter: "/", Prefix: "c/" });
    expect(inner.Contents?.map(({ Key }) => Key)).toEqual(["c/e"]);
    expect(inner.CommonPrefixes).toEqual([{ Prefix: "c/d/" }]);
  });

  it("continues page by page, without repeating a common prefix", async () => {
    const { pages } = await listing(["a/1", "a/2", "b", "c/1", "d"]);
    expect(await pages({ MaxKeys: 2 })).toEqual([["a/1", "a/2"], ["b", "c/1"], ["d"]]);
    expect(await pages({ MaxKeys: 1, Delimiter: "/" })).toEqual([["a/"], ["b"], ["c/"], ["d"]]);
    expect(await pages({ MaxKeys: 0 })).toEqual([[]]);
  });

  it("continues past objects that come and go meanwhile", async () => {
    const { server, list, keysOf } = await listing(["a", "b", "c", "d"]);
    const first = await list({ MaxKeys: 2 });
    server.put(Bucket, "bb", {});
    server.put(Bucket, "aa", {});
    const second = { ContinuationToken: first.NextContinuationToken };
    expect(await keysOf(second)).toEqual(["bb", "c", "d"]);
  });

  it("encodes keys that XML cannot hold where it is asked to", async () => {
    const { list, keysOf } = await listing(["a b/ü\u0001&<*~"]);
    expect(await keysOf({ EncodingType: "url" })).toEqual(["a+b/%C3%BC%01%26%3C*%7E"]);
    expect((await list({ EncodingType: "url" })).EncodingType).toBe("url");
  });

  it("lists a thousand keys at most", async () => {
    const { list } = await listing(Array.from({ length: 1001 }, (_, i) => `key ${i}`));
    expect(await list({ MaxKeys: 5000 })).toMatchObject({
      MaxKeys: 1000,
      KeyCount: 1000,
      IsTruncated: true,
    });
  });

  it("refuses a token that it did not make", async () => {
    const { list } = await listing([]);
    expect(await refusal(list({ ContinuationToken: "x" }))).toEqual([400, "InvalidArgument"]);
  });
});
