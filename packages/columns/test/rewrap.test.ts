import { Columns, defineTables, report, rewrapKeys } from "@env/columns";
import { Envelope } from "@env/core";
import { expect, it } from "vitest";
import { describeDatabases, type TestDatabase } from "./support/databases.ts";
import { FixedCmk } from "./support/fixed-cmk.ts";
import { refuses } from "./support/refuses.ts";

const tables = defineTables({
  notes: { key: ["id"], scope: { tenant: "tenant" }, columns: { text: { type: "text" } } },
});

describeDatabases("rewrapKeys()", (database: () => TestDatabase) => {
  const [old, fresh] = [new FixedCmk("old"), new FixedCmk("new")];
  const open = (...cmks: FixedCmk[]) =>
    new Columns({
      envelope: new Envelope({ cmks: cmks.map(({ cmk }) => cmk) }),
      client: database().client,
      tables,
    });

  it("moves data keys to another CMK, and leaves values as they are", async () => {
    const { bytes, client } = database();
    const columns = open(old);
    await columns.migrate();
    await client.query(`CREATE TABLE notes (id text PRIMARY KEY, tenant text, text ${bytes})`);
    const rows = await columns
      .table("notes")
      .sealAll(["a", "b", "c"].map((id) => ({ id, tenant: id, text: `of ${id}` })));
    for (const row of rows) {
      await client.query("INSERT INTO notes VALUES ($1, $2, $3)", [row.id, row.tenant, row.text]);
    }
    expect((await report(columns)).cmks).toEqual([
      { provider: "fixed", keyId: "old", dataKeys: 3, values: 3 },
    ]);
    await refuses("ERR_ENVELOPE_NO_KEY", () => open(fresh).table("notes").openAll(rows));

    const dry = await rewrapKeys(open(fresh), { from: [old.cmk], dryRun: true });
    expect(dry).toMatchObject({ keys: 3, rewrapped: 3, failed: 0 });
    expect((await report(columns)).cmks).toMatchObject([{ keyId: "old" }]);

    const one = await rewrapKeys(open(fresh), { from: [old.cmk], scope: { tenant: "a" } });
    expect(one).toMatchObject({ keys: 1, rewrapped: 1 });
    const result = await rewrapKeys(open(fresh), { from: [old.cmk] });
    expect(result).toEqual({ keys: 3, rewrapped: 2, failed: 0, wrappedBy: { "fixed new 1": 3 } });
    expect((await report(columns)).cmks).toEqual([
      { provider: "fixed", keyId: "new", dataKeys: 3, values: 3 },
    ]);
    const opened = await open(fresh).table("notes").openAll(rows);
    expect(opened.map(({ text }) => text)).toEqual(["of a", "of b", "of c"]);
    expect((await rewrapKeys(open(fresh))).rewrapped).toBe(0);
  });

  it("counts data keys that no CMK can unwrap", async () => {
    const columns = open(old);
    await columns.migrate();
    await columns.table("notes").seal({ id: "1", tenant: "a", text: "x" });
    expect(await rewrapKeys(open(fresh))).toMatchObject({ keys: 1, rewrapped: 0, failed: 1 });
  });
});
