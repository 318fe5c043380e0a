/**
 * Re-encrypts and re-indexes a large table of a PostgreSQL of its own, and prints what that took.
 *
 *     node --conditions=@env/source packages/columns/acceptance/large-table.ts [rows]
 *
 * @module
 */
import { Columns, defineTables, pg, reencrypt, report } from "@env/columns";
import { startPostgres } from "@env/testkit/postgres";
import { Pool } from "pg";
import { FixedCmk } from "../test/support/fixed-cmk.ts";

const ROWS = Number(process.argv[2] ?? 300_000);
const AT_ONCE = 2000;
const tables = defineTables({
  people: {
    key: ["id"],
    scope: { tenant: "tenant" },
    columns: { email: { type: "text", index: { column: "email_index", rule: "email" } } },
  },
});

const server = await startPostgres({ settings: { shared_buffers: "256MB" } });
if (typeof server === "string") {
  console.log(`skipped, because ${server}`);
  process.exit();
}
const pool = new Pool({ connectionString: server.url });
pool.on("error", () => undefined); // The server ends before the last connection has.
try {
  const cmk = new FixedCmk();
  const columns = new Columns({
    envelope: cmk.envelope(),
    client: pg(pool),
    tables,
    writeLease: 1000,
  });
  await columns.migrate();
  await pool.query(
    "CREATE TABLE people (id bigint PRIMARY KEY, tenant text, email bytea, email_index bytea)",
  );
  await timed(`${ROWS} rows encrypted, indexed and written`, async () => {
    for (let from = 0; from < ROWS; from += AT_ONCE) {
      const rows = await columns.table("people").sealAll(
        Array.from({ length: Math.min(AT_ONCE, ROWS - from) }, (_, at) => ({
          id: from + at,
          tenant: `t${at % 10}`,
          email: `person.${from + at}@example.com`,
        })),
      );
      const json = JSON.stringify(
        rows.map(({ id, tenant, email, email_index: index }) => ({
          id,
          tenant,
          email: Buffer.from(email).toString("hex"),
          index: Buffer.from(index ?? []).toString("hex"),
        })),
      );
      await pool.query(
        `INSERT INTO people SELECT id, tenant, decode(email, 'hex'), decode(index, 'hex')
         FROM json_to_recordset($1) AS r(id bigint, tenant text, email text, index text)`,
        [json],
      );
    }
  });
  await pool.query("CREATE INDEX people_email ON people (email_index)");
  cmk.calls.length = 0;
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 100);
  const result = await timed("re-encrypted and re-indexed", () =>
    reencrypt(columns, { newIndexKey: true }),
  );
  clearInterval(watch);
  console.log(
    `  ${JSON.stringify(result.tables["people"])}, ${result.remaining} values under old keys`,
  );
  console.log(
    `  ${cmk.calls.length} calls to the KMS, at most ${Math.round(most / 2 ** 20)} MiB of memory`,
  );
  const { retired } = await timed("reported", () => report(columns));
  console.log(`  ${retired} values under retired data keys`);
} finally {
  await pool.end();
  await server.stop();
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const from = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  console.log(
    `${what}: ${((performance.now() - from) / 1000).toFixed(1)} s, ` +
      `${((user + system) / 1000 / ROWS).toFixed(3)} s of this process's CPU per 1,000 rows`,
  );
  return result;
}
