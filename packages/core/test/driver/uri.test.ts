import { flag, list, readOptions, readUri, text, type OptionTable } from "@env/core/driver";
import { describe, expect, it } from "vitest";

const syntax = {
  scheme: "example",
  parameters: { region: "text", label: "any", fips: "flag", alsoUnwrap: "list" },
} as const;

describe("a URI", () => {
  it("has a part before the question mark, as written, and decoded parameters", () => {
    expect(
      readUri("example:a%2Fb?region=eu%20west&fips=false&alsoUnwrap=a&alsoUnwrap=b&label=", syntax),
    ).toEqual({
      where: "a%2Fb",
      parameters: { region: "eu west", fips: false, alsoUnwrap: ["a", "b"], label: "" },
    });
  });

  it("may end with a question mark if it names a path", () => {
    expect(readUri("example:a?", { ...syntax, path: true })).toEqual({
      where: "a",
      parameters: {},
    });
  });
});

it.each([
  ["other:SECRET", "it must start with example:"],
  [7 as never, "it must start with example:"],
  ["example:a?region=SECRET?", "it has more than one question mark"],
  ["example:a#SECRET", "it has a fragment"],
  ["example:a?", "it has an unknown parameter; known are region, label, fips, alsoUnwrap"],
  [
    "example:a?toString=SECRET",
    "it has an unknown parameter; known are region, label, fips, alsoUnwrap",
  ],
  ["example:a?region=x&region=SECRET", "region is given twice"],
  ["example:a?fips=true&fips=true", "fips is given twice"],
  ["example:a?region=%SECRET", "the region has a malformed percent-encoding"],
  ["example:a?alsoUnwrap=", "alsoUnwrap is empty"],
  ["example:a?fips=SECRET", "fips must be true or false"],
])("refuses %s and repeats none of it", (uri, problem) => {
  const message = `example URI: ${problem}`;
  expect(() => readUri(uri, syntax)).toThrow(
    expect.objectContaining({ code: "ERR_ENVELOPE_CONFIG", message }),
  );
});

it("says how a character is written in a path", () => {
  const path = { ...syntax, path: true };
  expect(() => readUri("example:a?b?c", path)).toThrow(/question mark; write %3F in a path$/);
  expect(() => readUri("example:a#b", path)).toThrow(/fragment; write %23 in a path$/);
});

describe("a URI with an adapter's options", () => {
  interface Key {
    readonly key: string;
    readonly useFips?: boolean | undefined;
    readonly alsoUnwrap?: readonly string[] | undefined;
  }
  interface Connection {
    readonly region?: string;
    readonly endpoint?: string;
  }
  const table: OptionTable<Key, Connection, object, object> = {
    connection: { region: { ...text(/^eu/, "European"), uri: true }, endpoint: {} },
    key: {
      key: {},
      useFips: { ...flag, default: false, uri: "fips" },
      alsoUnwrap: { ...list(() => true, "names"), default: [], uri: true },
    },
    client: { methods: [], must: "", has: "" },
  };

  it("gives those that have a parameter, by their own names", () => {
    const uri = "example:a?region=x&fips=true&alsoUnwrap=b&alsoUnwrap=c&role=r";
    expect(readOptions(uri, "example", table, ["role", "mount"])).toEqual({
      where: "a",
      named: { region: "x", useFips: true, alsoUnwrap: ["b", "c"] },
      further: { role: "r" },
    });
  });

  it("has no parameter for the others", () => {
    expect(() => readOptions("example:a?endpoint=x", "example", table)).toThrow(
      "example URI: it has an unknown parameter; known are region, fips, alsoUnwrap",
    );
  });
});
