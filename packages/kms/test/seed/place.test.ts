import { describe, expect, it } from "vitest";
import { isKmsError, parseSeed, SeedError } from "../../src/index.ts";
import { memberPath, written } from "../../src/seed/place.ts";
import { KEY, seedOf } from "./support/seeds.ts";

describe("a place in a seed", () => {
  it.each<[(string | number)[], string]>([
    [[], "the seed"],
    [["keys", 2, "aliases", 0], "keys[2].aliases[0]"],
    [["keys", 0, "tags", "na me"], 'keys[0].tags["na me"]'],
    [["policies", "s3:read/x"], "policies.s3:read/x"],
  ])("%j is written %s", (place, text) => {
    expect(written(place)).toBe(text);
  });

  it("is written as those of a plan are", () => {
    expect(memberPath("", "a")).toBe("a");
    expect(memberPath("a", "b.c")).toBe('a["b.c"]');
  });
});

it.each<[string, object, (string | number)[], "name" | "value"]>([
  ["an unknown member", { alias: "x" }, ["keys", 0, "alias"], "name"],
  ["an alias", { aliases: ["alias/a", "b"] }, ["keys", 0, "aliases", 1], "value"],
  ["a reserved tag", { tags: { a: "", "aws:b": "" } }, ["keys", 0, "tags", "aws:b"], "value"],
  ["an origin", { origin: "MOON" }, ["keys", 0, "origin"], "value"],
  ["a usage", { keyUsage: "FUN" }, ["keys", 0, "keyUsage"], "value"],
])("an error says the place of %s", (_, more, place, of) => {
  let thrown: unknown;
  try {
    parseSeed(seedOf([{ keyId: KEY, ...more }]));
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(SeedError);
  expect(isKmsError(thrown)).toBe(true);
  expect(thrown).toMatchObject({ place, of });
});
