import { describe, expect, it } from "vitest";
import { hashPlace, PlaceHasher, placeOf, ScopeReader, toScope, type Row } from "../src/place.ts";
import type { TableDefinition } from "../src/tables.ts";

const table: TableDefinition = {
  key: ["id", "part"],
  also: ["zone"],
  columns: { email: { type: "text" }, note: { type: "text", boundAs: "remark" } },
  names: { part: "a_part" },
  boundAs: "people_old",
};
const row: Row = { id: 7n, part: "ü😀", zone: new Uint8Array([1, 255]) };

describe("PlaceHasher", () => {
  it.each([
    ["integers, text and bytes", table, row],
    ["empty text", table, { ...row, part: "" }],
    ["text that is nearly too long", table, { ...row, part: "x".repeat(1024) }],
    ["no row at all", { ...table, key: [], also: [] }, {}],
    ["a column that sorts after the row", { ...table, key: ["id"], also: [] }, row],
  ])("hashes what the canonical encoding of the place has, for %s", (_, definition, values) => {
    for (const column of ["email", "note"]) {
      const hasher = new PlaceHasher("people", definition, column);
      const expected = hashPlace(placeOf("people", definition, column, values));
      expect(hasher.hash(values)).toEqual(expected);
      expect(hasher.hash(values)).toEqual(expected);
    }
  });

  it("refuses texts that no place can have", () => {
    const hasher = new PlaceHasher("people", table, "email");
    expect(() => hasher.hash({ ...row, part: "x".repeat(1025) })).toThrow(RangeError);
    expect(() => hasher.hash({ ...row, part: "\uD800" })).toThrow(RangeError);
    expect(() => hasher.hash({ id: 7, zone: "eu" })).toThrow(TypeError);
  });
});

describe("ScopeReader", () => {
  it("reads the scope that the pairs of a row have", () => {
    const scopes = new ScopeReader("people", { tenant: "org", region: "zone" });
    const expected = toScope({ tenant: "acme", region: "1" });
    expect(scopes.read({ org: "acme", zone: 1 })).toEqual(expected);
    expect(scopes.read({ org: "acme", zone: 1n })).toBe(scopes.read({ org: "acme", zone: "1" }));
  });

  it("never takes two lists of texts for one scope", () => {
    const scopes = new ScopeReader("people", { a: "a", b: "b" });
    const first = scopes.read({ a: "x1 y", b: "" });
    expect(scopes.read({ a: "x", b: "y" }).name).not.toBe(first.name);
    expect(scopes.read({ a: "x1 ", b: "y" }).name).not.toBe(first.name);
  });
});
