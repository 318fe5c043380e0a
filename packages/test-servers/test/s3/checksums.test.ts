import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import { expect, it } from "vitest";
import { Bucket, refusal, testServer } from "./support.ts";

const Key = "k";
const Body = "123456789";

/** The check values of the algorithms: their results for the digits 1 to 9. */
const checks = [
  ["CRC32", "ChecksumCRC32", Buffer.from("cbf43926", "hex").toString("base64")],
  ["CRC32C", "ChecksumCRC32C", Buffer.from("e3069283", "hex").toString("base64")],
  ["CRC64NVME", "ChecksumCRC64NVME", Buffer.from("ae8b14860a799888", "hex").toString("base64")],
  ["SHA1", "ChecksumSHA1", createHash("sha1").update(Body).digest("base64")],
  ["SHA256", "ChecksumSHA256", createHash("sha256").update(Body).digest("base64")],
] as const;

it.each(checks)("verifies %s, keeps it, and gives it back where asked", async (_, field, value) => {
  const { server, client } = await testServer();
  const put = (checksum: string) =>
    client.send(new PutObjectCommand({ Bucket, Key, Body, [field]: checksum }));
  expect((await put(value))[field]).toBe(value);
  const wrong = Buffer.from(value, "base64");
  wrong[0] = (wrong[0] ?? 0) ^ 1;
  expect(await refusal(put(wrong.toString("base64")))).toEqual([400, "BadDigest"]);
  expect(await refusal(put("AAAA"))).toEqual([400, "InvalidRequest"]);
  expect(server.object(Bucket, Key)?.body.toString()).toBe(Body);

  const head = (ChecksumMode?: "ENABLED") =>
    client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode }));
  expect((await head("ENABLED"))[field]).toBe(value);
  expect((await head())[field]).toBeUndefined();
  const range = await client.send(
    new GetObjectCommand({ Bucket, Key, Range: "bytes=0-1", ChecksumMode: "ENABLED" }),
  );
  expect(range[field]).toBeUndefined();
});

it.each(checks.filter(([name]) => name !== "CRC64NVME"))(
  "verifies %s after a body in chunks",
  async (ChecksumAlgorithm, field, value) => {
    const { client } = await testServer();
    const stream = Readable.from([Body.slice(0, 4), Body.slice(4)]);
    const put = await client.send(
      new PutObjectCommand({ Bucket, Key, Body: stream, ContentLength: 9, ChecksumAlgorithm }),
    );
    expect(put[field]).toBe(value);
  },
);

it("computes CRC-64/NVME for what comes without a checksum", async () => {
  const { client } = await testServer({}, { requestChecksumCalculation: "WHEN_REQUIRED" });
  const put = await client.send(new PutObjectCommand({ Bucket, Key, Body }));
  expect(put).toMatchObject({ ChecksumCRC64NVME: checks[2][2], ChecksumType: "FULL_OBJECT" });
});

it("keeps the algorithm in a copy", async () => {
  const { client } = await testServer();
  await client.send(new PutObjectCommand({ Bucket, Key, Body, ChecksumAlgorithm: "SHA1" }));
  const { CopyObjectResult } = await client.send(
    new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/${Key}` }),
  );
  expect(CopyObjectResult?.ChecksumSHA1).toBe(checks[3][2]);
});

it.each<[string, Partial<PutObjectCommandInput>, string]>([
  ["an MD5 of other bytes", { ContentMD5: md5("other") }, "BadDigest"],
  ["an MD5 that is not one", { ContentMD5: "AAAA" }, "InvalidDigest"],
  ["two checksums", { ChecksumCRC32: checks[0][2], ChecksumSHA1: checks[3][2] }, "InvalidRequest"],
])("refuses %s", async (_, more, code) => {
  const { server, client } = await testServer();
  const put = new PutObjectCommand({ Bucket, Key, Body, ...more });
  expect(await refusal(client.send(put))).toEqual([400, code]);
  expect(server.keys(Bucket)).toEqual([]);
});

it.each([
  ["the hash that is signed", "x-amz-content-sha256", "0".repeat(64), "XAmzContentSHA256Mismatch"],
  [
    "the name of a checksum that does not come",
    "x-amz-sdk-checksum-algorithm",
    "SHA256",
    "InvalidRequest",
  ],
])("refuses a body that does not fit %s", async (_, header, value, code) => {
  const { server, client } = await testServer({}, { requestChecksumCalculation: "WHEN_REQUIRED" });
  client.middlewareStack.add(
    (next) => (call) => {
      (call.request as { headers: Record<string, string> }).headers[header] = value;
      return next(call);
    },
    { step: "build" },
  );
  const put = new PutObjectCommand({ Bucket, Key, Body });
  expect(await refusal(client.send(put))).toEqual([400, code]);
  expect(server.keys(Bucket)).toEqual([]);
});

it("refuses a body that was altered on its way, before or after it was cut into chunks", async () => {
  const { server, client } = await testServer();
  // After the signature: what a fault of the network would do.
  client.middlewareStack.add(
    (next) => (call) => {
      const request = call.request as { body: unknown };
      if (request.body instanceof Readable) {
        request.body = request.body.map((chunk: Buffer) =>
          Buffer.from(chunk.toString("latin1").replace(Body, "123456788"), "latin1"),
        );
      } else {
        request.body = "123456788";
      }
      return next(call);
    },
    { step: "finalizeRequest", priority: "low" },
  );
  const put = (more: object) => client.send(new PutObjectCommand({ Bucket, Key, ...more }));
  expect(await refusal(put({ Body }))).toEqual([400, "XAmzContentSHA256Mismatch"]);
  const stream = { Body: Readable.from([Body]), ContentLength: 9 };
  expect(await refusal(put(stream))).toEqual([400, "BadDigest"]);
  expect(server.keys(Bucket)).toEqual([]);
});

function md5(text: string): string {
  return createHash("md5").update(text).digest("base64");
}
