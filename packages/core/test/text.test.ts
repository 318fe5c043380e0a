import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { decodeText, encodeText, isEnvelopeError } from "@env/core";
import { refuses } from "./support/refuses.ts";

describe("text form", () => {
  it("agrees with Node's base64url", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
        const text = `env1.${Buffer.from(bytes).toString("base64url")}`;
        expect(encodeText(bytes)).toBe(text);
        expect(decodeText(text)).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  // Requirements: E46
  it("has one text per message: whatever is accepted is written the same", () => {
    const character = fc.constantFrom(...Array.from("ABCDabcd0123-_=+/ \n\u00E9."));
    /** `undefined` where the text is refused, with one of its two codes. */
    const decoded = (text: string): Uint8Array | undefined => {
      try {
        return decodeText(text);
      } catch (error) {
        if (isEnvelopeError(error, "ERR_ENVELOPE_TRUNCATED")) return undefined;
        if (isEnvelopeError(error, "ERR_ENVELOPE_FORMAT")) return undefined;
        throw error;
      }
    };
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 12 }), (tail) => {
        const bytes = decoded(`env1.${tail}`);
        fc.pre(bytes !== undefined);
        expect(encodeText(bytes)).toBe(`env1.${tail}`);
      }),
      { numRuns: 300 },
    );
  });

  // At lengths on both sides of every threshold a runtime may switch its decoder at.
  const lengths = [1, 2, 3, 16, 46, 47, 48, 49, 50, 300, 4000, 9000, 70_000];

  it.each(lengths)(
    "refuses a foreign character anywhere in the text of %d bytes",
    async (length) => {
      const text = encodeText(new Uint8Array(length).map((_, i) => (i * 7919) >> 3));
      const wide = "\u0141"; // Its low byte is that of "A".
      for (const foreign of ["+", "/", "=", " ", "\n", ".", "\u00C1", wide, "\uD800"]) {
        for (const at of [5, 6, 5 + Math.floor((text.length - 5) / 2), text.length - 1]) {
          await refuses("ERR_ENVELOPE_FORMAT", () =>
            decodeText(text.slice(0, at) + foreign + text.slice(at + 1)),
          );
          await refuses("ERR_ENVELOPE_FORMAT", () =>
            decodeText(text.slice(0, at) + foreign + text.slice(at)),
          );
        }
        await refuses("ERR_ENVELOPE_FORMAT", () => decodeText(text + foreign));
      }
    },
  );

  it.each(lengths)(
    "refuses bits behind the last of %d bytes, and a lone character",
    async (length) => {
      const text = encodeText(new Uint8Array(length));
      if (length % 3 !== 0) {
        for (const last of length % 3 === 1 ? "BIP_" : "BCD_") {
          await refuses("ERR_ENVELOPE_TRUNCATED", () => decodeText(text.slice(0, -1) + last));
        }
      } else {
        await refuses("ERR_ENVELOPE_TRUNCATED", () => decodeText(`${text}A`));
      }
    },
  );

  it.each(lengths)("gives %d bytes over a buffer of their own", (length) => {
    expect(decodeText(encodeText(new Uint8Array(length))).buffer.byteLength).toBe(length);
  });

  // Requirements: E41, E44
  it("ends at 1 MiB of message, for writers and readers", async () => {
    const most = new Uint8Array(2 ** 20);
    expect(decodeText(encodeText(most))).toHaveLength(2 ** 20);
    await refuses("ERR_ENVELOPE_LIMIT", () => encodeText(new Uint8Array(2 ** 20 + 1)));
    const larger = `env1.${Buffer.alloc(2 ** 20 + 1).toString("base64url")}`;
    await refuses("ERR_ENVELOPE_FORMAT", () => decodeText(larger));
  });
});
