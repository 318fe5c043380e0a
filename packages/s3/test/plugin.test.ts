import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { Envelope } from "@env/core";
import { pattern } from "@env/testkit/bytes";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { encryptedS3Plugin } from "../src/index.ts";
import { Bucket, context, refuses, setUp, type Setup } from "./support/s3.ts";

const name = { Bucket, Key: "object" };
const plaintext = pattern(50_000);
let setup: Setup;
let client: S3Client;

beforeEach(async () => {
  setup = await setUp();
  client = new S3Client(setup.server.clientOptions);
  client.middlewareStack.use(
    encryptedS3Plugin({ envelope: new Envelope({ cmks: [setup.cmk] }), context }),
  );
  onTestFinished(() => client.destroy());
});

describe("a client with the plug-in", () => {
  it("stores ciphertext that encryptedS3 reads, and the other way round", async () => {
    const { server, s3 } = setup;
    await client.send(new PutObjectCommand({ ...name, Body: plaintext, Metadata: { mine: "1" } }));
    expect(server.object(Bucket, "object")?.body.length).toBeGreaterThan(plaintext.length);
    expect(await (await s3.get(name)).bytes()).toEqual(plaintext);
    for (const placement of ["metadata", "sidecar", "inline"] as const) {
      await s3.put({ ...name, Body: plaintext, Metadata: { mine: "2" } }, { placement });
      const { Body, ContentLength, Metadata } = await client.send(new GetObjectCommand(name));
      expect({ ContentLength, Metadata }).toEqual({
        ContentLength: 50_000,
        Metadata: { mine: "2" },
      });
      expect(await Body?.transformToByteArray()).toEqual(plaintext);
    }
  });

  it.each([
    ["bytes=0-9", 0, 10],
    ["bytes=49990-", 49_990, 50_000],
    ["bytes=-7", 49_993, 50_000],
    ["bytes=16000-99999", 16_000, 50_000],
  ])("reads the range %s of the plaintext", async (Range, start, end) => {
    await client.send(new PutObjectCommand({ ...name, Body: plaintext }));
    const { Body, ContentRange, ContentLength } = await client.send(
      new GetObjectCommand({ ...name, Range }),
    );
    expect(ContentRange).toBe(`bytes ${start}-${end - 1}/50000`);
    expect(ContentLength).toBe(end - start);
    expect(await Body?.transformToByteArray()).toEqual(plaintext.subarray(start, end));
  });

  it.each(["bytes=50000-", "bytes=9-3"])("refuses the range %s", async (Range) => {
    await client.send(new PutObjectCommand({ ...name, Body: plaintext }));
    const get = client.send(new GetObjectCommand({ ...name, Range }));
    await expect(get).rejects.toThrow(RangeError);
  });

  it("tells the length and the metadata of the plaintext", async () => {
    await client.send(new PutObjectCommand({ ...name, Body: plaintext, Metadata: { mine: "1" } }));
    const { ContentLength, Metadata } = await client.send(new HeadObjectCommand(name));
    expect({ ContentLength, Metadata }).toEqual({ ContentLength: 50_000, Metadata: { mine: "1" } });
  });

  it("streams where it knows the length, and says so where it does not", async () => {
    const body = (): Readable => Readable.from([plaintext], { objectMode: false });
    const ContentLength = plaintext.length;
    await client.send(new PutObjectCommand({ ...name, Body: body(), ContentLength }));
    const { Body } = await client.send(new GetObjectCommand(name));
    expect(await Body?.transformToByteArray()).toEqual(plaintext);
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () =>
      client.send(new PutObjectCommand({ ...name, Body: body() })),
    );
  });

  it("refuses what would store plaintext or lose a key block", async () => {
    const Body = Readable.from([pattern(12_000_000)], { objectMode: false });
    const upload = new Upload({ client, params: { ...name, Body } });
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () => upload.done());
    await client.send(new PutObjectCommand({ ...name, Body: plaintext }));
    const copy = { Bucket, Key: "copy", CopySource: `${Bucket}/object` };
    await client.send(new CopyObjectCommand(copy));
    const got = await client.send(new GetObjectCommand({ Bucket, Key: "copy" }));
    expect(await got.Body?.transformToByteArray()).toEqual(plaintext);
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () =>
      client.send(new CopyObjectCommand({ ...copy, MetadataDirective: "REPLACE" })),
    );
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () =>
      client.send(new GetObjectCommand({ ...name, PartNumber: 1 })),
    );
  });

  it("leaves other commands alone, and errors of S3", async () => {
    expect((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount).toBe(0);
    const get = client.send(new GetObjectCommand({ Bucket, Key: "none" }));
    await expect(get).rejects.toMatchObject({ name: "NoSuchKey" });
  });
});

it("refuses options that cannot work", () => {
  expect(() => encryptedS3Plugin({ colour: "red" } as never)).toThrow(TypeError);
});
