/** What PostgreSQL does to a pass: connections that end or break, deadlocks, serialization failures, rows that change. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { pg, reencrypt, reindex, report, rewrapKeys, type SqlClient } from "@env/columns";
import { Pool, type PoolConfig } from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newPostgresDatabase, noPostgres } from "./support/databases.ts";
import { passColumns } from "./support/pass-columns.ts";

const ROWS = 120;
/** Longer than a batch takes, so that it asks for its data keys once. */
const LEASE = { writeLease: 500 };
const passes = {
  reencrypt: async (client: SqlClient) => {
    expect(await reencrypt(passColumns(client, LEASE), { batch: 10 })).toMatchObject({
      remaining: 0,
    });
  },
  index: (client: SqlClient) =>
    reindex(passColumns(client, LEASE), { batch: 10, newIndexKey: true }),
  rewrap: (client: SqlClient) => rewrapKeys(passColumns(client, LEASE), { concurrency: 2 }),
};

/** Hands on what two sides say, and breaks every connection after some bytes of PostgreSQL's answers. */
async function breakingProxy(
  url: string,
  bytes: number,
): Promise<{ url: string; breaks: () => number; server: Server }> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let [passed, breaks] = [0, 0];
  const server = createServer((client) => {
    const database = connect(Number(port), hostname);
    for (const socket of [client, database]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => (sockets.delete(socket), client.destroy(), database.destroy()));
    }
    client.pipe(database);
    database.on("data", (data: Buffer) => {
      passed += data.length;
      if (passed < bytes) {
        client.write(data);
        return;
      }
      [passed, breaks] = [0, breaks + 1];
      // Only a part of an answer arrives.
      client.write(data.subarray(0, data.length >> 1), () => {
        for (const socket of sockets) socket.resetAndDestroy();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxied = new URL(url);
  proxied.port = String((server.address() as AddressInfo).port);
  return { url: proxied.href, breaks: () => breaks, server };
}

describe.skipIf(noPostgres !== undefined)("a pass on PostgreSQL", () => {
  let url: string;
  let admin: Pool;
  const pools: Pool[] = [];
  const open = (options: PoolConfig): Pool => {
    const pool = new Pool({ max: 4, ...options });
    pool.on("error", () => undefined); // An application without this ends with the connection.
    pools.push(pool);
    return pool;
  };
  const people = () => passColumns(pg(admin)).table("people");
  const read = async (): Promise<unknown[]> => {
    const { rows } = await admin.query("SELECT id, tenant, email FROM people ORDER BY id");
    return (await people().openAll(rows)).map(({ id, email }: { id?: number; email?: unknown }) => [
      id,
      email,
    ]);
  };
  const update = async (
    id: number,
    email: string,
    on: Pick<Pool, "query"> = admin,
  ): Promise<void> => {
    const row = await people().seal({ id, tenant: `t${id % 3}`, email });
    const values = [id, row.email, row.email_index];
    await on.query("UPDATE people SET email = $2, email_index = $3 WHERE id = $1", values);
  };
  /** Waits until a statement of the pass waits for a lock. */
  const blocked = async (): Promise<void> => {
    const waiting =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while ((await admin.query(waiting)).rows.length === 0) await setTimeout(5);
  };

  beforeEach(async () => {
    url = await newPostgresDatabase();
    admin = open({ connectionString: url });
    const columns = passColumns(pg(admin), { before: true });
    await columns.migrate();
    await admin.query(
      "CREATE TABLE people (id integer PRIMARY KEY, tenant text, email bytea, email_index bytea)",
    );
    const rows = Array.from({ length: ROWS }, (_, id) => ({
      id,
      tenant: `t${id % 3}`,
      email: `first ${id}`,
    }));
    for (const row of await columns.table("people").sealAll(rows)) {
      const values = [row.id, row.tenant, row.email, row.email_index];
      await admin.query("INSERT INTO people VALUES ($1, $2, $3, $4)", values);
    }
  });
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.end()));
  });

  it("fails a transaction whose connection is lost between two statements, and nothing else", async () => {
    const client = pg(open({ connectionString: url }));
    const failed = client.transaction(async (inner) => {
      const [row] = await inner.query("SELECT pg_backend_pid() AS pid");
      const isThere = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1";
      while ((await admin.query(isThere, [row?.["pid"]])).rows.length > 0) await setTimeout(5);
      await inner.query("SELECT 1");
    });
    await expect(failed).rejects.toThrow(/terminat|not queryable/);
    expect(await client.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  it.each(["reencrypt", "index", "rewrap"] as const)(
    "survives backends that are terminated: %s",
    async (pass) => {
      const before = await read();
      const pool = open({ connectionString: url, application_name: "pass" });
      let terminated = 0;
      let statements = 0;
      const ending = (inner: SqlClient): SqlClient => ({
        dialect: inner.dialect,
        async query(...args) {
          if (statements++ % 9 === 4) {
            const { rows } = await admin.query(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pass'",
            );
            terminated += rows.length;
          }
          return inner.query(...args);
        },
        transaction: (work) => inner.transaction((nested) => work(ending(nested))),
      });
      await passes[pass](ending(pg(pool)));
      expect(terminated).toBeGreaterThan(0);
      expect(await read()).toEqual(before);
      if (pass === "reencrypt") expect((await report(passColumns(pg(admin)))).retired).toBe(0);
      expect((await admin.query("SELECT name FROM envelope_passes")).rows).toEqual([]);
    },
  );

  it.each(["reencrypt", "index"] as const)(
    "survives connections that break in the middle of an answer: %s",
    async (pass) => {
      const before = await read();
      const proxy = await breakingProxy(url, 12_000);
      const pool = open({ connectionString: proxy.url });
      await passes[pass](pg(pool));
      await pool.end();
      pools.splice(pools.indexOf(pool), 1);
      proxy.server.close();
      expect(proxy.breaks()).toBeGreaterThan(1);
      expect(await read()).toEqual(before);
    },
  );

  it("survives a deadlock with a writer, which PostgreSQL ends by failing its statement", async () => {
    const writer = await admin.connect();
    // The pass finds the deadlock, not the writer.
    await writer.query("SET deadlock_timeout = '60s'");
    await writer.query("BEGIN");
    await update(ROWS - 1, "by the writer", writer);
    const pass = reencrypt(passColumns(pg(open({ connectionString: url })), LEASE), {
      batch: ROWS,
    });
    await blocked();
    await update(0, "by the writer", writer);
    await writer.query("COMMIT");
    writer.release(true);
    expect(await pass).toMatchObject({ remaining: 0, tables: { people: { failed: 0 } } });
    const rows = await read();
    expect([rows[0], rows[1], rows.at(-1)]).toEqual([
      [0, "by the writer"],
      [1, "first 1"],
      [ROWS - 1, "by the writer"],
    ]);
    await expect.poll(deadlocks, { timeout: 60_000 }).toBe(1);
  });
  const deadlocks = async (): Promise<number> => {
    const sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    return Number((await admin.query(sql)).rows[0].deadlocks);
  };

  it.each(["repeatable read", "serializable"])(
    "survives serialization failures: %s",
    async (level) => {
      const options = `-c default_transaction_isolation=${level.replace(" ", "\\ ")}`;
      const codes: unknown[] = [];
      const watched = (inner: SqlClient): SqlClient => ({
        dialect: inner.dialect,
        query: (...args) =>
          inner.query(...args).catch((error: { code?: unknown }) => {
            codes.push(error.code);
            throw error;
          }),
        transaction: (work) => inner.transaction((nested) => work(watched(nested))),
      });
      const writer = await admin.connect();
      await writer.query("BEGIN");
      await update(7, "by the writer", writer);
      const pass = reencrypt(
        passColumns(watched(pg(open({ connectionString: url, options }))), LEASE),
        {
          batch: ROWS,
        },
      );
      await blocked();
      await writer.query("COMMIT");
      writer.release();
      expect(await pass).toMatchObject({ remaining: 0, tables: { people: { failed: 0 } } });
      expect(codes).toEqual(["40001"]);
      expect((await read())[7]).toEqual([7, "by the writer"]);
    },
  );

  it("keeps a row that is changed twice, and misses none that is deleted, between a read and a write", async () => {
    // A writer that does not know yet that its data key was retired.
    const writer = passColumns(pg(admin), { writeLease: 60_000 }).table("people");
    const row = { id: 3, tenant: "t0" };
    await writer.seal({ ...row, email: "leased" });
    let rounds = 0;
    const disturbed = (inner: SqlClient): SqlClient => ({
      dialect: inner.dialect,
      async query(...args) {
        if (args[0].startsWith('UPDATE "people"')) {
          rounds++;
          // In the first two rounds, what was read is not there any more.
          if (rounds <= 2) {
            const { email } = await writer.seal({ ...row, email: `change ${rounds}` });
            await admin.query("UPDATE people SET email = $1 WHERE id = 3", [email]);
          }
          if (rounds === 1) await admin.query("DELETE FROM people WHERE id = 5");
        }
        return inner.query(...args);
      },
      transaction: (work) => inner.transaction((nested) => work(disturbed(nested))),
    });
    const pass = await reencrypt(passColumns(disturbed(pg(admin)), LEASE), { batch: ROWS });
    expect(pass).toMatchObject({ remaining: 0, tables: { people: { failed: 0 } } });
    const rows = await read();
    expect(rows).toHaveLength(ROWS - 1);
    expect([rows[3], rows[4], rows[5]]).toEqual([
      [3, "change 2"],
      [4, "first 4"],
      [6, "first 6"],
    ]);
  });
});
