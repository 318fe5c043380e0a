import fc from "fast-check";
import { expect, it } from "vitest";
import { crc32c } from "../src/crc32c.ts";
import { classify, withoutSecrets } from "../src/errors.ts";
import { isKeyOf, parseKeyName } from "../src/name.ts";
import { parseGcpKmsUri } from "../src/uri.ts";

/** Bit by bit, with no table. */
function slowCrc32c(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
    }
  }
  return ~remainder >>> 0;
}

it("crc32c is the remainder that long division has", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(crc32c(bytes)).toBe(slowCrc32c(bytes));
    }),
  );
});

it("crc32c notices every altered bit", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (bytes, at) => {
      const altered = Uint8Array.from(bytes);
      const index = (at >> 3) % altered.length;
      altered[index] = (altered[index] ?? 0) ^ (1 << (at & 7));
      expect(crc32c(altered)).not.toBe(crc32c(bytes));
    }),
  );
});

const id = fc.stringMatching(/^[\w-]{1,20}$/);
const project = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9-]{5,20}$/),
  fc.stringMatching(/^[1-9][0-9]{11}$/),
);
const name = fc
  .tuple(project, fc.constantFrom("global", "europe-west1"), id, id)
  .map(([p, l, r, k]) => `projects/${p}/locations/${l}/keyRings/${r}/cryptoKeys/${k}`);

it("a URI names the key that is written in it, percent-encoded or not", () => {
  fc.assert(
    fc.property(name, (key) => {
      expect(parseGcpKmsUri(`gcp-kms:${key}`)).toEqual({ key });
      expect(parseGcpKmsUri(`gcp-kms:${encodeURIComponent(key)}`)).toEqual({ key });
    }),
  );
});

it("a URI of any text gives a key or ERR_ENVELOPE_CONFIG", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      try {
        expect(parseKeyName(parseGcpKmsUri(`gcp-kms:${text}`).key)).toBeDefined();
      } catch (error) {
        expect(error).toMatchObject({ code: "ERR_ENVELOPE_CONFIG" });
      }
    }),
  );
});

it("a name is that of its key, and of no other key of the project", () => {
  fc.assert(
    fc.property(name, name, (one, other) => {
      const parsed = parseKeyName(one);
      if (parsed === undefined) throw new Error("it names no key");
      expect(isKeyOf(parsed, one)).toBe(true);
      const samePath =
        one.replace(/^projects\/[^/]+/, "") === other.replace(/^projects\/[^/]+/, "");
      if (!samePath) expect(isKeyOf(parsed, other)).toBe(false);
    }),
  );
});

it("whatever is thrown has a code and a short message", () => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      const error = withoutSecrets(thrown, "Encrypt");
      expect(error.message.length).toBeLessThan(300);
      expect(classify(thrown)).toMatch(/^ERR_ENVELOPE_KMS_/);
      expect(classify(error)).toMatch(/^ERR_ENVELOPE_KMS_/);
    }),
  );
});
