import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { createKeystore } from "../../src/index.ts";
import { newKey, tempPath } from "../support/keystore.ts";

it("a new keystore whose log SQLite could not write back has no name, and can be made again", async () => {
  const path = tempPath();
  const root = { keyFile: `${path}.key` };
  const reader: { db?: DatabaseSync } = {};
  const making = createKeystore(path, {
    root,
    prepare: async (keystore) => {
      const partial = readdirSync(dirname(path)).find((name) =>
        name.startsWith(`${basename(path)}.partial-`),
      );
      // While somebody reads the database, SQLite leaves the log where it is.
      const db = new DatabaseSync(join(dirname(path), partial ?? ""), { readOnly: true });
      db.exec("BEGIN; SELECT count(*) FROM sqlite_schema");
      reader.db = db;
      await newKey(keystore.as());
    },
  });
  await expect(making).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
  reader.db?.close();
  expect([path, root.keyFile].filter((file) => existsSync(file))).toEqual([]);

  let key = "";
  using made = await createKeystore(path, {
    root,
    prepare: async (keystore) => {
      key = await newKey(keystore.as());
    },
  });
  expect((await made.as().describeKey({ KeyId: key })).KeyMetadata.KeyId).toBe(key);
});
