import { createSecretKey, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  open,
  openPart,
  plaintextBytes,
  seal,
  wholeOf,
  type ContentKey,
} from "../../src/s3ec/content.ts";
import { refuses } from "./support/opened.ts";

const key = createSecretKey(randomBytes(32));
const contents: readonly ContentKey[] = [
  { key, iv: randomBytes(12), aad: undefined, algorithm: "AES/GCM/NoPadding" },
  { key, iv: new Uint8Array(12).fill(1), aad: Uint8Array.of(0, 0x73), algorithm: "115" },
];
const content = fc.constantFrom(...contents);
const plaintext = fc.uint8Array({ maxLength: 100 });
/** Lengths of the pieces in which bytes arrive, over and over. */
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

async function* cut(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

describe("open", () => {
  it("opens what seal has sealed, however both arrive", async () => {
    await fc.assert(
      fc.asyncProperty(content, plaintext, cuts, cuts, async (by, bytes, one, other) => {
        const sealed = await wholeOf(seal(by, cut(bytes, one)));
        expect(sealed).toHaveLength(bytes.length + 16);
        expect(await wholeOf(open(by, cut(sealed, other), sealed.length))).toEqual(
          new Uint8Array(bytes),
        );
      }),
    );
  });

  it("refuses a body with any bit altered, and one of another length than announced", async () => {
    await fc.assert(
      fc.asyncProperty(content, plaintext, cuts, fc.nat(), async (by, bytes, lengths, place) => {
        const sealed = await wholeOf(seal(by, [bytes]));
        const altered = new Uint8Array(sealed);
        const at = place % altered.length;
        altered[at] = (altered[at] ?? 0) ^ (1 << (place % 8));
        await refuses("ERR_ENVELOPE_DECRYPT", () =>
          wholeOf(open(by, cut(altered, lengths), sealed.length)),
        );
        for (const announced of [sealed.length + 1, Math.max(16, sealed.length - 1)]) {
          if (announced === sealed.length) continue;
          await refuses("ERR_ENVELOPE_TRUNCATED", () =>
            wholeOf(open(by, cut(sealed, lengths), announced)),
          );
        }
      }),
    );
  });
});

describe("openPart", () => {
  it("opens any part of what seal has sealed", async () => {
    await fc.assert(
      fc.asyncProperty(
        content,
        plaintext,
        cuts,
        fc.nat(),
        fc.nat(),
        async (by, bytes, lengths, a, b) => {
          const [start = 0, end = 0] = [a % (bytes.length + 1), b % (bytes.length + 1)].toSorted(
            (one, other) => one - other,
          );
          const sealed = await wholeOf(seal(by, [bytes]));
          const part = openPart(by, cut(sealed.subarray(start), lengths), { start, end });
          expect(await wholeOf(part)).toEqual(new Uint8Array(bytes.subarray(start, end)));
        },
      ),
    );
  });

  it("does not end before the end of the range", async () => {
    const [by] = contents;
    if (by === undefined) throw new Error("no content");
    const source = cut(new Uint8Array(9), [4]);
    await refuses("ERR_ENVELOPE_TRUNCATED", () =>
      wholeOf(openPart(by, source, { start: 0, end: 10 })),
    );
  });
});

describe("plaintextBytes", () => {
  it("is the length without the tag, or that of whole blocks", async () => {
    expect(plaintextBytes("115", 16)).toBe(0);
    expect(plaintextBytes("AES/GCM/NoPadding", 116)).toBe(100);
    expect(plaintextBytes("AES/CBC/PKCS5Padding", 32)).toBe(32);
    await refuses("ERR_ENVELOPE_TRUNCATED", () => plaintextBytes("115", 15));
    await refuses("ERR_ENVELOPE_TRUNCATED", () => plaintextBytes("AES/CBC/PKCS5Padding", 0));
  });
});
