/**
 * A pass in a process of its own, which kills itself at its n-th step: before it, or after it when n ends in a
 * half. Steps are statements, writes of the file of fences, and the notice of a receipt. It prints how many there
 * were. Arguments: the database, the pass, n; for `shred` also the file of fences and the tenant.
 */
import { DatabaseSync } from "node:sqlite";
import {
  fileFences,
  pg,
  reencrypt,
  reindex,
  rewrapKeys,
  sqlite,
  SubjectKeys,
  type FenceStore,
  type SqlClient,
} from "@env/columns";
import { Pool } from "pg";
import { passColumns, receiptKey } from "./pass-columns.ts";

const [url = "", pass = "", at = "", fenceFile = "", tenant = ""] = process.argv.slice(2);
let steps = 0;

/** Kills the process before or after a step, whoever takes it. */
async function step<T>(work: () => Promise<T>): Promise<T> {
  const mine = ++steps;
  if (mine === Number(at)) process.kill(process.pid, "SIGKILL");
  const result = await work();
  if (mine === Number(at) - 0.5) process.kill(process.pid, "SIGKILL");
  return result;
}

function killing(inner: SqlClient): SqlClient {
  return {
    dialect: inner.dialect,
    query: (...args) => step(() => inner.query(...args)),
    transaction: (work) => inner.transaction((nested) => work(killing(nested))),
  };
}

function killingFences(inner: FenceStore): FenceStore {
  return { ...inner, add: (hash) => step(() => inner.add(hash)) };
}

const pool = url.startsWith("postgres") ? new Pool({ connectionString: url }) : undefined;
const database = pool ?? new DatabaseSync(url, { timeout: 10_000 });
const fences = fenceFile === "" ? [] : [killingFences(fileFences(fenceFile))];
const client = killing("exec" in database ? sqlite(database) : pg(database));
const columns = passColumns(client, { fences });
if (pass === "reencrypt") await reencrypt(columns, { batch: 4, concurrency: 2 });
else if (pass === "index") await reindex(columns, { batch: 4, newIndexKey: true });
else if (pass === "rewrap") await rewrapKeys(columns, { concurrency: 2 });
else {
  const onShredded = (): Promise<void> => step(async () => undefined);
  const subjects = new SubjectKeys({ columns, signingKey: receiptKey(), onShredded });
  await subjects.shred({ tenant });
}
await pool?.end();
console.log(steps);
