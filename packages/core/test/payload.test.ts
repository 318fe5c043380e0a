import { createCipheriv } from "node:crypto";
import { isEnvelopeError } from "@env/core";
import { boundaryLengths, pattern } from "@env/testkit/bytes";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backend } from "#crypto";
import {
  CHUNK_BYTES,
  chunkOffset,
  MAX_CHUNKS,
  PayloadCodec,
  payloadLength,
  plaintextLength,
} from "../src/payload.ts";
import { refuses } from "./support/refuses.ts";

describe("sizes", () => {
  it("are undone by each other", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 40 }), (bytes) => {
        expect(plaintextLength(payloadLength(bytes))).toBe(bytes);
      }),
    );
  });

  it("tell every length that no payload has", () => {
    const possible = new Set(Array.from({ length: 40_000 }, (_, bytes) => payloadLength(bytes)));
    for (let bytes = 0; bytes < payloadLength(39_999); bytes++) {
      let code = "ok";
      try {
        plaintextLength(bytes);
      } catch (error) {
        code = isEnvelopeError(error) ? error.code : "another";
      }
      expect(code).toBe(possible.has(bytes) ? "ok" : "ERR_ENVELOPE_TRUNCATED");
    }
  });

  it.each([
    [0, 72],
    [16_383, 16_455],
    [16_384, 16_472],
  ])("%d bytes make a payload of %d", (plaintext, payload) => {
    expect(payloadLength(plaintext)).toBe(payload);
  });

  it("end at 2^38 chunks", async () => {
    const most = MAX_CHUNKS * CHUNK_BYTES - 1;
    expect(plaintextLength(payloadLength(most))).toBe(most);
    await refuses("ERR_ENVELOPE_LIMIT", () => payloadLength(most + 1));
    await refuses("ERR_ENVELOPE_FORMAT", () => plaintextLength(chunkOffset(MAX_CHUNKS) + 16));
  });
});

describe("PayloadCodec", () => {
  const codec = async (): Promise<PayloadCodec> =>
    new PayloadCodec({
      key: await backend.aeadKey(pattern(32)),
      baseNonce: new Uint8Array(12).fill(0xff),
    });

  it.each([0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 38 - 1])(
    "uses the base nonce XOR the index as 12 bytes for chunk %d",
    async (index) => {
      const nonce = Buffer.alloc(12, 0xff);
      const number = BigInt(index);
      for (let i = 0; i < 12; i++) {
        nonce[11 - i] = (nonce[11 - i] ?? 0) ^ Number((number >> BigInt(8 * i)) & 0xffn);
      }
      const cipher = createCipheriv("aes-256-gcm", pattern(32), nonce);
      const expected = Buffer.concat([
        cipher.update(pattern(5)),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      const out = new Uint8Array(21);
      await (await codec()).sealChunk(index, pattern(5), out);
      expect(Buffer.from(out)).toEqual(expected);
    },
  );

  it("refuses chunk 2^38, for writing and for reading", async () => {
    const chunks = await codec();
    await refuses("ERR_ENVELOPE_LIMIT", () =>
      chunks.sealChunk(2 ** 38, pattern(1), new Uint8Array(17)),
    );
    await refuses("ERR_ENVELOPE_FORMAT", () =>
      chunks.openChunk(2 ** 38, pattern(17), new Uint8Array(1)),
    );
  });

  it.each(boundaryLengths)("opens %d bytes from any chunk on", async (length) => {
    const chunks = await codec();
    const sealed = await chunks.sealChunks(5, pattern(length), true);
    expect(await chunks.openChunks(5, sealed)).toEqual(pattern(length));
    await refuses("ERR_ENVELOPE_DECRYPT", () => chunks.openChunks(6, sealed));
  });
});
