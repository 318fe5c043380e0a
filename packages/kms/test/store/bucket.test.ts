import fc from "fast-check";
import { expect, it } from "vitest";
import { Bucket } from "../../src/store/bucket.ts";
import { MARK_BYTES } from "../../src/store/row-sealer.ts";

const nameOf = (kind: string, rest: Uint8Array): string =>
  `${kind}${Buffer.from(rest).toString("latin1")}`;
const one = (name: string, value: string | undefined): ReadonlyMap<string, string | undefined> =>
  new Map([[name, value]]);
const mark = (text: string): string => text.padEnd(MARK_BYTES, ".");

it("is empty to begin with", () => {
  expect(Bucket.empty.names()).toEqual([]);
  expect(Bucket.empty.get("kx")).toBeUndefined();
  expect(Bucket.empty.bytes).toHaveLength(0);
});

it("lies in the file as sorted entries of length, name and mark", () => {
  const bucket = Bucket.empty.with(one("pz", mark("2"))).with(one("aalias/x", mark("1")));
  const hex = Buffer.from("\0\x08aalias/x1...........\0\x02pz2...........", "latin1").toString(
    "hex",
  );
  expect(bucket.bytes.toString("hex")).toBe(hex);
});

it("leaves the bucket that it was made from as it was", () => {
  const bucket = Bucket.empty.with(one("k1", mark("a")));
  bucket.with(one("k1", mark("b")));
  bucket.with(one("k0", mark("b")));
  bucket.with(one("k1", undefined));
  expect([bucket.names(), bucket.get("k1")]).toEqual([["k1"], mark("a")]);
});

it("is not read from bytes that are cut off or go on", () => {
  const { bytes } = Bucket.empty.with(one("k1", mark("a"))).with(one("k2", mark("b")));
  expect(Bucket.parse(bytes)?.names()).toEqual(["k1", "k2"]);
  for (let length = 1; length < bytes.length; length++) {
    const cut = Bucket.parse(bytes.subarray(0, length));
    expect(cut === undefined, `${length}`).toBe(length !== bytes.length / 2);
  }
  expect(Bucket.parse(Buffer.concat([bytes, Buffer.alloc(1)]))).toBeUndefined();
});

it("is what a map would be, for any changes and names of any bytes", () => {
  const name = fc
    .tuple(fc.constantFrom("k", "a", "p"), fc.uint8Array({ maxLength: 3 }))
    .map(([kind, rest]) => nameOf(kind, rest));
  const change = fc.tuple(name, fc.option(fc.uint8Array({ minLength: 12, maxLength: 12 })));
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 12 }), (steps) => {
      const model = new Map<string, string>();
      let bucket = Bucket.empty;
      for (const step of steps) {
        const changes = new Map(
          step.map(([changed, bytes]) => {
            const value = bytes === null ? undefined : Buffer.from(bytes).toString("latin1");
            return [changed, value] as const;
          }),
        );
        bucket = bucket.with(changes);
        for (const [changed, value] of changes) {
          if (value === undefined) model.delete(changed);
          else model.set(changed, value);
          expect(bucket.get(changed)).toBe(value);
        }
      }
      const read = Bucket.parse(Uint8Array.from(bucket.bytes));
      const sorted = [...model.keys()].toSorted();
      expect(read?.names()).toEqual(sorted);
      for (const known of sorted) expect(read?.get(known)).toBe(model.get(known));
    }),
  );
});
