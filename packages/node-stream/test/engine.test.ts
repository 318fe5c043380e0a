import { createSecretKey, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import fc from "fast-check";
import { PayloadCodec, SEALED_CHUNK_BYTES } from "@env/core/message";
import { Engine, LONG_BYTES, type EngineOptions } from "../src/engine.ts";
import { ThreadLost, shareOf, type WorkerPool } from "../src/pool.ts";
import { boundaryLengths, pattern, pieces, same } from "./support/bytes.ts";
import { startedPool } from "./support/pools.ts";
import { refuses } from "./support/refuses.ts";

const MIB = 2 ** 20;
const codec = new PayloadCodec({
  key: createSecretKey(randomBytes(32)) as never,
  baseNonce: new Uint8Array(randomBytes(12)),
});
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

  it.each(boundaryLengths)("seals and opens %d bytes as the codec does", async (length) => {
    const plaintext = pattern(length);
    const sealing = engine();
    await sealing.engine.write([plaintext]);
    await sealing.engine.end();
    const sealed = await codec.sealChunks(0, plaintext, true);
    expect(same(Buffer.concat(sealing.output), sealed)).toBe(true);
    const opening = engine({ operation: "open" });
    await opening.engine.write([sealed]);
    await opening.engine.end();
    expect(same(Buffer.concat(opening.output), plaintext)).toBe(true);
  });

  it("takes any pieces, in any batches", async () => {
    const plaintext = pattern(100_000);
    const sealed = await codec.sealChunks(0, plaintext, true);
    const batches = fc.array(fc.array(fc.nat({ max: 30_000 }), { maxLength: 4 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(batches, async (sizes) => {
        const sealing = engine();
        let at = 0;
        for (const batch of sizes) {
          await sealing.engine.write(batch.map((size) => plaintext.subarray(at, (at += size))));
        }
        await sealing.engine.write([plaintext.subarray(at)]);
        await sealing.engine.end();
        expect(same(Buffer.concat(sealing.output), sealed)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("asks the pool only once a message has proved long, and for large runs only", async () => {
    const runs = vi.spyOn(pool, "run");
    const { engine: sealing, output } = engine({ share: shareOf(undefined, pool) });
    await sealing.write([long.subarray(0, LONG_BYTES - 1)]);
    expect(runs).not.toHaveBeenCalled();
    await sealing.write([long.subarray(LONG_BYTES - 1, LONG_BYTES + 100_000)]);
    expect(runs).not.toHaveBeenCalled();
    await sealing.write([...pieces(long.subarray(LONG_BYTES + 100_000), 70_000)]);
    expect(runs).toHaveBeenCalledTimes(5);
    await sealing.end();
    runs.mockRestore();
    expect(same(Buffer.concat(output), await codec.sealChunks(0, long, true))).toBe(true);
    expect([pool.pending, pool.slots.lent]).toEqual([0, 0]);
  });

  it("has no more with the pool than its share, while nobody takes results", async () => {
    let goOn = (): void => undefined;
    const runs = vi.spyOn(pool, "run");
    const { engine: sealing } = engine({
      share: shareOf(2, pool),
      give: () =>
        runs.mock.calls.length === 0
          ? undefined
          : new Promise((resolve) => {
              goOn = resolve;
            }),
    });
    await sealing.write([long.subarray(0, LONG_BYTES - 1)]);
    const writing = sealing.write([long.subarray(LONG_BYTES - 1)]);
    await sleep(50);
    expect(runs).toHaveBeenCalledTimes(2);
    runs.mockRestore();
    const pumping = setInterval(() => goOn(), 1);
    await writing;
    await sealing.end();
    clearInterval(pumping);
  });

  it("gives what verified before an altered chunk, then fails, and says so on its own", async () => {
    const sealed = await codec.sealChunks(0, long, true);
    const chunk = 1100; // In the pool's part.
    const at = chunk * SEALED_CHUNK_BYTES;
    sealed[at] = (sealed[at] ?? 0) ^ 1;
    const failures: unknown[] = [];
    const { engine: opening, output } = engine({
      operation: "open",
      share: shareOf(undefined, pool),
      failed: (error) => failures.push(error),
    });
    await opening.write([sealed.subarray(0, LONG_BYTES)]);
    await refuses("ERR_ENV_DECRYPT", async () => {
      await opening.write([sealed.subarray(LONG_BYTES)]);
      await opening.end();
    });
    const given = Buffer.concat(output);
    expect(given.length).toBeGreaterThan(LONG_BYTES - MIB);
    expect(given.length).toBeLessThanOrEqual(chunk * 16_384);
    expect(same(given, long.subarray(0, given.length))).toBe(true);
    expect(failures[0]).toMatchObject({ code: "ERR_ENV_DECRYPT" });
  });

  it("gives nothing more once it is stopped, and its slots go back", async () => {
    const { engine: sealing, output } = engine({ share: shareOf(undefined, pool) });
    await sealing.write([long.subarray(0, LONG_BYTES)]);
    const writing = sealing.write([long.subarray(LONG_BYTES)]);
    sealing.stop();
    const given = output.length;
    await writing;
    while (pool.pending > 0) await sleep(1);
    expect(output).toHaveLength(given);
    expect(pool.slots.lent).toBe(0);
  });

  it("never seals a run again whose thread died: the message fails", async () => {
    const dead = await startedPool(1);
    const { engine: sealing } = engine({ share: shareOf(undefined, dead) });
    await sealing.write([long.subarray(0, LONG_BYTES)]);
    const writing = sealing.write([long.subarray(LONG_BYTES)]).then(() => sealing.end());
    await dead.close();
    await expect(writing).rejects.toBeInstanceOf(ThreadLost);
    expect(dead.slots.lent).toBe(0);
  });

  it("goes on in the calling thread where no thread can be had", async () => {
    const dead = await startedPool(1);
    await dead.close();
    const { engine: sealing, output } = engine({ share: shareOf(undefined, dead) });
    vi.spyOn(dead, "start").mockResolvedValue(false);
    await sealing.write([long]);
    await sealing.end();
    expect(same(Buffer.concat(output), await codec.sealChunks(0, long, true))).toBe(true);
  });

  it("wants a final chunk", async () => {
    const { engine: opening } = engine({ operation: "open" });
    await opening.write([(await codec.sealChunks(0, pattern(16_384), false)).subarray(0)]);
    await opening.write([pattern(15)]);
    await refuses("ERR_ENV_TRUNCATED", () => opening.end());
  });
});
