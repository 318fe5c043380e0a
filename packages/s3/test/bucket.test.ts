import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Envelope } from "@env/core";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { reportBucket, rewrapBucket, type EncryptedS3, type Placement } from "../src/index.ts";
import { Bucket, refuses, setUp, type Setup } from "./support/s3.ts";

/** A bucket with objects of all placements, one that is not encrypted, and one that is damaged. */
async function fill({ server, ...setup }: Setup, count: number): Promise<void> {
  for (const placement of ["metadata", "sidecar", "inline"] as const satisfies Placement[]) {
    const s3 = setup.with({ placement });
    for (let i = 0; i < count; i++) await s3.put({ Bucket, Key: `${placement}/${i}`, Body: "x" });
  }
  server.put(Bucket, "a file", { body: Buffer.from("not encrypted") });
  const { body, metadata = {} } = server.object(Bucket, "metadata/0") ?? {};
  server.put(Bucket, "damaged", {
    body: body ?? Buffer.alloc(0),
    metadata: { ...metadata, "env-k": "?" },
  });
}

function moving(setup: Setup): EncryptedS3 {
  return setup.with({ envelope: new Envelope({ cmks: [setup.cmk, setup.newCmk()] }) });
}

describe("rewrapBucket", () => {
  it("rewraps every object once, and tells the others apart", async () => {
    const setup = await setUp();
    await fill(setup, 3);
    const s3 = moving(setup);
    const seen: number[] = [];
    const onProgress = ({ objects }: { objects: number }): void => void seen.push(objects);
    const result = await rewrapBucket(s3, { Bucket }, { onProgress });
    expect(result).toMatchObject({ objects: 11, rewrapped: 9, unencrypted: 1, failed: 1 });
    expect(result.failures).toMatchObject([
      { Key: "damaged", error: { code: "ERR_ENVELOPE_FORMAT" } },
    ]);
    expect(result.cmks.map(({ objects }) => objects)).toEqual([9, 9]);
    expect(seen.at(-1)).toBe(11);
    const again = await rewrapBucket(s3, { Bucket });
    expect(again).toMatchObject({ objects: 11, rewrapped: 0 });
    for await (const { Key, encryption } of s3.list({ Bucket, Prefix: "s" })) {
      expect(encryption?.entries, Key).toHaveLength(2);
    }
  });

  it("changes nothing in a dry run", async () => {
    const setup = await setUp();
    await fill(setup, 1);
    const result = await rewrapBucket(moving(setup), { Bucket }, { dryRun: true });
    expect(result.rewrapped).toBe(3);
    expect((await setup.s3.head({ Bucket, Key: "sidecar/0" })).entries).toHaveLength(1);
  });

  it("rewraps sidecars alone with two requests for each", async () => {
    const setup = await setUp();
    await fill(setup, 5);
    setup.server.requests.length = 0;
    const result = await rewrapBucket(moving(setup), { Bucket }, { sidecarsOnly: true });
    expect(result).toMatchObject({ objects: 5, rewrapped: 5, failed: 0 });
    const [, ...rest] = setup.server.requests.map(({ operation }) => operation);
    expect(rest.filter((each) => each === "GetObject")).toHaveLength(5);
    expect(rest.filter((each) => each === "PutObject")).toHaveLength(5);
  });

  it("goes on from its checkpoint, and counts every object once", async () => {
    const setup = await setUp();
    await fill(setup, 20);
    const checkpoint = join(tempFolder(), "checkpoint");
    const stop = new AbortController();
    const first = rewrapBucket(
      moving(setup),
      { Bucket },
      {
        checkpoint,
        concurrency: 4,
        signal: stop.signal,
        onProgress: ({ objects }) => objects === 25 && stop.abort(new Error("stopped")),
      },
    );
    await expect(first).rejects.toThrow("stopped");
    const { startAfter, progress } = JSON.parse(readFileSync(checkpoint, "utf8"));
    // Those that were in progress may have been done. Whatever was counted is before the place where the next run begins.
    let before = 0;
    for await (const { Key = "" } of setup.s3.list({ Bucket })) {
      if (Buffer.compare(Buffer.from(Key), Buffer.from(startAfter)) <= 0) before++;
    }
    expect(before).toBeGreaterThanOrEqual(25);
    expect(before).toBeLessThan(25 + 4);
    expect(progress).toMatchObject({ objects: before, failed: 1, unencrypted: 1 });
    setup.server.requests.length = 0;
    const rest = await rewrapBucket(setup.s3, { Bucket }, { checkpoint });
    expect(existsSync(checkpoint)).toBe(false);
    expect(rest).toMatchObject({ objects: 62, failed: 1, unencrypted: 1 });
    expect(setup.server.requests[0]?.query["start-after"]).toBe(startAfter);
    const keys = setup.server.requests.map(({ key }) => key).filter((key) => key !== "");
    expect(keys.every((key) => Buffer.compare(Buffer.from(key), Buffer.from(startAfter)) > 0)).toBe(
      true,
    );
  });

  it("refuses the checkpoint of another run, and what is not a checkpoint", async () => {
    const setup = await setUp();
    const checkpoint = join(tempFolder(), "checkpoint");
    const progress = { objects: 1, rewrapped: 1, unencrypted: 0, failed: 0 };
    const state = { Bucket, Prefix: "", startAfter: "a", progress, cmks: [] };
    writeFileSync(checkpoint, JSON.stringify({ run: "rewrap", ...state }));
    const others = [
      () => rewrapBucket(setup.s3, { Bucket, Prefix: "x" }, { checkpoint }),
      () => rewrapBucket(setup.s3, { Bucket }, { checkpoint, dryRun: true }),
      () => rewrapBucket(setup.s3, { Bucket }, { checkpoint, sidecarsOnly: true }),
      () => reportBucket(setup.s3, { Bucket }, { checkpoint }),
    ];
    for (const other of others) {
      const { message } = await refuses("ERR_ENVELOPE_FORMAT", other);
      expect(message).toContain(`${checkpoint} is not the checkpoint of a `);
    }
    expect(setup.server.requests).toEqual([]);
    writeFileSync(checkpoint, "{}");
    await refuses("ERR_ENVELOPE_FORMAT", () => rewrapBucket(setup.s3, { Bucket }, { checkpoint }));
  });

  it("calls again where the store is busy, and goes on after an object that stays so", async () => {
    const setup = await setUp();
    for (const Key of ["a", "b"]) await setup.s3.put({ Bucket, Key, Body: "x" });
    let busy = 2;
    setup.server.hook = ({ key, operation }) => {
      if (operation !== "GetObject") return undefined;
      if (key === "b" || (key === "a" && busy-- > 0)) return { kind: "answer", code: "SlowDown" };
      return undefined;
    };
    const result = await rewrapBucket(moving(setup), { Bucket });
    expect(result).toMatchObject({ objects: 2, rewrapped: 1, failed: 1 });
    expect(result.failures).toMatchObject([{ Key: "b", error: { name: "SlowDown" } }]);
  });

  it("refuses options that cannot work, before any request", async () => {
    const { s3, server } = await setUp();
    expect(() => rewrapBucket(s3, { Bucket }, { colour: 1 } as never)).toThrow(TypeError);
    await expect(rewrapBucket(s3, { Bucket }, { concurrency: 0 })).rejects.toThrow(RangeError);
    expect(server.requests).toEqual([]);
  });
});

it("reportBucket tells which CMKs objects depend on, without a KMS", async () => {
  const setup = await setUp();
  await fill(setup, 2);
  const stranger = setup.with({ envelope: new Envelope({ cmks: [setup.newCmk()] }) });
  const result = await reportBucket(stranger, { Bucket });
  expect(result).toMatchObject({ objects: 8, rewrapped: 0, unencrypted: 1, failed: 1 });
  expect(result.cmks).toMatchObject([{ provider: "memory", objects: 6 }]);
});
