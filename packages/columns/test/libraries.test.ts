/** The libraries that applications use, as the README shows them: the real ones, on real databases. */
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { Columns, defineTables, pg, postgres, sqlite, type SqlClient } from "@env/columns";
import BetterSqlite from "better-sqlite3";
import { and, eq, inArray } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { customType, pgTable, text } from "drizzle-orm/pg-core";
import { Kysely, PostgresDialect } from "kysely";
import { Pool } from "pg";
import postgresjs from "postgres";
import { DataSource, EntitySchema } from "typeorm";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { newPostgresDatabase, noPostgres } from "./support/databases.ts";
import { FixedCmk } from "./support/fixed-cmk.ts";

const tables = defineTables({
  users: {
    key: ["id"],
    scope: { tenant: "tenant" },
    columns: { email: { type: "text", index: { column: "email_index", rule: "email" } } },
  },
  /** For converters, which do not see the row. */
  cards: {
    key: [],
    scope: { tenant: "tenant" },
    indexScope: { tenant: "tenant" },
    columns: { holder: { type: "text", index: { column: "holder_index", rule: "caseless" } } },
  },
});

const open = (client: SqlClient) =>
  new Columns({ envelope: new FixedCmk().envelope(), client, tables });

/** Writes a row in a transaction, and another in one that fails. Returns what a search finds. */
async function roundTrip(client: SqlClient, bytes: string): Promise<readonly object[]> {
  const columns = open(client);
  const users = columns.table("users");
  await columns.migrate();
  await client.query(
    `CREATE TABLE users (id text PRIMARY KEY, tenant text, email ${bytes}, email_index ${bytes})`,
  );
  const row = { id: randomUUID(), tenant: "a", email: "Ada@example.com" };
  const sealed = await users.seal(row);
  const insert = (inner: SqlClient, id: string): Promise<unknown> =>
    inner.query("INSERT INTO users VALUES ($1, $2, $3, $4)", [
      id,
      sealed.tenant,
      sealed.email,
      sealed.email_index ?? null,
    ]);
  const failed = client.transaction(async (inner) => {
    await insert(inner, "never");
    throw new Error("rolled back");
  });
  await expect(failed).rejects.toThrow("rolled back");
  await client.transaction((inner) => insert(inner, row.id));
  const [hash] = await users.find("email", "ada@EXAMPLE.com");
  const found = await client.query("SELECT * FROM users WHERE email_index = $1", [hash ?? null]);
  return (await users.openAll(found)).map(({ email }) => ({ email }));
}

const ADA = [{ email: "Ada@example.com" }];

describe("SQLite", () => {
  it("is used through node:sqlite", async () => {
    expect(await roundTrip(sqlite(new DatabaseSync(":memory:")), "BLOB")).toEqual(ADA);
  });
  it("is used through better-sqlite3", async () => {
    expect(await roundTrip(sqlite(new BetterSqlite(":memory:")), "BLOB")).toEqual(ADA);
  });
});

describe.skipIf(noPostgres !== undefined)("PostgreSQL", () => {
  let url: string;
  let pool: Pool;
  beforeAll(async () => {
    url = await newPostgresDatabase();
    pool = new Pool({ connectionString: url });
    await open(pg(pool)).migrate();
    await pool.query(
      "CREATE TABLE cards (id text PRIMARY KEY, tenant text, holder bytea, holder_index bytea)",
    );
  });
  afterAll(() => pool.end());

  it("is used through pg", async () => {
    const own = new Pool({ connectionString: await newPostgresDatabase() });
    expect(await roundTrip(pg(own), "bytea")).toEqual(ADA);
    await own.end();
  });

  it("is used through postgres", async () => {
    const sql = postgresjs(await newPostgresDatabase(), { onnotice: () => undefined });
    expect(await roundTrip(postgres(sql), "bytea")).toEqual(ADA);
    await sql.end();
  });

  it("is used through Drizzle, with a type for the column, and null", async () => {
    const columns = open(pg(pool));
    const holder = columns.table("cards").converter("holder");
    const encrypted = customType<{ data: string; driverData: Uint8Array }>({
      dataType: () => holder.sqlType.postgres,
      toDriver: holder.seal,
      fromDriver: holder.open,
    });
    const bytea = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });
    const cards = pgTable("cards", {
      id: text().primaryKey(),
      tenant: text(),
      holder: encrypted(),
      holder_index: bytea(),
    });
    const db = drizzle(pool);
    await columns.within({ tenant: "drizzle" }, async () => {
      const card = { tenant: "drizzle", holder: "Ada" };
      const indexes = await columns.table("cards").indexes(card);
      await db.insert(cards).values({ id: "d1", ...card, ...indexes });
      await db.insert(cards).values({ id: "d2", tenant: "drizzle", holder: null });
      const scope = { tenant: "drizzle" };
      const hashes = await columns.table("cards").find("holder", "ADA", { scope });
      const found = await db
        .select()
        .from(cards)
        .where(and(eq(cards.tenant, "drizzle"), inArray(cards.holder_index, hashes)));
      expect(found.map((row) => [row.id, row.holder])).toEqual([["d1", "Ada"]]);
      expectTypeOf(found).items.toHaveProperty("holder").toEqualTypeOf<string | null>();
      const [empty] = await db.select().from(cards).where(eq(cards.id, "d2"));
      expect(empty?.holder).toBeNull();
    });
    const { rows } = await pool.query("SELECT holder FROM cards WHERE id = 'd1'");
    expect(Buffer.from(rows[0].holder).toString("latin1")).not.toContain("Ada");
  });

  it("is used through Kysely, with values bound to their row", async () => {
    const columns = open(pg(pool));
    await pool.query(
      "CREATE TABLE users (id text PRIMARY KEY, tenant text, email bytea, email_index bytea)",
    );
    interface Users {
      id: string;
      tenant: string;
      email: Uint8Array | null;
      email_index?: Uint8Array | null;
    }
    const db = new Kysely<{ users: Users }>({ dialect: new PostgresDialect({ pool }) });
    const users = columns.table("users");
    const sealed = await users.seal({ id: "k1", tenant: "kysely", email: "ada@example.com" });
    await db.insertInto("users").values(sealed).execute();
    const hashes = await users.find("email", "Ada@example.com");
    const found = await db
      .selectFrom("users")
      .selectAll()
      .where("email_index", "in", hashes)
      .execute();
    const opened = await users.openAll(found);
    expect(opened.map(({ id, email }) => [id, email])).toEqual([["k1", "ada@example.com"]]);
    expectTypeOf(opened).items.toHaveProperty("email").toEqualTypeOf<string | null>();
  });

  it("is used through TypeORM, with a transformer", async () => {
    const columns = open(pg(pool));
    const holder = columns.table("cards").converter("holder");
    interface Card {
      id: string;
      tenant: string;
      holder: string | null;
      holder_index?: Uint8Array | null;
    }
    const transformer = { to: holder.seal<string | null>, from: holder.open<unknown> };
    const Cards = new EntitySchema<Card>({
      name: "cards",
      columns: {
        id: { type: "text", primary: true },
        tenant: { type: "text" },
        holder: { type: "bytea", nullable: true, transformer },
        holder_index: { type: "bytea", nullable: true },
      },
    });
    const source = new DataSource({ type: "postgres", url, entities: [Cards] });
    await source.initialize();
    const cards = source.getRepository(Cards);
    await columns.within({ tenant: "typeorm" }, async () => {
      const card = { tenant: "typeorm", holder: "Grace" };
      await cards.save({ id: "t1", ...card, ...(await columns.table("cards").indexes(card)) });
      await cards.save({ id: "t2", tenant: "typeorm", holder: null });
      const found = await cards.find({ where: { tenant: "typeorm" }, order: { id: "ASC" } });
      expect(found.map((row) => [row.id, row.holder])).toEqual([
        ["t1", "Grace"],
        ["t2", null],
      ]);
    });
    await source.destroy();
  });
});
