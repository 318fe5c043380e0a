import { readUri } from "@env/core/driver";
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
