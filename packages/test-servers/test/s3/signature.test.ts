import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { afterEach, describe, expect, it, vi } from "vitest";
import { decodeBody } from "../../src/s3/body.ts";
import { S3Error } from "../../src/s3/error.ts";
import { verifySignature } from "../../src/s3/signature.ts";
import { Bucket, refusal, testServer } from "./support.ts";

const Key = "a folder/ü+1 & (more)!.txt";

afterEach(() => void vi.useRealTimers());

describe("a signature in a header", () => {
  it.each([
    [
      "another secret",
      { credentials: { accessKeyId: "test", secretAccessKey: "x" } },
      "SignatureDoesNotMatch",
    ],
    [
      "another key pair",
      { credentials: { accessKeyId: "x", secretAccessKey: "test" } },
      "InvalidAccessKeyId",
    ],
    ["a clock that is wrong", { systemClockOffset: 3_600_000 }, "RequestTimeTooSkewed"],
  ])("is refused with %s", async (_, config, code) => {
    const { client } = await testServer({}, config);
    expect(await refusal(client.send(new GetObjectCommand({ Bucket, Key })))).toEqual([403, code]);
  });

  it("is asked for", async () => {
    const { server } = await testServer();
    const answer = await fetch(`${server.url}/${Bucket}/k`);
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain("<Code>AccessDenied</Code>");
  });

  it("takes another key pair and region", async () => {
    const credentials = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "secret" };
    const { server } = await testServer({ credentials });
    const client = new S3Client({ ...server.clientOptions, region: "eu-central-1" });
    await client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
    client.destroy();
    expect(server.keys(Bucket)).toEqual([Key]);
  });
});

describe("a presigned URL", () => {
  it("gets, heads and puts", async () => {
    const { server, client } = await testServer();
    const put = await getSignedUrl(
      client,
      new PutObjectCommand({ Bucket, Key, Metadata: { owner: "ann" } }),
    );
    const stored = await fetch(put, { method: "PUT", body: "hello" });
    expect(stored.status).toBe(200);
    // The checksum in the query, which is that of an empty body, counts for nothing.
    expect(new URL(put).searchParams.get("x-amz-checksum-crc32")).toBe("AAAAAA==");
    expect(server.object(Bucket, Key)).toMatchObject({
      body: Buffer.from("hello"),
      metadata: { owner: "ann" },
    });
    const get = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key }));
    const got = await fetch(get, { headers: { range: "bytes=-2" } });
    expect([got.status, await got.text()]).toEqual([206, "lo"]);
    const head = await getSignedUrl(client, new HeadObjectCommand({ Bucket, Key }));
    expect((await fetch(head, { method: "HEAD" })).headers.get("content-length")).toBe("5");
  });

  it("binds the method, the key, and the headers that were signed", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, "k", { body: Buffer.from("x") });
    const get = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: "k" }));
    const put = await getSignedUrl(
      client,
      new PutObjectCommand({ Bucket, Key: "k", ContentType: "text/plain" }),
      { signableHeaders: new Set(["content-type"]) },
    );
    const codeOf = async (url: string, init?: RequestInit) =>
      /<Code>(\w+)/.exec(await (await fetch(url, init)).text())?.[1];
    expect(await codeOf(get, { method: "DELETE" })).toBe("SignatureDoesNotMatch");
    expect(await codeOf(get.replace("/k?", "/other?"))).toBe("SignatureDoesNotMatch");
    expect(
      await codeOf(put, { method: "PUT", body: "x", headers: { "content-type": "a/b" } }),
    ).toBe("SignatureDoesNotMatch");
    const more = { "content-type": "text/plain", "x-amz-meta-a": "b" };
    expect(await codeOf(put, { method: "PUT", body: "x", headers: more })).toBe("AccessDenied");
    const right = { "content-type": "text/plain" };
    expect(await codeOf(put, { method: "PUT", body: "y", headers: right })).toBeUndefined();
    expect(server.object(Bucket, "k")?.body.toString()).toBe("y");
  });

  it("expires", async () => {
    const { server, client } = await testServer();
    server.put(Bucket, "k", { body: Buffer.from("x") });
    const command = new GetObjectCommand({ Bucket, Key: "k" });
    const signedAgo = (seconds: number) =>
      getSignedUrl(client, command, {
        expiresIn: 60,
        signingDate: new Date(Date.now() - seconds * 1000),
      });
    expect((await fetch(await signedAgo(10))).status).toBe(200);
    const expired = await fetch(await signedAgo(70));
    expect(expired.status).toBe(403);
    expect(await expired.text()).toContain("<Message>Request has expired</Message>");
  });
});

/** The examples of S3's documentation: 65 KiB of `a` in chunks, whose signatures it gives. */
describe("the signatures of chunks", () => {
  const credentials = {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  };
  const trailing = "x-amz-checksum-crc32c:sOO8/Q==";
  const examples = {
    "without trailers": {
      form: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
      more: { "content-length": "66824" },
      seed: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
      chunks: [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
      ],
      end: "",
    },
    "with trailers": {
      form: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
      more: { "x-amz-trailer": "x-amz-checksum-crc32c" },
      seed: "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
      chunks: [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
      ],
      end: `${trailing}\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n`,
    },
  };

  function decode(name: keyof typeof examples, alter: (raw: string) => string = (raw) => raw) {
    const { form, more, seed, chunks, end } = examples[name];
    vi.useFakeTimers({ now: new Date("2013-05-24T00:00:00Z"), toFake: ["Date"] });
    const signed: Record<string, string> = {
      "content-encoding": "aws-chunked",
      host: "s3.amazonaws.com",
      "x-amz-content-sha256": form,
      "x-amz-date": "20130524T000000Z",
      "x-amz-decoded-content-length": "66560",
      "x-amz-storage-class": "REDUCED_REDUNDANCY",
      ...more,
    };
    const names = Object.keys(signed).toSorted().join(";");
    const authorization = `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${names},Signature=${seed}`;
    const headers = { ...signed, authorization };
    const path = "/examplebucket/chunkObject.txt";
    const signer = verifySignature(
      { method: "PUT", path, query: new URLSearchParams(), headers },
      credentials,
    );
    const pieces = ["a".repeat(65_536), "a".repeat(1024), ""];
    const raw = pieces.map((piece, index) => {
      const size = piece.length.toString(16);
      return `${size};chunk-signature=${chunks[index] ?? ""}\r\n${piece}${piece === "" ? "" : "\r\n"}`;
    });
    return decodeBody(headers, Buffer.from(alter(`${raw.join("")}${end}\r\n`)), signer);
  }

  function codeOf(call: () => unknown): string {
    try {
      call();
    } catch (error) {
      if (error instanceof S3Error) return error.code;
      throw error;
    }
    return "none";
  }

  it("are those of the documentation", () => {
    const plain = decode("without trailers");
    expect(plain.body.toString()).toBe("a".repeat(66_560));
    const trailed = decode("with trailers");
    expect(trailed.body.toString()).toBe("a".repeat(66_560));
    expect(trailed.trailers).toEqual({ "x-amz-checksum-crc32c": "sOO8/Q==" });
  });

  it.each<[string, (raw: string) => string, string]>([
    ["a byte of the data", (raw) => raw.replace("aa\r\n", "ab\r\n"), "SignatureDoesNotMatch"],
    ["the signature of a chunk", (raw) => raw.replace("=1c13", "=2c13"), "SignatureDoesNotMatch"],
    ["the trailer", (raw) => raw.replace("sOO8/Q", "sOO8/A"), "SignatureDoesNotMatch"],
    ["the name of the trailer", (raw) => raw.replace("crc32c", "crc32d"), "MalformedTrailerError"],
    ["the end of the data", (raw) => raw.slice(0, 66_000), "IncompleteBody"],
    ["the size of a chunk", (raw) => raw.replace("\r\n400;", "\r\n3ff;"), "SignatureDoesNotMatch"],
  ])("refuse a body where %s is altered", (_, alter, code) => {
    expect(codeOf(() => decode("with trailers", alter))).toBe(code);
  });

  it("refuse a body without its last chunk", () => {
    const cut = (raw: string): string => raw.slice(0, raw.indexOf("0;chunk-signature=b6c6"));
    expect(codeOf(() => decode("without trailers", cut))).toBe("IncompleteBody");
  });
});
