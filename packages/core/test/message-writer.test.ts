import { describe, expect, it } from "vitest";
import { Envelope, type DataKeyCacheOptions, type EnvelopeEvent } from "@env/core";
import { CHUNK_BYTES, messageWriter, SEALED_CHUNK_BYTES, TAG_BYTES } from "@env/core/message";
import { boundaryLengths, pattern, pieces } from "@env/testkit/bytes";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme" };

function single(dataKeyCache?: DataKeyCacheOptions): {
  key: StubKey;
  envelope: Envelope;
  events: EnvelopeEvent[];
} {
  const key = new StubKey("one");
  const events: EnvelopeEvent[] = [];
  const observer = (event: EnvelopeEvent): void => {
    if (event.type === "encrypt") events.push(event);
  };
  const options = { cmks: [key.cmk], observer };
  const envelope = new Envelope(dataKeyCache ? { ...options, dataKeyCache } : options);
  return { key, envelope, events };
}

async function all(...parts: AsyncIterable<Uint8Array>[]): Promise<Uint8Array> {
  const output: Uint8Array[] = [];
  for (const part of parts) for await (const bytes of part) output.push(bytes);
  return Buffer.concat(output);
}

describe("MessageWriter", () => {
  it.each(boundaryLengths)("writes a message of %d bytes in order", async (length) => {
    const { envelope } = single();
    const plaintext = pattern(length);
    const writer = messageWriter(envelope, { context });
    const message = await all(
      ...pieces(plaintext, 10_000).map((piece) => writer.write(piece)),
      writer.end(),
    );
    expect(await envelope.decrypt(message, { context })).toEqual(plaintext);
  });

  it("gives the same message to a caller that seals the chunks itself, in any order", async () => {
    const { envelope } = single();
    const plaintext = pattern(2 * CHUNK_BYTES + 99);
    const writer = messageWriter(envelope, { context });
    const front = await writer.start();
    const message = new Uint8Array(front.length + plaintext.length + 3 * TAG_BYTES);
    message.set(front);
    for (const index of [1, 2, 0]) {
      const chunk = plaintext.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
      const at = front.length + index * SEALED_CHUNK_BYTES;
      const out = message.subarray(at, at + chunk.length + TAG_BYTES);
      await writer.codec.sealChunks(index, chunk, index === 2, out);
    }
    expect(await envelope.decrypt(message, { context })).toEqual(plaintext);
    expect(writer.wrapping).toEqual({ wrapped: 1, cmks: 1 });
  });

  it("refuses misuse when it is made, and calls no KMS before it is used", async () => {
    const { key, envelope, events } = single();
    expect(() => messageWriter(envelope, { context, plaintextByte: 1 } as never)).toThrow(
      TypeError,
    );
    expect(() => messageWriter(envelope, { context, plaintextBytes: -1 })).toThrow(RangeError);
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () =>
      messageWriter(envelope, { context: { a: 1 } as never }),
    );
    const writer = messageWriter(envelope, { context });
    expect(() => writer.codec).toThrow(TypeError);
    expect(key.calls).toEqual([]);
    expect(events).toEqual([]);
    await writer.start();
    expect(key.calls).toEqual(["generate"]);
  });

  it("binds the context that it was made with", async () => {
    const { envelope } = single();
    const changing: Record<string, string> = { ...context };
    const writer = messageWriter(envelope, { context: changing });
    changing["tenant"] = "other";
    const message = await all(writer.write(pattern(9)), writer.end());
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(9));
  });

  it("refuses plaintext that is longer or shorter than announced, whoever seals it", async () => {
    const { envelope } = single();
    const announced = (): ReturnType<typeof messageWriter> =>
      messageWriter(envelope, { context, plaintextBytes: 9 });
    await refuses("ERR_ENVELOPE_LIMIT", () => all(announced().write(pattern(10))));
    await refuses("ERR_ENVELOPE_LIMIT", () => announced().count(10));
    const short = announced();
    await all(short.write(pattern(8)));
    await refuses("ERR_ENVELOPE_TRUNCATED", () => all(short.end()));
    await refuses("ERR_ENVELOPE_TRUNCATED", () => short.requireAll());
  });

  it("reserves the length that start() is told", async () => {
    const { key, envelope } = single({ maxAge: 60_000, maxMessages: 9, maxBytes: 50_000 });
    await messageWriter(envelope, { context }).start(50_000);
    await envelope.encrypt(pattern(1), { context });
    expect(key.count("generate")).toBe(2);
  });

  it("reports the message once, with its plaintext bytes and how many CMKs wrapped", async () => {
    const { envelope, events } = single();
    const writer = messageWriter(envelope, { context });
    await all(writer.write(pattern(9)), writer.end());
    writer.done();
    writer.fail(new Error("too late"));
    expect(events).toMatchObject([
      { type: "encrypt", outcome: "ok", bytes: 9, wrapped: 1, cmks: 1 },
    ]);
  });

  it("reports a failure once, also one before it was started", async () => {
    const { envelope, events } = single();
    messageWriter(envelope, { context }).fail(new Error("no room"));
    const signal = AbortSignal.abort();
    messageWriter(envelope, { context, signal }).fail(signal.reason);
    const writer = messageWriter(envelope, { context, plaintextBytes: 1 });
    writer.count(1);
    await refuses("ERR_ENVELOPE_LIMIT", () => {
      try {
        writer.count(1);
      } catch (error) {
        writer.fail(error);
        writer.done();
        throw error;
      }
    });
    expect(events).toMatchObject([
      { outcome: "error", bytes: 0 },
      { outcome: "aborted", bytes: 0 },
      { outcome: "ERR_ENVELOPE_LIMIT", bytes: 2 },
    ]);
  });
});
