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

  it("has one text per message: whatever is accepted is written the same", () => {
    const character = fc.constantFrom(...Array.from("ABCDabcd0123-_=+/ \n\u00E9."));
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 12 }), (tail) => {
        try {
          expect(encodeText(decodeText(`env1.${tail}`))).toBe(`env1.${tail}`);
        } catch (error) {
          if (isEnvelopeError(error, "ERR_ENVELOPE_TRUNCATED")) return;
          if (!isEnvelopeError(error, "ERR_ENVELOPE_FORMAT")) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("ends at 1 MiB of message, for writers and readers", async () => {
    const most = new Uint8Array(2 ** 20);
    expect(decodeText(encodeText(most))).toHaveLength(2 ** 20);
    await refuses("ERR_ENVELOPE_LIMIT", () => encodeText(new Uint8Array(2 ** 20 + 1)));
    const larger = `env1.${Buffer.alloc(2 ** 20 + 1).toString("base64url")}`;
    await refuses("ERR_ENVELOPE_FORMAT", () => decodeText(larger));
  });
});
