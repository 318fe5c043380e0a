import { Readable } from "node:stream";
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { placements } from "../src/layout.ts";
import { Bucket, refuses, setUp } from "./support/s3.ts";

const name = { Bucket, Key: "object" };
const plaintext = pattern(300_000);

/** Resets every answer that has a body of this object, after so many bytes. */
const reset = (bytes: number, times: number) => {
  let left = times;
  return ({ operation }: { operation: string | undefined }) =>
    operation === "GetObject" && left-- > 0
      ? ({ kind: "reset", at: "sending", bytes } as const)
      : undefined;
};

describe("a body whose connection breaks", () => {
  // Requirements: S6
  it("is taken up where it broke, from the same version", async () => {
    const { server, s3 } = await setUp();
    await s3.put({ ...name, Body: plaintext });
    server.requests.length = 0;
    server.hook = reset(70_000, 3);
    const bytes = await (await s3.get(name)).bytes();
    expect(Buffer.compare(bytes, plaintext)).toBe(0);
    const ranges = server.requests.map(({ range }) => range);
    expect(ranges).toHaveLength(4);
    expect(ranges[0]).toBeUndefined();
    const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1]));
    expect(starts.toSorted((one, other) => one - other)).toEqual(starts);
    expect(server.requests[1]?.headers["if-match"]).toBe(
      `"${server.object(Bucket, name.Key)?.etag}"`,
    );
  });

  it("is not taken up for ever", async () => {
    const { server, s3 } = await setUp();
    await s3.put({ ...name, Body: plaintext });
    server.hook = reset(10, Infinity);
    const { body } = await s3.get(name);
    await expect(body.toArray()).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("ends with an error where the object was replaced meanwhile", async () => {
    const { server, s3 } = await setUp();
    await s3.put({ ...name, Body: plaintext });
    const object = await s3
      .put({ ...name, Key: "other", Body: plaintext })
      .then(() => server.object(Bucket, "other"));
    let requests = 0;
    server.hook = () => {
      if (requests++ === 0) return { kind: "reset", at: "sending", bytes: 70_000 };
      server.alter(Bucket, name.Key, object ?? {});
      return undefined;
    };
    const { body } = await s3.get(name);
    const error = await refuses("ERR_ENVELOPE_TRUNCATED", () => body.toArray());
    expect(error.message).toBe('the object "object" was replaced while it was read: read it again');
  });
});

describe("an object that was tampered with", () => {
  it("gives an error and no byte that was not written, wherever a bit is flipped", async () => {
    const { server, s3 } = await setUp();
    await s3.put({ ...name, Body: plaintext });
    const { body = Buffer.alloc(0) } = server.object(Bucket, name.Key) ?? {};
    for (const position of [0, 9, 10, 40, 70, 16_500, body.length - 1]) {
      const altered = Buffer.from(body);
      altered[position] = (altered[position] ?? 0) ^ 1;
      server.alter(Bucket, name.Key, { body: altered });
      const given: Buffer[] = [];
      const read = async (): Promise<void> => {
        const { body: opened } = await s3.get(name);
        for await (const piece of opened as AsyncIterable<Buffer>) given.push(piece);
      };
      await expect(read()).rejects.toMatchObject({ code: /^ERR_ENVELOPE_/ as never });
      const seen = Buffer.concat(given);
      expect(Buffer.compare(seen, plaintext.subarray(0, seen.length))).toBe(0);
    }
  });

  it.each([-1, -20_000, 1, 20_000])("is an error when it is %i bytes longer", async (more) => {
    const { server, s3 } = await setUp();
    await s3.put({ ...name, Body: plaintext });
    const { body = Buffer.alloc(0) } = server.object(Bucket, name.Key) ?? {};
    const changed = more < 0 ? body.subarray(0, more) : Buffer.concat([body, pattern(more)]);
    server.alter(Bucket, name.Key, { body: changed });
    await expect(s3.get(name).then((object) => object.bytes())).rejects.toMatchObject({
      name: "EnvelopeError",
    });
  });

  it("does not open by the key block of another object", async () => {
    const { server, s3 } = await setUp();
    await s3.put({ ...name, Body: plaintext });
    await s3.put({ ...name, Key: "other", Body: plaintext });
    const { metadata } = server.object(Bucket, "other") ?? { metadata: {} };
    server.alter(Bucket, name.Key, { metadata });
    const object = await s3.get(name);
    await refuses("ERR_ENVELOPE_DECRYPT", () => object.bytes());
  });

  // Requirements: S5
  it.each(placements)(
    "is read by its own header, whatever its metadata says of it (placement %s)",
    async (placement) => {
      const setup = await setUp();
      const s3 = setup.with({ placement });
      await s3.put({ ...name, Body: plaintext });
      for (const claimed of ["1", "99999"]) {
        const { metadata = {} } = setup.server.object(Bucket, name.Key) ?? {};
        setup.server.alter(Bucket, name.Key, { metadata: { ...metadata, "env-h": claimed } });
        expect(Buffer.compare(await (await s3.get(name)).bytes(), plaintext)).toBe(0);
        await using reader = await s3.open(name);
        expect(await reader.size()).toBe(plaintext.length);
        expect(Buffer.from(await reader.read(70_000, 70_100))).toEqual(
          Buffer.from(plaintext.subarray(70_000, 70_100)),
        );
      }
    },
  );

  it("says what is missing when its metadata is gone, or its sidecar", async () => {
    const setup = await setUp();
    const { server, s3 } = setup;
    await s3.put({ ...name, Body: "hello" });
    server.alter(Bucket, name.Key, { metadata: {} });
    const object = await s3.get(name);
    await refuses("ERR_ENVELOPE_NO_KEY", () => object.bytes());
    await setup.with({ placement: "sidecar" }).put({ ...name, Body: "hello" });
    const [, sidecar = ""] = server.keys(Bucket);
    expect(sidecar).toMatch(/^object\.[\w-]{16}\.envelope-keys$/);
    server.alter(Bucket, sidecar, { body: Buffer.from("no header") });
    await refuses("ERR_ENVELOPE_FORMAT", () => s3.get(name));
    await s3.client.send(
      new (await import("@aws-sdk/client-s3")).DeleteObjectCommand({ Bucket, Key: sidecar }),
    );
    const error = await refuses("ERR_ENVELOPE_NO_KEY", () => s3.get(name));
    expect(error.message).toContain(JSON.stringify(sidecar));
  });
});

it("is given up with its signal, and holds no connection then", async () => {
  const { server, client, s3 } = await setUp();
  await s3.put({ ...name, Body: pattern(5_000_000) });
  const controller = new AbortController();
  const { body } = await s3.get(name, { signal: controller.signal });
  const read = body.toArray();
  controller.abort(new Error("enough"));
  await expect(read).rejects.toThrow("enough");
  const { body: unread } = await s3.get(name);
  unread.destroy();
  client.destroy();
  await server.disconnected();
});

it("passes what S3 answers", async () => {
  const { s3 } = await setUp();
  await expect(s3.get(name)).rejects.toMatchObject({ name: "NoSuchKey" });
  await expect(s3.open(name)).rejects.toMatchObject({ name: "NoSuchKey" });
  await expect(s3.put({ Bucket: "none", Key: "x", Body: Readable.from([]) })).rejects.toMatchObject(
    {
      name: "NoSuchBucket",
    },
  );
});

// Requirements: S6
it("ends a range whose object was replaced between two reads", async () => {
  const { server, s3 } = await setUp();
  await s3.put({ ...name, Body: plaintext });
  await using reader = await s3.open(name);
  await s3.put({ ...name, Body: plaintext });
  await refuses("ERR_ENVELOPE_TRUNCATED", () => reader.read(100_000, 100_010));
  expect(server.requests.at(-1)?.status).toBe(412);
});
