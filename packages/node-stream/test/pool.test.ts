import { execFile } from "node:child_process";
import { EventEmitter } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CHUNK_BYTES, SEALED_CHUNK_BYTES, shareKeys } from "@env/core/message";
import { pattern, same } from "@env/testkit/bytes";
import { tempFolder } from "@env/testkit/folder";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareBeside, shareOf, ThreadLost, WorkerPool } from "../src/pool.ts";
import { RUN_CHUNKS } from "../src/spans.ts";
import type { RunTask, SegmentTask } from "../src/tasks.ts";
import { newCodec } from "./support/codec.ts";
import { realThread, startedPool } from "./support/pools.ts";

const codec = await newCodec();
const keys = shareKeys(codec);
/** Room for the output of any run. */
const RUN_BYTES = RUN_CHUNKS * SEALED_CHUNK_BYTES;

function runTask(bytes: Uint8Array, rest: Partial<RunTask> = {}): RunTask {
  const input = new Uint8Array(RUN_BYTES).subarray(0, bytes.length);
  input.set(bytes);
  return { kind: "run", operation: "seal", keys, index: 0, last: false, ...rest, input };
}

describe("WorkerPool", () => {
  let pool: WorkerPool;
  const folder = tempFolder(afterAll);
  beforeAll(async () => {
    pool = await startedPool();
  });
  afterAll(() => pool.close());

  it.each([1, 5, RUN_CHUNKS])("seals and opens %d chunks, as the codec does", async (count) => {
    const plaintext = pattern(count * CHUNK_BYTES);
    const output = await pool.run(runTask(plaintext, { index: 7 }));
    expect(output).toHaveLength(RUN_BYTES);
    const sealed = output.subarray(0, count * SEALED_CHUNK_BYTES);
    expect(same(sealed, await codec.sealChunks(7, plaintext, false))).toBe(true);
    const task = { kind: "run", operation: "open", keys, index: 7, last: false } as const;
    const opened = await pool.run({ ...task, input: sealed });
    expect(same(opened.subarray(0, plaintext.length), plaintext)).toBe(true);
    expect(pool.pending).toBe(0);
  });

  it("shows no plaintext of the run before behind a shorter output", async () => {
    const alone = await startedPool(1);
    try {
      const [, short] = await Promise.all([
        alone.run(runTask(pattern(20 * CHUNK_BYTES))),
        alone.run(runTask(pattern(CHUNK_BYTES), { index: 20 })),
      ]);
      expect(short.subarray(SEALED_CHUNK_BYTES).every((byte) => byte === 0)).toBe(true);
    } finally {
      await alone.close();
    }
  });

  it("processes segments of files at positions past 4 GiB and indexes past 2^18", async () => {
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
    await expect(pool.run(cut)).rejects.toMatchObject({ code: "ERR_ENVELOPE_TRUNCATED" });
    await plain.close();
    await sealed.close();
  });

  it("returns errors with their class, code and members", async () => {
    const altered = runTask(pattern(SEALED_CHUNK_BYTES), { operation: "open" });
    const refused = await pool.run(altered).catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: "EnvelopeError", code: "ERR_ENVELOPE_DECRYPT" });
    const readOnly = await open(join(folder, "read-only"), "w+");
    await readOnly.close();
    const file = await open(join(folder, "read-only"), "r");
    const place = { fd: file.fd, position: 0 };
    const task = { kind: "segment", operation: "seal", keys, index: 0, last: true } as const;
    const failed = pool.run({ ...task, bytes: 0, source: place, target: place });
    await expect(failed).rejects.toMatchObject({ code: "EBADF", syscall: "write" });
    await file.close();
    expect(pool.pending).toBe(0);
  });

  it("answers every task once, many more than it has threads", async () => {
    const plaintext = pattern(100 * CHUNK_BYTES);
    const plain = await open(join(folder, "many-plain"), "w+");
    const sealed = await open(join(folder, "many-sealed"), "w+");
    await plain.write(plaintext);
    const tasks = Array.from({ length: 100 }, (_, index) =>
      pool.run({
        kind: "segment",
        operation: "seal",
        keys,
        index,
        last: false,
        bytes: CHUNK_BYTES,
        source: { fd: plain.fd, position: index * CHUNK_BYTES },
        target: { fd: sealed.fd, position: index * SEALED_CHUNK_BYTES },
      }),
    );
    expect(pool.pending).toBe(100);
    await Promise.all(tasks);
    expect(pool.pending).toBe(0);
    const found = Buffer.alloc(100 * SEALED_CHUNK_BYTES);
    await sealed.read(found, 0, found.length, 0);
    expect(same(await codec.openChunks(0, found), plaintext)).toBe(true);
    await plain.close();
    await sealed.close();
  });

  it("starts as many threads as requested, more on a later request, and never more than its size", async () => {
    let spawned = 0;
    const growing = new WorkerPool(3, () => {
      spawned++;
      return realThread();
    });
    expect(await growing.start(1)).toBe(true);
    expect(spawned).toBe(1);
    expect(await growing.start(2)).toBe(true);
    expect(spawned).toBe(2);
    expect(await growing.start(99)).toBe(true);
    expect(spawned).toBe(3);
    await growing.close();
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
      mortal.run(runTask(pattern(CHUNK_BYTES))),
      mortal.run(runTask(pattern(CHUNK_BYTES))),
    ].map((run) => run.catch((error: unknown) => error));
    expect([mortal.pending, mortal.busy]).toEqual([3, true]);
    threads[0]?.emit("error", new Error("out of memory"));
    await threads[0]?.terminate();
    await sparse.close();
    for (const outcome of await Promise.all(runs)) {
      expect(outcome).toBeInstanceOf(ThreadLost);
      expect((outcome as Error).cause).toMatchObject({ message: "out of memory" });
    }
    expect(mortal.pending).toBe(0);
    expect(threads).toHaveLength(2);
    expect(await mortal.start()).toBe(true);
    const again = await mortal.run(runTask(pattern(CHUNK_BYTES)));
    const sealed = again.subarray(0, SEALED_CHUNK_BYTES);
    expect(same(await codec.openChunks(0, sealed), pattern(CHUNK_BYTES))).toBe(true);
    await mortal.close();
  });

  it("reports permanently that no thread can be started, and rejects tasks", async () => {
    let spawned = 0;
    const denied = new WorkerPool(2, () => {
      spawned++;
      throw new Error("ERR_ACCESS_DENIED");
    });
    expect([await denied.start(), await denied.start()]).toEqual([false, false]);
    expect(spawned).toBe(1);
    const task = runTask(pattern(16));
    await expect(denied.run(task)).rejects.toBeInstanceOf(ThreadLost);
    expect(denied.pending).toBe(0);
    expect(task.input.every((byte) => byte === 0)).toBe(true);
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

  it("keeps a process alive only while it works", async () => {
    const file = new URL("support/pool-process.ts", import.meta.url).pathname;
    const run = promisify(execFile)(process.execPath, ["--conditions=@env/source", file]);
    expect((await run).stdout).toBe("done\n");
  });
});

describe("shareOf", () => {
  it("limits the tasks of a message, and refuses anything but a number of tasks", () => {
    const pool = new WorkerPool(2, realThread);
    expect(shareOf(undefined, pool)).toEqual({ pool, tasks: 4, threads: 2 });
    expect(shareOf(3, pool)).toEqual({ pool, tasks: 3, threads: 2 });
    expect(shareOf(2, pool)).toEqual({ pool, tasks: 2, threads: 1 });
    expect(shareOf(99, pool)).toEqual({ pool, tasks: 4, threads: 2 });
    expect(shareOf(0, pool)).toBeUndefined();
    expect(shareOf(3, undefined)).toBeUndefined();
    for (const concurrency of [-1, 0.5, Number.NaN, "2" as never]) {
      expect(() => shareOf(concurrency, undefined)).toThrow(RangeError);
    }
  });
});

describe("shareBeside", () => {
  it("leaves a core to the calling thread by default", () => {
    const [one, two, eight] = [1, 2, 8].map((size) => new WorkerPool(size, realThread));
    expect(shareBeside(undefined, one)).toMatchObject({ tasks: 2, threads: 1 });
    expect(shareBeside(undefined, two)).toMatchObject({ tasks: 2, threads: 1 });
    expect(shareBeside(undefined, eight)).toMatchObject({ tasks: 14, threads: 7 });
    expect(shareBeside(16, eight)).toMatchObject({ tasks: 16, threads: 8 });
    expect(shareBeside(0, eight)).toBeUndefined();
    expect(shareBeside(undefined, undefined)).toBeUndefined();
  });
});
