import { expect, it } from "vitest";
import {
  isPostgresUrl,
  parsePostgresUrl,
  withoutPassword,
} from "../../../src/store/postgres/address.ts";

it("tries several hosts in their order, with the same parameters", () => {
  const url = "postgres://kms:s%40cret@one:5433,two/keys?schema=a1&sslmode=verify-full";
  expect(parsePostgresUrl(url)).toEqual({
    shownAs: "postgres://one:5433,two/keys",
    hosts: [
      "postgres://kms:s%40cret@one:5433/keys?sslmode=verify-full",
      "postgres://kms:s%40cret@two/keys?sslmode=verify-full",
    ],
    schema: "a1",
  });
});

it("has the schema envelope where none is named, and takes a socket's folder", () => {
  const url = "postgresql:///keys?host=/run/postgresql&target_session_attrs=read-write";
  expect(parsePostgresUrl(url)).toEqual({
    shownAs: "postgresql:///keys",
    hosts: ["postgresql:///keys?host=%2Frun%2Fpostgresql"],
    schema: "envelope",
  });
});

it.each([
  ["postgres:one/keys", "postgres://user@host:port/database"],
  ["postgres://one/keys?schema=x;y", "schema must be"],
  ["postgres://one/keys?schema=", "schema must be"],
  ["postgres://one/keys?target_session_attrs=any", "must be read-write"],
])("refuses %s", (url, problem) => {
  expect(() => parsePostgresUrl(url)).toThrow(TypeError);
  expect(() => parsePostgresUrl(url)).toThrow(problem);
});

it.each([
  ["postgres://one/keys", true],
  ["postgresql://one/keys", true],
  ["./postgres", false],
  ["postgres.kms", false],
])("%s is a URL of PostgreSQL: %s", (path, expected) => {
  expect(isPostgresUrl(path)).toBe(expected);
});

it.each([
  [
    "postgres://kms:s%40cret@one:5433,two/keys?schema=a",
    "postgres://kms@one:5433,two/keys?schema=a",
  ],
  ["postgres://one/keys?password=secret&sslmode=require", "postgres://one/keys?sslmode=require"],
  ["postgresql:///keys?password=secret", "postgresql:///keys"],
])("%s is shown as %s", (url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
});
