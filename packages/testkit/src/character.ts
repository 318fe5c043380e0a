/**
 * Any character, for properties of texts: `fc.string({ unit: character })`.
 *
 * @module
 */
import fc from "fast-check";

const SURROGATES = 0x800;
const FIRST_SURROGATE = 0xd800;

/**
 * One code point, but no surrogate. It generates what fast-check's unit `"binary"` does, which first makes a map of all
 * 1.1 million characters.
 */
export const character: fc.Arbitrary<string> = fc
  .integer({ min: 0, max: 0x10_ff_ff - SURROGATES })
  .map(
    (n) => String.fromCodePoint(n < FIRST_SURROGATE ? n : n + SURROGATES),
    // It lets fast-check put `__proto__` and the like into a text.
    (text) => {
      if (typeof text !== "string" || !/^\P{Cs}$/u.test(text)) throw new TypeError();
      const point = text.codePointAt(0) ?? 0;
      return point < FIRST_SURROGATE ? point : point - SURROGATES;
    },
  );
