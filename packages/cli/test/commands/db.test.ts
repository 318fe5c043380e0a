import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Columns, pg, sqlite, verifyReceipt, type SqlClient } from "@env/columns";
import { Envelope } from "@env/core";
import { loadConfig, openCmks } from "@env/core/config";
import { openLocalFile } from "@env/local-file";
import { startPostgres } from "@env/testkit/postgres";
import { Pool } from "pg";
import { beforeEach, describe, expect, it } from "vitest";
import { project } from "../support/command.ts";

const tables = {
  people: {
    key: ["id"],
    scope: { subject: "id" },
    columns: { name: { type: "text", index: { column: "name_index" } } },
  },
} as const;

let env: Awaited<ReturnType<typeof project>>;
let location: string;
const db = (command: string, ...args: string[]): ReturnType<typeof env.run> =>
  env.run(["db", command, "--database", location, "--tables", env.path("tables.json"), ...args]);
const json = async (command: string, ...args: string[]): Promise<Record<string, unknown>> =>
  JSON.parse((await db(command, ...args, "--json")).stdout.toString());

/** Creates a project and three people in a database. */
async function fill(client: SqlClient, bytes: string): Promise<void> {
  writeFileSync(env.path("tables.json"), JSON.stringify(tables));
  await client.query(
    `CREATE TABLE people (id text PRIMARY KEY, name ${bytes}, name_index ${bytes})`,
  );
  const config = await loadConfig({
    file: env.path("envelope.config.json"),
    environment: "development",
  });
  const cmks = await openCmks(config, { "local-file": openLocalFile });
  const columns = new Columns({ envelope: new Envelope({ cmks }), client, tables, writeLease: 1 });
  await columns.migrate();
  for (const id of ["1", "2", "3"]) {
    const row = await columns.table("people").seal({ id, name: `name ${id}` });
    await client.query("INSERT INTO people VALUES ($1, $2, $3)", [
      row.id,
      row.name,
      row.name_index ?? null,
    ]);
  }
  for (const cmk of cmks) await cmk.close();
}

describe("envelope db", () => {
  beforeEach(async () => {
    env = await project();
    location = env.path("app.db");
    const database = new DatabaseSync(location);
    await fill(sqlite(database), "BLOB");
    database.close();
  });

  it("prints the statements for its tables, and runs them", async () => {
    const printed = await env.run(["db", "schema", "--dialect", "postgres"]);
    expect(printed.stdout.toString()).toContain("CREATE TABLE IF NOT EXISTS envelope_keys");
    expect((await env.run(["db", "schema", "--database", env.path("app.db")])).code).toBe(0);
  });

  it("reports what depends on a CMK, and fails while anything does", async () => {
    const found = await json("report");
    expect(found).toMatchObject({
      columns: [{ table: "people", column: "name", encrypted: 3, plaintext: 0 }],
      cmks: [{ provider: "local-file", dataKeys: 4, values: 3 }],
    });
    const [{ id }] = (found["keys"] as [{ id: string }]).filter(
      (key) => "values" in key && key.values === 1,
    ) as [{ id: string }];
    const old = await db("report", "--old", id);
    expect(old.code).not.toBe(0);
    expect(old.stdout.toString()).toContain("1 values depend on the old key");
    const none = await db("report", "--old", "000000000000");
    expect(none.code).toBe(0);
    expect(none.stdout.toString()).toMatch(/\n0 values depend on the old key\n$/);
  });

  it("rewraps data keys, and re-encrypts and indexes values", async () => {
    expect(await json("rewrap")).toMatchObject({ keys: 4, rewrapped: 0, failed: 0 });
    expect(await json("reencrypt", "--dry-run")).toMatchObject({ remaining: 3 });
    expect(await json("index", "--dry-run")).toMatchObject({ tables: { people: { rows: 3 } } });
  });

  it("shreds a person, and prints a receipt that verifies", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    writeFileSync(env.path("key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    const args = [
      "--scope",
      "subject=2",
      "--signing-key",
      env.path("key.pem"),
      "--fences",
      env.path("fences"),
    ];
    const receipt = await json("shred", ...args);
    expect(verifyReceipt(receipt as never, { subject: "2" }, publicKey)).toBe(true);
    const { keys } = await json("report");
    expect((keys as { state: string }[]).filter(({ state }) => state === "destroyed")).toHaveLength(
      1,
    );
  });

  it.each([
    [["--table", "none"], "no table"],
    [["--batch", "0"], "is not a whole number"],
    [["--scope", "tenant=a"], "has no pair"],
  ])("refuses %s", async (args, message) => {
    const ran = await db("reencrypt", ...args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(message);
  });
});

describe("envelope db, on PostgreSQL", () => {
  it("reports, rewraps, re-encrypts, indexes and shreds", async ({ skip, onTestFinished }) => {
    const server = await startPostgres({ settings: { fsync: "off" } });
    if (typeof server === "string") {
      skip(server);
      return;
    }
    onTestFinished(() => server.stop());
    env = await project();
    location = server.url;
    const pool = new Pool({ connectionString: location });
    pool.on("error", () => undefined); // The server may end before the last connection has.
    await fill(pg(pool), "bytea");
    expect((await env.run(["db", "schema", "--database", location])).code).toBe(0);
    const { keys } = await json("report");
    const leaked = (keys as { id: string; values: number }[]).find(({ values }) => values === 1);
    const id = leaked?.id ?? "";
    expect((await db("report", "--old", id)).code).not.toBe(0);
    expect(await json("rewrap")).toMatchObject({ keys: 4, failed: 0 });
    const options = ["--key", id, "--destroy", "--write-lease", "1"];
    expect(await json("reencrypt", ...options)).toMatchObject({ remaining: 0, destroyed: [id] });
    expect((await db("report", "--old", id)).stdout.toString()).toMatch(/\n0 values depend/);
    const before = (await pool.query("SELECT name_index FROM people ORDER BY id")).rows;
    const indexed = await json("index", "--new-index-key", "--write-lease", "1", "--batch", "2");
    expect(indexed).toMatchObject({ tables: { people: { rows: 3, failed: 0 } } });
    const after = (await pool.query("SELECT name_index FROM people ORDER BY id")).rows;
    expect(after).not.toEqual(before);
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    writeFileSync(env.path("key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    const receipt = await json(
      "shred",
      "--scope",
      "subject=3",
      "--signing-key",
      env.path("key.pem"),
    );
    expect(verifyReceipt(receipt as never, { subject: "3" }, publicKey)).toBe(true);
    await pool.end();
  });
});
