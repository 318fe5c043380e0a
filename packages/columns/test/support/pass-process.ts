/**
 * A pass in a process of its own, which kills itself at its n-th statement: before it, or after it when n ends in
 * a half. Arguments: the database, the pass, n.
 */
import { DatabaseSync } from "node:sqlite";
import { pg, reencrypt, reindex, rewrapKeys, sqlite, type SqlClient } from "@env/columns";
import { Pool } from "pg";
import { passColumns } from "./pass-columns.ts";

const [url = "", pass = "", at = ""] = process.argv.slice(2);

/** Kills the process at a statement, whoever runs it. */
function killing(client: SqlClient): SqlClient {
  let statements = 0;
  const over = (inner: SqlClient): SqlClient => ({
    dialect: inner.dialect,
    async query(...args) {
      statements++;
      if (statements === Number(at)) process.kill(process.pid, "SIGKILL");
      const rows = await inner.query(...args);
      if (statements === Number(at) - 0.5) process.kill(process.pid, "SIGKILL");
      return rows;
    },
    transaction: (work) => inner.transaction((nested) => work(over(nested))),
  });
  return over(client);
}

const pool = url.startsWith("postgres") ? new Pool({ connectionString: url }) : undefined;
const database = pool ?? new DatabaseSync(url, { timeout: 10_000 });
const columns = passColumns(killing("exec" in database ? sqlite(database) : pg(database)));
if (pass === "reencrypt") await reencrypt(columns, { batch: 4, concurrency: 2 });
else if (pass === "index") await reindex(columns, { batch: 4, newIndexKey: true });
else await rewrapKeys(columns, { concurrency: 2 });
await pool?.end();
console.log("finished");
