import { pattern } from "@env/testkit/bytes";
import { expect, it } from "vitest";
import { cryptoBackend } from "../src/backend.ts";
import { concat, type Bytes } from "../src/bytes.ts";
import { OTHER_KEY, type CryptoBackend, type HmacKey } from "../src/crypto.ts";
import { openPayloads, sealPayloads, type BoundPayload } from "../src/many-payloads.ts";

async function sealed(dataKey: HmacKey, length: number, seed: number): Promise<BoundPayload> {
  const info = pattern(40 + seed);
  const out = new Uint8Array(32 + length + 16 * (Math.floor(length / 16_384) + 1));
  await cryptoBackend().sealPayload(dataKey, info, pattern(length), out);
  return { info, payload: concat(new Uint8Array(24), out) };
}

const lengths = [0, 5, 700_000, 16_384, 700_000, 9, 1];

it("gives each payload's plaintext, or why there is none, in order", async () => {
  const dataKey = await cryptoBackend().hmacKey(pattern(32));
  const payloads = await Promise.all(lengths.map(async (n, i) => sealed(dataKey, n, i)));
  payloads[1] = { ...(payloads[1] as BoundPayload), info: pattern(1) };
  payloads[5]?.payload.set([1], 24 + 32);
  const opened = await openPayloads(dataKey, payloads);
  expect(opened.map((one) => (typeof one === "number" ? one : one.length))).toEqual(
    lengths.map((n, i) => (i === 1 ? OTHER_KEY : i === 5 ? 0 : n)),
  );
  expect(await openPayloads(dataKey, [])).toEqual([]);
});

it.runIf(cryptoBackend().synchronous)(
  "asks a backend that opens many for about 1 MiB at a time, and copies what it gives",
  async () => {
    const backend = cryptoBackend();
    const dataKey = await backend.hmacKey(pattern(32));
    const payloads = await Promise.all(lengths.map(async (n, i) => sealed(dataKey, n, i)));
    const outs: Bytes[] = [];
    const many: NonNullable<CryptoBackend["openPayloads"]> = (
      key,
      infos,
      infoLengths,
      bytes,
      byteLengths,
      out,
    ) => {
      outs.push(out);
      let [info, from, to] = [0, 0, 0];
      return Int32Array.from(byteLengths, (length, i) => {
        const bound = infos.subarray(info, (info += infoLengths[i] ?? 0));
        const one = bytes.subarray(from, (from += length));
        const room = length - 32 - 16 * Math.ceil((length - 32) / 16_400);
        return Number(backend.openPayload(key, bound, one, out.subarray(to, (to += room))));
      });
    };
    Object.assign(backend, { openPayloads: many });
    try {
      const opened = await openPayloads(dataKey, payloads);
      expect(opened.map((one) => typeof one !== "number" && one.length)).toEqual(lengths);
      expect(opened).toEqual(lengths.map((n) => pattern(n)));
      expect(outs.map(({ length }) => length)).toEqual([1_416_389, 10]);
      for (const out of outs) expect(out.every((byte) => byte === 0)).toBe(true);
    } finally {
      Reflect.deleteProperty(backend, "openPayloads");
    }
  },
);

it.runIf(cryptoBackend().synchronous)(
  "asks a backend that seals many for about 1 MiB at a time, and wipes its copy of the plaintexts",
  async () => {
    const backend = cryptoBackend();
    const dataKey = await backend.hmacKey(pattern(32));
    const copies: Bytes[] = [];
    const many: NonNullable<CryptoBackend["sealPayloads"]> = (
      key,
      infos,
      infoLengths,
      bytes,
      byteLengths,
      out,
    ) => {
      copies.push(bytes);
      let [info, from, to] = [0, 0, 0];
      for (const [i, length] of byteLengths.entries()) {
        const bound = infos.subarray(info, (info += infoLengths[i] ?? 0));
        const one = bytes.subarray(from, (from += length));
        const room = 32 + length + 16 * (Math.floor(length / 16_384) + 1);
        void backend.sealPayload(key, bound, one, out.subarray(to, (to += room)));
      }
    };
    Object.assign(backend, { sealPayloads: many });
    try {
      const plaintexts = lengths.map((n, i) => ({ info: pattern(40 + i), plaintext: pattern(n) }));
      const payloads = (await sealPayloads(dataKey, plaintexts)).map((one, i) => ({
        info: pattern(40 + i),
        payload: concat(new Uint8Array(24), one),
      }));
      expect(await openPayloads(dataKey, payloads)).toEqual(lengths.map((n) => pattern(n)));
      expect(copies.map(({ length }) => length)).toEqual([1_416_389, 10]);
      for (const copy of copies) expect(copy.every((byte) => byte === 0)).toBe(true);
    } finally {
      Reflect.deleteProperty(backend, "sealPayloads");
    }
  },
);
