import { beforeEach, expect, it, vi } from "vitest";
import type * as backend from "../src/backend.ts";
import type { CryptoBackend } from "../src/crypto.ts";
import type * as dataKeys from "../src/data-key.ts";
import { refuses } from "./support/refuses.ts";

/** A new instance of the module, in which nothing has been chosen. */
let seam: typeof backend;
let DataKey: typeof dataKeys.DataKey;

beforeEach(async () => {
  vi.resetModules();
  seam = await import("../src/backend.ts");
  ({ DataKey } = await import("../src/data-key.ts"));
});

/** The runtime's backend under another name. */
function renamed(name: string): CryptoBackend {
  return Object.create(seam.cryptoBackend(), { name: { value: name } }) as CryptoBackend;
}

it("is the runtime's, unless another one is chosen", () => {
  expect(seam.cryptoBackend().name).toBe(process.env["CRYPTO"] === "web" ? "web" : "node");
  const other = renamed("other");
  seam.useCryptoBackend(other);
  expect(seam.cryptoBackend()).toBe(other);
});

it("stays once there is a data key, because another backend could not use it", async () => {
  const [first, second] = [renamed("first"), renamed("second")];
  seam.useCryptoBackend(first);
  await seam.toHmacKey(new DataKey(new Uint8Array(32)));
  await refuses("ERR_ENVELOPE_CONFIG", () => seam.useCryptoBackend(second));
  seam.useCryptoBackend(first);
  expect(seam.cryptoBackend()).toBe(first);
});

it.each([undefined, null, {}, { name: "x" }])("refuses %j as a backend", (value) => {
  expect(() => seam.useCryptoBackend(value as never)).toThrow(TypeError);
});
