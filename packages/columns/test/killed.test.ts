/** Passes that are killed at any of their statements, beside a writer, and that the next process finishes. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";
import { pg, report, sqlite, type SqlClient } from "@env/columns";
import { start } from "@env/testkit/programs";
import { Pool } from "pg";
import { describe, expect, it } from "vitest";
import { newPostgresDatabase, noPostgres } from "./support/databases.ts";
import { passColumns } from "./support/pass-columns.ts";

const ROWS = 24;
/** Every statement, before it and after it, or some of them. */
const STEP = process.env["SLOW"] === undefined ? 13.5 : 0.5;

/** Runs a pass in another process. Returns whether it was killed. */
async function runPass(url: string, pass: string, killedAt: number): Promise<boolean> {
  const child = start("pass-process", url, pass, String(killedAt));
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  expect(signal ?? code, `${pass} until ${killedAt}`).toBe(signal === null ? 0 : "SIGKILL");
  return signal !== null;
}

/** Returns how often a writer wrote beside it. */
async function runs(url: string, client: SqlClient, bytes: string, pass: string): Promise<number> {
  const columns = passColumns(client, { before: pass === "rewrap" });
  await columns.migrate();
  await client.query(
    `CREATE TABLE people (id integer PRIMARY KEY, tenant text, email ${bytes}, email_index ${bytes})`,
  );
  const expected = new Map<number, string>();
  const write = async (id: number, text: string): Promise<void> => {
    const row = await columns.table("people").seal({ id, tenant: `t${id % 3}`, email: text });
    await client.query(
      `INSERT INTO people (id, tenant, email, email_index) VALUES ($1, $2, $3, $4)
       ON CONFLICT (id) DO UPDATE SET email = excluded.email, email_index = excluded.email_index`,
      [row.id, row.tenant, row.email, row.email_index ?? null],
    );
    expected.set(id, text);
  };
  const check = async (): Promise<void> => {
    const people = passColumns(client).table("people");
    const rows = await people.openAll(await client.query("SELECT * FROM people"));
    expect(new Map(rows.map(({ id, email }) => [Number(id), email]))).toEqual(expected);
  };
  for (let id = 0; id < ROWS; id++) await write(id, `first ${id}`);

  let writes = 0;
  for (let at = 1, killed = true; killed; at += STEP) {
    // The next writers take data keys of their own, which only the first CMK wraps.
    if (pass === "rewrap") await client.query("UPDATE envelope_keys SET created = 0");
    const stop = new AbortController();
    const writing = (async () => {
      while (!stop.signal.aborted) {
        await write(writes % ROWS, `later ${writes}`);
        writes++;
        // SQLite answers at once, and nothing else would have a turn.
        await setTimeout(1);
      }
    })();
    killed = await runPass(url, pass, at);
    stop.abort();
    await writing;
    await check();
    await runPass(url, pass, Infinity);
    await check();
    if (pass === "rewrap") {
      const { cmks } = await report(columns);
      expect(new Set(cmks.map(({ dataKeys }) => dataKeys)).size).toBe(1);
    }
    if (pass === "reencrypt") expect((await report(columns)).retired).toBe(0);
    if (pass === "index") {
      const [hash, ...more] = await passColumns(client)
        .table("people")
        .find("email", expected.get(5) ?? "");
      expect(more).toEqual([]);
      const found = await client.query("SELECT id FROM people WHERE email_index = $1", [
        hash ?? null,
      ]);
      expect(found.map(({ id }) => Number(id))).toContain(5);
    }
    expect(await client.query("SELECT name FROM envelope_passes")).toEqual([]);
  }
  return writes;
}

describe.each(["reencrypt", "index", "rewrap"])("a killed %s", (pass) => {
  it("loses nothing on SQLite, and is finished by the next process", async () => {
    const folder = mkdtempSync(join(tmpdir(), "columns-"));
    const database = new DatabaseSync(join(folder, "db"), { timeout: 10_000 });
    try {
      expect(await runs(join(folder, "db"), sqlite(database), "BLOB", pass)).toBeGreaterThan(0);
    } finally {
      database.close();
      rmSync(folder, { recursive: true });
    }
  });

  it.skipIf(noPostgres !== undefined)(
    "loses nothing on PostgreSQL, and is finished by the next process",
    async () => {
      const url = await newPostgresDatabase();
      const pool = new Pool({ connectionString: url });
      try {
        expect(await runs(url, pg(pool), "bytea", pass)).toBeGreaterThan(0);
      } finally {
        await pool.end();
      }
    },
  );
});
