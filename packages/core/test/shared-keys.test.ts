import { pattern } from "@env/testkit/bytes";
import { expect, it } from "vitest";
import { cryptoBackend } from "../src/backend.ts";
import { PayloadCodec } from "../src/payload.ts";
import { adoptKeys, shareKeys } from "../src/shared-keys.ts";

async function newCodec(): Promise<PayloadCodec> {
  const backend = cryptoBackend();
  const dataKey = await backend.hmacKey(pattern(32));
  return new PayloadCodec((await backend.messageKeys(dataKey, pattern(9))).keys);
}

const inOneThread = !("share" in cryptoBackend());

it.skipIf(inOneThread)("opens with shared keys what was sealed with the keys", async () => {
  const codec = await newCodec();
  const sealed = await codec.sealChunks(3, pattern(99), true);
  const adopted = adoptKeys(structuredClone(shareKeys(codec)));
  expect(await adopted.openChunks(3, sealed)).toEqual(pattern(99));
});

it.runIf(inOneThread)("needs a backend that works in several threads", async () => {
  const codec = await newCodec();
  expect(() => shareKeys(codec)).toThrow("the crypto backend web works in one thread");
  expect(() => adoptKeys({ module: undefined, keys: codec.keys })).toThrow(TypeError);
});
