import { randomBytes } from "node:crypto";
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import type { S3Fault, S3Operation, S3Server } from "../../src/s3/index.ts";
import { Bucket, refusal, testServer } from "./support.ts";

const Key = "k";

/** Makes the next requests for an operation fail. */
function failNext(server: S3Server, operation: S3Operation, fault: S3Fault, times = 1): void {
  let left = times;
  server.hook = (request) => (request.operation === operation && left-- > 0 ? fault : undefined);
}

const get = () => new GetObjectCommand({ Bucket, Key });
const put = (Body: string | Buffer = "new") => new PutObjectCommand({ Bucket, Key, Body });

describe("an answer", () => {
  it.each([
    ["SlowDown", 503],
    ["InternalError", 500],
    ["PreconditionFailed", 412],
    ["ConditionalRequestConflict", 409],
    ["AccessDenied", 403],
  ] as const)("refuses with %s, and nothing is done", async (code, status) => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, { body: Buffer.from("old") });
    failNext(server, "PutObject", { kind: "answer", code });
    expect(await refusal(client.send(put()))).toEqual([status, code]);
    expect(server.object(Bucket, Key)?.body.toString()).toBe("old");
    expect(server.requests).toMatchObject([{ operation: "PutObject", status, received: 3 }]);
    await client.send(put());
    expect(server.object(Bucket, Key)?.body.toString()).toBe("new");
  });

  it("refuses what has been done", async () => {
    const { server, client } = await testServer();
    failNext(server, "PutObject", { kind: "answer", code: "InternalError", at: "handled" });
    expect(await refusal(client.send(put()))).toEqual([500, "InternalError"]);
    expect(server.object(Bucket, Key)?.body.toString()).toBe("new");
  });

  it("fails a copy after its status was sent", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, {});
    failNext(server, "CopyObject", { kind: "answer", code: "InternalError", status: 200 });
    const copy = new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/${Key}` });
    expect((await rejection(client.send(copy))).name).toBe("InternalError");
    expect(server.keys(Bucket)).toEqual([Key]);
  });

  it("is tried again by the SDK", async () => {
    const { server, client } = await testServer({}, { maxAttempts: 3 });
    failNext(server, "PutObject", { kind: "answer", code: "SlowDown" }, 2);
    await client.send(put());
    expect(server.requests.map(({ status }) => status)).toEqual([503, 503, 200]);
  });
});

describe("a reset", () => {
  it("comes before a request is read", async () => {
    const { server, client } = await testServer();
    failNext(server, "PutObject", { kind: "reset", at: "arrived" });
    expect(await rejection(client.send(put()))).toMatchObject({ code: "ECONNRESET" });
    expect(server.keys(Bucket)).toEqual([]);
    expect(server.requests).toMatchObject([{ status: undefined }]);
  });

  it("comes in the middle of a body that is received, of which nothing is kept", async () => {
    const { server, client } = await testServer();
    failNext(server, "PutObject", { kind: "reset", at: "receiving", bytes: 100_000 });
    const error = await rejection(client.send(put(randomBytes(10_000_000))));
    expect(error).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
    expect(server.keys(Bucket)).toEqual([]);
    const { received } = server.requests[0] ?? {};
    expect(received).toBeGreaterThanOrEqual(100_000);
    expect(received).toBeLessThan(10_000_000);
  });

  it("comes after what was asked for is done", async () => {
    const { server, client } = await testServer();
    failNext(server, "PutObject", { kind: "reset", at: "handled" });
    expect(await rejection(client.send(put()))).toMatchObject({ code: "ECONNRESET" });
    expect(server.object(Bucket, Key)?.body.toString()).toBe("new");
  });

  it("comes in the middle of a body that is sent", async () => {
    const { server, client } = await testServer();
    const body = randomBytes(1_000_000);
    server.put(Bucket, Key, { body });
    failNext(server, "GetObject", { kind: "reset", at: "sending", bytes: 300_000 });
    const { Body } = await client.send(get());
    const received: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of Body as AsyncIterable<Buffer>) received.push(chunk);
    })();
    expect(await rejection(reading)).toBeInstanceOf(Error);
    const bytes = Buffer.concat(received);
    expect(bytes.length).toBeLessThanOrEqual(300_000);
    expect(bytes.equals(body.subarray(0, bytes.length))).toBe(true);
    expect(server.requests).toMatchObject([{ status: 200, sent: 300_000 }]);
  });

  it("of a part is tried again, and leaves one object and no upload", async () => {
    const { server, client } = await testServer({}, { maxAttempts: 3 });
    failNext(server, "UploadPart", { kind: "reset", at: "receiving", bytes: 1_000_000 });
    const body = randomBytes(11 * 2 ** 20);
    await new Upload({ client, params: { Bucket, Key, Body: body } }).done();
    expect(server.object(Bucket, Key)?.body.equals(body)).toBe(true);
    expect(server.uploads).toEqual([]);
  });

  it("of the answer to a completion is tried again, with the same result", async () => {
    const { server, client } = await testServer({}, { maxAttempts: 3 });
    failNext(server, "CompleteMultipartUpload", { kind: "reset", at: "handled" });
    await new Upload({ client, params: { Bucket, Key, Body: Buffer.alloc(6 * 2 ** 20) } }).done();
    const completions = server.requests.filter(
      ({ operation }) => operation === "CompleteMultipartUpload",
    );
    expect(completions.map(({ status }) => status)).toEqual([undefined, 200]);
  });
});

describe("a connection that hangs", () => {
  it.each<[string, S3Fault]>([
    ["before the body", { kind: "hang", at: "arrived" }],
    ["in the middle of the body", { kind: "hang", at: "receiving", bytes: 100_000 }],
    ["before the answer", { kind: "hang", at: "handled" }],
  ])("%s is left by a client that gives up", async (_, fault) => {
    const { server, client } = await testServer();
    const arrived = new Promise<void>((resolve) => {
      server.hook = () => {
        resolve();
        return fault;
      };
    });
    const abort = new AbortController();
    const sending = client.send(put(randomBytes(10_000_000)), { abortSignal: abort.signal });
    await arrived;
    expect(server.connections).toBe(1);
    abort.abort();
    expect((await rejection(sending)).name).toBe("AbortError");
  });

  it("is answered when the client has left", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, { body: Buffer.alloc(10_000_000) });
    let proceed: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      server.hook = () => {
        resolve();
        return new Promise((end) => {
          proceed = () => end(undefined);
        });
      };
    });
    const abort = new AbortController();
    const sending = client.send(get(), { abortSignal: abort.signal });
    await arrived;
    abort.abort();
    expect((await rejection(sending)).name).toBe("AbortError");
    await server.disconnected();
    proceed();
    server.hook = undefined;
    const { Body } = await client.send(get());
    expect((await Body?.transformToByteArray())?.length).toBe(10_000_000);
  });

  it("in the middle of an answer keeps what was sent", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, { body: Buffer.alloc(1_000_000, 1) });
    failNext(server, "GetObject", { kind: "hang", at: "sending", bytes: 10 });
    const abort = new AbortController();
    const { Body } = await client.send(get(), { abortSignal: abort.signal });
    const stream = Body as AsyncIterable<Buffer>;
    for await (const chunk of stream) {
      expect(chunk.length).toBe(10);
      break;
    }
    expect(server.requests).toMatchObject([{ sent: 10 }]);
  });
});

describe("a hook", () => {
  it("replaces an object between two reads", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, Key, { body: Buffer.from("old"), metadata: { a: "1" } });
    const before = await client.send(get());
    server.hook = (request) => {
      server.hook = undefined;
      expect(request).toMatchObject({ operation: "GetObject", key: Key });
      server.alter(Bucket, Key, { body: Buffer.from("new") });
    };
    const again = new GetObjectCommand({ Bucket, Key, IfMatch: before.ETag });
    expect(await refusal(client.send(again))).toEqual([412, "PreconditionFailed"]);
    const after = await client.send(get());
    expect(after.Metadata).toEqual({ a: "1" });
    expect(await after.Body?.transformToString()).toBe("new");
  });

  it("may wait", async () => {
    const { server, client } = await testServer();
    let proceed: () => void = () => undefined;
    server.hook = () =>
      new Promise((resolve) => {
        proceed = () => resolve(undefined);
      });
    const sending = client.send(put());
    while (server.requests.length === 0) await new Promise(setImmediate);
    expect(server.keys(Bucket)).toEqual([]);
    proceed();
    await sending;
    expect(server.keys(Bucket)).toEqual([Key]);
  });

  it("sees requests that are not served", async () => {
    const { server, client } = await testServer();
    const complete = new CompleteMultipartUploadCommand({ Bucket, Key, UploadId: "none" });
    await refusal(client.send(complete));
    await fetch(`${server.url}/${Bucket}/${Key}?acl`);
    expect(server.requests).toMatchObject([
      { operation: "CompleteMultipartUpload", query: { uploadId: "none" } },
      { operation: undefined, method: "GET", query: { acl: "" } },
    ]);
  });
});
