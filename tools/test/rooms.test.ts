import { expect, it } from "vitest";
import { roomsOf, trespasses } from "../rooms.ts";

const kms = (file: string, ...specifiers: readonly string[]): string[] =>
  trespasses("@env/kms", file, specifiers);

it("lets a room use only rooms before it in the table, so that there is no circle", () => {
  for (const rooms of Object.values(roomsOf)) {
    const names = Object.keys(rooms);
    for (const [i, name] of names.entries()) {
      const below = new Set(names.slice(i));
      expect(
        rooms[name]?.uses.filter((used) => below.has(used)),
        name,
      ).toEqual([]);
    }
  }
});

it("accepts what the table allows, and what is not of the package", () => {
  expect(
    kms("src/operations/keys.ts", "node:crypto", "@env/core", "../arn.ts", "./operation.ts"),
  ).toEqual([]);
  expect(kms("src/access/iam.ts", "../store/store.ts", "../store/iam-records.ts")).toEqual([]);
  expect(kms("src/keystore.ts", "./store/keystore-file.ts", "./seed/seeding.ts")).toEqual([]);
});

it("refuses a room that is not in the list", () => {
  expect(kms("src/policy/decide.ts", "../access/access.ts")).toEqual([
    "imports ../access/access.ts; policy/ may use only catalogue",
  ]);
  expect(kms("src/catalogue/row.ts", "../policy/request.ts")).toEqual([
    "imports ../policy/request.ts; catalogue/ may use nothing else",
  ]);
});

it("refuses what is not a door, from every side", () => {
  const problem = "imports ../store/database.ts; it is not a door of store/";
  expect(kms("src/operations/keys.ts", "../store/database.ts")).toEqual([problem]);
  expect(kms("src/keystore.ts", "./store/database.ts")).toHaveLength(1);
  expect(kms("src/keystore.ts", "./store/root-key.ts")).toEqual([]);
  expect(kms("src/access/iam.ts", "../store/root-key.ts")).toHaveLength(1);
});

it("refuses SQLite outside of the store", () => {
  expect(kms("src/audit/rows.ts", "node:sqlite")).toEqual(["imports node:sqlite; only store/ may"]);
  expect(kms("src/keystore.ts", "node:sqlite")).toHaveLength(1);
  expect(kms("src/store/database.ts", "node:sqlite")).toEqual([]);
});

it("refuses files of src itself that are not in the list", () => {
  expect(kms("src/seed/plan.ts", "../keystore.ts")).toHaveLength(1);
  expect(kms("src/requests/check.ts", "../arn.ts")).toEqual([]);
  expect(kms("src/index.ts", "./arn.ts")).toEqual([]);
});

it("refuses a folder that is not a room", () => {
  expect(kms("src/utils/all.ts")).toEqual(["is in utils/, which is not a room of tools/rooms.ts"]);
});

it("asks nothing of tests, nor of packages without rooms", () => {
  expect(kms("test/store/database.test.ts", "node:sqlite")).toEqual([]);
  expect(trespasses("@env/cli", "src/commands/kms.ts", ["node:sqlite"])).toEqual([]);
});
