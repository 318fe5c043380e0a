import { CHUNK_BYTES, SEALED_CHUNK_BYTES } from "@env/core/message";
import { boundaryLengths, largeLengths, pattern, pieces, same } from "@env/testkit/bytes";
import { setImmediate as turn } from "node:timers/promises";
import { settled, until } from "@env/testkit/turns";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Engine, LONG_BYTES, type EngineOptions } from "../src/engine.ts";
import { ThreadLost, shareOf, type WorkerPool } from "../src/pool.ts";
import type { RunTask } from "../src/tasks.ts";
import { newCodec } from "./support/codec.ts";
import { relayedThread, startedPool } from "./support/pools.ts";
import { refuses } from "./support/refuses.ts";

const MIB = 2 ** 20;
const STEP_BYTES = MIB / 4;
const codec = await newCodec();
const long = pattern(LONG_BYTES + 5 * MIB + 99);

function engine(options: Partial<EngineOptions> = {}): { engine: Engine; output: Uint8Array[] } {
  const output: Uint8Array[] = [];
  const made = new Engine({
    operation: "seal",
    codec,
    share: undefined,
    give: (bytes) => {
      output.push(bytes);
      return undefined;
    },
    failed: () => undefined,
    ...options,
  });
  return { engine: made, output };
}

describe("Engine", () => {
  let pool: WorkerPool;
  beforeAll(async () => {
    pool = await startedPool();
  });
  afterAll(() => pool.close());

  it.each([...boundaryLengths, ...largeLengths])(
    "seals and opens %d bytes as the codec does",
    async (length) => {
      const plaintext = pattern(length);
      const sealing = engine();
      await sealing.engine.write(plaintext);
      await sealing.engine.end();
      const sealed = await codec.sealChunks(0, plaintext, true);
      expect(same(Buffer.concat(sealing.output), sealed)).toBe(true);
      const opening = engine({ operation: "open" });
      await opening.engine.write(sealed);
      await opening.engine.end();
      expect(same(Buffer.concat(opening.output), plaintext)).toBe(true);
    },
  );

  it("takes pieces of any size, any number in a turn of the event loop", async () => {
    const plaintext = pattern(100_000);
    const sealed = await codec.sealChunks(0, plaintext, true);
    const batches = fc.array(fc.array(fc.nat({ max: 30_000 }), { maxLength: 4 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(batches, async (sizes) => {
        const sealing = engine();
        let at = 0;
        for (const batch of sizes) {
          for (const size of batch) {
            await sealing.engine.write(plaintext.subarray(at, (at += size)));
          }
          await turn();
        }
        await sealing.engine.write(plaintext.subarray(at));
        await sealing.engine.end();
        expect(same(Buffer.concat(sealing.output), sealed)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("starts threads only once a message has proved long", async () => {
    const idle = await startedPool(2);
    await idle.close();
    const start = vi.spyOn(idle, "start").mockResolvedValue(false);
    const { engine: sealing } = engine({ share: shareOf(2, idle) });
    await sealing.write(long.subarray(0, LONG_BYTES - 1));
    expect(start).not.toHaveBeenCalled();
    await sealing.write(long.subarray(LONG_BYTES - 1));
    expect(start).toHaveBeenCalledWith(1);
  });

  it("sends large runs to threads, up to its share, and does small ones in the calling thread", async () => {
    const sent: number[] = [];
    const run = pool.run.bind(pool);
    const runs = vi.spyOn(pool, "run").mockImplementation(((task: RunTask) => {
      sent.push(task.input.length);
      return run(task);
    }) as typeof run);
    const { engine: sealing, output } = engine({ share: shareOf(undefined, pool) });
    await sealing.write(long.subarray(0, STEP_BYTES - 1));
    expect(sent).toEqual([]);
    for (const piece of pieces(long.subarray(STEP_BYTES - 1), 70_000)) await sealing.write(piece);
    await sealing.end();
    runs.mockRestore();
    expect(sent.length).toBeGreaterThan(4);
    for (const bytes of sent) expect(bytes).toBeGreaterThanOrEqual(STEP_BYTES);
    expect(sent).toContain(MIB);
    expect(same(Buffer.concat(output), await codec.sealChunks(0, long, true))).toBe(true);
    expect(pool.pending).toBe(0);
  });

  describe("with a thread that takes its time", () => {
    let held: (() => void)[] = [];
    let slow: WorkerPool;
    beforeEach(async () => {
      held = [];
      slow = await startedPool(1, () => relayedThread((deliver) => held.push(deliver)));
    });
    afterEach(() => slow.close());

    /** Delivers its answers until `work` has settled. */
    async function releasing(work: Promise<void>): Promise<void> {
      const timer = setInterval(() => held.shift()?.(), 1);
      await work.finally(() => clearInterval(timer));
    }

    it("works up to 4 MiB ahead of the thread, and gives all output in order", async () => {
      const runs = vi.spyOn(slow, "run");
      const { engine: sealing, output } = engine({ share: shareOf(1, slow) });
      await sealing.write(long.subarray(0, 5 * MIB));
      expect([output.length, runs.mock.calls.length]).toEqual([1, 1]); // A first chunk, and a run.
      let written = false;
      const writing = Promise.resolve(sealing.write(long.subarray(5 * MIB))).then(() => {
        written = true;
      });
      await settled();
      expect([written, runs.mock.calls.length]).toEqual([false, 1]);
      await releasing(writing.then(() => sealing.end()));
      expect(same(Buffer.concat(output), await codec.sealChunks(0, long, true))).toBe(true);
    });

    it("gives the output before a corrupted chunk of the calling thread, then fails", async () => {
      const sealed = await codec.sealChunks(0, long, true);
      const before = 1 + 16 + 64; // A first chunk, the thread's run, and one of the calling thread.
      const altered = (before + 3) * SEALED_CHUNK_BYTES;
      sealed[altered] = (sealed[altered] ?? 0) ^ 1;
      const { engine: opening, output } = engine({ operation: "open", share: shareOf(1, slow) });
      const writing = opening.write(sealed);
      await refuses("ERR_ENVELOPE_DECRYPT", () =>
        releasing(Promise.resolve(writing).then(() => opening.end())),
      );
      const given = long.subarray(0, before * CHUNK_BYTES);
      expect(same(Buffer.concat(output), given)).toBe(true);
    });

    it("wipes output that was not given yet when it is stopped", async () => {
      const sealed = await codec.sealChunks(0, long, true);
      const { engine: opening } = engine({ operation: "open", share: shareOf(1, slow) });
      const allocated = vi.spyOn(Buffer, "allocUnsafeSlow");
      await opening.write(sealed.subarray(0, (1 + 16 + 64) * SEALED_CHUNK_BYTES + 1));
      const opened = long.subarray(17 * CHUNK_BYTES, (17 + 64) * CHUNK_BYTES);
      const ahead = allocated.mock.results
        .map(({ value }) => value as Buffer)
        .find((bytes) => same(bytes, opened));
      allocated.mockRestore();
      expect(ahead).toBeDefined();
      opening.stop();
      expect(ahead?.every((byte) => byte === 0)).toBe(true);
    });
  });

  it("works in the calling thread while others have all threads", async () => {
    const busy = vi.spyOn(pool, "busy", "get").mockReturnValue(true);
    const runs = vi.spyOn(pool, "run");
    const { engine: sealing, output } = engine({ share: shareOf(undefined, pool) });
    await sealing.write(long);
    await sealing.end();
    expect(runs).not.toHaveBeenCalled();
    runs.mockRestore();
    busy.mockRestore();
    expect(same(Buffer.concat(output), await codec.sealChunks(0, long, true))).toBe(true);
  });

  it("works on chunks that fill no run once nothing more arrives", async () => {
    const { engine: sealing, output } = engine({ share: shareOf(undefined, pool) });
    for (const from of [0, 3]) {
      void sealing.write(long.subarray(from * CHUNK_BYTES, (from + 3) * CHUNK_BYTES + 1));
    }
    await turn();
    await turn();
    const sealed = await codec.sealChunks(0, long.subarray(0, 6 * CHUNK_BYTES), false);
    expect(Buffer.concat(output).length).toBe(sealed.length);
  });

  it("never has more than its share in the pool, even while nobody takes results", async () => {
    let goOn = (): void => undefined;
    const runs = vi.spyOn(pool, "run");
    const { engine: sealing } = engine({
      share: shareOf(2, pool),
      give: ({ length }) =>
        length < STEP_BYTES
          ? undefined
          : new Promise((resolve) => {
              goOn = resolve;
            }),
    });
    const writing = sealing.write(long);
    await Promise.all(runs.mock.results.map(({ value }) => value as Promise<unknown>));
    await settled();
    expect(runs).toHaveBeenCalledTimes(2);
    runs.mockRestore();
    const pumping = setInterval(() => goOn(), 1);
    await writing;
    await sealing.end();
    clearInterval(pumping);
  });

  it("gives what verified before an altered chunk, then fails, and reports it without being called", async () => {
    const sealed = await codec.sealChunks(0, long, true);
    const chunk = 1100;
    const at = chunk * SEALED_CHUNK_BYTES;
    sealed[at] = (sealed[at] ?? 0) ^ 1;
    const failures: unknown[] = [];
    const { engine: opening, output } = engine({
      operation: "open",
      share: shareOf(undefined, pool),
      failed: (error) => failures.push(error),
    });
    await refuses("ERR_ENVELOPE_DECRYPT", async () => {
      await opening.write(sealed);
      await opening.end();
    });
    const given = Buffer.concat(output);
    expect(given.length).toBeGreaterThan((chunk - 64) * 16_384);
    expect(given.length).toBeLessThanOrEqual(chunk * 16_384);
    expect(same(given, long.subarray(0, given.length))).toBe(true);
    expect(failures[0]).toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
  });

  it("gives nothing more once it is stopped", async () => {
    const { engine: sealing, output } = engine({ share: shareOf(undefined, pool) });
    await sealing.write(long.subarray(0, LONG_BYTES));
    const writing = sealing.write(long.subarray(LONG_BYTES));
    sealing.stop();
    const given = output.length;
    await writing;
    await until(() => pool.pending === 0);
    expect(output).toHaveLength(given);
    expect(pool.pending).toBe(0);
  });

  it("fails the message if a thread dies, and never seals that run again", async () => {
    const dead = await startedPool(1, () => relayedThread(() => undefined));
    const { engine: sealing } = engine({ share: shareOf(undefined, dead) });
    const writing = Promise.resolve(sealing.write(long)).then(() => sealing.end());
    await dead.close();
    await expect(writing).rejects.toBeInstanceOf(ThreadLost);
    expect(dead.pending).toBe(0);
  });

  it("continues in the calling thread if no thread can be started", async () => {
    const dead = await startedPool(1);
    await dead.close();
    const { engine: sealing, output } = engine({ share: shareOf(undefined, dead) });
    vi.spyOn(dead, "start").mockResolvedValue(false);
    await sealing.write(long);
    await sealing.end();
    expect(same(Buffer.concat(output), await codec.sealChunks(0, long, true))).toBe(true);
  });

  it("refuses a message without its final chunk", async () => {
    const { engine: opening } = engine({ operation: "open" });
    await opening.write(await codec.sealChunks(0, pattern(16_384), false));
    await opening.write(pattern(15));
    await refuses("ERR_ENVELOPE_TRUNCATED", () => opening.end());
  });
});
