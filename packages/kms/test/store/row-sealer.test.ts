import { expect, it } from "vitest";
import { RowSealer } from "../../src/store/row-sealer.ts";
import { tempStore } from "../support/store.ts";

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
