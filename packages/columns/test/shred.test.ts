import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Columns, defineTables, fileFences, SubjectKeys, verifyReceipt } from "@env/columns";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeDatabases, type TestDatabase } from "./support/databases.ts";
import { FixedCmk } from "./support/fixed-cmk.ts";
import { refuses } from "./support/refuses.ts";

const tables = defineTables({
  people: {
    key: ["id"],
    scope: { subject: "id" },
    columns: { name: { type: "text" } },
  },
});
const { privateKey, publicKey } = generateKeyPairSync("ed25519");

describeDatabases("SubjectKeys", (database: () => TestDatabase) => {
  const cmk = new FixedCmk();
  let folder: string;
  const open = (fences = [fileFences(join(folder, "fences"))]) =>
    new Columns({ envelope: cmk.envelope(), client: database().client, tables, fences });
  const subjects = (columns = open()): SubjectKeys =>
    new SubjectKeys({ columns, signingKey: privateKey });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "columns-"));
    await open().migrate();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("makes the data of one person unreadable, and of no other", async () => {
    const columns = open();
    const people = columns.table("people");
    const [one, two] = await people.sealAll([
      { id: "1", name: "Ada" },
      { id: "2", name: "Grace" },
    ]);
    const receipt = await subjects(columns).shred({ subject: "1" });
    for (const reader of [columns, open()]) {
      await refuses("ERR_ENVELOPE_SHREDDED", () => reader.table("people").open(one ?? {}));
      expect(await reader.table("people").open(two ?? {})).toMatchObject({ name: "Grace" });
    }
    expect(verifyReceipt(receipt, { subject: "1" }, publicKey)).toBe(true);
    expect(verifyReceipt(receipt, { subject: "2" }, publicKey)).toBe(false);
    const altered = { ...receipt, text: receipt.text.replace("fenced", "Fenced") };
    expect(verifyReceipt(altered, { subject: "1" }, publicKey)).toBe(false);
    expect(receipt.text).not.toContain("subject");
  });

  it("creates no data key for a person who was shredded", async () => {
    const columns = open();
    await columns.table("people").seal({ id: "1", name: "Ada" });
    await subjects(columns).shred({ subject: "1" });
    await refuses("ERR_ENVELOPE_SHREDDED", () =>
      columns.table("people").seal({ id: "1", name: "Ada" }),
    );
    await subjects(columns).shred({ subject: "3" });
    await refuses("ERR_ENVELOPE_SHREDDED", () =>
      columns.table("people").seal({ id: "3", name: "Ada" }),
    );
  });

  it("gives the same receipt again", async () => {
    const first = await subjects().shred({ subject: "1" });
    expect(await subjects().shred({ subject: "1" })).toEqual(first);
    expect(await subjects().receipt({ subject: "1" })).toEqual(first);
  });

  it("opens nothing after a restore of the database, and applies its fences again", async () => {
    const sealed = await open().table("people").seal({ id: "1", name: "Ada" });
    const backup = await database().client.query("SELECT * FROM envelope_keys");
    await subjects().shred({ subject: "1" });
    // The database as it was before: without the fence, with the data key.
    await database().client.query("DELETE FROM envelope_fences");
    for (const { id, scope, key_message: message } of backup) {
      await database().client.query(
        "UPDATE envelope_keys SET scope = $2, key_message = $3, state = 'active' WHERE id = $1",
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as they were read
        [id, scope, message] as [string, string, Uint8Array],
      );
    }
    await refuses("ERR_ENVELOPE_SHREDDED", () => open().table("people").open(sealed));
    expect(await subjects().reconcile()).toBe(1);
    expect(await subjects().reconcile()).toBe(0);
    // Even where only the database is asked.
    await refuses("ERR_ENVELOPE_SHREDDED", () => open([]).table("people").open(sealed));
  });

  it("converges wherever it is stopped", async () => {
    const sealed = await open().table("people").seal({ id: "1", name: "Ada" });
    for (let steps = 0; ; steps++) {
      let left = steps;
      const { client } = database();
      const failing = {
        ...client,
        query: async (...args: Parameters<typeof client.query>) => {
          if (left-- === 0) throw new Error("stopped");
          return client.query(...args);
        },
      };
      const columns = new Columns({ envelope: cmk.envelope(), client: failing, tables });
      const done = await subjects(columns)
        .shred({ subject: "1" })
        .catch(() => undefined);
      // The fence is the first step.
      if (steps > 0)
        await refuses("ERR_ENVELOPE_SHREDDED", () => open([]).table("people").open(sealed));
      if (done === undefined) continue;
      expect(verifyReceipt(done, { subject: "1" }, publicKey)).toBe(true);
      expect(steps).toBeGreaterThan(2);
      break;
    }
  });

  it("refuses keys that cannot sign", () => {
    const columns = open();
    expect(() => new SubjectKeys({ columns, signingKey: publicKey })).toThrow(TypeError);
  });
});
