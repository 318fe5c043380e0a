import { execFile } from "node:child_process";
import { createSecretKey, randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHUNK_BYTES, PayloadCodec, SEALED_CHUNK_BYTES, type ChunkKeys } from "@env/core/message";
import { RUN_CHUNKS, shareOf, Slots, ThreadLost, WorkerPool } from "../src/pool.ts";
import type { RunTask, SegmentTask } from "../src/tasks.ts";
import { pattern, same } from "./support/bytes.ts";
import { realThread, startedPool } from "./support/pools.ts";

const keys = {
  key: createSecretKey(randomBytes(32)) as never,
  baseNonce: new Uint8Array(randomBytes(12)),
} satisfies ChunkKeys;
const codec = new PayloadCodec(keys);

async function runTask(
  pool: WorkerPool,
  bytes: Uint8Array,
  rest: Partial<RunTask>,
): Promise<RunTask> {
  const slot = await pool.slots.borrow();
  const input = slot.subarray(0, bytes.length);
  input.set(bytes);
  return { kind: "run", operation: "seal", keys, index: 0, last: false, ...rest, input };
}

describe("WorkerPool", () => {
  let pool: WorkerPool;
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "env-pool-"));
    pool = await startedPool();
  });
  afterAll(async () => {
    await pool.close();
    await rm(folder, { recursive: true });
  });

  it.each([1, 5, RUN_CHUNKS])(
    "seals and opens %d chunks in their slot, as the codec does",
    async (count) => {
      const plaintext = pattern(count * CHUNK_BYTES);
      const slot = await pool.run(await runTask(pool, plaintext, { index: 7 }));
      expect(slot).toHaveLength(RUN_CHUNKS * SEALED_CHUNK_BYTES);
      const sealed = slot.subarray(0, count * SEALED_CHUNK_BYTES);
      expect(same(sealed, await codec.sealChunks(7, plaintext, false))).toBe(true);
      const task = { kind: "run", operation: "open", keys, index: 7, last: false } as const;
      const opened = await pool.run({ ...task, input: sealed });
      expect(same(opened.subarray(0, plaintext.length), plaintext)).toBe(true);
      expect(pool.slots.lent).toBe(1);
      pool.slots.giveBack(opened);
      expect(pool.slots.lent).toBe(0);
    },
  );

  it("does segments of files at positions past 4 GiB and indexes past 2^18", async () => {
    const index = 300_000;
    const plaintext = pattern(20 * CHUNK_BYTES + 5);
    const plain = await open(join(folder, "plain"), "w+");
    const sealed = await open(join(folder, "sealed"), "w+");
    await plain.write(plaintext, 0, plaintext.length, index * CHUNK_BYTES);
    const task: SegmentTask = {
      kind: "segment",
      operation: "seal",
      keys,
      index,
      last: true,
      bytes: plaintext.length,
      source: { fd: plain.fd, position: index * CHUNK_BYTES },
      target: { fd: sealed.fd, position: index * SEALED_CHUNK_BYTES },
    };
    expect(await pool.run(task)).toBeUndefined();
    const bytes = 20 * SEALED_CHUNK_BYTES + 21;
    const found = Buffer.alloc(bytes);
    await sealed.read(found, 0, bytes, index * SEALED_CHUNK_BYTES);
    expect(same(await codec.openChunks(index, found), plaintext)).toBe(true);
    await pool.run({
      ...task,
      operation: "open",
      bytes,
      source: task.target ?? task.source,
      target: undefined,
    });
    await sealed.truncate(index * SEALED_CHUNK_BYTES + bytes - 1);
    const cut = {
      ...task,
      operation: "open",
      bytes,
      source: task.target ?? task.source,
      target: undefined,
    } as const;
    await expect(pool.run(cut)).rejects.toMatchObject({ code: "ERR_ENV_TRUNCATED" });
    await plain.close();
    await sealed.close();
  });

  it("gives errors back as what they were", async () => {
    const altered = await runTask(pool, pattern(SEALED_CHUNK_BYTES), { operation: "open" });
    const refused = await pool.run(altered).catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: "EnvelopeError", code: "ERR_ENV_DECRYPT" });
    const readOnly = await open(join(folder, "read-only"), "w+");
    await readOnly.close();
    const file = await open(join(folder, "read-only"), "r");
    const place = { fd: file.fd, position: 0 };
    const task = { kind: "segment", operation: "seal", keys, index: 0, last: true } as const;
    const failed = pool.run({ ...task, bytes: 0, source: place, target: place });
    await expect(failed).rejects.toMatchObject({ code: "EBADF", syscall: "write" });
    await file.close();
    expect([pool.pending, pool.slots.lent]).toEqual([0, 0]);
  });

  it("answers every task once, many more than it has threads", async () => {
    const tasks = Array.from({ length: 100 }, async (_, index) => {
      const plaintext = pattern(CHUNK_BYTES);
      const slot = await pool.run(await runTask(pool, plaintext, { index }));
      const opened = await codec.openChunks(index, slot.subarray(0, SEALED_CHUNK_BYTES));
      pool.slots.giveBack(slot);
      return same(opened, plaintext);
    });
    expect(await Promise.all(tasks)).toEqual(Array.from({ length: 100 }, () => true));
    expect([pool.pending, pool.slots.lent]).toEqual([0, 0]);
  });

  it("rejects all that a dead thread had, and replaces it", async () => {
    const threads: ReturnType<typeof realThread>[] = [];
    const mortal = await startedPool(1, () => {
      const thread = realThread();
      threads.push(thread);
      return thread;
    });
    const sparse = await open(join(folder, "sparse"), "w+");
    await sparse.truncate(256 * 2 ** 20); // Some hundred milliseconds of work.
    const runs: Promise<unknown>[] = [
      mortal.run({
        kind: "segment",
        operation: "seal",
        keys,
        index: 0,
        last: true,
        bytes: 256 * 2 ** 20,
        source: { fd: sparse.fd, position: 0 },
        target: undefined,
      }),
      mortal.run(await runTask(mortal, pattern(CHUNK_BYTES), {})),
      mortal.run(await runTask(mortal, pattern(CHUNK_BYTES), {})),
    ].map((run) => run.catch((error: unknown) => error));
    expect([mortal.pending, mortal.slots.lent]).toEqual([3, 2]);
    threads[0]?.emit("error", new Error("out of memory"));
    await threads[0]?.terminate();
    await sparse.close();
    for (const outcome of await Promise.all(runs)) {
      expect(outcome).toBeInstanceOf(ThreadLost);
      expect((outcome as Error).cause).toMatchObject({ message: "out of memory" });
    }
    expect([mortal.pending, mortal.slots.lent]).toEqual([0, 0]);
    expect(threads).toHaveLength(2);
    expect(await mortal.start()).toBe(true);
    const again = await mortal.run(await runTask(mortal, pattern(CHUNK_BYTES), {}));
    const sealed = again.subarray(0, SEALED_CHUNK_BYTES);
    expect(same(await codec.openChunks(0, sealed), pattern(CHUNK_BYTES))).toBe(true);
    await mortal.close();
  });

  it("says that no thread can be had, once and for all, and rejects tasks", async () => {
    let spawned = 0;
    const denied = new WorkerPool(2, () => {
      spawned++;
      throw new Error("ERR_ACCESS_DENIED");
    });
    expect([await denied.start(), await denied.start()]).toEqual([false, false]);
    expect(spawned).toBe(1);
    const task = await runTask(denied, pattern(16), {});
    await expect(denied.run(task)).rejects.toBeInstanceOf(ThreadLost);
    expect(denied.slots.lent).toBe(0);
  });

  it("gives up on threads that die before they are ready", async () => {
    const events: EventEmitter[] = [];
    const broken = new WorkerPool(2, () => {
      const thread = new EventEmitter();
      events.push(thread);
      return Object.assign(thread, {
        postMessage: () => undefined,
        terminate: () => Promise.resolve(1),
        ref: () => undefined,
        unref: () => undefined,
      });
    });
    const starting = broken.start();
    for (const thread of events) {
      thread.emit("error", new Error("Cannot find module"));
      thread.emit("exit", 1);
    }
    expect(await starting).toBe(false);
    expect(await broken.start()).toBe(false);
    expect(events).toHaveLength(2);
  });

  it("does not keep a process alive but while it works", async () => {
    const file = new URL("support/pool-process.ts", import.meta.url).pathname;
    const run = promisify(execFile)(process.execPath, ["--conditions=@env/source", file], {
      timeout: 20_000,
    });
    expect((await run).stdout).toBe("done\n");
  });
});

describe("Slots", () => {
  it("are lent in the order they are asked for, never more than there may be", async () => {
    const slots = new Slots(2);
    const [one, two] = [await slots.borrow(), await slots.borrow()];
    const got: string[] = [];
    const waiting = ["third", "fourth"].map(async (name) => {
      const slot = await slots.borrow();
      got.push(name);
      return slot;
    });
    await Promise.resolve();
    expect(got).toEqual([]);
    slots.giveBack(one.subarray(0, 5));
    slots.lose();
    expect(await Promise.all(waiting)).toMatchObject([
      { length: one.length },
      { length: one.length },
    ]);
    expect(got).toEqual(["third", "fourth"]);
    expect(slots.lent).toBe(2);
    slots.lose();
    slots.lose();
    expect(slots.lent).toBe(0);
    expect(two).toHaveLength(RUN_CHUNKS * SEALED_CHUNK_BYTES);
  });
});

describe("shareOf", () => {
  it("bounds what a message may have, and refuses what is no number of tasks", () => {
    const pool = new WorkerPool(2, realThread);
    expect(shareOf(undefined, pool)).toEqual({ pool, tasks: 4 });
    expect(shareOf(3, pool)).toEqual({ pool, tasks: 3 });
    expect(shareOf(99, pool)).toEqual({ pool, tasks: 4 });
    expect(shareOf(0, pool)).toBeUndefined();
    expect(shareOf(3, undefined)).toBeUndefined();
    for (const concurrency of [-1, 0.5, Number.NaN, "2" as never]) {
      expect(() => shareOf(concurrency, undefined)).toThrow(RangeError);
    }
  });
});
