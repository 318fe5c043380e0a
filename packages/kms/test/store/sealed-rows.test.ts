import { expect, it } from "vitest";
import { Freshness, keyName } from "../../src/store/freshness.ts";
import { random } from "../../src/store/seal.ts";
import { RowSealer, SealedRows, titleOf } from "../../src/store/sealed-rows.ts";
import { tempStore } from "../support/store.ts";

const uuid = Buffer.from("0123456789abcdef0123456789abcdef", "hex");

it("wipes what it seals, also what is too large", async () => {
  const { database, root, keystoreId } = await tempStore();
  const sealer = new RowSealer(root, keystoreId);
  const freshness = new Freshness(database, sealer);
  const rows = new SealedRows<string>(sealer, freshness, {
    decode: (_, bytes) => Buffer.from(bytes).toString("hex"),
    compare: () => undefined,
  });
  await database.read(() => {
    freshness.refresh();
    const bytes = random(32);
    const text = Buffer.from(bytes).toString("hex");
    const sealed = rows.seal(keyName(uuid), bytes);
    expect(bytes).toEqual(new Uint8Array(32));
    expect(rows.open(keyName(uuid), sealed, "")).toBe(text);
    const large = random(2 ** 20);
    expect(() => rows.seal(keyName(uuid), large)).toThrow(RangeError);
    expect(Buffer.compare(large, new Uint8Array(2 ** 20))).toBe(0);
  });
});

it("binds a row to its keystore and its name", async () => {
  const { root, keystoreId } = await tempStore();
  const sealer = new RowSealer(root, keystoreId);
  const sealed = sealer.seal("k1", Uint8Array.of(1));
  expect(sealer.open("k1", sealed)).toEqual(Uint8Array.of(1));
  for (const name of ["k2", "p1", "k1 ", "1", ""]) {
    expect(sealer.open(name, sealed), name).toBeUndefined();
  }
  const other = new RowSealer(root, "00000000-0000-4000-8000-000000000000");
  expect(other.open("k1", sealed)).toBeUndefined();
});

it("has titles for records", () => {
  expect([keyName(uuid), "aalias/app", "parn:x"].map((name) => titleOf(name as "k"))).toEqual([
    "key 01234567-89ab-cdef-0123-456789abcdef",
    "alias alias/app",
    "principal arn:x",
  ]);
});
