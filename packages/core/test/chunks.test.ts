import { isEnvelopeError } from "@env/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CHUNK_BYTES,
  chunkOffset,
  MAX_CHUNKS,
  payloadLength,
  plaintextLength,
} from "../src/chunks.ts";
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
