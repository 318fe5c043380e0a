/** moto, which nobody here wrote, gives the same answers to AWS's client. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { isDeepStrictEqual } from "node:util";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type CopyObjectCommandInput,
  type GetObjectCommandInput,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { startMoto } from "@env/testkit/moto";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { startS3Server } from "../../src/s3/index.ts";

const Key = "a folder/ü+1.txt";
const PART = Buffer.alloc(5 * 2 ** 20, 7);
const [past, future] = [new Date(0), new Date("2999-01-01T00:00:00Z")];

/** What a client sees, without what differs from one server or run to the next. */
class Peer {
  readonly client: S3Client;
  readonly Bucket: string;

  constructor(client: S3Client, Bucket: string) {
    this.client = client;
    this.Bucket = Bucket;
  }

  put(more: Partial<PutObjectCommandInput> = {}) {
    const { Bucket } = this;
    return outcome(
      this.client.send(new PutObjectCommand({ Bucket, Key, Body: "0123456789", ...more })),
    );
  }

  get(more: Partial<GetObjectCommandInput> = {}) {
    const { Bucket } = this;
    const reading = async () => {
      const got = await this.client.send(new GetObjectCommand({ Bucket, Key, ...more }));
      return { ...got, Body: await got.Body?.transformToString() };
    };
    return outcome(reading());
  }

  head(more: Partial<GetObjectCommandInput> = {}) {
    const { Bucket } = this;
    return outcome(this.client.send(new HeadObjectCommand({ Bucket, Key, ...more })));
  }

  copy(more: Partial<CopyObjectCommandInput> = {}) {
    const { Bucket } = this;
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
    return outcome(
      this.client.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource, ...more })),
    );
  }
}

/** Fields that are named by chance or by the clock, and some that moto leaves out. */
const passing = new Set([
  "$metadata",
  "ChecksumAlgorithm",
  "ChecksumType",
  "Expiration",
  "Initiated",
  "Initiator",
  "LastModified",
  "Location",
  "Owner",
  "ServerSideEncryption",
  "StorageClass",
]);

async function outcome(answer: Promise<unknown>): Promise<unknown> {
  try {
    return lasting(await answer);
  } catch (error) {
    if (!(error instanceof Error) || !("$metadata" in error)) throw error;
    return [(error.$metadata as { httpStatusCode?: number }).httpStatusCode, error.name];
  }
}

function lasting(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lasting);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) =>
      passing.has(name) || inner === undefined ? [] : [[name, lasting(inner)]],
    ),
  );
}

type Case = (peer: Peer) => Promise<unknown>;

const cases: Readonly<Record<string, Case>> = {
  "bytes, metadata and headers": async (peer) => [
    await peer.put({
      Metadata: { Owner: "ann" },
      CacheControl: "no-cache",
      ContentType: "text/plain",
      ContentDisposition: "inline",
      ContentLanguage: "de",
      WebsiteRedirectLocation: "/x",
      Tagging: "a=1&b=2",
    }),
    await peer.get(),
    await peer.head(),
  ],
  "a stream with a checksum after it": async (peer) => [
    await peer.put({ Body: Readable.from(["hel", "lo"]), ContentLength: 5 }),
    await peer.get(),
  ],
  ranges: async (peer) => {
    await peer.put();
    const seen: unknown[] = [];
    for (const Range of ["bytes=2-4", "bytes=7-", "bytes=7-100", "bytes=-3", "bytes=10-"]) {
      seen.push(await peer.get({ Range }));
    }
    return seen;
  },
  "conditions of reads": async (peer) => {
    await peer.put();
    const IfMatch = `"${createHash("md5").update("0123456789").digest("hex")}"`;
    return [
      await peer.get({ IfMatch }),
      await peer.get({ IfMatch: '"other"' }),
      await peer.get({ IfNoneMatch: '"other"' }),
      await peer.get({ IfNoneMatch: IfMatch }),
      await peer.get({ IfModifiedSince: past }),
      await peer.get({ IfModifiedSince: future }),
      await peer.get({ IfUnmodifiedSince: past }),
      await peer.get({ IfUnmodifiedSince: future }),
    ];
  },
  "a key that is not there": async (peer) => [await peer.get(), await peer.head()],
  "conditions of writes": async (peer) => [
    await peer.put({ IfMatch: '"other"' }),
    await peer.put({ IfNoneMatch: "*" }),
    await peer.put({ IfNoneMatch: "*" }),
    await peer.put({ IfMatch: '"other"' }),
  ],
  copies: async (peer) => {
    await peer.put({ Metadata: { a: "1" }, ContentType: "text/plain", Tagging: "a=1" });
    const tags = () =>
      outcome(peer.client.send(new GetObjectTaggingCommand({ Bucket: peer.Bucket, Key: "copy" })));
    const Metadata = { b: "2" };
    return [
      await peer.copy(),
      await peer.head({ Key: "copy" }),
      await peer.copy({ Metadata, MetadataDirective: "REPLACE" }),
      await peer.head({ Key: "copy" }),
      await tags(),
      await peer.copy({ Tagging: "b=2", TaggingDirective: "REPLACE" }),
      await tags(),
      await peer.copy({ Key }),
      await peer.copy({ Key, Metadata, MetadataDirective: "REPLACE" }),
      await peer.head(),
    ];
  },
  lists: async (peer) => {
    const { client, Bucket } = peer;
    for (const name of ["a/1", "a/2", "b", "c/d/1", "c/e", "ä b"]) await peer.put({ Key: name });
    const list = async (more: object) => {
      const { ContinuationToken: _, ...page } = await client.send(
        new ListObjectsV2Command({ Bucket, ...more }),
      );
      return page;
    };
    const first = await list({ MaxKeys: 2 });
    return lasting([
      await list({}),
      await list({ Prefix: "a/" }),
      await list({ Delimiter: "/" }),
      await list({ Delimiter: "/", Prefix: "c/" }),
      await list({ StartAfter: "a/2" }),
      await list({ EncodingType: "url", Prefix: "a" }),
      await list({ ContinuationToken: first.NextContinuationToken }),
      { ...first, NextContinuationToken: undefined },
    ]);
  },
  "versions and delete markers": async (peer) => {
    const { client, Bucket } = peer;
    const VersioningConfiguration = { Status: "Enabled" } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    const first = await client.send(new PutObjectCommand({ Bucket, Key, Body: "1" }));
    const second = await client.send(new PutObjectCommand({ Bucket, Key, Body: "2" }));
    const marker = await client.send(new DeleteObjectCommand({ Bucket, Key }));
    const ids = [first, second, marker].map(({ VersionId = "none" }) => VersionId);
    const seen = [
      marker.DeleteMarker,
      await peer.get(),
      await peer.get({ VersionId: ids[0] }),
      await outcome(client.send(new ListObjectVersionsCommand({ Bucket }))),
      (await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId: ids[2] }))).VersionId,
      await peer.get(),
    ];
    const text = JSON.stringify(seen);
    return JSON.parse(ids.reduce((all, id, i) => all.replaceAll(id, `#${i}`), text));
  },
  "multipart uploads": async (peer) => {
    const { client, Bucket } = peer;
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({
        Bucket,
        Key,
        Metadata: { a: "1" },
        ChecksumAlgorithm: "SHA256",
      }),
    );
    const Parts: CompletedPart[] = [];
    for (const [PartNumber, Body] of [
      [1, PART],
      [2, "end"],
    ] as const) {
      const part = await client.send(
        new UploadPartCommand({
          Bucket,
          Key,
          UploadId,
          PartNumber,
          Body,
          ChecksumAlgorithm: "SHA256",
        }),
      );
      Parts.push({ PartNumber, ETag: part.ETag, ChecksumSHA256: part.ChecksumSHA256 });
    }
    const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket }));
    const listed = await client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    const complete = () =>
      outcome(
        client.send(
          new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
        ),
      );
    const completed = await complete();
    return [
      Parts,
      uploads.Uploads?.map((upload) => upload.Key),
      listed.Parts?.map(({ PartNumber, ETag, Size }) => [PartNumber, ETag, Size]),
      isDeepStrictEqual(await complete(), completed),
      await peer.head(),
      await peer.get({ Range: "bytes=5242878-" }),
    ];
  },
  "parts that are copied": async (peer) => {
    const { client, Bucket } = peer;
    await peer.put({ Body: PART });
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key: "copy" }),
    );
    const Parts: CompletedPart[] = [];
    for (const [index, range] of [undefined, "bytes=0-3"].entries()) {
      const PartNumber = index + 1;
      const { CopyPartResult } = await client.send(
        new UploadPartCopyCommand({
          Bucket,
          Key: "copy",
          UploadId,
          PartNumber,
          CopySource: `${Bucket}/${encodeURIComponent(Key)}`,
          CopySourceRange: range,
        }),
      );
      Parts.push({ PartNumber, ETag: CopyPartResult?.ETag });
    }
    const MultipartUpload = { Parts };
    await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key: "copy", UploadId, MultipartUpload }),
    );
    const { ContentLength, ETag } = await client.send(
      new HeadObjectCommand({ Bucket, Key: "copy" }),
    );
    return [Parts, ContentLength, ETag];
  },
  deletes: async (peer) => {
    const { client, Bucket } = peer;
    for (const name of ["a", "b", "c"]) await peer.put({ Key: name });
    const Objects = [{ Key: "a" }, { Key: "none" }];
    return [
      await outcome(client.send(new DeleteObjectCommand({ Bucket, Key: "none" }))),
      await outcome(client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))),
      (await client.send(new ListObjectsV2Command({ Bucket }))).Contents?.map((each) => each.Key),
    ];
  },
  tags: async (peer) => {
    const { client, Bucket } = peer;
    await peer.put({ Tagging: "a=1&b=x%20y" });
    const tags = () => outcome(client.send(new GetObjectTaggingCommand({ Bucket, Key })));
    const before = await tags();
    const TagSet = [{ Key: "c", Value: "a_b=" }];
    await client.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }));
    return [before, await tags()];
  },
  checksums: async (peer) => {
    const seen: unknown[] = [];
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"] as const) {
      await peer.put({ ChecksumAlgorithm });
      seen.push(await peer.head({ ChecksumMode: "ENABLED" }));
    }
    return seen;
  },
  "presigned URLs": async ({ client, Bucket }) => {
    const put = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key }));
    const get = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key }));
    const stored = await fetch(put, { method: "PUT", body: "hello" });
    const got = await fetch(get);
    return [stored.status, stored.headers.get("etag"), got.status, await got.text()];
  },
};

/** Where moto does something else: the answer here, and why. */
const differences: Readonly<Record<string, readonly [run: Case, here: unknown, why: string]>> = {
  "a checksum that is wrong": [
    (peer) => peer.put({ ChecksumCRC32: "AAAAAA==" }),
    [400, "BadDigest"],
    "moto does not verify checksums",
  ],
  "too much metadata": [
    (peer) => peer.put({ Metadata: { a: "x".repeat(2048) } }),
    [400, "MetadataTooLarge"],
    "moto has another limit",
  ],
  "conditions on the source of a copy": [
    async (peer) => {
      await peer.put();
      return [
        await peer.copy({ CopySourceIfMatch: '"other"' }),
        await peer.copy({ CopySourceIfNoneMatch: "*" }),
        await peer.copy({ CopySourceIfModifiedSince: future }),
        await peer.copy({ CopySourceIfUnmodifiedSince: past }),
      ];
    },
    Array.from({ length: 4 }, () => [412, "PreconditionFailed"]),
    "moto ignores them",
  ],
  "a condition on the destination of a copy": [
    async (peer) => {
      await peer.put();
      await peer.copy();
      return peer.copy({ IfNoneMatch: "*" });
    },
    [412, "PreconditionFailed"],
    "moto ignores it",
  ],
  "a delete marker that is read by its version": [
    async (peer) => {
      const { client, Bucket } = peer;
      const VersioningConfiguration = { Status: "Enabled" } as const;
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
      const { VersionId } = await client.send(new DeleteObjectCommand({ Bucket, Key }));
      return peer.get({ VersionId });
    },
    [405, "MethodNotAllowed"],
    "moto does not find it; S3's reference for GetObject says 405",
  ],
  "a part that is read by its number": [
    async (peer) => {
      await peer.put();
      return peer.get({ PartNumber: 2 });
    },
    [416, "InvalidPartNumber"],
    "moto ignores numbers of parts",
  ],
  "parts in the wrong order": [
    async ({ client, Bucket }) => {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
      const Parts: CompletedPart[] = [];
      for (const PartNumber of [2, 1]) {
        const { ETag } = await client.send(
          new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: PART }),
        );
        Parts.push({ PartNumber, ETag });
      }
      const complete = { Bucket, Key, UploadId, MultipartUpload: { Parts } };
      const result = await outcome(client.send(new CompleteMultipartUploadCommand(complete)));
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(() => {});
      return result;
    },
    [400, "InvalidPartOrder"],
    "moto puts them together",
  ],
  "keys in the encoding of URLs": [
    async (peer) => {
      await peer.put({ Key: "a b" });
      const { Bucket } = peer;
      const list = new ListObjectsV2Command({ Bucket, EncodingType: "url" });
      return (await peer.client.send(list)).Contents?.map((each) => each.Key);
    },
    ["a+b"],
    "moto writes %20; both mean a space",
  ],
};

const moto = await startMoto();
const server = await startS3Server();
const absent = typeof moto === "string" ? moto : undefined;
if (absent !== undefined) console.log(`not run against moto: ${absent}`);

afterAll(async () => {
  await server.close();
  if (typeof moto !== "string") await moto.stop();
});

/** The name of a bucket that is new in both. */
let buckets = 0;

/** Clients of a new bucket, here and in moto. */
async function peers(): Promise<readonly [here: Peer, there: Peer]> {
  const Bucket = `bucket-${++buckets}`;
  const peer = async (endpoint: string) => {
    const client = new S3Client({ ...server.clientOptions, endpoint, maxAttempts: 1 });
    onTestFinished(() => client.destroy());
    await client.send(new CreateBucketCommand({ Bucket }));
    return new Peer(client, Bucket);
  };
  return [await peer(server.url), await peer(typeof moto === "string" ? "" : moto.url)];
}

describe.skipIf(absent !== undefined)("moto", () => {
  it.each(Object.entries(cases))("agrees about %s", async (_, run) => {
    const [here, there] = await peers();
    expect(await run(here)).toEqual(await run(there));
  });

  it.for(Object.entries(differences))("agrees about %s", async ([, difference], { skip }) => {
    const [run, expected, why] = difference;
    const [here, there] = await peers();
    expect(await run(here)).toEqual(expected);
    skip(!isDeepStrictEqual(await run(there), expected), why);
  });
});
