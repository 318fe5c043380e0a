import { getEventListeners } from "node:events";
import { Envelope, type EnvelopeEvent } from "@env/core";
import { boundaryLengths, pattern, pieces } from "@env/testkit/bytes";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { pump } from "./support/pump.ts";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme" };

function single(): { key: StubKey; envelope: Envelope; events: EnvelopeEvent[] } {
  const key = new StubKey("one");
  const events: EnvelopeEvent[] = [];
  const envelope = new Envelope({ cmks: [key.cmk], observer: (event) => events.push(event) });
  return { key, envelope, events };
}

describe("encryptStream and decryptStream", () => {
  it.each(
    boundaryLengths
      .flatMap((length) =>
        [1, 7, 16_383, 16_384, 16_385, 2 ** 20].map((size) => [length, size] as const),
      )
      .filter(([length, size]) => size > 1 || length < 20_000),
  )("bring %d bytes back in pieces of %d", async (length, size) => {
    const { envelope } = single();
    const plaintext = pattern(length);
    const sealed = await pump(envelope.encryptStream({ context }), pieces(plaintext, size));
    expect(sealed.error).toBeUndefined();
    expect(await envelope.decrypt(sealed.output, { context })).toEqual(plaintext);
    const opened = await pump(envelope.decryptStream({ context }), pieces(sealed.output, size));
    expect(opened.error).toBeUndefined();
    expect(Buffer.compare(opened.output, plaintext)).toBe(0);
  });

  it("take any chunking", async () => {
    const { envelope } = single();
    const plaintext = pattern(70_000);
    const message = await envelope.encrypt(plaintext, { context });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 12 }),
        async (sizes) => {
          let at = 0;
          const cut = sizes.map((size) => message.subarray(at, (at += size)));
          const { output, error } = await pump(envelope.decryptStream({ context }), [
            ...cut,
            message.subarray(at),
          ]);
          expect(error).toBeUndefined();
          expect(Buffer.compare(output, plaintext)).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("call the KMS with the first bytes, not before", async () => {
    const { key, envelope } = single();
    const stream = envelope.encryptStream({ context });
    await new Promise((resolve) => setImmediate(resolve));
    expect(key.calls).toEqual([]);
    await pump(stream, []);
    expect(key.calls).toEqual(["generate"]);
  });

  // Requirements: E24
  it("error, and do not just end, where the final chunk is missing", async () => {
    const { envelope } = single();
    const plaintext = pattern(40_000);
    const message = await envelope.encrypt(plaintext, { context });
    const cut = message.subarray(0, message.length - (40_000 - 32_768) - 16);
    const { output, error } = await pump(envelope.decryptStream({ context }), [cut]);
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_TRUNCATED" });
    expect(Buffer.compare(output, plaintext.subarray(0, 32_768))).toBe(0);
  });

  it("release nothing of a chunk that does not verify", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(40_000), { context });
    const last = message.length - 1;
    message[last] = (message[last] ?? 0) ^ 1;
    const { output, error } = await pump(
      envelope.decryptStream({ context }),
      pieces(message, 1000),
    );
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
    expect(output).toHaveLength(32_768);
  });

  it("hold writers back while nobody reads", async () => {
    const { envelope } = single();
    const writeTen = ({ writable }: { writable: WritableStream<Uint8Array> }) => {
      const writer = writable.getWriter();
      const progress = { accepted: 0 };
      const all = Array.from({ length: 10 }, async () => {
        await writer.write(pattern(16_384));
        progress.accepted++;
      });
      return { writer, progress, all };
    };
    const unread = envelope.encryptStream({ context });
    const { writer, progress, all } = writeTen(unread);
    // Meanwhile a stream that is read takes as many writes three times over.
    for (let i = 0; i < 3; i++) {
      const read = envelope.encryptStream({ context });
      const reading = read.readable.pipeTo(new WritableStream());
      const other = writeTen(read);
      await Promise.all(other.all);
      await other.writer.close();
      await reading;
    }
    expect(progress.accepted).toBeLessThanOrEqual(1);
    expect(writer.desiredSize).toBeLessThanOrEqual(0);
    await unread.readable.cancel();
    await Promise.allSettled(all);
  });

  it.each(["encryptStream", "decryptStream"] as const)(
    "%s ends with the signal's reason",
    async (method) => {
      const { envelope } = single();
      const abort = new AbortController();
      const stream = envelope[method]({ context, signal: abort.signal });
      const reader = stream.readable.getReader();
      const read = reader.read();
      const reason = new Error("enough");
      abort.abort(reason);
      await expect(read).rejects.toBe(reason);
      await expect(stream.writable.getWriter().write(pattern(1))).rejects.toBe(reason);
    },
  );

  it.each(["encryptStream", "decryptStream"] as const)(
    "%s leaves no listener on the signal once it has ended in any way",
    async (method) => {
      const { envelope } = single();
      const abort = new AbortController();
      const options = { context, signal: abort.signal };
      const message = await envelope.encrypt(pattern(9), { context });
      await envelope[method](options).readable.cancel();
      await envelope[method](options).writable.abort(new Error("enough"));
      await pump(envelope[method](options), [message]);
      await pump(envelope[method](options), [pattern(3)]);
      expect(getEventListeners(abort.signal, "abort")).toHaveLength(0);
    },
  );

  // Requirements: E24
  it("pass a failing KMS on to both sides", async () => {
    const { key, envelope, events } = single();
    key.fails = "ERR_ENVELOPE_KMS_ACCESS_DENIED";
    const { output, error } = await pump(envelope.encryptStream({ context }), [pattern(1)]);
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KMS_ACCESS_DENIED" });
    expect(output).toHaveLength(0);
    expect(events.at(-1)).toMatchObject({
      type: "encrypt",
      outcome: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    });
  });

  it("report plaintext bytes and success once", async () => {
    const { envelope, events } = single();
    const { output } = await pump(
      envelope.encryptStream({ context }),
      pieces(pattern(50_000), 999),
    );
    await pump(envelope.decryptStream({ context }), [output]);
    const messages = events.filter(({ type }) => type === "encrypt" || type === "decrypt");
    expect(messages).toMatchObject([
      { type: "encrypt", bytes: 50_000, outcome: "ok" },
      { type: "decrypt", bytes: 50_000, outcome: "ok" },
    ]);
  });

  it("hold a source to its announced length", async () => {
    const { envelope } = single();
    const run = (bytes: number): Promise<{ output: Uint8Array; error: unknown }> =>
      pump(
        envelope.encryptStream({ context, plaintextBytes: 20_000 }),
        pieces(pattern(bytes), 999),
      );
    expect((await run(20_000)).error).toBeUndefined();
    expect((await run(19_999)).error).toMatchObject({ code: "ERR_ENVELOPE_TRUNCATED" });
    expect((await run(20_001)).error).toMatchObject({ code: "ERR_ENVELOPE_LIMIT" });
    expect(() => envelope.encryptStream({ context, plaintextBytes: -1 })).toThrow(RangeError);
  });

  it("refuse input that is not bytes, and refuse a malformed context when they are created", async () => {
    const { key, envelope } = single();
    const { error } = await pump(envelope.encryptStream({ context }), ["text" as never]);
    expect(error).toBeInstanceOf(TypeError);
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () =>
      envelope.encryptStream({ context: { a: 1 } as never }),
    );
    expect(key.calls).toEqual([]);
  });

  it("write each index once: chunks of equal plaintext differ", async () => {
    const { envelope } = single();
    const { output } = await pump(envelope.encryptStream({ context }), [
      new Uint8Array(3 * 16_384),
    ]);
    const end = output.length - 16;
    const chunks = [3, 2, 1].map((back) =>
      output.subarray(end - back * 16_400, end - (back - 1) * 16_400),
    );
    expect(new Set(chunks.map((chunk) => Buffer.from(chunk).toString("hex"))).size).toBe(3);
  });

  it("copies each byte of a long header a few times at most, however small the pieces", async () => {
    const { envelope } = single();
    const options = { context, headerAlignment: 16_384 };
    const { output } = await pump(envelope.encryptStream(options), [pattern(9)]);
    const set = vi.spyOn(Uint8Array.prototype, "set");
    let copied = 0;
    set.mockImplementation(function count(this: Uint8Array, source: ArrayLike<number>, offset = 0) {
      copied += source.length;
      for (let i = 0; i < source.length; i++) this[offset + i] = source[i] ?? 0;
    });
    try {
      const { output: plaintext } = await pump(
        envelope.decryptStream({ context }),
        pieces(output, 1),
      );
      expect(plaintext).toEqual(pattern(9));
    } finally {
      set.mockRestore();
    }
    expect(copied).toBeLessThan(4 * output.length);
  });
});
