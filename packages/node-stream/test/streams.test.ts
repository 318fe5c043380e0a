import { getEventListeners, once } from "node:events";
import { Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fromHeader, isEnvelopeError, type EnvelopeEvent } from "@env/core";
import { boundaryLengths, largeLengths, pattern, pieces, same } from "@env/testkit/bytes";
import { settled, until } from "@env/testkit/turns";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ThreadLost, WorkerPool, type PoolThread } from "../src/pool.ts";
import { decryptStream, decryptStreamOn, encryptStream, encryptStreamOn } from "../src/streams.ts";
import { realThread, relayedThread, shuffledThread, startedPool } from "./support/pools.ts";
import { refuses } from "./support/refuses.ts";
import { StubKms } from "./support/stub-kms.ts";

const MIB = 2 ** 20;
const context = { tenant: "acme" };
const kms = new StubKms();
const envelope = kms.envelope();
const long = pattern(20 * MIB + 4321);

function source(bytes: Uint8Array, size: number): Readable {
  return Readable.from(pieces(bytes, size), { objectMode: false });
}

/** All that comes out of `stages`, and the error that ended it. */
async function collect(
  ...stages: readonly NodeJS.ReadableStream[]
): Promise<{ output: Buffer; error: unknown }> {
  const output: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      output.push(chunk);
      done();
    },
  });
  let error: unknown;
  await pipeline([...stages, sink]).catch((caught: unknown) => {
    error = caught;
  });
  return { output: Buffer.concat(output), error };
}

describe("encryptStream and decryptStream", () => {
  it.each(
    [...boundaryLengths, ...largeLengths].flatMap((length) =>
      [1, 7, 16_383, 16_384, 16_385, 65_536, MIB]
        .filter((size) => length / size < 20_000)
        .map((size) => [length, size] as const),
    ),
  )("bring %d bytes back in pieces of %d", async (length, size) => {
    const plaintext = pattern(length);
    const sealed = await collect(source(plaintext, size), encryptStream(envelope, { context }));
    expect(sealed.error).toBeUndefined();
    expect(same(await envelope.decrypt(sealed.output, { context }), plaintext)).toBe(true);
    const message = await envelope.encrypt(plaintext, { context });
    const opened = await collect(source(message, size), decryptStream(envelope, { context }));
    expect(opened.error).toBeUndefined();
    expect(same(opened.output, plaintext)).toBe(true);
  });

  it("read what the web streams of core wrote, and the other way round", async () => {
    const plaintext = pattern(100_000);
    const web = ReadableStream.from(pieces(plaintext, 999));
    const written = Readable.fromWeb(web.pipeThrough(envelope.encryptStream({ context })) as never);
    expect(same(await buffer(written.pipe(decryptStream(envelope, { context }))), plaintext)).toBe(
      true,
    );
    const ours = source(plaintext, 999).pipe(encryptStream(envelope, { context }));
    const read = (Readable.toWeb(ours) as ReadableStream<Uint8Array>).pipeThrough(
      envelope.decryptStream({ context }),
    );
    expect(same(await buffer(Readable.fromWeb(read as never)), plaintext)).toBe(true);
  });

  it("pass on the aad, the stored context and the header alignment", async () => {
    const options = { context, aad: { row: "1" }, storeContext: true, headerAlignment: 4096 };
    const { output } = await collect(source(pattern(5), 5), encryptStream(envelope, options));
    expect((output.length - 56 - 5 - 16) % 4096).toBe(0);
    const reader = { context: fromHeader({ require: context }), aad: { row: "1" } };
    const opened = await collect(source(output, 100), decryptStream(envelope, reader));
    expect(same(opened.output, pattern(5))).toBe(true);
    const other = await collect(
      source(output, 100),
      decryptStream(envelope, { ...reader, aad: { row: "2" } }),
    );
    expect(other.error).toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
  });

  it("call the KMS with the first bytes and not before, even for an empty message", async () => {
    const own = new StubKms();
    const stream = encryptStream(own.envelope(), { context });
    await settled();
    expect(own.calls).toEqual([]);
    stream.write(pattern(1));
    await until(() => own.calls.length > 0);
    expect(own.calls).toEqual(["wrap"]);
    stream.destroy();
    const empty = encryptStream(own.envelope(), { context }).end();
    expect(same(await own.envelope().decrypt(await buffer(empty), { context }), pattern(0))).toBe(
      true,
    );
  });

  it("give the chunks of a slow writer as soon as they are complete", async () => {
    const stream = encryptStream(envelope, { context });
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => (bytes += chunk.length));
    stream.write(pattern(16_383));
    await until(() => bytes > 0);
    await settled();
    const front = bytes;
    stream.write(pattern(2));
    await until(() => bytes > front);
    expect(bytes - front).toBe(16_400);
    stream.destroy();
  });

  it("hold a source to its announced length", async () => {
    const run = (bytes: number): Promise<{ error: unknown }> =>
      collect(
        source(pattern(bytes), 999),
        encryptStream(envelope, { context, plaintextBytes: 20_000 }),
      );
    expect((await run(20_000)).error).toBeUndefined();
    expect((await run(19_999)).error).toMatchObject({ code: "ERR_ENVELOPE_TRUNCATED" });
    expect((await run(20_001)).error).toMatchObject({ code: "ERR_ENVELOPE_LIMIT" });
  });

  it("refuse options that cannot work when they are created", async () => {
    const make = (options: object): unknown => encryptStream(envelope, { context, ...options });
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () => make({ context: { a: 1 } }));
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () =>
      decryptStream(envelope, { context: { a: 1 } } as never),
    );
    expect(() => make({ colour: "red" })).toThrow(TypeError);
    expect(() => make({ concurrency: -1 })).toThrow(RangeError);
    expect(() => make({ concurrency: 0.5 })).toThrow(RangeError);
    expect(() => make({ plaintextBytes: -1 })).toThrow(RangeError);
    expect(() => decryptStream(envelope, { context, colour: "red" } as never)).toThrow(TypeError);
  });

  it("report plaintext bytes and the outcome once", async () => {
    const events: EnvelopeEvent[] = [];
    const own = kms.envelope({ observer: (event) => events.push(event) });
    const { output } = await collect(source(pattern(50_000), 999), encryptStream(own, { context }));
    await collect(source(output, 999), decryptStream(own, { context }));
    await collect(source(output.subarray(0, 20_000), 999), decryptStream(own, { context }));
    decryptStream(own, { context })
      .on("error", () => undefined)
      .destroy(); // Saw no byte.
    expect(events.filter(({ type }) => type === "encrypt" || type === "decrypt")).toMatchObject([
      { type: "encrypt", bytes: 50_000, outcome: "ok" },
      { type: "decrypt", bytes: 50_000, outcome: "ok" },
      { type: "decrypt", bytes: 16_384, outcome: "ERR_ENVELOPE_DECRYPT" },
    ]);
  });
});

describe("damaged messages", () => {
  const plaintext = pattern(40_000);
  const damage: readonly (readonly [string, (message: Uint8Array) => Uint8Array])[] = [
    ["nothing at all", () => new Uint8Array(0)],
    ["garbage", () => pattern(50_000)],
    ["a cut preamble", (message) => message.subarray(0, 5)],
    ["a cut key block", (message) => message.subarray(0, 40)],
    ["a cut salt", (message) => message.subarray(0, message.length - 40_048 - 30)],
    ["no chunk", (message) => message.subarray(0, message.length - 40_048)],
    ["no final chunk", (message) => message.subarray(0, message.length - 7248)],
    ["a cut final chunk", (message) => message.subarray(0, -1)],
    ["a final chunk of 15 bytes", (message) => message.subarray(0, -7248 + 15)],
    ["a flipped bit in the first chunk", (message) => flipped(message, -30_000)],
    ["a flipped bit in the last tag", (message) => flipped(message, -1)],
    ["a flipped bit in the commitment", (message) => flipped(message, -40_048 - 1)],
    ["another version", (message) => message.with(4, 2)],
    ["bytes behind the end", (message) => Buffer.concat([message, pattern(1)])],
  ];

  it.each(damage)("%s fail as they do in core's web stream", async (_, change) => {
    const message = change(await envelope.encrypt(plaintext, { context }));
    for (const size of [100, MIB]) {
      const web = ReadableStream.from(pieces(message, size));
      const read = web.pipeThrough(envelope.decryptStream({ context }));
      const expected = await buffer(read).catch((error: unknown) => error);
      if (!isEnvelopeError(expected)) throw new Error("core accepts it");
      const ours = await collect(source(message, size), decryptStream(envelope, { context }));
      expect(ours.error).toMatchObject({ code: expected.code });
      expect(same(ours.output, plaintext.subarray(0, ours.output.length))).toBe(true);
    }
  });

  it("fail instead of ending if only the final chunk is missing", async () => {
    const message = await envelope.encrypt(plaintext, { context });
    const stream = decryptStream(envelope, { context });
    let ended = false;
    stream.on("end", () => (ended = true)).resume();
    stream.end(message.subarray(0, -7248));
    const closed = new Promise((resolve) => void stream.once("close", resolve));
    const [error] = await once(stream, "error");
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_TRUNCATED" });
    await closed; // Nothing follows that.
    expect(ended).toBe(false);
  });
});

describe("back-pressure and ends", () => {
  it("holds the writer back while nobody reads, within the high-water marks", async () => {
    const stream = encryptStream(envelope, { context, highWaterMark: 65_536, concurrency: 0 });
    let offered = 0;
    const endless = new Readable({
      highWaterMark: 16_384,
      read() {
        offered += 16_384;
        this.push(pattern(16_384));
      },
    });
    endless.pipe(stream);
    await until(() => stream.readableLength >= 65_536);
    await settled();
    const before = offered;
    await settled();
    expect(offered).toBe(before);
    expect(offered).toBeLessThanOrEqual(65_536 * 3 + 2 * 16_384);
    stream.destroy();
    endless.destroy();
  });

  it("ends when its consumer leaves early", async () => {
    const input = source(long, 65_536);
    const stream = encryptStream(envelope, { context });
    const piping = pipeline(input, stream).catch((caught: unknown) => caught);
    for await (const chunk of stream) {
      expect(chunk).toBeInstanceOf(Buffer);
      break;
    }
    expect(await piping).toMatchObject({ code: "ABORT_ERR" });
    expect([stream.destroyed, input.destroyed]).toEqual([true, true]);
  });

  it("lets the event loop turn while source and sink are in memory", async () => {
    let turns = 0;
    const turning = setInterval(() => turns++, 0);
    const stream = encryptStream(envelope, { context, concurrency: 0 });
    await collect(source(long, 65_536), stream);
    clearInterval(turning);
    expect(turns).toBeGreaterThan(3);
  });

  it("passes on a source's error, and a failing KMS to both sides", async () => {
    const failing = new Readable({ read: () => undefined });
    const reason = new Error("the disk is on fire");
    setImmediate(() => failing.destroy(reason));
    expect((await collect(failing, encryptStream(envelope, { context }))).error).toBe(reason);
    const own = new StubKms();
    own.fails = "ERR_ENVELOPE_KMS_ACCESS_DENIED";
    const { output, error } = await collect(
      source(pattern(10), 1),
      encryptStream(own.envelope(), { context }),
    );
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KMS_ACCESS_DENIED" });
    expect(output).toHaveLength(0);
  });

  it("is destroyed with the signal's reason, and stops listening to the signal", async () => {
    const abort = new AbortController();
    const stream = decryptStream(envelope, { context, signal: abort.signal });
    const failed = once(stream, "error");
    const reason = new Error("enough");
    abort.abort(reason);
    expect((await failed)[0]).toBe(reason);
    const other = new AbortController();
    await buffer(encryptStream(envelope, { context, signal: other.signal }).end());
    expect(getEventListeners(other.signal, "abort")).toEqual([]);
    const late = encryptStream(envelope, { context, signal: abort.signal });
    expect((await once(late, "error"))[0]).toBe(reason);
  });

  it("aborts a KMS call that nobody waits for any longer", async () => {
    const own = new StubKms();
    const events: EnvelopeEvent[] = [];
    own.gate = new Promise(() => undefined);
    const stream = encryptStream(own.envelope({ observer: (event) => events.push(event) }), {
      context,
    });
    stream.write(pattern(1));
    await until(() => own.calls.length > 0);
    stream.destroy();
    await until(() => events.length === 2);
    expect(events).toMatchObject([
      { type: "encrypt", outcome: "aborted" },
      { type: "kms-call", outcome: "aborted" },
    ]);
  });
});

describe("on threads", () => {
  const concurrency = 4;
  let pool: WorkerPool;
  beforeAll(async () => {
    pool = await startedPool();
  });
  afterAll(() => pool.close());

  it("restore a long message from pieces of any size", async () => {
    const runs = vi.spyOn(pool, "run");
    for (const size of [MIB, 300_001]) {
      const sealed = await collect(
        source(long, size),
        encryptStreamOn(pool, envelope, { context, concurrency }),
      );
      expect(sealed.error).toBeUndefined();
      expect(same(await envelope.decrypt(sealed.output, { context }), long)).toBe(true);
      const opened = await collect(
        source(sealed.output, size),
        decryptStreamOn(pool, envelope, { context, concurrency }),
      );
      expect(opened.error).toBeUndefined();
      expect(same(opened.output, long)).toBe(true);
    }
    expect(runs.mock.calls.length).toBeGreaterThan(8);
    runs.mockRestore();
    expect(pool.pending).toBe(0);
  });

  it("are used by default, except for one core, which is left to the calling thread", async () => {
    const started = vi.spyOn(pool, "start");
    const runs = vi.spyOn(pool, "run");
    await collect(source(long, MIB), encryptStreamOn(pool, envelope, { context }));
    expect(runs).toHaveBeenCalled();
    runs.mockClear();
    await collect(source(long, MIB), encryptStreamOn(pool, envelope, { context, concurrency: 0 }));
    expect(runs).not.toHaveBeenCalled();
    vi.restoreAllMocks();
    const idle = new WorkerPool(3, realThread);
    const asked = vi.spyOn(idle, "start");
    await collect(source(long, MIB), encryptStreamOn(idle, envelope, { context }));
    expect(asked).toHaveBeenCalledWith(2);
    expect(started).not.toHaveBeenCalled();
    await idle.close();
  });

  it("give results in order, however late each comes", async () => {
    const delays = [40, 5, 25, 0];
    let turn = 0;
    const late = await startedPool(4, () =>
      shuffledThread(() => delays[turn++ % delays.length] ?? 0),
    );
    const stream = encryptStreamOn(late, envelope, { context, concurrency });
    const { output, error } = await collect(source(long, MIB), stream);
    expect(error).toBeUndefined();
    expect(turn).toBeGreaterThan(3);
    expect(same(await envelope.decrypt(output, { context }), long)).toBe(true);
    await late.close();
  });

  it("refuse an altered chunk with its code, and give only what precedes it", async () => {
    const message = await envelope.encrypt(long, { context });
    const at = message.length - 2 * MIB;
    const { output, error } = await collect(
      source(flipped(message, at), MIB),
      decryptStreamOn(pool, envelope, { context, concurrency }),
    );
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
    expect(output.length).toBeGreaterThan(16 * MIB);
    expect(output.length).toBeLessThan(at);
    expect(same(output, long.subarray(0, output.length))).toBe(true);
  });

  it("hold back the writer of a stalled consumer, and continue where it left off", async () => {
    const stream = encryptStreamOn(pool, envelope, { context, concurrency });
    let read = 0;
    const input = Readable.from(counted(pieces(long, 65_536)), { objectMode: false });
    function* counted(all: Iterable<Uint8Array>): Generator<Uint8Array> {
      for (const piece of all) {
        read += piece.length;
        yield piece;
      }
    }
    const output: Buffer[] = [];
    let written = 0;
    const stalled: (() => void)[] = [];
    const sink = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _, done) {
        output.push(chunk);
        written += chunk.length;
        if (written > 17 * MIB && stalled.length === 0) stalled.push(done);
        else done();
      },
    });
    const piping = pipeline(input, stream, sink);
    await until(() => stalled.length > 0);
    await settled(() => pool.pending > 0);
    const held = read - written;
    await settled(() => pool.pending > 0);
    expect(read - written).toBe(held);
    // Both high-water marks, what four tasks have, what is ahead of them, a piece under way at either end.
    expect(held).toBeLessThanOrEqual((1 + 1 + 4 + 4 + 2) * MIB);
    stalled[0]?.();
    await piping;
    expect(same(await envelope.decrypt(Buffer.concat(output), { context }), long)).toBe(true);
  });

  it("serve 64 streams at once", async () => {
    const some = long.subarray(0, 17 * MIB + 7);
    const streams = Array.from({ length: 64 }, async () => {
      const { output, error } = await collect(
        source(some.subarray(0, 2 * MIB + 7), MIB),
        encryptStreamOn(pool, envelope, { context, concurrency }),
        decryptStreamOn(pool, envelope, { context, concurrency }),
      );
      expect(error).toBeUndefined();
      return same(output, some.subarray(0, 2 * MIB + 7));
    });
    expect(await Promise.all(streams)).toEqual(Array.from({ length: 64 }, () => true));
    const longer = Array.from({ length: 8 }, async () => {
      const encrypting = encryptStreamOn(pool, envelope, { context, concurrency });
      const opened = await collect(
        source(some, MIB),
        encrypting,
        decryptStreamOn(pool, envelope, { context, concurrency }),
      );
      return same(opened.output, some);
    });
    expect(await Promise.all(longer)).toEqual(Array.from({ length: 8 }, () => true));
    expect(pool.pending).toBe(0);
  });

  it("abort at any moment and leave no task behind", async () => {
    for (const delayMs of [0, 1, 3, 6, 10, 15, 20]) {
      const abort = new AbortController();
      const run = collect(
        source(long, MIB),
        encryptStreamOn(pool, envelope, { context, concurrency, signal: abort.signal }),
        decryptStreamOn(pool, envelope, { context, concurrency, signal: abort.signal }),
      );
      await sleep(delayMs);
      abort.abort(new Error("enough"));
      await run;
    }
    await until(() => pool.pending === 0);
    expect(pool.pending).toBe(0);
  });

  it("fail with the reason if a thread dies, and the next stream works", async () => {
    const spawned: PoolThread[] = [];
    const mortal = await startedPool(1, () => {
      const thread = spawned.length === 0 ? relayedThread(() => undefined) : realThread();
      spawned.push(thread);
      return thread;
    });
    const run = collect(
      source(long, MIB),
      encryptStreamOn(mortal, envelope, { context, concurrency }),
    );
    await until(() => mortal.pending > 0);
    void spawned[0]?.terminate();
    const { error } = await run;
    expect(error).toBeInstanceOf(ThreadLost);
    expect(mortal.pending).toBe(0);
    const again = await collect(
      source(long, MIB),
      encryptStreamOn(mortal, envelope, { context, concurrency }),
      decryptStreamOn(mortal, envelope, { context, concurrency }),
    );
    expect(same(again.output, long)).toBe(true);
    await mortal.close();
  });
});

function flipped(message: Uint8Array, at: number): Uint8Array {
  const index = at < 0 ? message.length + at : at;
  return message.with(index, (message[index] ?? 0) ^ 1);
}
