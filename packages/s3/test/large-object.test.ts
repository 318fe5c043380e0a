/** A range of an object costs two requests, however large the object is. `SLOW=1` for one of 1 GiB. */
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { Bucket, setUp } from "./support/s3.ts";

const MIB = 2 ** 20;
const SIZE = process.env["SLOW"] === undefined ? 32 * MIB : 1024 * MIB;

/** Bytes whose value follows from their position: each 4 of them are a number. */
function bytesAt(position: number, length: number): Buffer {
  const start = position - (position % 4);
  const words = Buffer.alloc(Math.ceil((position + length - start) / 4) * 4);
  for (let i = 0; i < words.length; i += 4) words.writeUInt32BE((start + i) / 4, i);
  return words.subarray(position - start, position - start + length);
}

function* pieces(): Generator<Buffer> {
  for (let position = 0; position < SIZE; position += MIB) yield bytesAt(position, MIB);
}

it("reads 1 MiB of a large object in two requests, and little more than it", async () => {
  const { server, s3 } = await setUp();
  const name = { Bucket, Key: "large" };
  await s3.put({ ...name, Body: Readable.from(pieces()) }, { plaintextBytes: SIZE });
  for (const start of [0, 1, SIZE / 2 - 5, SIZE - 2 * MIB]) {
    server.requests.length = 0;
    const range = await s3.getRange(name, start, start + MIB);
    expect(Buffer.compare(range, bytesAt(start, MIB))).toBe(0);
    const sent = server.requests.map((request) => request.sent);
    expect(sent.length).toBeLessThanOrEqual(2);
    expect(sent.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(MIB + 2 * 32_768 + 2 * 16_400);
  }
});
