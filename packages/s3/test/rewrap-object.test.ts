import { Envelope } from "@env/core";
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { reportBucket, rewrapBucket, type Placement } from "../src/index.ts";
import { readHeader } from "../src/object-front.ts";
import { copyWithMetadata, replaceStart } from "../src/self-copy.ts";
import { Bucket, context, refuses, setUp } from "./support/s3.ts";

const placements: readonly Placement[] = ["metadata", "sidecar", "inline"];
const name = { Bucket, Key: "a/ü object" };

describe.each(placements)("with placement %s", (placement) => {
  it("an object is opened by the new CMK alone, and keeps everything else", async () => {
    const { server, client, cmk, newCmk, ...setup } = await setUp();
    const next = newCmk();
    const s3 = setup.with({ placement });
    const kept = {
      ContentType: "application/pdf",
      CacheControl: "no-store",
      ContentDisposition: "attachment",
      ContentEncoding: "identity",
      ContentLanguage: "de",
      Expires: new Date("2030-01-01T00:00:00Z"),
      StorageClass: "STANDARD_IA",
      Metadata: { mine: "1" },
      Tagging: "a=b&c=%3D",
    } as const;
    const plaintext = pattern(50_000);
    await s3.put({ ...name, ...kept, Body: plaintext });
    const before = server.object(Bucket, name.Key);
    const moved = setup.with({ envelope: new Envelope({ cmks: [next] }), placement });
    const result = await moved.rewrap(name, { from: [cmk] });
    expect(result).toMatchObject({ placement, changed: true, wrapped: 1 });
    expect(result.entries.map(({ action }) => action)).toEqual(["removed", "added"]);
    const after = server.object(Bucket, name.Key);
    const beside = ({ headers = {} }: { headers?: object } = {}): object =>
      Object.fromEntries(
        Object.entries(headers).filter(([key]) => !key.startsWith("x-amz-meta-env")),
      );
    expect(beside(after)).toEqual(beside(before));
    expect(after?.tags).toEqual({ a: "b", c: "=" });
    const object = await moved.get(name);
    expect(object.Metadata).toEqual({ mine: "1" });
    expect(Buffer.compare(await object.bytes(), plaintext)).toBe(0);
    await refuses("ERR_ENVELOPE_NO_KEY", async () => (await s3.get(name)).bytes());
    client.destroy();
  });

  it("nothing is stored where nothing changes, or only a dry run was asked for", async () => {
    const { server, newCmk, cmk, ...setup } = await setUp();
    const s3 = setup.with({ placement });
    await s3.put({ ...name, Body: "hello" });
    const more = setup.with({ envelope: new Envelope({ cmks: [cmk, newCmk()] }) });
    server.requests.length = 0;
    expect(await s3.rewrap(name)).toMatchObject({ changed: false });
    expect(await more.rewrap(name, { dryRun: true })).toMatchObject({ changed: true });
    expect(new Set(server.requests.map(({ method }) => method))).toEqual(new Set(["GET"]));
    expect((await s3.head(name)).entries).toHaveLength(1);
  });

  // Requirements: S7
  it("a change by somebody else meanwhile is seen, and rewrapped in its turn", async () => {
    const { server, newCmk, cmk, ...setup } = await setUp();
    const s3 = setup.with({ placement });
    await s3.put({ ...name, Body: "one" });
    const more = setup.with({ envelope: new Envelope({ cmks: [cmk, newCmk()] }) });
    let others = 0;
    server.hook = async ({ operation, method }) => {
      const writes = operation === "CopyObject" || (method === "PUT" && placement !== "metadata");
      if (!writes || others++ > 0) return;
      server.hook = undefined;
      await s3.put({ ...name, Body: "two" });
    };
    await more.rewrap(name);
    expect(others).toBe(1);
    expect(await (await more.get(name)).text()).toBe("two");
    expect((await more.head(name)).entries).toHaveLength(2);
  });

  it("an object that cannot be rewrapped is as it was", async () => {
    const { server, newCmk, ...setup } = await setUp();
    const s3 = setup.with({ placement });
    await s3.put({ ...name, Body: "hello" });
    const stranger = setup.with({ envelope: new Envelope({ cmks: [newCmk()] }) });
    await refuses("ERR_ENVELOPE_NO_KEY", () => stranger.rewrap(name));
    server.hook = ({ method }) =>
      method === "GET" ? undefined : { kind: "answer", code: "AccessDenied" };
    const more = setup.with({ envelope: new Envelope({ cmks: [setup.cmk, newCmk()] }) });
    await expect(more.rewrap(name)).rejects.toMatchObject({ name: "AccessDenied" });
    expect(await (await s3.get(name)).text()).toBe("hello");
  });
});

it("keeps how S3 encrypts a sidecar", async () => {
  const { server, newCmk, cmk, ...setup } = await setUp();
  const atRest = { ServerSideEncryption: "aws:kms", SSEKMSKeyId: "alias/bucket" } as const;
  const s3 = setup.with({ placement: "sidecar" });
  await s3.put({ ...name, ...atRest, Body: "hello" });
  const more = setup.with({ envelope: new Envelope({ cmks: [cmk, newCmk()] }) });
  expect(await more.rewrap(name)).toMatchObject({ changed: true });
  await more.copy({ from: name, Bucket, Key: "copy" });
  const sidecars = server.keys(Bucket).filter((key) => key.endsWith(".envelope-keys"));
  expect(sidecars).toHaveLength(2);
  for (const key of sidecars) {
    expect(server.object(Bucket, key)?.headers).toMatchObject({
      "x-amz-server-side-encryption": "aws:kms",
      "x-amz-server-side-encryption-aws-kms-key-id": "alias/bucket",
    });
  }
});

it("takes the context from the object where the caller says so", async () => {
  const { newCmk, cmk, ...setup } = await setUp();
  const stored = { a: "1" };
  await setup.s3.put({ ...name, Body: "hello" }, { context: stored, storeContext: true });
  const more = setup.with({ envelope: new Envelope({ cmks: [cmk, newCmk()] }) });
  await refuses("ERR_ENVELOPE_DECRYPT", () => more.rewrap(name, { context }));
  expect(await more.rewrap(name, { context: stored })).toMatchObject({ changed: true });
});

// Requirements: S3, S4
it("refuses a key block that would not fit into the metadata, and leaves the object", async () => {
  const { newCmk, cmk, s3, ...setup } = await setUp();
  await s3.put({ ...name, Body: "hello", Metadata: { notes: "x".repeat(1700) } });
  const cmks = [cmk, newCmk(), newCmk(), newCmk()];
  const more = setup.with({ envelope: new Envelope({ cmks }) });
  const error = await refuses("ERR_ENVELOPE_LIMIT", () => more.rewrap(name));
  expect(error.message).toContain('Use the placement "sidecar" or "inline"');
  expect(await (await s3.get(name)).text()).toBe("hello");
});

describe.each(placements)(
  "an object under a customer key (SSE-C), with placement %s",
  (placement) => {
    const key = {
      SSECustomerAlgorithm: "AES256",
      SSECustomerKey: Buffer.alloc(32, 7).toString("base64"),
    };
    const under = { ...name, ...key };

    it("is rewrapped, copied, listed and deleted with that key", async () => {
      const { server, cmk, newCmk, ...setup } = await setUp();
      const s3 = setup.with({ placement });
      await s3.put({ ...under, Body: pattern(10_000) });
      await s3.put({ ...under, Body: pattern(10_000) }); // It finds the sidecar of the former one.
      const more = setup.with({ envelope: new Envelope({ cmks: [cmk, newCmk()] }) });
      expect(await more.rewrap(under)).toMatchObject({ changed: true, placement });
      const { headers } = server.object(Bucket, name.Key) ?? {};
      expect(headers).toMatchObject({
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
      });
      expect((await s3.head(under)).entries).toHaveLength(2);
      await s3.copy({ from: under, Bucket, Key: "copy" });
      expect(await s3.getRange({ ...under, Key: "copy" }, 0, 10)).toEqual(pattern(10));
      for await (const { encryption } of s3.list({ Bucket, ...key })) {
        expect(encryption?.entries).toHaveLength(2);
      }
      expect(await rewrapBucket(more, { Bucket, ...key })).toMatchObject({ objects: 2, failed: 0 });
      expect(await reportBucket(more, { Bucket })).toMatchObject({ objects: 2, failed: 2 });
      for (const Key of [name.Key, "copy"]) await s3.delete({ ...under, Key });
      expect(server.keys(Bucket)).toEqual([]);
    });

    it("keeps its key where it is copied in parts, and takes another one", async () => {
      const { client, ...setup } = await setUp({ limits: { minPartBytes: 1 } });
      const s3 = setup.with({ placement });
      await s3.put({ ...under, Body: pattern(30_000) });
      const front = await readHeader(client, under, undefined);
      const Metadata = front.output.Metadata ?? {};
      await copyWithMetadata(client, front, { ...name, Metadata }, undefined, 10_000);
      expect(await s3.getRange(under, 29_990, 30_000)).toEqual(pattern(30_000).subarray(-10));
      const other = { ...key, SSECustomerKey: Buffer.alloc(32, 8).toString("base64") };
      await s3.copy({ from: under, Bucket, Key: "copy", ...other });
      expect(await s3.getRange({ Bucket, Key: "copy", ...other }, 0, 10)).toEqual(pattern(10));
    });
  },
);

describe("what one copy does not take", () => {
  it("is copied in parts, with its tags", async () => {
    const { server, client, s3 } = await setUp({
      limits: { minPartBytes: 1, maxCopyBytes: 10_000 },
    });
    await s3.put({ ...name, Body: pattern(35_000), Tagging: "a=b", ContentType: "text/plain" });
    const front = await readHeader(client, name, undefined);
    const Metadata = { ...front.output.Metadata, more: "1" };
    await copyWithMetadata(client, front, { ...name, Metadata }, undefined, 10_000);
    const { headers, metadata, tags, partCount } = server.object(Bucket, name.Key) ?? {};
    expect({ tags, partCount }).toEqual({ tags: { a: "b" }, partCount: 4 });
    expect(headers).toMatchObject({ "content-type": "text/plain" });
    expect(metadata).toMatchObject({ more: "1" });
    expect(Buffer.compare(await (await s3.get(name)).bytes(), pattern(35_000))).toBe(0);
  });

  it("leaves no parts where it fails", async () => {
    const { server, client, s3 } = await setUp({
      limits: { minPartBytes: 1, maxCopyBytes: 10_000 },
    });
    await s3.put({ ...name, Body: pattern(35_000) });
    const front = await readHeader(client, name, undefined);
    server.hook = ({ query }) =>
      query["partNumber"] === "3" ? { kind: "answer", code: "AccessDenied" } : undefined;
    const copying = copyWithMetadata(client, front, { ...name, Metadata: {} }, undefined, 10_000);
    await expect(copying).rejects.toMatchObject({ name: "AccessDenied" });
    expect(server.uploads).toEqual([]);
  });

  it("is sent in one part of 5 MiB where the key block is in a longer body", async () => {
    const { server, newCmk, cmk, ...setup } = await setUp();
    const s3 = setup.with({ placement: "inline" });
    const plaintext = pattern(17_000_000);
    await s3.put({ ...name, Body: plaintext });
    server.requests.length = 0;
    const more = setup.with({ envelope: new Envelope({ cmks: [cmk, newCmk()] }) });
    await more.rewrap(name);
    const sent = server.requests.reduce((sum, { received }) => sum + received, 0);
    expect(sent).toBeLessThan(5.3 * 2 ** 20);
    expect(Buffer.compare(await (await more.get(name)).bytes(), plaintext)).toBe(0);
  });

  it("keeps what a copy would lose, whatever replaces the start", async () => {
    const { client, server, s3 } = await setUp();
    await s3.put({ ...name, Body: "hello", ContentType: "text/plain", Tagging: "a=b" });
    const front = await readHeader(client, name, undefined);
    for (const replacedBytes of [10, front.size]) {
      const replacing = { start: Buffer.from("new"), replacedBytes };
      await replaceStart(client, front, { ...name, Metadata: {} }, replacing, undefined);
      const { headers, tags, body } = server.object(Bucket, name.Key) ?? {};
      expect(headers).toMatchObject({ "content-type": "text/plain" });
      expect(tags).toEqual({ a: "b" });
      const rest = front.bytes.subarray(replacedBytes);
      expect(body).toEqual(Buffer.concat([Buffer.from("new"), rest]));
      server.alter(Bucket, name.Key, { body: front.bytes });
    }
  });
});
