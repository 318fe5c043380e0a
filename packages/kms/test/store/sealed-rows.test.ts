import { expect, it } from "vitest";
import { Freshness } from "../../src/store/freshness.ts";
import { random } from "../../src/material/seal.ts";
import { RecordName } from "../../src/store/record-name.ts";
import { RowSealer } from "../../src/store/row-sealer.ts";
import { SealedRows } from "../../src/store/sealed-rows.ts";
import { tempStore } from "../support/store.ts";

const name = RecordName.key("local", Buffer.from("0123456789abcdef0123456789abcdef", "hex"));

it("wipes its plaintext, also if that is too large to seal", async () => {
  const { database, root, keystoreId } = await tempStore();
  const sealer = new RowSealer(root, keystoreId);
  const freshness = new Freshness(database, sealer, false);
  const rows = new SealedRows<string>(sealer, freshness, {
    decode: (_, bytes) => Buffer.from(bytes).toString("hex"),
    compare: () => undefined,
  });
  await database.read(() => {
    freshness.refresh();
    const bytes = random(32);
    const text = Buffer.from(bytes).toString("hex");
    const sealed = rows.seal(name, bytes);
    expect(bytes).toEqual(new Uint8Array(32));
    expect(rows.open(name, sealed, "")).toBe(text);
    const large = random(2 ** 20);
    expect(() => rows.seal(name, large)).toThrow(RangeError);
    expect(Buffer.compare(large, new Uint8Array(2 ** 20))).toBe(0);
  });
});
