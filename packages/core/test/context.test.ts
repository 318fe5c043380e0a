import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { encodeContext, isEnvelopeError, type Context } from "@env/core";
import {
  bindContext,
  decodeContext,
  encodeAad,
  encodeEncryptionContext,
  kmsContext,
  rememberContexts,
} from "../src/context.ts";

const key = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
  .filter((text) => !text.startsWith("env:") && !text.startsWith("aws:"));
const context = fc.dictionary(key, fc.string({ unit: "grapheme", maxLength: 20 }), { maxKeys: 10 });

describe("encodeContext", () => {
  it("gives equal bytes for equal maps, whatever their order, and different bytes for different maps", () => {
    fc.assert(
      fc.property(context, context, (a, b) => {
        const reversed = Object.fromEntries(Object.entries(a).toReversed());
        expect(encodeContext(reversed)).toEqual(encodeContext(a));
        const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
        const same = keys.every((name) => a[name] === b[name]);
        expect(Buffer.compare(encodeContext(a), encodeContext(b)) === 0).toBe(same);
      }),
    );
  });

  it("is undone by decodeContext, into a map without a prototype", () => {
    fc.assert(
      fc.property(context, (map) => {
        const decoded = decodeContext(encodeContext(map));
        expect({ ...decoded }).toEqual({ ...map });
        expect(Object.getPrototypeOf(decoded)).toBeNull();
      }),
    );
  });

  it("keeps __proto__ as a key like any other", () => {
    const map = JSON.parse('{"__proto__":"x"}') as Context;
    const decoded = decodeContext(encodeContext(map));
    expect(Object.keys(decoded)).toEqual(["__proto__"]);
    expect(kmsContext(bindContext(map)).map).toEqual(
      expect.objectContaining({ "env:format": "1" }),
    );
    expect(Object.keys(kmsContext(bindContext(map)).map)).toEqual(["__proto__", "env:format"]);
  });

  it("reads a getter once: what was checked is what is bound", () => {
    let reads = 0;
    const shifty = {
      get tenant(): string {
        return reads++ === 0 ? "acme" : "evil";
      },
    };
    const { map, bytes } = bindContext(shifty);
    expect({ ...map }).toEqual({ tenant: "acme" });
    expect(decodeContext(bytes)).toEqual(map);
  });

  it("never puts a value into its errors", () => {
    try {
      encodeContext({ ok: "sentinel-value\uD800" });
      expect.unreachable();
    } catch (error) {
      expect(isEnvelopeError(error, "ERR_ENVELOPE_INVALID_CONTEXT")).toBe(true);
      expect(String(error)).not.toContain("sentinel-value");
    }
  });
});

describe("rememberContexts", () => {
  it("binds equal maps to one object, and any other map as bindContext does", () => {
    const bind = rememberContexts();
    fc.assert(
      fc.property(fc.array(context, { maxLength: 8 }), (maps) => {
        for (const map of [...maps, ...maps]) {
          const bound = bind(map);
          expect(bound.bytes).toEqual(bindContext(map).bytes);
          expect({ ...bound.map }).toEqual({ ...map });
          expect(bind({ ...map })).toBe(bound);
        }
      }),
    );
  });

  it("compares the content of a map, not its identity", () => {
    const bind = rememberContexts();
    const map = { tenant: "acme" };
    const before = bind(map);
    map.tenant = "other";
    expect(bind(map).map["tenant"]).toBe("other");
    expect(before.map["tenant"]).toBe("acme");
  });

  it("refuses values that are not text, whatever map came before", () => {
    const others: readonly unknown[] = [undefined, null, 7, ["x"], new String("x"), {}];
    for (const value of others) {
      for (const name of ["tenant", "toString"]) {
        const bind = rememberContexts();
        bind({ id: "x" });
        const map: Record<string, string> = {};
        Reflect.set(map, name, value);
        expect(() => bind(map)).toThrow(
          expect.objectContaining({ code: "ERR_ENVELOPE_INVALID_CONTEXT" }),
        );
      }
    }
  });

  it("distinguishes contexts whose pairs are equal when concatenated", () => {
    const bind = rememberContexts();
    bind({ a: "bc", d: "e" });
    expect(bind({ ab: "c", d: "e" }).map["ab"]).toBe("c");
    expect(bind({ a: "bcd", e: "" }).map["a"]).toBe("bcd");
  });

  it("reads a getter once", () => {
    let reads = 0;
    const map = {
      get tenant() {
        return String(reads++);
      },
    };
    expect(rememberContexts()(map).map["tenant"]).toBe("0");
    expect(reads).toBe(1);
  });

  it.each([["tenant"], 7, new Map()])("is a TypeError for %j each time it comes", (map) => {
    const bind = rememberContexts();
    for (let i = 0; i < 2; i++) expect(() => bind(map as never)).toThrow(TypeError);
  });

  it.each([{ a: 1 }, { "env:x": "1" }, { a: "\uD800" }])("refuses %j each time it comes", (map) => {
    const bind = rememberContexts();
    for (let i = 0; i < 2; i++) {
      expect(() => bind(map as never)).toThrow(
        expect.objectContaining({ code: "ERR_ENVELOPE_INVALID_CONTEXT" }),
      );
    }
  });
});

describe("decodeContext", () => {
  // Requirements: E46
  it("refuses every byte string that encodeContext does not write", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          expect(encodeContext(decodeContext(bytes))).toEqual(new Uint8Array(bytes));
        } catch (error) {
          if (!isEnvelopeError(error, "ERR_ENVELOPE_FORMAT")) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("encodeAad", () => {
  it("takes bytes as they are, and none as none", () => {
    expect(encodeAad(Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2));
    expect(encodeAad(undefined)).toHaveLength(0);
  });

  // Requirements: E14
  it("encodes a record as a context is, reserved keys included", () => {
    expect(encodeAad({ "env:x": "1" })).toEqual(encodeEncryptionContext({ "env:x": "1" }));
  });

  it("encodes an encryption context of any size that two-byte lengths can say", () => {
    const pairs = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, ""]));
    expect(encodeEncryptionContext(pairs(65_535)).subarray(0, 2)).toEqual(
      Uint8Array.of(0xff, 0xff),
    );
    expect(() => encodeEncryptionContext(pairs(65_536))).toThrow(RangeError);
    expect(() => encodeEncryptionContext({ a: "x".repeat(65_536) })).toThrow(RangeError);
  });

  it.each([{ a: "x".repeat(1025) }, { a: 1 }, { a: "\uD800" }])(
    "is a RangeError for the record %j, which breaks a rule",
    (aad) => {
      expect(() => encodeAad(aad as never)).toThrow(RangeError);
    },
  );

  it.each(["text", null, ["a"], 7, new Map()])("is a TypeError for %j", (aad) => {
    expect(() => encodeAad(aad as never)).toThrow(TypeError);
  });
});
