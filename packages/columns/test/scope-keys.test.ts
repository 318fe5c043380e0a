import { Columns, defineTables } from "@env/columns";
import { beforeEach, expect, it } from "vitest";
import { describeDatabases, type TestDatabase } from "./support/databases.ts";
import { FixedCmk } from "./support/fixed-cmk.ts";
import { refuses } from "./support/refuses.ts";

const tables = defineTables({
  notes: { key: ["id"], scope: { tenant: "tenant" }, columns: { text: { type: "text" } } },
  tags: { key: [], scope: { tenant: "tenant" }, columns: { text: { type: "text", form: "text" } } },
});

describeDatabases("data keys of scopes", (database: () => TestDatabase) => {
  const cmk = new FixedCmk();
  const open = (options: object = {}) =>
    new Columns({ envelope: cmk.envelope(), client: database().client, tables, ...options });
  const keys = () => database().client.query("SELECT * FROM envelope_keys ORDER BY created, id");
  const seal = (columns: ReturnType<typeof open>, id: number) =>
    columns.table("notes").seal({ id, tenant: "a", text: "x" });

  beforeEach(async () => {
    await open().migrate();
    await open().migrate();
    cmk.calls.length = 0;
  });

  it("shares a data key between processes, and counts its values in advance", async () => {
    await seal(open({ rotation: { maxValues: 160 } }), 1);
    await seal(open({ rotation: { maxValues: 160 } }), 2);
    expect((await keys()).map(({ used }) => Number(used))).toEqual([20]);
    expect(cmk.calls).toEqual(["wrap", "unwrap"]);
  });

  it("takes a new data key after so many values", async () => {
    const columns = open({ rotation: { maxValues: 32 } });
    for (let id = 0; id < 40; id++) await seal(columns, id);
    expect((await keys()).map(({ used }) => Number(used))).toEqual([32, 8]);
  });

  it("takes a new data key after so much time, and reads with the old one", async () => {
    const row = await seal(open(), 1);
    await database().client.query("UPDATE envelope_keys SET created = created - 2000");
    const columns = open({ rotation: { maxAge: 1000 } });
    await seal(columns, 2);
    expect(await keys()).toHaveLength(2);
    expect(await columns.table("notes").open(row)).toMatchObject({ text: "x" });
  });

  it("creates one data key for many concurrent writers of a process", async () => {
    const columns = open();
    await Promise.all(Array.from({ length: 50 }, (_, id) => seal(columns, id)));
    expect(await keys()).toHaveLength(1);
    expect(cmk.calls).toEqual(["wrap"]);
  });

  it("refuses a key whose row was changed by hand", async () => {
    const row = await seal(open(), 1);
    const { client } = database();
    const [{ id, scope } = { id: "", scope: "" }] = await keys();
    for (const [column, value] of [
      ["scope", '{"tenant":"b"}'],
      ["purpose", "index"],
    ] as const) {
      await client.query(`UPDATE envelope_keys SET ${column} = $1`, [value]);
      await refuses("ERR_ENVELOPE_DECRYPT", () => open().table("notes").open(row));
      await client.query("UPDATE envelope_keys SET scope = $1, purpose = 'values'", [
        String(scope),
      ]);
    }
    await client.query("UPDATE envelope_keys SET scope = 'x'");
    await refuses("ERR_ENVELOPE_FORMAT", () => open().table("notes").open(row));
    await client.query("DELETE FROM envelope_keys");
    const error = await refuses("ERR_ENVELOPE_NO_KEY", () => open().table("notes").open(row));
    expect(error.message).toContain(String(id));
  });

  it("converts values synchronously within a scope", async () => {
    const columns = open();
    const { seal: toDriver, open: fromDriver } = columns.table("tags").converter("text");
    const stored = await columns.within({ tenant: "a" }, () => toDriver("x"));
    expect(stored).toMatch(/^~w/);
    expect(await open().within({ tenant: "a" }, () => 1)).toBe(1);
    const other = open();
    const read = other.table("tags").converter("text").open;
    expect(await other.within({ tenant: "a" }, () => [read(stored), read(null)])).toEqual([
      "x",
      null,
    ]);
    await refuses("ERR_ENVELOPE_DECRYPT", () => other.within({ tenant: "b" }, () => read(stored)));
    await refuses("ERR_ENVELOPE_NOT_HELD", () => {
      const third = open();
      return third.within({ tenant: "b" }, () =>
        third.table("tags").converter("text").open(stored),
      );
    });
    expect(() => fromDriver(stored)).toThrow("within");
    await refuses("ERR_ENVELOPE_FORMAT", () =>
      columns.within({ tenant: "a" }, () => fromDriver("x")),
    );
    expect(() => columns.table("notes").converter("text")).toThrow(TypeError);
  });

  it("refuses rows without what their values are bound to", async () => {
    const columns = open();
    await expect(columns.table("notes").seal({ tenant: "a", text: "x" } as never)).rejects.toThrow(
      "the row of notes has no id",
    );
    await expect(columns.table("notes").seal({ id: 1, text: "x" } as never)).rejects.toThrow(
      "has no tenant",
    );
    await expect(columns.table("notes").seal({ id: 1.5, tenant: "a", text: "x" })).rejects.toThrow(
      TypeError,
    );
    await expect(
      columns.table("notes").seal({ id: 1, tenant: "a", text: 1 as never }),
    ).rejects.toThrow("notes.text: the value is not well-formed text");
  });
});
