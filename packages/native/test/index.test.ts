import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ChunkKeys, CryptoBackend } from "@env/core/crypto";
import { describe, expect, it } from "vitest";
import { isBuilt, native } from "./support/native.ts";

const UNTOUCHED = 0xa5;
const info = new Uint8Array(160).fill(3);

type Bytes = Uint8Array<ArrayBuffer>;
const array = (length: number): Bytes => new Uint8Array(length).fill(UNTOUCHED);

async function messageKeys(backend: CryptoBackend): Promise<ChunkKeys> {
  const dataKey = await backend.hmacKey(new Uint8Array(32).fill(7));
  return (await backend.messageKeys(dataKey, info)).keys;
}

describe.skipIf(!isBuilt)("the native backend", () => {
  it("says which library it is", () => {
    expect(native()).toMatchObject({ name: "native", synchronous: true });
    expect(native().version).toMatch(/^AWS-LC (FIPS )?\d+\.\d+\.\d+$/);
  });

  it("takes only Uint8Arrays over memory of this thread that is attached", async () => {
    const keys = await messageKeys(native());
    const detached = array(16);
    structuredClone(detached, { transfer: [detached.buffer] });
    const shared = new Uint8Array(new SharedArrayBuffer(16));
    const others = [
      detached,
      shared,
      new Uint16Array(8),
      new DataView(new ArrayBuffer(16)),
      "",
      null,
    ];
    for (const other of others as Bytes[]) {
      const out = array(other?.length ?? 16);
      expect(() => native().sealChunks(keys, 0, other, true, out)).toThrow(TypeError);
      expect(() => native().sealChunks(keys, 0, array(0), true, other)).toThrow(TypeError);
      expect(out.every((byte) => byte === UNTOUCHED)).toBe(true);
    }
  });

  it("takes a key of the right kind and of its own only", async () => {
    const dataKey = await native().hmacKey(new Uint8Array(32));
    const others = [dataKey, {}, undefined, 1] as unknown as ChunkKeys[];
    for (const other of others) {
      expect(() => native().sealChunks(other, 0, array(0), true, array(16))).toThrow(TypeError);
    }
  });

  it.each([
    ["the same array", 0, 32],
    ["an array that begins in it", 15, 32],
    ["an array that ends in it", 0, 17],
  ])("refuses %s as output, before it writes", async (_, start, length) => {
    const keys = await messageKeys(native());
    const memory = array(64);
    const out = memory.subarray(start, start + length);
    const input = memory.subarray(16, 16 + length - 16);
    expect(() => native().sealChunks(keys, 0, input, true, out)).toThrow(RangeError);
    expect(memory.every((byte) => byte === UNTOUCHED)).toBe(true);
  });

  it("writes beside its input in the same buffer", async () => {
    const keys = await messageKeys(native());
    const memory = array(48);
    await native().sealChunks(keys, 0, memory.subarray(0, 16), true, memory.subarray(16));
    const opened = array(16);
    expect(await native().openChunks(keys, 0, memory.subarray(16), opened)).toBe(-1);
    expect(opened.every((byte) => byte === UNTOUCHED)).toBe(true);
  });

  it.each([-1, 0.5, NaN, 2 ** 38, Infinity, 2 ** 53])(
    "refuses %d as a chunk's number",
    async (index) => {
      const keys = await messageKeys(native());
      const out = array(16);
      expect(() => native().sealChunks(keys, index, array(0), true, out)).toThrow(RangeError);
      expect(out.every((byte) => byte === UNTOUCHED)).toBe(true);
    },
  );

  it("shares the same keys under the same ticket, which is not one of other keys", async () => {
    const [one, two] = [await messageKeys(native()), await messageKeys(native())];
    const shared = native().share?.(one);
    expect(native().share?.(one)).toEqual(shared);
    expect(native().share?.(two)).not.toEqual(shared);
    expect(() => native().adopt?.(new Uint8Array(16))).toThrow(RangeError);
    expect(() => native().adopt?.("ticket")).toThrow(TypeError);
  });

  it("forgets shared keys once the last thread has dropped them", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const adopt = (shared: unknown): boolean => {
      try {
        return native().adopt?.(shared) !== undefined;
      } catch {
        return false;
      }
    };
    const tickets: unknown[] = [];
    for (let i = 0; i < 100; i++) tickets.push(native().share?.(await messageKeys(native())));
    // What finalizes a key runs after the collection, in a turn of its own. The stack may still refer to one.
    let held = tickets.length;
    for (let turn = 0; turn < 1000 && held > 1; turn++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
      if (turn % 10 === 9) held = tickets.filter(adopt).length;
    }
    expect(held).toBeLessThanOrEqual(1);
  });

  it("opens a result set in one call and says which values do not verify", async () => {
    const dataKey = await native().hmacKey(new Uint8Array(32).fill(7));
    const values = [3, 0, 20].map((length) => array(length));
    const lengths = Uint32Array.from(values, ({ length }) => length);
    const sealedLengths = lengths.map((length) => length + 48);
    const infos = array(6);
    const infoLengths = Uint32Array.of(1, 2, 3);
    const sealed = array(23 + 3 * 48);
    native().sealPayloads?.(dataKey, infos, infoLengths, array(23), lengths, sealed);
    const first = array(51);
    await native().sealPayload(dataKey, infos.subarray(0, 1), array(3), first);
    expect(sealed.subarray(0, 51)).toEqual(first);

    sealed[51] = ~(sealed[51] ?? 0);
    sealed[51 + 48 + 32] = ~(sealed[51 + 48 + 32] ?? 0);
    const out = new Uint8Array(23);
    const results = native().openPayloads?.(
      dataKey,
      infos,
      infoLengths,
      sealed,
      sealedLengths,
      out,
    );
    expect(results).toEqual(Int32Array.of(-1, -2, 0));
    expect(out).toEqual(Uint8Array.of(...array(3), ...new Uint8Array(20)));
    const bytes = infos as unknown as Uint32Array;
    expect(() =>
      native().openPayloads?.(dataKey, infos, bytes, sealed, sealedLengths, out),
    ).toThrow(TypeError);
  });
});
