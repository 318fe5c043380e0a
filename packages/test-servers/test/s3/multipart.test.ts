import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  type CompleteMultipartUploadCommandInput,
  type CreateMultipartUploadCommandInput,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { describe, expect, it } from "vitest";
import { compareKeys } from "../../src/s3/key-order.ts";
import { Bucket, refusal, testServer } from "./support.ts";

const Key = "k";
const MIB = 2 ** 20;

/** An upload that is open, in parts of at least 4 bytes. */
async function uploading(create: Partial<CreateMultipartUploadCommandInput> = {}) {
  const { server, client } = await testServer({ limits: { minPartBytes: 4, maxParts: 5 } });
  const created = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...create }));
  const { UploadId } = created;
  const part = (PartNumber: number, Body: string | Buffer, more: object = {}) =>
    client
      .send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ...more }))
      .then((answer) => ({ ...answer, PartNumber }));
  const complete = (
    Parts: readonly { readonly PartNumber: number; readonly ETag?: string | undefined }[],
    more: Partial<CompleteMultipartUploadCommandInput> = {},
  ) =>
    client.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts: [...Parts] },
        ...more,
      }),
    );
  const abort = () => client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  return { server, client, UploadId, part, complete, abort };
}

describe("a multipart upload", () => {
  it("takes the parts of an object under a customer key with that key alone", async () => {
    const keyOf = (byte: number): object => ({
      SSECustomerAlgorithm: "AES256",
      SSECustomerKey: Buffer.alloc(32, byte).toString("base64"),
    });
    const { part, complete } = await uploading(keyOf(1));
    for (const more of [{}, keyOf(2)]) {
      expect(await refusal(part(1, "abcd", more))).toEqual([400, "InvalidRequest"]);
    }
    await complete([await part(1, "abcd", keyOf(1))]);
    const plain = await uploading();
    expect(await refusal(plain.part(1, "abcd", keyOf(1)))).toEqual([400, "InvalidRequest"]);
  });

  it("is put together from its parts, with the ETag of their MD5s", async () => {
    const { server, client, part, complete, UploadId } = await uploading({
      Metadata: { a: "b" },
      ContentType: "text/plain",
    });
    expect(server.uploads).toEqual([
      { bucket: Bucket, key: Key, uploadId: UploadId, partNumbers: [] },
    ]);
    const second = await part(2, "efgh");
    const first = await part(1, "abcd");
    const last = await part(4, "i");
    expect(server.uploads[0]?.partNumbers).toEqual([1, 2, 4]);
    expect(server.keys(Bucket)).toEqual([]);
    const { ETag } = await complete([first, second, last]);
    const digests = ["abcd", "efgh", "i"].map((text) => createHash("md5").update(text).digest());
    const expected = createHash("md5").update(Buffer.concat(digests)).digest("hex");
    expect(ETag).toBe(`"${expected}-3"`);
    expect(server.uploads).toEqual([]);
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(got).toMatchObject({ Metadata: { a: "b" }, ContentType: "text/plain", ETag });
    expect(await got.Body?.transformToString()).toBe("abcdefghi");
    const range = await client.send(new GetObjectCommand({ Bucket, Key, Range: "bytes=2-8" }));
    expect(await range.Body?.transformToString()).toBe("cdefghi");
  });

  it("is read part by part", async () => {
    const { client, part, complete } = await uploading();
    await complete([await part(1, "abcd"), await part(2, "ef")]);
    const get = (PartNumber: number) =>
      client.send(new GetObjectCommand({ Bucket, Key, PartNumber }));
    const second = await get(2);
    expect(second).toMatchObject({
      PartsCount: 2,
      ContentRange: "bytes 4-5/6",
      ContentLength: 2,
      $metadata: { httpStatusCode: 206 },
    });
    expect(await second.Body?.transformToString()).toBe("ef");
    expect(await refusal(get(3))).toEqual([416, "InvalidPartNumber"]);
    const both = new GetObjectCommand({ Bucket, Key, PartNumber: 1, Range: "bytes=0-1" });
    expect(await refusal(client.send(both))).toEqual([400, "InvalidRequest"]);
  });

  it.each([
    ["CRC32", "ChecksumCRC32"],
    ["CRC32C", "ChecksumCRC32C"],
    ["SHA1", "ChecksumSHA1"],
    ["SHA256", "ChecksumSHA256"],
  ] as const)("has a composite checksum of its parts' %s", async (ChecksumAlgorithm, field) => {
    const { client, part, complete } = await uploading({ ChecksumAlgorithm });
    const parts = [
      await part(1, "abcd", { ChecksumAlgorithm }),
      await part(2, "ef", { ChecksumAlgorithm }),
    ];
    const completed = await complete(parts);
    expect(completed.ChecksumType).toBe("COMPOSITE");
    expect(completed[field]).toMatch(/=?-2$/);
    if (ChecksumAlgorithm === "SHA256") {
      const digests = ["abcd", "ef"].map((text) => createHash("sha256").update(text).digest());
      expect(completed[field]).toBe(
        `${createHash("sha256").update(Buffer.concat(digests)).digest("base64")}-2`,
      );
    }
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
    expect(head[field]).toBe(completed[field]);
  });

  it("has a checksum of all bytes where that was asked for", async () => {
    const { client, part, complete } = await uploading({
      ChecksumAlgorithm: "CRC32",
      ChecksumType: "FULL_OBJECT",
    });
    const parts = [await part(1, "1234"), await part(2, "56789")];
    expect(await refusal(complete(parts, { ChecksumCRC32: "AAAAAA==" }))).toEqual([
      400,
      "BadDigest",
    ]);
    const { ChecksumCRC32 } = await complete(parts, { ChecksumCRC32: "y/Q5Jg==" });
    expect(ChecksumCRC32).toBe("y/Q5Jg=="); // 0xCBF43926, the check value of CRC-32.
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(await got.Body?.transformToString()).toBe("123456789");
  });

  it("refuses a part with another checksum than was announced", async () => {
    const { part } = await uploading({ ChecksumAlgorithm: "SHA256" });
    expect(await refusal(part(1, "abcd", { ChecksumAlgorithm: "CRC32" }))).toEqual([
      400,
      "InvalidRequest",
    ]);
  });

  it("refuses parts that are too small, unknown, in disorder or too many", async () => {
    const { part, complete } = await uploading();
    const [small, first, third] = [await part(1, "abc"), await part(2, "abcd"), await part(3, "e")];
    expect(await refusal(complete([small, first]))).toEqual([400, "EntityTooSmall"]);
    expect(await refusal(complete([third, first]))).toEqual([400, "InvalidPartOrder"]);
    expect(await refusal(complete([first, first]))).toEqual([400, "InvalidPartOrder"]);
    expect(await refusal(complete([first, { ...third, PartNumber: 4 }]))).toEqual([
      400,
      "InvalidPart",
    ]);
    expect(await refusal(complete([{ ...first, ETag: third.ETag }]))).toEqual([400, "InvalidPart"]);
    expect(await refusal(part(6, "x"))).toEqual([400, "InvalidArgument"]);
    await complete([first, third]);
  });

  it("replaces a part that is sent again", async () => {
    const { server, part, complete } = await uploading();
    const before = await part(1, "abcd");
    const after = await part(1, "efgh");
    expect(await refusal(complete([before]))).toEqual([400, "InvalidPart"]);
    await complete([after]);
    expect(server.object(Bucket, Key)?.body.toString()).toBe("efgh");
  });

  it("takes conditions at its end, and stays open where they do not hold", async () => {
    const { server, part, complete } = await uploading();
    server.put(Bucket, Key, { body: Buffer.from("there") });
    const only = [await part(1, "abcd")];
    expect(await refusal(complete(only, { IfNoneMatch: "*" }))).toEqual([
      412,
      "PreconditionFailed",
    ]);
    expect(await refusal(complete(only, { IfMatch: '"other"' }))).toEqual([
      412,
      "PreconditionFailed",
    ]);
    expect(server.uploads).toHaveLength(1);
    await complete(only, { IfMatch: `"${server.object(Bucket, Key)?.etag ?? ""}"` });
  });

  it("answers once more when it is completed again, and is gone otherwise", async () => {
    const { server, part, complete, abort } = await uploading();
    const only = [await part(1, "abcd")];
    const first = await complete(only);
    expect((await complete(only)).ETag).toBe(first.ETag);
    expect(await refusal(part(1, "abcd"))).toEqual([404, "NoSuchUpload"]);
    expect(await refusal(complete([{ PartNumber: 2, ETag: "x" }]))).toEqual([404, "NoSuchUpload"]);
    await abort();
    expect(server.keys(Bucket)).toEqual([Key]);
  });

  it("leaves nothing when it is aborted", async () => {
    const { server, part, complete, abort } = await uploading();
    const only = [await part(1, "abcd")];
    await abort();
    await abort();
    expect(server.uploads).toEqual([]);
    expect(await refusal(complete(only))).toEqual([404, "NoSuchUpload"]);
    expect(server.keys(Bucket)).toEqual([]);
  });

  it("is listed, and so are its parts", async () => {
    const { client, UploadId, part } = await uploading();
    const other = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "a" }));
    for (const number of [1, 2, 3]) await part(number, "abcd");
    const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 1 }));
    expect(uploads).toMatchObject({
      IsTruncated: true,
      NextKeyMarker: "a",
      Uploads: [{ Key: "a", UploadId: other.UploadId }],
    });
    const rest = await client.send(
      new ListMultipartUploadsCommand({
        Bucket,
        KeyMarker: uploads.NextKeyMarker,
        UploadIdMarker: uploads.NextUploadIdMarker,
      }),
    );
    expect(rest.Uploads).toMatchObject([{ Key, UploadId }]);
    const list = (more: object) =>
      client.send(new ListPartsCommand({ Bucket, Key, UploadId, ...more }));
    const parts = await list({ MaxParts: 2 });
    expect(parts).toMatchObject({ IsTruncated: true, NextPartNumberMarker: "2" });
    const last = await list({ PartNumberMarker: "2" });
    expect(last.Parts).toMatchObject([{ PartNumber: 3, Size: 4 }]);
  });
});

describe("lib-storage", () => {
  it("uploads a stream of unknown length in parts of at least 5 MiB", async () => {
    const { server, client } = await testServer();
    const pieces = [randomBytes(4 * MIB), randomBytes(4 * MIB), randomBytes(4 * MIB)];
    const params = { Bucket, Key, Body: Readable.from(pieces) };
    await new Upload({ client, params, partSize: 5 * MIB }).done();
    const object = server.object(Bucket, Key);
    expect(object?.partCount).toBe(3);
    expect(object?.body.equals(Buffer.concat(pieces))).toBe(true);
    expect(server.uploads).toEqual([]);
    expect(
      server.requests.map(({ operation = "none" }) => operation).toSorted(compareKeys),
    ).toEqual([
      "CompleteMultipartUpload",
      "CreateMultipartUpload",
      "UploadPart",
      "UploadPart",
      "UploadPart",
    ]);
  });

  it("uploads what is short in one request", async () => {
    const { server, client } = await testServer();
    const params = { Bucket, Key, Body: Readable.from(["hello"]) };
    await new Upload({ client, params }).done();
    expect(server.requests.map(({ operation }) => operation)).toEqual(["PutObject"]);
  });
});
