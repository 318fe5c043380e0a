import { createCipheriv, createHmac } from "node:crypto";
import { boundaryLengths, pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { cryptoBackend } from "../src/backend.ts";
import { PayloadCodec } from "../src/payload.ts";
import { refuses } from "./support/refuses.ts";

const INFO = pattern(100);
const CHUNK = pattern(16_384);

async function newCodec(): Promise<PayloadCodec> {
  const backend = cryptoBackend();
  const dataKey = await backend.hmacKey(pattern(32));
  return new PayloadCodec((await backend.messageKeys(dataKey, INFO)).keys);
}

describe("PayloadCodec", () => {
  // Requirements: E17
  it.each([0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 38 - 1])(
    "uses the base nonce XOR the index as 12 bytes for chunk %d",
    async (index) => {
      const first = createHmac("sha512", pattern(32)).update(INFO).update("\x01").digest();
      const nonce = first.subarray(32, 44);
      const number = BigInt(index);
      for (let i = 0; i < 12; i++) {
        nonce[11 - i] = (nonce[11 - i] ?? 0) ^ Number((number >> BigInt(8 * i)) & 0xffn);
      }
      const cipher = createCipheriv("aes-256-gcm", first.subarray(0, 32), nonce);
      const expected = Buffer.concat([
        cipher.update(pattern(5)),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      const sealed = await (await newCodec()).sealChunks(index, pattern(5), true);
      expect(Buffer.from(sealed)).toEqual(expected);
    },
  );

  // Requirements: E17
  it("refuses chunk 2^38, for writing and for reading", async () => {
    const codec = await newCodec();
    await refuses("ERR_ENVELOPE_LIMIT", () => codec.sealChunks(2 ** 38, pattern(1), true));
    await refuses("ERR_ENVELOPE_LIMIT", () => codec.sealChunks(2 ** 38 - 1, CHUNK, true));
    await refuses("ERR_ENVELOPE_FORMAT", () => codec.openChunks(2 ** 38, pattern(17)));
    await codec.sealChunks(2 ** 38 - 1, CHUNK, false);
  });

  it("takes views of shared memory", async () => {
    const codec = await newCodec();
    const shared = new Uint8Array(new SharedArrayBuffer(20));
    shared.set(pattern(20));
    const sealed = await codec.sealChunks(0, shared, true);
    expect(sealed).toEqual(await codec.sealChunks(0, pattern(20), true));
  });

  it.each(boundaryLengths)("opens %d bytes from any chunk on", async (length) => {
    const codec = await newCodec();
    const sealed = await codec.sealChunks(5, pattern(length), true);
    expect(await codec.openChunks(5, sealed)).toEqual(pattern(length));
    await refuses("ERR_ENVELOPE_DECRYPT", () => codec.openChunks(6, sealed));
  });
});
