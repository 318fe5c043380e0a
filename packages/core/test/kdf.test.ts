/**
 * What the keys of a message are derived from. The values are in the vectors; here is who has them.
 */
import { expect, test } from "vitest";
import { concat, utf8 } from "../src/bytes.ts";
import { payloadInfo } from "../src/kdf.ts";

const LABEL = utf8("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");

test("every payload has an info of its own, which later ones do not change", () => {
  const salts = Array.from({ length: 500 }, (_, i) => new Uint8Array(24).fill(i));
  const infos = salts.map((salt, i) => payloadInfo(salt, new Uint8Array(i), utf8("bound")));
  for (const [i, info] of infos.entries()) {
    const salt = new Uint8Array(24).fill(i);
    expect(info).toEqual(concat(LABEL, salt, new Uint8Array(i), utf8("bound")));
  }
});

test("an info may be longer than what is allocated at a time", () => {
  const long = new Uint8Array(100_000).fill(7);
  expect(payloadInfo(new Uint8Array(24), long)).toEqual(concat(LABEL, new Uint8Array(24), long));
});
