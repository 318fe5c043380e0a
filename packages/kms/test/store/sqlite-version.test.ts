import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import type * as Kms from "../../src/index.ts";
import { canLoseWrites, sqliteVersion } from "../../src/store/sqlite-version.ts";
import { tempKeystore, tempPath } from "../support/keystore.ts";

describe("canLoseWrites", () => {
  it.each([
    ["3.6.23", false],
    ["3.7.0", true],
    ["3.40.1", true],
    ["3.43.2", true],
    ["3.44.0", true],
    ["3.44.5", true],
    ["3.44.6", false],
    ["3.44.7", false],
    ["3.45.0", true],
    ["3.46.1", true],
    ["3.49.2", true],
    ["3.50.0", true],
    ["3.50.6", true],
    ["3.50.7", false],
    ["3.51.0", true],
    ["3.51.2", true],
    ["3.51.3", false],
    ["3.51.10", false],
    ["3.52.0", false],
    ["3.53.4", false],
    ["4.0.0", false],
    ["", true],
    ["unknown", true],
  ])("says of %s: %s", (version, affected) => {
    expect(canLoseWrites(version)).toBe(affected);
  });
});

it("asks SQLite itself for its version", () => {
  const db = new DatabaseSync(":memory:");
  expect(sqliteVersion()).toBe(db.prepare("SELECT sqlite_version() AS v").get()?.["v"]);
  db.close();
});

describe("a keystore with a SQLite that can lose writes", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** What the library says from now on; the version that was asked before is forgotten. */
  async function pretend(version: string): Promise<typeof Kms> {
    vi.resetModules();
    // oxlint-disable-next-line typescript/unbound-method -- called with its object below
    const { prepare } = DatabaseSync.prototype;
    vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function (
      this: DatabaseSync,
      sql,
    ) {
      return prepare.call(this, sql.replace("sqlite_version()", `'${version}'`));
    });
    return import("../../src/index.ts");
  }

  const libraryFinding = (version: string): Kms.KeystoreFinding => ({
    record: "the SQLite library",
    problem: `version ${version} can lose committed changes when several processes write. Use Node 22.22.3, 24.15.0, 25.9.0 or later, unless this library has the fix under an older version number`,
  });

  // Requirements: F6
  it("is neither opened nor made nor inspected, unless it is said to be patched", async () => {
    const { path, root, keystore } = await tempKeystore();
    keystore.close();
    const affected = await pretend("3.46.1");
    const created = tempPath();
    const refused = [
      affected.openKeystore(path, { root }),
      affected.inspectKeystore(path),
      affected.createKeystore(created, { root: { keyFile: `${created}.key` } }),
    ];
    for (const call of refused) {
      const error = await rejection(call);
      expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_SQLITE" });
      expect(error.message).toContain("SQLite 3.46.1 can lose committed changes");
    }
    expect([created, `${created}.key`].filter((file) => existsSync(file))).toEqual([]);

    const patchedSqlite = true;
    using opened = await affected.openKeystore(path, { root, patchedSqlite });
    expect(opened.sqliteVersion).toBe("3.46.1");
    expect(await opened.verify()).toEqual([libraryFinding("3.46.1")]);
    expect(await affected.inspectKeystore(path, { patchedSqlite })).toEqual(opened.facts);
    const options = { root: { keyFile: `${created}.key` }, patchedSqlite };
    (await affected.createKeystore(created, options)).close();
  });

  it("is opened read-only, which writes nothing that could be lost", async () => {
    const { path, root, keystore } = await tempKeystore();
    keystore.close();
    const affected = await pretend("3.51.2");
    const options = { root, readOnly: true, audit: { sink: "none" } } as const;
    using opened = await affected.openKeystore(path, options);
    expect(await opened.verify()).toEqual([libraryFinding("3.51.2")]);
  });

  it("is opened where the version has the fix", async () => {
    const { path, root, keystore } = await tempKeystore();
    keystore.close();
    const fixed = await pretend("3.50.7");
    using opened = await fixed.openKeystore(path, { root });
    expect(opened.sqliteVersion).toBe("3.50.7");
    expect(await opened.verify()).toEqual([]);
  });
});
