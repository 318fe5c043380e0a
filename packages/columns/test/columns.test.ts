import { createHash } from "node:crypto";
import { join } from "node:path";
import { Columns, defineTables, fileFences, sqlFences } from "@env/columns";
import { encodeContext } from "@env/core";
import { tempFolder } from "@env/testkit/folder";
import { beforeEach, expect, it } from "vitest";
import { describeDatabases, type TestDatabase } from "./support/databases.ts";
import { FixedCmk } from "./support/fixed-cmk.ts";
import { refuses } from "./support/refuses.ts";

const tables = defineTables({
  users: {
    key: ["id"],
    scope: { tenant: "tenant" },
    columns: {
      email: { type: "text", index: { column: "email_index", rule: "email" } },
      note: { type: "text", form: "text" },
      born: { type: "date" },
      balance: { type: "bigint" },
    },
  },
});

const ada = {
  id: 1,
  tenant: "acme",
  email: "Ada@Example.com",
  note: "16 bytes of text",
  born: new Date("1815-12-10"),
  balance: -(2n ** 70n),
};

describeDatabases("Columns", (database: () => TestDatabase) => {
  const cmk = new FixedCmk();
  const open = (options: object = {}) =>
    new Columns({ envelope: cmk.envelope(), client: database().client, tables, ...options });
  let columns: ReturnType<typeof open>;

  const insert = async (row: Readonly<Record<string, unknown>>): Promise<void> => {
    const names = Object.keys(row);
    const places = names.map((_, at) => `$${at + 1}`).join(", ");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what seal returns
    const values = Object.values(row) as never[];
    await database().client.query(
      `INSERT INTO users (${names.join(", ")}) VALUES (${places})`,
      values,
    );
  };
  const select = (where = "1 = 1") =>
    database().client.query(`SELECT * FROM users WHERE ${where} ORDER BY id`);

  beforeEach(async () => {
    const { bytes, client } = database();
    columns = open();
    await columns.migrate();
    await client.query(
      `CREATE TABLE users (id integer PRIMARY KEY, tenant text NOT NULL, email ${bytes}, note text,
       born ${bytes}, balance ${bytes}, email_index ${bytes})`,
    );
    cmk.calls.length = 0;
  });

  it("reads what it has written, with types and with null, for one call to the KMS", async () => {
    const users = columns.table("users");
    await insert(await users.seal(ada));
    await insert(await users.seal({ ...ada, id: 2, email: null, born: null }));
    for (let id = 3; id < 30; id++) await insert(await users.seal({ ...ada, id }));
    const rows = await users.openAll(await select());
    expect(rows[0]).toEqual(ada);
    expect(rows[1]).toEqual({ ...ada, id: 2, email: null, born: null });
    expect(cmk.calls).toEqual(["wrap", "wrap"]); // The data key, and that of the index.
    cmk.calls.length = 0;
    expect(
      await open()
        .table("users")
        .openAll(await select()),
    ).toEqual(rows);
    expect(cmk.calls).toEqual(["unwrap"]);
  });

  it("stores 16 bytes of text in 96 bytes, and in 129 characters", async () => {
    const users = columns.table("users");
    const sealed = await users.seal({ ...ada, email: "16 bytes of text" });
    expect(sealed.email).toHaveLength(96);
    expect(sealed.note).toHaveLength(129);
  });

  it("refuses a value that was moved to another row, column or tenant, or was altered", async () => {
    const users = columns.table("users");
    const [one, two] = [
      await users.seal(ada),
      await users.seal({ ...ada, id: 2, tenant: "other" }),
    ];
    const altered = one.email.map((byte, at) => (at === 50 ? byte ^ 1 : byte));
    for (const row of [
      { ...two, email: one.email },
      { ...one, id: 3 },
      { ...one, tenant: "other" },
      { ...one, balance: one.email },
      { ...one, email: altered },
    ]) {
      await refuses("ERR_ENVELOPE_DECRYPT", () => users.open(row));
    }
  });

  it("refuses plaintext and values that were cut off", async () => {
    const users = columns.table("users");
    const row = await users.seal(ada);
    for (const email of ["ada", Buffer.from("ada"), row.email.subarray(0, 79), Buffer.alloc(0)]) {
      await refuses("ERR_ENVELOPE_FORMAT", () => users.open({ ...row, email }));
    }
    await refuses("ERR_ENVELOPE_DECRYPT", () =>
      users.open({ ...row, email: row.email.subarray(0, 90) }),
    );
    await refuses("ERR_ENVELOPE_NO_KEY", () =>
      users.open({ ...row, email: row.email.map((byte, at) => (at === 3 ? byte ^ 1 : byte)) }),
    );
  });

  it("finds rows by the normalised value", async () => {
    const users = columns.table("users");
    await insert(await users.seal(ada));
    await insert(await users.seal({ ...ada, id: 2, email: "other@example.com" }));
    const [hash] = await users.find("email", " ada@EXAMPLE.com ");
    const rows = await database().client.query("SELECT * FROM users WHERE email_index = $1", [
      hash ?? null,
    ]);
    expect((await users.openAll(rows)).map(({ id }) => Number(id))).toEqual([1]);
    expect(Object.keys((await users.openAll(rows))[0] ?? {})).not.toContain("email_index");
  });

  // Requirements: C6
  it("spreads the values of an index over partitions by their rows, whatever the values are", async () => {
    const index = { column: "email_index", rule: "email", partitions: 4 } as const;
    const partitioned = open({
      tables: defineTables({
        users: { ...tables.users, columns: { email: { type: "text", index } } },
      }),
    }).table("users");
    const partitionOf = async (id: number, email: string): Promise<number> => {
      const sealed = await partitioned.seal({ ...ada, id, email });
      const hashes = (await partitioned.find("email", email)).map((hash) => Buffer.from(hash));
      return hashes.findIndex((hash) => hash.equals(sealed.email_index ?? new Uint8Array()));
    };
    const found = new Set<number>();
    for (let id = 1; id <= 20; id++) {
      const place = encodeContext({ table: "users", column: "email", "row.id": `${id}` });
      const hash = createHash("sha256").update("env/columns/1/place\0").update(place).digest();
      const expected = hash.readUInt32BE() % 4;
      expect(await partitionOf(id, "ada@example.com")).toBe(expected);
      expect(await partitionOf(id, `${id}@example.com`)).toBe(expected);
      found.add(expected);
    }
    expect(found.size).toBe(4);
  });

  // Requirements: C7
  it("neither creates nor opens a data key of a scope that is fenced anywhere", async () => {
    const { client } = database();
    const file = fileFences(join(tempFolder(), "fences"));
    const fresh = () => open({ fences: [file] }).table("users");
    const fenceOf = (tenant: string): string =>
      createHash("sha256")
        .update("env/columns/1/fence\0")
        .update(encodeContext({ tenant }))
        .digest("hex");
    const keys = async (): Promise<number> =>
      (await client.query("SELECT id FROM envelope_keys")).length;
    for (const [tenant, fences] of [
      ["acme", sqlFences(client)],
      ["umbrella", file],
    ] as const) {
      const row = { ...ada, tenant };
      const sealed = await fresh().seal(row);
      const before = await keys();
      await fences.add(fenceOf(tenant));
      await refuses("ERR_ENVELOPE_SHREDDED", () => fresh().open(sealed));
      await refuses("ERR_ENVELOPE_SHREDDED", () => fresh().seal(row));
      await fences.add(fenceOf(`${tenant} without a key`));
      const keyless = { ...row, tenant: `${tenant} without a key` };
      await refuses("ERR_ENVELOPE_SHREDDED", () => fresh().seal(keyless));
      expect(await keys()).toBe(before);
    }
  });
});
