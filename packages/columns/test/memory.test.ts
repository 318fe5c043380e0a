/** What a pass over a large table needs: memory that does not grow with the rows, and one unwrap for each data key. */
import { DatabaseSync } from "node:sqlite";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Columns, defineTables, reencrypt, sqlite } from "@env/columns";
import { expect, it } from "vitest";
import { FixedCmk } from "./support/fixed-cmk.ts";

const ROWS = process.env["SLOW"] === undefined ? 4000 : 100_000;
const SCOPES = 8;
const BATCH = 100;

const tables = defineTables({
  people: {
    key: ["id"],
    scope: { tenant: "tenant" },
    columns: { email: { type: "text", index: { column: "email_index" } } },
  },
});

it("goes over any number of rows in the memory of a few batches, with one unwrap for each data key", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const database = new DatabaseSync("");
  const cmk = new FixedCmk();
  const open = (): Columns<typeof tables> => {
    const client = sqlite(database);
    return new Columns({ envelope: cmk.envelope(), client, tables, writeLease: 1000 });
  };
  const columns = open();
  await columns.migrate();
  database.exec(
    "CREATE TABLE people (id INTEGER PRIMARY KEY, tenant TEXT, email BLOB, email_index BLOB)",
  );
  const insert = database.prepare("INSERT INTO people VALUES (?, ?, ?, ?)");
  for (let from = 0; from < ROWS; from += 1000) {
    database.exec("BEGIN");
    const rows = Array.from({ length: 1000 }, (_, at) => ({
      id: from + at,
      tenant: `t${at % SCOPES}`,
      email: `person.${from + at}@example.com`,
    }));
    for (const row of await columns.table("people").sealAll(rows)) {
      insert.run(row.id, row.tenant, row.email, row.email_index ?? null);
    }
    database.exec("COMMIT");
  }

  cmk.calls.length = 0;
  const used = new Map<number, number>();
  const noted = new Set([ROWS / 10, ROWS]);
  const result = await reencrypt(open(), {
    batch: BATCH,
    onProgress({ counts: { rows } }) {
      if (!noted.delete(rows)) return;
      collect();
      const { heapUsed, external } = process.memoryUsage();
      used.set(rows, heapUsed + external);
    },
  });
  expect(result).toMatchObject({ remaining: 0, tables: { people: { failed: 0 } } });
  const growth = (used.get(ROWS) ?? Infinity) - (used.get(ROWS / 10) ?? 0);
  // A value that was kept of each row would be more than this at full size: SLOW=1.
  expect(growth).toBeLessThan(4 * 2 ** 20);
  // The old data keys of values; index keys are the same, and one was unwrapped for all.
  expect(cmk.calls.filter((call) => call === "unwrap")).toHaveLength(SCOPES + 1);
  database.close();
});
