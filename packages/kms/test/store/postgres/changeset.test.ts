import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { changedRows } from "../../../src/store/postgres/changeset.ts";

it("reads the keys of rows that were inserted, updated and deleted", () => {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE one (id INTEGER PRIMARY KEY, bytes BLOB, number REAL, text TEXT)");
  db.exec("CREATE TABLE two (a TEXT, b TEXT, c BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID");
  db.exec("INSERT INTO one VALUES (1, x'00', 1.5, NULL), (2, NULL, 2, 'two')");
  const long = "é".repeat(20_000);
  db.prepare("INSERT INTO two VALUES ('x', ?, x'01'), ('y', '', x'02')").run(long);
  const session = db.createSession();
  db.exec("INSERT INTO one VALUES (9007199254740991, zeroblob(70000), NULL, 'three')");
  db.exec("UPDATE one SET text = 'changed' WHERE id = 2; DELETE FROM one WHERE id = 1");
  db.exec("UPDATE two SET c = x'03'; DELETE FROM two WHERE a = 'y'");
  db.exec("INSERT INTO two VALUES ('gone', '', x''); DELETE FROM two WHERE a = 'gone'");
  const found = changedRows(session.changeset());
  expect([...found.keys()].toSorted()).toEqual(["one", "two"]);
  expect(found.get("one")?.toSorted()).toEqual([[1], [2], [Number.MAX_SAFE_INTEGER]]);
  expect(found.get("two")?.toSorted()).toEqual([
    ["x", long],
    ["y", ""],
  ]);
});

it("reads nothing where nothing was changed", () => {
  expect(changedRows(new Uint8Array())).toEqual(new Map());
});
