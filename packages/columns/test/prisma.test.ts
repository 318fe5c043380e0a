/** Prisma 7: the generated client and the extension, on a real PostgreSQL. */
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Columns, defineTables, pg, prismaExtension, type PrismaExtension } from "@env/columns";
import { generatePrisma } from "@env/testkit/prisma";
import { PrismaPg } from "@prisma/adapter-pg";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newPostgresDatabase, noPostgres } from "./support/databases.ts";
import { FixedCmk } from "./support/fixed-cmk.ts";
import { refuses } from "./support/refuses.ts";

const tables = defineTables({
  users: {
    key: ["id"],
    scope: { tenant: "tenant" },
    columns: {
      email: { type: "text", form: "text", index: { column: "emailIndex", rule: "email" } },
      avatar: { type: "bytes" },
    },
    names: { emailIndex: "email_index" },
  },
  accounts: {
    key: ["tenant", "number"],
    scope: { tenant: "tenant" },
    indexScope: { tenant: "tenant" },
    columns: { holder: { type: "text", form: "text", index: { column: "holderIndex" } } },
    names: { userId: "user_id", holderIndex: "holder_index" },
  },
});

/** What these tests use of the client, whose types exist after it was generated. The tutorial has those checked. */
type Operation =
  | "count"
  | "create"
  | "createMany"
  | "deleteMany"
  | "findFirst"
  | "findMany"
  | "findUnique"
  | "update"
  | "upsert";
type Model = Readonly<Record<Operation, (args: object) => Promise<unknown>>>;
interface Client {
  readonly user: Model;
  readonly account: Model;
  readonly plain: Model;
  $extends(extension: PrismaExtension): Client;
  $transaction<T>(work: ((inner: Client) => Promise<T>) | readonly Promise<T>[]): Promise<T>;
  $disconnect(): Promise<void>;
}

describe.skipIf(noPostgres !== undefined)("the extension of Prisma", () => {
  const folder = mkdtempSync(join(tmpdir(), "columns-prisma-"));
  let pool: Pool;
  let columns: Columns<typeof tables>;
  let client: Client;
  let db: Client;

  beforeAll(async () => {
    copyFileSync(join(import.meta.dirname, "support/schema.prisma"), join(folder, "schema.prisma"));
    symlinkSync(join(import.meta.dirname, "../node_modules"), join(folder, "node_modules"));
    generatePrisma(folder);
    const url = await newPostgresDatabase();
    pool = new Pool({ connectionString: url });
    await pool.query(`
      CREATE TABLE users (id text PRIMARY KEY, tenant text NOT NULL, email text, email_index bytea UNIQUE, avatar bytea);
      CREATE TABLE accounts (tenant text, number integer, user_id text NOT NULL REFERENCES users, holder text NOT NULL,
        holder_index bytea, PRIMARY KEY (tenant, number));
      CREATE TABLE "Plain" (id text PRIMARY KEY, note text NOT NULL);`);
    columns = new Columns({ envelope: new FixedCmk().envelope(), client: pg(pool), tables });
    await columns.migrate();
    const generated = await import(pathToFileURL(join(folder, "client/client.ts")).href);
    client = new generated.PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
    db = client.$extends(prismaExtension(columns, client));
  });
  afterAll(async () => {
    await client.$disconnect();
    await pool.end();
    rmSync(folder, { recursive: true });
  });

  const stored = async (id: string): Promise<{ email: string | null; avatar: Buffer | null }> =>
    (await pool.query("SELECT email, avatar FROM users WHERE id = $1", [id])).rows[0];

  it("writes values encrypted, reads them, and leaves null", async () => {
    const data = { id: "1", tenant: "a", email: "Ada@example.com", avatar: Uint8Array.of(1, 2) };
    const created = await db.user.create({ data });
    expect(created).toMatchObject({ id: "1", email: "Ada@example.com" });
    const { email, avatar } = await stored("1");
    expect(email).toMatch(/^~[\w-]+$/);
    expect(avatar?.length).toBe(82);
    const rows = [
      { id: "2", tenant: "a", email: null },
      { id: "3", tenant: "b" },
    ];
    expect(await db.user.createMany({ data: rows })).toEqual({ count: 2 });
    expect(await db.user.findMany({ orderBy: { id: "asc" } })).toMatchObject([
      { email: "Ada@example.com", avatar: Uint8Array.of(1, 2) },
      { email: null, avatar: null },
      { email: null },
    ]);
  });

  it("finds by equality, within other conditions", async () => {
    await db.user.create({ data: { id: "f1", tenant: "f", email: "eve@example.com" } });
    await db.user.create({ data: { id: "f2", tenant: "f", email: "mel@example.com" } });
    const ids = async (where: object): Promise<string[]> => {
      const rows = (await db.user.findMany({ where, orderBy: { id: "asc" } })) as { id: string }[];
      return rows.map(({ id }) => id);
    };
    expect(await ids({ email: "EVE@example.com" })).toEqual(["f1"]);
    expect(await ids({ tenant: "f", email: { equals: "eve@example.com" } })).toEqual(["f1"]);
    expect(await ids({ tenant: "other", email: "eve@example.com" })).toEqual([]);
    expect(await ids({ email: { in: ["eve@example.com", "mel@example.com"] } })).toEqual([
      "f1",
      "f2",
    ]);
    expect(await ids({ tenant: "f", NOT: { email: "eve@example.com" } })).toEqual(["f2"]);
    expect(await ids({ OR: [{ email: "mel@example.com" }, { id: "f1" }] })).toEqual(["f1", "f2"]);
    expect(await db.user.count({ where: { email: "mel@example.com" } })).toBe(1);
    await expect(ids({ email: { startsWith: "eve" } })).rejects.toThrow(TypeError);
    await expect(ids({ avatar: Uint8Array.of(1) })).rejects.toThrow("needs a blind index");
    await expect(db.account.findMany({ where: { holder: "Eve" } })).rejects.toThrow(TypeError);
    const same = db.user.create({ data: { id: "f3", tenant: "f", email: "Eve@example.com" } });
    await expect(same).rejects.toMatchObject({ code: "P2002" });
  });

  it("changes a row that the filter names with everything its values are bound to", async () => {
    await db.user.create({ data: { id: "u1", tenant: "u", email: "old@example.com" } });
    const where = { id: "u1", tenant: "u" };
    const data = { email: { set: "new@example.com" } };
    expect(await db.user.update({ where, data })).toMatchObject({ email: "new@example.com" });
    await expect(db.user.update({ where: { id: "u1" }, data })).rejects.toThrow("has no tenant");
    expect(await db.user.findFirst({ where: { email: "old@example.com" } })).toBeNull();
    const row = { id: "u2", tenant: "u", email: "up@example.com" };
    const upsert = {
      where: { id: "u2", tenant: "u" },
      create: row,
      update: { email: "x@example.com" },
    };
    expect(await db.user.upsert(upsert)).toMatchObject({ email: "up@example.com" });
    expect(await db.user.upsert(upsert)).toMatchObject({ email: "x@example.com" });
    expect(await db.user.deleteMany({ where: { email: "x@example.com" } })).toEqual({ count: 1 });
  });

  it("covers nested writes, relations that are read along, and filters of relations", async () => {
    const account = { tenant: "n", number: 7, holder: "Grace" };
    const user = {
      id: "n1",
      tenant: "n",
      email: "grace@example.com",
      accounts: { create: account },
    };
    await db.user.create({ data: user });
    const { rows } = await pool.query("SELECT holder FROM accounts WHERE tenant = 'n'");
    expect(rows[0].holder).toMatch(/^~/);
    const read = await db.user.findUnique({ where: { id: "n1" }, include: { accounts: true } });
    expect(read).toMatchObject({ email: "grace@example.com", accounts: [{ holder: "Grace" }] });
    const some = { some: { tenant: "n", holder: "Grace" } };
    expect(await db.user.findMany({ where: { accounts: some } })).toHaveLength(1);
    const where = { tenant_number: { tenant: "n", number: 7 } };
    const update = {
      where,
      data: {
        holder: "Hopper",
        user: { update: { where: { id: "n1", tenant: "n" }, data: { email: "h@example.com" } } },
      },
    };
    await db.account.update(update);
    expect(
      await db.account.findFirst({
        where: { tenant: "n", holder: "Hopper" },
        include: { user: true },
      }),
    ).toMatchObject({ holder: "Hopper", user: { email: "h@example.com" } });
  });

  it("seals the data of a relation to one row, also where a field of it is called data", async () => {
    const { query } = prismaExtension(columns, client);
    const user = { id: "n1", tenant: "n", email: "hidden@example.com" };
    for (const update of [user, { ...user, data: { kind: "a" } }, { data: user }]) {
      const sent = await query.$allModels.$allOperations({
        model: "Account",
        operation: "update",
        args: { where: {}, data: { user: { update } } },
        query: async (args) => {
          expect(JSON.stringify(args)).toContain("~");
          expect(JSON.stringify(args)).not.toContain("hidden");
        },
      });
      expect(sent).toBeUndefined();
    }
  });

  it("works in transactions, and leaves other models alone", async () => {
    const failed = db.$transaction(async (inner) => {
      await inner.user.create({ data: { id: "t1", tenant: "t", email: "t@example.com" } });
      throw new Error("rolled back");
    });
    await expect(failed).rejects.toThrow("rolled back");
    const write = (id: string) =>
      db.user.create({ data: { id, tenant: "t", email: `${id}@example.com` } });
    expect(await db.$transaction([write("t2"), write("t3")])).toMatchObject([
      { email: "t2@example.com" },
      { email: "t3@example.com" },
    ]);
    expect(await db.user.count({ where: { tenant: "t" } })).toBe(2);
    expect(await db.plain.create({ data: { id: "p", note: "as it is" } })).toEqual({
      id: "p",
      note: "as it is",
    });
  });

  it("refuses values of another row, and values that are not encrypted", async () => {
    await db.user.create({ data: { id: "s1", tenant: "s", email: "s1@example.com" } });
    await db.user.create({ data: { id: "s2", tenant: "s", email: "s2@example.com" } });
    await pool.query(
      "UPDATE users SET email = (SELECT email FROM users WHERE id = 's1') WHERE id = 's2'",
    );
    await refuses("ERR_ENVELOPE_DECRYPT", () => db.user.findUnique({ where: { id: "s2" } }));
    await pool.query("UPDATE users SET email = 'by hand' WHERE id = 's2'");
    await refuses("ERR_ENVELOPE_FORMAT", () => db.user.findUnique({ where: { id: "s2" } }));
    const selected = db.user.findUnique({ where: { id: "s1" }, select: { email: true } });
    await expect(selected).rejects.toThrow("select it too");
  });

  it("refuses a schema that does not have what is defined", async () => {
    const open = (definitions: Parameters<typeof defineTables>[0]): Columns<typeof definitions> =>
      new Columns({ envelope: new FixedCmk().envelope(), client: pg(pool), tables: definitions });
    const extend = (definitions: Parameters<typeof defineTables>[0]) => () =>
      prismaExtension(open(definitions), client);
    const { users } = tables;
    expect(extend({ people: users })).toThrow(
      "no model of this Prisma Client has the table people",
    );
    const bytes = { ...users, columns: { email: { type: "text" } } } as const;
    expect(extend({ users: bytes })).toThrow("User.email must be Bytes in the schema");
    expect(() => prismaExtension(columns, {})).toThrow(TypeError);
  });
});
