import { describe, expect, it } from "vitest";
import { Envelope, type EnvelopeEvent } from "@env/core";
import {
  CHUNK_BYTES,
  chunkOffset,
  messageReader,
  payloadLength,
  PREFIX_BYTES,
  SEALED_CHUNK_BYTES,
} from "@env/core/message";
import { boundaryLengths, pattern, pieces } from "@env/testkit/bytes";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme" };

function single(): { key: StubKey; envelope: Envelope; events: EnvelopeEvent[] } {
  const key = new StubKey("one");
  const events: EnvelopeEvent[] = [];
  const observer = (event: EnvelopeEvent): void => {
    if (event.type === "decrypt") events.push(event);
  };
  return { key, envelope: new Envelope({ cmks: [key.cmk], observer }), events };
}

async function all(...parts: AsyncIterable<Uint8Array>[]): Promise<Uint8Array> {
  const output: Uint8Array[] = [];
  for (const part of parts) for await (const bytes of part) output.push(bytes);
  return new Uint8Array(Buffer.concat(output));
}

describe("MessageReader", () => {
  it.each(boundaryLengths)("reads a message of %d bytes in order", async (length) => {
    const { envelope } = single();
    const plaintext = pattern(length);
    const message = await envelope.encrypt(plaintext, { context });
    const reader = messageReader(envelope, { context });
    const output = await all(
      ...pieces(message, 10_000).map((piece) => reader.write(piece)),
      reader.end(),
    );
    expect(Buffer.compare(output, plaintext)).toBe(0);
  });

  it("opens any chunk by its number", async () => {
    const { envelope } = single();
    const plaintext = pattern(3 * CHUNK_BYTES + 5);
    const message = await envelope.encrypt(plaintext, { context });
    const reader = messageReader(envelope, { context });
    const header = await reader.open(message.subarray(0, 1000), message.length);
    const at = header.length + chunkOffset(2);
    const chunk = await reader.codec.openChunks(2, message.subarray(at, at + SEALED_CHUNK_BYTES));
    expect(Buffer.compare(chunk, plaintext.subarray(2 * CHUNK_BYTES, 3 * CHUNK_BYTES))).toBe(0);
  });

  it("takes the front in any pieces, and returns what follows it", async () => {
    const { key, envelope } = single();
    const message = await envelope.encrypt(pattern(100), { context });
    const front = message.length - 116;
    const reader = messageReader(envelope, { context });
    for (const byte of pieces(message.subarray(0, front - 1), 1)) {
      expect(await reader.push(byte)).toBeUndefined();
    }
    expect(key.count("unwrap")).toBe(0);
    expect(() => reader.codec).toThrow(TypeError);
    const rest = await reader.push(message.subarray(front - 1));
    expect(rest).toEqual(message.subarray(front));
    expect(await reader.codec.openChunks(0, rest ?? new Uint8Array(0))).toEqual(pattern(100));
  });

  it("refuses misuse when it is made, and calls no KMS before it is used", async () => {
    const { key, envelope, events } = single();
    expect(() => messageReader(envelope, { context, aaad: {} } as never)).toThrow(TypeError);
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () =>
      messageReader(envelope, { context: { a: 1 } as never }),
    );
    messageReader(envelope, { context });
    expect(key.calls).toEqual([]);
    expect(events).toEqual([]);
  });

  it("refuses a cut front, and an impossible length, before a KMS is called", async () => {
    const { key, envelope } = single();
    const message = await envelope.encrypt(pattern(100), { context });
    const header = message.length - 116 - PREFIX_BYTES;
    const open = async (front: Uint8Array, messageBytes?: number): Promise<unknown> =>
      messageReader(envelope, { context }).open(front, messageBytes);
    await refuses("ERR_ENVELOPE_TRUNCATED", () => open(message.subarray(0, header - 1)));
    await refuses("ERR_ENVELOPE_TRUNCATED", () => open(message.subarray(0, header + 55)));
    await refuses("ERR_ENVELOPE_TRUNCATED", () => open(message, message.length - 101));
    await refuses("ERR_ENVELOPE_FORMAT", () => open(message.subarray(1)));
    expect(key.count("unwrap")).toBe(0);
  });

  it("may be tried again with other bytes", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(100), { context });
    const reader = messageReader(envelope, { context });
    await refuses("ERR_ENVELOPE_FORMAT", () => reader.open(new Uint8Array(1000)));
    await reader.open(message);
    const output = await all(reader.write(message.subarray(message.length - 116)), reader.end());
    expect(output).toEqual(pattern(100));
  });

  it.each([
    ["inside its header", -1],
    ["before its first chunk", PREFIX_BYTES - 1],
    ["without its final chunk", PREFIX_BYTES + 2 * SEALED_CHUNK_BYTES],
  ])("says that a message ends %s", async (where, payloadBytes) => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(2 * CHUNK_BYTES), { context });
    const header = message.length - payloadLength(2 * CHUNK_BYTES);
    const reader = messageReader(envelope, { context });
    await all(reader.write(message.subarray(0, header + payloadBytes)));
    const { message: problem } = await refuses("ERR_ENVELOPE_TRUNCATED", () => all(reader.end()));
    expect(problem).toContain(where);
  });

  it("reports the message once, and each further decryption by itself", async () => {
    const { envelope, events } = single();
    const message = await envelope.encrypt(pattern(100), { context });
    const reader = messageReader(envelope, { context });
    await all(reader.write(message), reader.end());
    reader.fail(new Error("too late"));
    reader.watch().done(7);
    reader.watch().failed(0, new Error("gone"), undefined);
    const unread = messageReader(envelope, { context });
    unread.fail(new Error("no room"));
    unread.done();
    expect(events).toMatchObject([
      { outcome: "ok", bytes: 100 },
      { outcome: "ok", bytes: 7 },
      { outcome: "error", bytes: 0 },
      { outcome: "error", bytes: 0 },
    ]);
  });
});
