import { once } from "node:events";
import { open, rename, truncate, appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { detachKeyBlock, Envelope, isEnvelopeError, type EnvelopeEvent } from "@env/core";
import {
  CHUNK_BYTES,
  chunkOffset,
  messageWriter,
  payloadLength,
  SEALED_CHUNK_BYTES,
  sealedLength,
  TAG_BYTES,
} from "@env/core/message";
import { pattern } from "@env/testkit/bytes";
import { tempFolder } from "@env/testkit/folder";
import { settled, until } from "@env/testkit/turns";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { RangeSource } from "../src/range-source.ts";
import { openEncrypted } from "../src/seek.ts";
import { rotatingCmk } from "./support/rotating-cmk.ts";

const context = { tenant: "acme" };
const MIB = 2 ** 20;
const { cmk, calls } = rotatingCmk("one", 1);
const envelope = new Envelope({ cmks: [cmk] });

const folder = tempFolder(afterAll);

async function messageOf(length: number, headerAlignment = 4096): Promise<Uint8Array> {
  return envelope.encrypt(pattern(length), { context, headerAlignment });
}

interface CountedSource extends RangeSource {
  readonly reads: { start: number; end: number }[];
  inFlight: number;
  mostInFlight: number;
  delay: number;
  fails: Error | undefined;
  aborted: number;
}

function sourceOf(message: Uint8Array): CountedSource {
  const source: CountedSource = {
    size: message.length,
    reads: [],
    inFlight: 0,
    mostInFlight: 0,
    delay: 0,
    fails: undefined,
    aborted: 0,
    async read(start, end, signal) {
      source.reads.push({ start, end });
      signal.addEventListener("abort", () => source.aborted++);
      source.mostInFlight = Math.max(source.mostInFlight, ++source.inFlight);
      try {
        await sleep(source.delay, undefined, { ref: false });
        if (source.fails !== undefined) throw source.fails;
        return message.slice(start, end);
      } finally {
        source.inFlight--;
      }
    },
  };
  return source;
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const lengths = [0, 1, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, MIB - 1, MIB, MIB + 1];

describe("openEncrypted", () => {
  it.each(lengths)("reads %d bytes whole, in parts and past the end", async (length) => {
    const plaintext = pattern(length);
    await using reader = await openEncrypted(envelope, sourceOf(await messageOf(length)), {
      context,
    });
    expect(await reader.size()).toBe(length);
    expect(same(await reader.read(0, length), plaintext)).toBe(true);
    expect(same(await reader.read(0, Infinity), plaintext)).toBe(true);
    expect(same(await reader.read(0, length + 40_000), plaintext)).toBe(true);
    expect(await reader.read(length, length + 1)).toEqual(new Uint8Array(0));
    expect(await reader.read(length + 99_999, length + 100_000)).toEqual(new Uint8Array(0));
    const middle = Math.floor(length / 2);
    expect(same(await reader.read(middle, length), plaintext.subarray(middle))).toBe(true);
    expect(same(await collect(reader.createReadStream()), plaintext)).toBe(true);
  });

  it("reads any range of the plaintext, many concurrently", async () => {
    const length = 300_000;
    const plaintext = pattern(length);
    const message = await messageOf(length);
    const range = fc.tuple(fc.nat(length + 50_000), fc.nat(length + 50_000));
    await fc.assert(
      fc.asyncProperty(
        fc.array(range, { minLength: 1, maxLength: 12 }),
        fc.nat(20),
        async (ranges, cacheChunks) => {
          await using reader = await openEncrypted(envelope, sourceOf(message), {
            context,
            cacheChunks,
          });
          await Promise.all(
            ranges.map(async ([a, b], index) => {
              const [start, end] = a < b ? [a, b] : [b, a];
              const expected = plaintext.subarray(start, end);
              const got =
                index % 3 === 2
                  ? await collect(reader.createReadStream({ start, end, highWaterMark: 20_000 }))
                  : await reader.read(start, end);
              expect(same(got, expected), `${start} to ${end}`).toBe(true);
            }),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it("opens with one read of the source and takes one more for any range of 1 MiB", async () => {
    const message = await messageOf(8 * MIB);
    for (const start of [0, 1, 16_383, 3 * MIB + 5, 7 * MIB]) {
      const source = sourceOf(message);
      await using reader = await openEncrypted(envelope, source, { context });
      expect(source.reads).toHaveLength(1);
      const range = await reader.read(start, start + MIB);
      expect(source.reads.length, `at ${start}`).toBe(2);
      expect(range).toHaveLength(MIB);
    }
  });

  it("reads a small message whole with the header, and a header without padding as well", async () => {
    for (const alignment of [1, 4096, 16_384]) {
      const source = sourceOf(await messageOf(9000, alignment));
      await using reader = await openEncrypted(envelope, source, { context });
      expect(same(await reader.read(0, Infinity), pattern(9000))).toBe(true);
      expect(source.reads).toHaveLength(1);
    }
  });

  it("splits long ranges into reads of 2 MiB, a few at a time", async () => {
    const source = sourceOf(await messageOf(20 * MIB));
    source.delay = 2;
    await using reader = await openEncrypted(envelope, source, { context });
    expect(same(await reader.read(7, 20 * MIB), pattern(20 * MIB).subarray(7))).toBe(true);
    expect(Math.max(...source.reads.map(({ start, end }) => end - start))).toBe(
      128 * SEALED_CHUNK_BYTES,
    );
    expect(source.reads).toHaveLength(1 + 10);
    expect(source.mostInFlight).toBe(4);
  });

  it("fetches neighbouring chunks together, and only those that are not cached", async () => {
    const source = sourceOf(await messageOf(40 * CHUNK_BYTES));
    await using reader = await openEncrypted(envelope, source, { context });
    await reader.read(10 * CHUNK_BYTES, 11 * CHUNK_BYTES);
    source.reads.length = 0;
    await reader.read(5 * CHUNK_BYTES, 15 * CHUNK_BYTES);
    const at = (index: number): number => 4096 + chunkOffset(index);
    expect(source.reads).toEqual([
      { start: at(5), end: at(10) },
      { start: at(11), end: at(15) },
    ]);
    await reader.read(5 * CHUNK_BYTES, 15 * CHUNK_BYTES);
    expect(source.reads).toHaveLength(2);
  });

  it("does not request a chunk again while it is being read", async () => {
    const source = sourceOf(await messageOf(40 * CHUNK_BYTES));
    source.delay = 5;
    await using reader = await openEncrypted(envelope, source, { context, cacheChunks: 0 });
    source.reads.length = 0;
    const plaintext = pattern(40 * CHUNK_BYTES);
    const [start, end] = [5 * CHUNK_BYTES + 3, 9 * CHUNK_BYTES - 3];
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, i) => reader.read(start + i, end - i)),
    );
    expect(source.reads).toHaveLength(1);
    for (const [i, bytes] of results.entries()) {
      expect(same(bytes, plaintext.subarray(start + i, end - i))).toBe(true);
    }
    await reader.read(start, end);
    expect(source.reads).toHaveLength(2); // Nothing is kept.
  });

  it("keeps the chunks that were used last", async () => {
    const source = sourceOf(await messageOf(40 * CHUNK_BYTES));
    await using reader = await openEncrypted(envelope, source, { context, cacheChunks: 2 });
    const chunk = (index: number): Promise<unknown> =>
      reader.read(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    for (const index of [10, 11, 10, 12]) await chunk(index);
    source.reads.length = 0;
    await chunk(10);
    await chunk(12);
    expect(source.reads).toHaveLength(0);
    await chunk(11);
    expect(source.reads).toHaveLength(1);
  });

  it("keeps only the end of a range that is longer than the cache, and the chunks from before", async () => {
    const source = sourceOf(await messageOf(40 * CHUNK_BYTES));
    await using reader = await openEncrypted(envelope, source, { context, cacheChunks: 4 });
    await reader.read(10 * CHUNK_BYTES, 11 * CHUNK_BYTES);
    await reader.read(20 * CHUNK_BYTES, 40 * CHUNK_BYTES);
    source.reads.length = 0;
    await reader.read(10 * CHUNK_BYTES, 11 * CHUNK_BYTES);
    await reader.read(39 * CHUNK_BYTES, 40 * CHUNK_BYTES);
    expect(source.reads).toHaveLength(0);
  });

  it("returns arrays that share no memory", async () => {
    await using reader = await openEncrypted(envelope, sourceOf(await messageOf(99)), { context });
    (await reader.read(0, 99)).fill(0);
    expect(await reader.read(0, 99)).toEqual(pattern(99));
  });

  it.each([2 ** 18 - 1, 2 ** 18 + 5, 2 ** 30 + 1, 2 ** 32, 2 ** 33 + 7])(
    "finds chunk %d, in a message of that many",
    async (far) => {
      const message = await syntheticSource(far + 2, 77);
      await using reader = await openEncrypted(envelope, message.source, { context });
      const start = far * CHUNK_BYTES - 10;
      const bytes = await reader.read(start, start + 20);
      expect(bytes).toEqual(
        new Uint8Array([...message.chunk(far - 1).slice(-10), ...message.chunk(far).slice(0, 10)]),
      );
      expect(await reader.size()).toBe((far + 2) * CHUNK_BYTES + 77);
      const tail = await collect(
        reader.createReadStream({ start: (far + 2) * CHUNK_BYTES - 5, highWaterMark: 16_384 }),
      );
      expect(tail).toHaveLength(82);
    },
  );

  it("takes paths, URLs and file handles, and closes only what it opened", async () => {
    const path = join(folder, "plain.envelope");
    await writeFile(path, await messageOf(50_000));
    for (const source of [path, pathToFileURL(path)]) {
      await using reader = await openEncrypted(envelope, source, { context });
      expect(same(await reader.read(3, 40_000), pattern(50_000).subarray(3, 40_000))).toBe(true);
    }
    await using handle = await open(path);
    const reader = await openEncrypted(envelope, handle, { context });
    expect(await reader.size()).toBe(50_000);
    await reader.close();
    expect((await handle.stat()).size).toBe(50_000 + 4096 + 56 + 4 * TAG_BYTES);
    await expect(openEncrypted(envelope, join(folder, "none"), { context })).rejects.toMatchObject({
      code: "ENOENT",
    });
  });

  it("continues on the file that it opened when the name is replaced", async () => {
    const path = join(folder, "replaced.envelope");
    await writeFile(path, await messageOf(200_000));
    await using reader = await openEncrypted(envelope, path, { context });
    await writeFile(`${path}.new`, await messageOf(10));
    await rename(`${path}.new`, path);
    expect(same(await reader.read(0, Infinity), pattern(200_000))).toBe(true);
  });

  it("opens detached messages and those bound to an aad", async () => {
    const aad = { row: "7" };
    const message = await envelope.encrypt(pattern(70_000), { context, aad });
    const { message: bare, keyBlock } = detachKeyBlock(message);
    await using reader = await openEncrypted(envelope, sourceOf(bare), { context, aad, keyBlock });
    expect(same(await reader.read(1, 70_000), pattern(70_000).subarray(1))).toBe(true);
    const without = openEncrypted(envelope, sourceOf(bare), { context, keyBlock });
    await expect(without).rejects.toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
  });
});

/** A message whose chunks are sealed when they are read: `full` whole ones and a final one. */
async function syntheticSource(
  full: number,
  finalBytes: number,
): Promise<{ source: RangeSource; chunk: (index: number) => Uint8Array }> {
  const writer = messageWriter(envelope, { context });
  const front = await writer.start();
  const { codec } = writer;
  const chunk = (index: number): Uint8Array =>
    new Uint8Array(index === full ? finalBytes : CHUNK_BYTES).map((_, i) => (index % 251) ^ i);
  const chunks = front.length;
  const source: RangeSource = {
    size: chunks + sealedLength(full * CHUNK_BYTES + finalBytes, true),
    async read(start, end) {
      const parts: Uint8Array[] = [front];
      let at = 0;
      if (start > 0) {
        parts.length = 0;
        at = start;
      } else at = chunks;
      const index = Math.floor((at - chunks) / SEALED_CHUNK_BYTES);
      for (let i = index; i <= full && chunks + i * SEALED_CHUNK_BYTES < end; i++) {
        const plaintext = chunk(i);
        parts.push(await codec.sealChunks(i, plaintext, i === full));
      }
      const skip = start === 0 ? 0 : start - chunks - index * SEALED_CHUNK_BYTES;
      return new Uint8Array(Buffer.concat(parts).subarray(skip, skip + end - start));
    },
  };
  return { source, chunk };
}

describe("openEncrypted of an altered message", () => {
  const length = 5 * CHUNK_BYTES + 100;

  it("refuses a length that no message has, before a KMS is called", async () => {
    const message = await messageOf(length);
    const cut = message.subarray(0, 4096 + chunkOffset(5));
    const before = calls();
    await expect(openEncrypted(envelope, sourceOf(cut), { context })).rejects.toMatchObject({
      code: "ERR_ENVELOPE_TRUNCATED",
    });
    expect(calls()).toBe(before);
  });

  // Requirements: E30
  it.each([
    ["cut within a chunk", -3000],
    ["cut by a byte", -1],
    ["extended by a byte", 1],
  ])(
    "does not verify the end of a message that was %s, but does verify ranges before it",
    async (_, by) => {
      const message = await messageOf(length);
      const altered = new Uint8Array(message.length + by);
      altered.set(message.subarray(0, altered.length));
      const source = sourceOf(altered);
      await using reader = await openEncrypted(envelope, source, { context });
      expect(same(await reader.read(0, 100), pattern(100))).toBe(true);
      const refused = { code: "ERR_ENVELOPE_DECRYPT" };
      await expect(reader.size()).rejects.toMatchObject(refused);
      await expect(reader.read(0, Infinity)).rejects.toMatchObject(refused);
      await expect(reader.read(length + 50_000, length + 60_000)).rejects.toMatchObject(refused);
      await expect(collect(reader.createReadStream({ start: 100 }))).rejects.toMatchObject(refused);
      const inside = await reader.read(CHUNK_BYTES, 2 * CHUNK_BYTES);
      expect(same(inside, pattern(length).subarray(CHUNK_BYTES, 2 * CHUNK_BYTES))).toBe(true);
    },
  );

  it("refuses a chunk with one altered bit, wherever it is; the others still verify", async () => {
    for (const at of [chunkOffset(2), chunkOffset(2) + 9000, chunkOffset(3) - 1]) {
      const message = await messageOf(length);
      message[4096 + at] = (message[4096 + at] ?? 0) ^ 1;
      await using reader = await openEncrypted(envelope, sourceOf(message), { context });
      const start = 2 * CHUNK_BYTES;
      await expect(reader.read(start + 5, start + 6)).rejects.toMatchObject({
        code: "ERR_ENVELOPE_DECRYPT",
      });
      // While a concurrent read fails, a range next to the altered chunk is read.
      const [all, beside] = await Promise.allSettled([
        reader.read(0, length),
        reader.read(start - 10, start),
      ]);
      expect(all).toMatchObject({ status: "rejected", reason: { code: "ERR_ENVELOPE_DECRYPT" } });
      expect(beside.status).toBe("fulfilled");
      expect(await reader.size()).toBe(length);
    }
  });

  it("ends a long read at its first failure: nothing more is fetched", async () => {
    const message = await messageOf(20 * MIB);
    const at = 4096 + chunkOffset(3);
    message[at] = (message[at] ?? 0) ^ 1;
    const source = sourceOf(message);
    await using reader = await openEncrypted(envelope, source, { context });
    await expect(reader.read(0, Infinity)).rejects.toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
    const fetched = source.reads.length;
    await settled(() => source.inFlight > 0);
    expect(source.reads).toHaveLength(fetched);
    expect(source.reads.length).toBeLessThan(11);
  });

  it("allocates no memory for a size that has not verified", async () => {
    const message = await messageOf(100_000);
    const source = sourceOf(message);
    const claimed: RangeSource = { ...source, size: 4096 + payloadLength(2 ** 46) };
    for (const end of [Infinity, 2 ** 45]) {
      await using reader = await openEncrypted(envelope, claimed, { context });
      source.reads.length = 0;
      const call = reader.read(0, end);
      await expect(call).rejects.toMatchObject({ code: "ERR_ENVELOPE_TRUNCATED" });
      expect(source.reads).toMatchObject([{ end: claimed.size }]); // The final chunk alone.
    }
  });

  it("refuses a range that does not fit into memory", async () => {
    const { source } = await syntheticSource(2 ** 32, 100);
    await using reader = await openEncrypted(envelope, source, { context });
    await expect(reader.read(0, Infinity)).rejects.toMatchObject({
      code: "ERR_ENVELOPE_LIMIT",
      message: expect.stringContaining("as a stream"),
    });
  });

  it("refuses a chunk that was moved from another position", async () => {
    const message = await messageOf(length);
    const at = (index: number): number => 4096 + chunkOffset(index);
    message.copyWithin(at(1), at(2), at(3));
    await using reader = await openEncrypted(envelope, sourceOf(message), { context });
    await expect(reader.read(CHUNK_BYTES, CHUNK_BYTES + 1)).rejects.toMatchObject({
      code: "ERR_ENVELOPE_DECRYPT",
    });
  });

  it("refuses the header of another message", async () => {
    const [message, other] = [await messageOf(length), await messageOf(length)];
    message.set(other.subarray(0, 4096));
    await expect(openEncrypted(envelope, sourceOf(message), { context })).rejects.toMatchObject({
      code: "ERR_ENVELOPE_DECRYPT",
    });
  });

  it("refuses a file that shrinks or grows while it is open", async () => {
    for (const change of [
      (path: string) => truncate(path, 60_000),
      (path: string) => appendFile(path, "x"),
    ]) {
      const path = join(folder, "changing.envelope");
      await writeFile(path, await messageOf(length));
      await using reader = await openEncrypted(envelope, path, { context });
      await change(path);
      await expect(reader.size()).rejects.toMatchObject({ code: "ERR_ENVELOPE_TRUNCATED" });
      await expect(reader.read(50_000, 80_000)).rejects.toMatchObject({
        code: "ERR_ENVELOPE_TRUNCATED",
      });
    }
  });
});

describe("a source that misbehaves", () => {
  const message = messageOf(200_000);

  async function opened(read: (bytes: Uint8Array) => unknown): Promise<() => Promise<unknown>> {
    const source = sourceOf(await message);
    const honest = source.read.bind(source);
    const reader = await openEncrypted(envelope, source, { context });
    Object.assign(source, {
      read: async (...args: Parameters<RangeSource["read"]>) => read(await honest(...args)),
    });
    return () => reader.read(100_000, 110_000);
  }

  it("is reported if it returns too few bytes", async () => {
    const read = await opened((bytes) => bytes.subarray(1));
    await expect(read()).rejects.toMatchObject({ code: "ERR_ENVELOPE_TRUNCATED" });
  });

  it("is reported if it returns more than requested, as a server without ranges does", async () => {
    const read = await opened((bytes) => Buffer.concat([bytes, bytes]));
    await expect(read()).rejects.toThrow(RangeError);
    await expect(read()).rejects.toThrow(/ignored the range/);
  });

  it("is reported if it does not return bytes", async () => {
    const read = await opened((bytes) => Buffer.from(bytes).toString("base64"));
    await expect(read()).rejects.toThrow(TypeError);
  });

  it("has its own errors passed on, and can be read again", async () => {
    const source = sourceOf(await message);
    await using reader = await openEncrypted(envelope, source, { context });
    source.fails = new Error("503");
    await expect(reader.read(100_000, 110_000)).rejects.toBe(source.fails);
    source.fails = undefined;
    expect(await reader.read(100_000, 110_000)).toHaveLength(10_000);
    const closed = sourceOf(await message);
    closed.fails = new Error("403");
    await expect(openEncrypted(envelope, closed, { context })).rejects.toBe(closed.fails);
  });

  it("is refused without a size or a read", async () => {
    for (const source of [null, 7, {}, { size: 1.5, read: sourceOf }, { size: 9 }]) {
      const call = openEncrypted(envelope, source as unknown as RangeSource, { context });
      await expect(call).rejects.toThrow(TypeError);
    }
  });
});

describe("reading", () => {
  it("refuses what is not a range and what is not an option", async () => {
    const source = sourceOf(await messageOf(10));
    await using reader = await openEncrypted(envelope, source, { context });
    for (const [start, end] of [
      [-1, 5],
      [0.5, 5],
      [5, 4],
      [0, NaN],
      [Infinity, Infinity],
    ] as const) {
      await expect(reader.read(start, end)).rejects.toThrow(RangeError);
      expect(() => reader.createReadStream({ start, end })).toThrow(RangeError);
    }
    for (const option of [{ cacheChunks: -1 }, { cacheChunks: 1.5 }, { cacheChunks: 2 ** 17 }]) {
      await expect(openEncrypted(envelope, source, { context, ...option })).rejects.toThrow(
        RangeError,
      );
    }
    const misspelt = { context, cachedChunks: 3 };
    await expect(openEncrypted(envelope, source, misspelt)).rejects.toThrow(/cachedChunks/);
  });

  it("does not read the source for an empty range", async () => {
    const source = sourceOf(await messageOf(100_000));
    await using reader = await openEncrypted(envelope, source, { context });
    expect(await reader.read(70_000, 70_000)).toHaveLength(0);
    expect(source.reads).toHaveLength(1);
  });

  it("ends with the signal's reason, and aborts a read only when nobody waits for it", async () => {
    const source = sourceOf(await messageOf(200_000));
    await using reader = await openEncrypted(envelope, source, { context });
    source.delay = 20;
    source.aborted = 0;
    const [impatient, patient] = [new AbortController(), new AbortController()];
    const first = reader.read(100_000, 150_000, { signal: impatient.signal });
    const second = reader.read(100_000, 150_000, { signal: patient.signal });
    impatient.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    expect(source.aborted).toBe(0);
    expect(await second).toHaveLength(50_000);
    const third = reader.read(0, 90_000, { signal: patient.signal });
    patient.abort(new Error("enough too"));
    await expect(third).rejects.toThrow("enough too");
    expect(source.aborted).toBe(1);
    const late = openEncrypted(envelope, source, {
      context,
      signal: AbortSignal.abort(Error("x")),
    });
    await expect(late).rejects.toThrow("x");
  });

  it("ends with ERR_ENVELOPE_CLOSED during and after close", async () => {
    const source = sourceOf(await messageOf(200_000));
    const reader = await openEncrypted(envelope, source, { context });
    source.delay = 1e6;
    const pending = [reader.read(0, 150_000), reader.size(), collect(reader.createReadStream())];
    const outcomes = Promise.allSettled(pending);
    await until(() => source.inFlight > 0);
    await reader.close();
    await reader.close();
    for (const result of await outcomes) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "ERR_ENVELOPE_CLOSED" } });
    }
    await expect(reader.read(0, 1)).rejects.toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
    await expect(reader.size()).rejects.toSatisfy((e) => isEnvelopeError(e, "ERR_ENVELOPE_CLOSED"));
  });

  it("raises no warning about listeners if one of many reads is slow", async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error): number => warnings.push(warning);
    process.on("warning", listen);
    const source = sourceOf(await messageOf(200_000));
    source.delay = 5;
    await using reader = await openEncrypted(envelope, source, { context });
    await Promise.all(Array.from({ length: 64 }, (_, i) => reader.read(i * 3000, i * 3000 + 10)));
    await settled();
    process.off("warning", listen);
    expect(warnings).toEqual([]);
  });
});

describe("createReadStream", () => {
  it("gives a range in pieces that end at chunk boundaries", async () => {
    const plaintext = pattern(10 * CHUNK_BYTES);
    const source = sourceOf(await messageOf(plaintext.length));
    await using reader = await openEncrypted(envelope, source, { context });
    const options = { start: 100, end: 9 * CHUNK_BYTES + 7, highWaterMark: 2 * CHUNK_BYTES };
    const sizes: number[] = [];
    const pieces: Buffer[] = [];
    for await (const piece of reader.createReadStream(options) as AsyncIterable<Buffer>) {
      sizes.push(piece.length);
      pieces.push(piece);
    }
    expect(sizes[0]).toBe(2 * CHUNK_BYTES - 100);
    expect(same(Buffer.concat(pieces), plaintext.subarray(100, options.end))).toBe(true);
    const chunks = new Set(source.reads.slice(1).map(({ start }) => start));
    expect(chunks.size).toBe(source.reads.length - 1); // None was fetched twice.
  });

  it("fetches one piece ahead of a consumer that is stalled, and nothing else", async () => {
    const source = sourceOf(await messageOf(100 * CHUNK_BYTES));
    await using reader = await openEncrypted(envelope, source, { context });
    const stream = reader.createReadStream({ highWaterMark: 4 * CHUNK_BYTES });
    await settled(() => source.inFlight > 0);
    expect(source.reads).toHaveLength(1); // Nobody reads: nothing is fetched.
    stream.once("readable", () => undefined);
    await until(() => stream.readableLength > 0);
    await settled(() => source.inFlight > 0);
    const standing = source.reads.length;
    expect(standing).toBeLessThanOrEqual(4);
    await settled(() => source.inFlight > 0);
    expect(source.reads).toHaveLength(standing);
    expect(same(await collect(stream), pattern(100 * CHUNK_BYTES))).toBe(true);
  });

  // Requirements: E30
  it("verifies the end of the plaintext before it ends there, and not if the range ends earlier", async () => {
    const length = 8 * CHUNK_BYTES;
    const message = await messageOf(length);
    const last = message.length - 1;
    message[last] = (message[last] ?? 0) ^ 1; // The tag of the final, empty chunk.
    await using reader = await openEncrypted(envelope, sourceOf(message), { context });
    const whole = await collect(reader.createReadStream({ end: length }));
    expect(same(whole, pattern(length))).toBe(true);
    for (const end of [length + 1, undefined]) {
      await expect(collect(reader.createReadStream({ end }))).rejects.toMatchObject({
        code: "ERR_ENVELOPE_DECRYPT",
      });
    }
  });

  it("stops fetching when it is destroyed, or its signal aborts", async () => {
    const source = sourceOf(await messageOf(100 * CHUNK_BYTES));
    await using reader = await openEncrypted(envelope, source, { context, cacheChunks: 0 });
    const controller = new AbortController();
    const { signal } = controller;
    const stream = reader.createReadStream({ highWaterMark: CHUNK_BYTES, signal });
    for await (const _ of stream) break;
    expect(stream.destroyed).toBe(true);
    await settled(() => source.inFlight > 0);
    const reads = source.reads.length;
    await settled(() => source.inFlight > 0);
    expect(source.reads).toHaveLength(reads);
    const other = reader.createReadStream({ highWaterMark: CHUNK_BYTES, signal });
    const ended = collect(other);
    controller.abort(new Error("enough"));
    await expect(ended).rejects.toThrow("enough");
    const late = reader.createReadStream({ signal });
    await expect(collect(late)).rejects.toThrow("enough");
    source.delay = 1e6;
    source.aborted = 0;
    const waiting = reader.createReadStream({ start: 50 * CHUNK_BYTES });
    waiting.resume();
    await until(() => source.inFlight > 0);
    waiting.destroy();
    await once(waiting, "close");
    expect(source.aborted).toBe(1);
  });
});

describe("the observer", () => {
  const observed = (): { events: EnvelopeEvent[]; own: Envelope } => {
    const events: EnvelopeEvent[] = [];
    const observer = (event: EnvelopeEvent): void =>
      void (event.type === "kms-call" || events.push(event));
    return { events, own: new Envelope({ cmks: [cmk], observer }) };
  };

  it("sees each read and each stream as one decryption of its bytes", async () => {
    const { events, own } = observed();
    await using reader = await openEncrypted(own, sourceOf(await messageOf(3 * MIB)), { context });
    await reader.size();
    expect(events).toEqual([]);
    await reader.read(10, 20);
    await reader.read(3 * MIB - 5, Infinity);
    await collect(reader.createReadStream({ start: 1 }));
    expect(events).toMatchObject([
      { type: "decrypt", bytes: 10, outcome: "ok" },
      { type: "decrypt", bytes: 5, outcome: "ok" },
      { type: "decrypt", bytes: 3 * MIB - 1, outcome: "ok" },
    ]);
  });

  it("sees a stream that was left early or aborted, with the bytes it gave", async () => {
    const { events, own } = observed();
    await using reader = await openEncrypted(own, sourceOf(await messageOf(3 * MIB)), { context });
    for await (const piece of reader.createReadStream()) {
      expect(piece).toHaveLength(MIB);
      break;
    }
    const reason = new Error("enough");
    const aborted = reader.read(0, 10, { signal: AbortSignal.abort(reason) });
    await expect(aborted).rejects.toBe(reason);
    const abort = new AbortController();
    const stopped = reader.read(2 * MIB, Infinity, { signal: abort.signal });
    abort.abort(reason);
    await expect(stopped).rejects.toBe(reason);
    expect(events).toMatchObject([
      { type: "decrypt", outcome: "aborted" },
      { type: "decrypt", bytes: 0, outcome: "aborted" },
    ]);
    expect((events[0] as { bytes: number }).bytes).toBeGreaterThanOrEqual(MIB);
  });

  it("sees whether and how opening, the size, a read or a stream fails", async () => {
    const { events, own } = observed();
    const message = await messageOf(100_000);
    const altered = message.with(message.length - 1, (message.at(-1) ?? 0) ^ 1);
    await expect(
      openEncrypted(own, sourceOf(altered), { context: { tenant: "other" } }),
    ).rejects.toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
    await using reader = await openEncrypted(own, sourceOf(altered), { context });
    await expect(reader.size()).rejects.toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
    await expect(reader.read(99_999, Infinity)).rejects.toMatchObject({
      code: "ERR_ENVELOPE_DECRYPT",
    });
    await expect(collect(reader.createReadStream())).rejects.toMatchObject({
      code: "ERR_ENVELOPE_DECRYPT",
    });
    const failure = { type: "decrypt", bytes: 0, outcome: "ERR_ENVELOPE_DECRYPT" };
    expect(events).toMatchObject([failure, failure, failure, failure]);
  });

  it("does not see misuse", async () => {
    const { events, own } = observed();
    await using reader = await openEncrypted(own, sourceOf(await messageOf(10)), { context });
    await expect(reader.read(-1, 5)).rejects.toThrow(RangeError);
    expect(events).toEqual([]);
  });
});
