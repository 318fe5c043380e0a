import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { Bucket, refuses, setUp } from "./support/s3.ts";

const name = { Bucket, Key: "object" };
const PART = 5 * 2 ** 20;

/** A stream of so many bytes. */
function long(bytes: number): Readable {
  return Readable.from(
    (function* () {
      for (let left = bytes; left > 0; left -= 65_536) yield pattern(Math.min(left, 65_536));
    })(),
    { objectMode: false },
  );
}

describe("an upload in parts", () => {
  it("sends a part again as the same ciphertext", async () => {
    const { server, s3 } = await setUp();
    const failed = new Set<string>();
    server.hook = ({ operation, query }) => {
      const part = query["partNumber"] ?? "";
      if (operation !== "UploadPart" || failed.has(part)) return undefined;
      failed.add(part);
      return { kind: "reset", at: "receiving", bytes: 1_000_000 };
    };
    await s3.put({ ...name, Body: long(12_000_000) }, { partSize: PART });
    expect(failed.size).toBe(3);
    server.hook = undefined;
    const again = await (await s3.get(name)).bytes();
    expect(Buffer.compare(again, await buffer(long(12_000_000)))).toBe(0);
  });

  it.each(["UploadPart", "CompleteMultipartUpload", "CreateMultipartUpload"])(
    "that fails at %s leaves no parts, and the object that was there",
    async (operation) => {
      const { server, s3 } = await setUp();
      await s3.put({ ...name, Body: "before" });
      server.hook = (request) =>
        request.operation === operation ? { kind: "answer", code: "AccessDenied" } : undefined;
      const source = long(30_000_000);
      const put = s3.put({ ...name, Body: source }, { partSize: PART });
      await expect(put).rejects.toMatchObject({ name: "AccessDenied" });
      expect(server.uploads).toEqual([]);
      await expect.poll(() => source.destroyed).toBe(true);
      expect(await (await s3.get(name)).text()).toBe("before");
    },
  );

  it("that is aborted leaves no parts and reads no further", async () => {
    const { server, s3 } = await setUp();
    const controller = new AbortController();
    const source = long(100_000_000);
    const onProgress = (): void => controller.abort(new Error("enough"));
    const put = s3.put(
      { ...name, Body: source },
      { partSize: PART, onProgress, signal: controller.signal },
    );
    await expect(put).rejects.toThrow("enough");
    await expect.poll(() => source.destroyed).toBe(true);
    expect(server.uploads).toEqual([]);
    expect(server.keys(Bucket)).toEqual([]);
  });

  it("ends with the error of its source, and leaves no parts", async () => {
    const { server, s3 } = await setUp();
    const source = Readable.from(
      (async function* () {
        yield pattern(12_000_000);
        throw new Error("the disk is gone");
      })(),
      { objectMode: false },
    );
    await expect(s3.put({ ...name, Body: source })).rejects.toThrow("the disk is gone");
    expect(server.uploads).toEqual([]);
    expect(server.keys(Bucket)).toEqual([]);
  });
});

// Requirements: S3, S4
it("is not sent where a key block does not fit beside the user's metadata", async () => {
  const { server, s3 } = await setUp();
  const Metadata = { notes: "x".repeat(1900) };
  for (const Body of ["hello", Readable.from(["hello"])]) {
    const error = await refuses("ERR_ENVELOPE_LIMIT", () => s3.put({ ...name, Metadata, Body }));
    expect(error.message).toMatch(/^the object's metadata would have \d+ bytes/);
  }
  expect(server.requests).toEqual([]);
  await s3.put({ ...name, Metadata, Body: "hello" }, { placement: "sidecar" });
  const object = await s3.get(name);
  expect(object.Metadata).toEqual(Metadata);
  expect(await object.text()).toBe("hello");
});

it("compares the length of a stream with the one that was promised", async () => {
  const { server, s3 } = await setUp();
  const put = (plaintextBytes: number): Promise<unknown> =>
    s3.put({ ...name, Body: Readable.from([Buffer.from("hello")]) }, { plaintextBytes });
  await refuses("ERR_ENVELOPE_TRUNCATED", () => put(6));
  await refuses("ERR_ENVELOPE_LIMIT", () => put(4));
  expect(server.keys(Bucket)).toEqual([]);
  await put(5);
});

it("ends its source where the sidecar cannot be stored", async () => {
  const setup = await setUp();
  setup.server.hook = ({ operation }) =>
    operation === "PutObject" ? { kind: "answer", code: "AccessDenied" } : undefined;
  const source = long(1_000_000);
  const put = setup.with({ placement: "sidecar" }).put({ ...name, Body: source });
  await expect(put).rejects.toMatchObject({ name: "AccessDenied" });
  await expect.poll(() => source.destroyed).toBe(true);
});

it("is done once the object is stored, though its former sidecar stays", async () => {
  const setup = await setUp();
  const s3 = setup.with({ placement: "sidecar" });
  await s3.put({ ...name, Body: "before" });
  setup.server.hook = ({ operation }) =>
    operation === "DeleteObject" ? { kind: "answer", code: "AccessDenied" } : undefined;
  await s3.put({ ...name, Body: "after" });
  expect(setup.server.keys(Bucket)).toHaveLength(3);
  expect(await (await s3.get(name)).text()).toBe("after");
});

it("keeps the former object readable where the new one fails after its sidecar", async () => {
  const setup = await setUp();
  const s3 = setup.with({ placement: "sidecar" });
  await s3.put({ ...name, Body: "before" });
  setup.server.hook = ({ operation, key }) =>
    operation === "PutObject" && key === name.Key
      ? { kind: "answer", code: "AccessDenied" }
      : undefined;
  await expect(s3.put({ ...name, Body: "after" })).rejects.toMatchObject({ name: "AccessDenied" });
  expect(await (await s3.get(name)).text()).toBe("before");
});

it("is conditional where its input is", async () => {
  const { s3 } = await setUp();
  await s3.put({ ...name, Body: "one", IfNoneMatch: "*" });
  const again = s3.put({ ...name, Body: "two", IfNoneMatch: "*" });
  await expect(again).rejects.toMatchObject({ name: "PreconditionFailed" });
});
