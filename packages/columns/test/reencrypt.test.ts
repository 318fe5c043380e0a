import {
  Columns,
  defineTables,
  reencrypt,
  reindex,
  report,
  type SqlClient,
  type SqlRow,
} from "@env/columns";
import { beforeEach, expect, it } from "vitest";
import { describeDatabases, type TestDatabase } from "./support/databases.ts";
import { FixedCmk } from "./support/fixed-cmk.ts";
import { refuses } from "./support/refuses.ts";

const tables = defineTables({
  lines: {
    key: ["doc", "no"],
    scope: { tenant: "tenant" },
    columns: {
      email: { type: "text", index: { column: "email_index", rule: "email", partitions: 4 } },
      note: { type: "text", form: "text", pad: 32, plaintext: true },
      amount: { type: "bigint", plaintext: { from: "amount_old" } },
    },
  },
});

describeDatabases("reencrypt()", (database: () => TestDatabase) => {
  const cmk = new FixedCmk();
  const open = () =>
    new Columns({ envelope: cmk.envelope(), client: database().client, tables, writeLease: 20 });
  let columns: ReturnType<typeof open>;
  // Numbers of rows are past what a number in JavaScript holds.
  const select = (): Promise<readonly SqlRow[]> =>
    database().client.query(
      "SELECT doc, CAST(no AS text) AS no, tenant, email, note, amount, amount_old, email_index FROM lines ORDER BY doc, lines.no",
    );
  const plain = async (): Promise<unknown[]> =>
    (
      await open()
        .table("lines")
        .openAll(await select())
    ).map(({ doc, no, email, note, amount }) => [String(doc), Number(no), email, note, amount]);

  const insert = async (row: object): Promise<void> => {
    const names = Object.keys(row);
    const places = names.map((_, at) => `$${at + 1}`).join(", ");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what seal returns
    const values = Object.values(row) as never[];
    await database().client.query(
      `INSERT INTO lines (${names.join(", ")}) VALUES (${places})`,
      values,
    );
  };

  beforeEach(async () => {
    const { bytes, client } = database();
    columns = open();
    await columns.migrate();
    await client.query(
      `CREATE TABLE lines (doc text, no bigint, tenant text NOT NULL, email ${bytes}, note text, amount ${bytes},
       amount_old bigint, email_index ${bytes}, PRIMARY KEY (doc, no))`,
    );
    for (let no = 0; no < 60; no++) {
      const tenant = no % 3 === 0 ? "a" : "b";
      await insert(
        await columns.table("lines").seal({
          doc: `d${no % 7}`,
          no: 2n ** 53n + BigInt(no),
          tenant,
          email: `u${no % 10}@example.com`,
          note: no % 5 === 0 ? null : `note ${no}`,
          amount: BigInt(no),
        }),
      );
    }
  });

  it("moves every value off the old data keys, and destroys them", async () => {
    const before = await plain();
    const old = (await report(columns)).keys.filter(({ purpose }) => purpose === "values");
    const result = await reencrypt(columns, { destroy: true, batch: 7 });
    expect(result.tables["lines"]).toMatchObject({ changed: 60, failed: 0 });
    expect(result.remaining).toBe(0);
    expect(result.destroyed.toSorted()).toEqual(old.map(({ id }) => id).toSorted());
    expect(await plain()).toEqual(before);
    const after = await report(columns);
    expect(after.retired).toBe(0);
    expect(after.columns).toEqual([
      { table: "lines", column: "email", encrypted: 60, plaintext: 0 },
      { table: "lines", column: "note", encrypted: 48, plaintext: 0 },
      { table: "lines", column: "amount", encrypted: 60, plaintext: 0 },
    ]);
    const hashes = await open().table("lines").find("email", "U3@example.com");
    expect(hashes).toHaveLength(4);
    const found = await database().client.query(
      "SELECT doc FROM lines WHERE email_index IN ($1, $2, $3, $4)",
      hashes,
    );
    expect(found).toHaveLength(6);
  });

  it("leaves other tenants alone", async () => {
    const [first] = await select();
    const result = await reencrypt(columns, { scope: { tenant: "a" } });
    expect(result.tables["lines"]).toMatchObject({ rows: 20, changed: 20 });
    const { keys } = await report(columns, { scope: { tenant: "b" } });
    expect(keys.filter(({ state }) => state !== "active")).toEqual([]);
    expect(first).toBeDefined();
  });

  it("encrypts plaintext where the definition says so, and counts what is read before", async () => {
    await database().client.query(
      "UPDATE lines SET note = 'plain', amount = NULL, amount_old = 7 WHERE no % 2 = 0",
    );
    expect((await report(columns)).plaintext).toBe(30);
    const reader = open();
    const rows = await reader.table("lines").openAll(await select());
    expect(rows.filter(({ note, amount }) => note === "plain" && amount === 7n)).toHaveLength(30);
    expect(reader.plaintextReads.get("lines.note")).toBe(30);
    const result = await reencrypt(columns);
    expect(result.remaining).toBe(0);
    const strict = open();
    const after = await strict.table("lines").openAll(await select());
    expect(after.filter(({ note, amount }) => note === "plain" && amount === 7n)).toHaveLength(30);
    expect([...strict.plaintextReads.values()]).toEqual([]);
  });

  it("says what would change, and changes nothing", async () => {
    const before = await select();
    const result = await reencrypt(columns, { dryRun: true });
    expect(result).toEqual({
      tables: { lines: { rows: 60, changed: 0, failed: 0 } },
      remaining: 168,
      destroyed: [],
    });
    expect(await select()).toEqual(before);
  });

  it("goes on where it was stopped, with the keys that it began with", async () => {
    const controller = new AbortController();
    const stopped = reencrypt(columns, {
      batch: 5,
      concurrency: 1,
      signal: controller.signal,
      onProgress: ({ counts }) => counts.rows >= 20 && controller.abort(),
    });
    await expect(stopped).rejects.toThrow("aborted");
    const active = (await report(columns)).keys.filter(({ state }) => state === "active");
    const result = await reencrypt(open(), { batch: 5 });
    expect(result.tables["lines"]).toMatchObject({ rows: 60, changed: 60 });
    const later = (await report(columns)).keys.filter(({ state }) => state === "active");
    expect(later.map(({ id }) => id)).toEqual(expect.arrayContaining(active.map(({ id }) => id)));
    expect((await report(columns)).retired).toBe(0);
  });

  it("keeps what live writers write, and leaves nothing of theirs under an old key", async () => {
    const writer = open();
    const stop = new AbortController();
    let written = 0;
    const write = async (): Promise<void> => {
      for (let at = 0; !stop.signal.aborted; at = (at + 7) % 60) {
        const rows = await database().client.query(
          "SELECT doc, CAST(no AS text) AS no, tenant FROM lines",
        );
        const row = rows[at];
        if (row === undefined) continue;
        const sealed = await writer.table("lines").seal({ ...row, amount: BigInt(1000 + written) });
        await database().client.query(
          "UPDATE lines SET amount = $1 WHERE doc = $2 AND CAST(no AS text) = $3",
          [
            sealed.amount ?? null,
            String(row["doc"]),
            // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as it was read
            row["no"] as string,
          ],
        );
        written++;
      }
    };
    const writers = [write(), write()];
    const result = await reencrypt(columns, { batch: 4 });
    stop.abort();
    await Promise.all(writers);
    expect(result.remaining).toBe(0);
    expect(written).toBeGreaterThan(0);
    expect(await plain()).toHaveLength(60);
    expect((await report(columns)).retired).toBe(0);
  });

  it.each(["40P01", "40001", "57P01", "ECONNRESET"])(
    "does a batch again that failed with %s, and misses no row",
    async (code) => {
      const before = await plain();
      let statements = 0;
      const failing = (inner: SqlClient): SqlClient => ({
        dialect: inner.dialect,
        async query(...args) {
          const fails =
            /^(?:UPDATE "|SELECT CAST)/.test(args[0]) && [1, 4, 9].includes(statements++);
          const rows = await inner.query(...args);
          if (fails) throw Object.assign(new Error("not now"), { code });
          return rows;
        },
        transaction: (work) => inner.transaction((nested) => work(failing(nested))),
      });
      const client = failing(database().client);
      const unlucky = new Columns({ envelope: cmk.envelope(), client, tables, writeLease: 20 });
      const result = await reencrypt(unlucky, { batch: 10 });
      expect(result).toMatchObject({ remaining: 0, tables: { lines: { rows: 60, failed: 0 } } });
      expect(statements).toBeGreaterThan(6);
      expect(await plain()).toEqual(before);
    },
  );

  it("goes on when rows are deleted between a read and a write", async () => {
    const { client } = database();
    const deleting = (inner: SqlClient): SqlClient => ({
      dialect: inner.dialect,
      async query(...args) {
        const rows = await inner.query(...args);
        if (args[0].startsWith("SELECT CAST"))
          await inner.query("DELETE FROM lines WHERE doc = 'd3'");
        return rows;
      },
      transaction: (work) => inner.transaction(work),
    });
    const unlucky = new Columns({
      envelope: cmk.envelope(),
      client: deleting(client),
      tables,
      writeLease: 20,
    });
    expect((await reencrypt(unlucky)).remaining).toBe(0);
    const rows = await plain();
    expect(rows).toHaveLength(51);
    expect((await report(columns)).retired).toBe(0);
  });

  it("leaves rows that cannot be read as they are, and counts them", async () => {
    const [first, second] = await select();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as it was read
    const [email, no] = [first?.["email"], second?.["no"]] as [Uint8Array, string];
    const at = [email, String(second?.["doc"]), no] as const;
    await database().client.query(
      "UPDATE lines SET email = $1 WHERE doc = $2 AND CAST(no AS text) = $3",
      at,
    );
    const result = await reencrypt(columns);
    expect(result.tables["lines"]).toMatchObject({ changed: 59, failed: 1 });
    expect(result.remaining).toBe(3);
  });

  it("gives indexes a new key, and finds rows by either meanwhile", async () => {
    const table = open().table("lines");
    const before = await table.find("email", "u3@example.com");
    const result = await reindex(columns, { newIndexKey: true });
    expect(result.tables["lines"]).toEqual({ rows: 60, changed: 60, failed: 0 });
    const after = await open().table("lines").find("email", "u3@example.com");
    expect(after).toHaveLength(4);
    const count = async (hashes: readonly Uint8Array[]): Promise<number> =>
      (
        await database().client.query(
          "SELECT doc FROM lines WHERE email_index IN ($1, $2, $3, $4)",
          hashes,
        )
      ).length;
    expect([await count(before), await count(after)]).toEqual([0, 6]);
  });

  it("goes over a table once for new data keys and new index keys, after all writers have them", async () => {
    const rounds: number[] = [];
    const onProgress = ({ counts }: { readonly counts: { readonly rows: number } }): void => {
      rounds.push(counts.rows);
    };
    const result = await reencrypt(columns, { newIndexKey: true, onProgress });
    expect(result).toMatchObject({ remaining: 0, tables: { lines: { rows: 60, changed: 60 } } });
    expect(rounds).toEqual(rounds.toSorted((a, b) => a - b));
    const { client } = database();
    const active = await client.query(
      "SELECT scope_hash FROM envelope_keys WHERE purpose = 'index' AND state = 'active'",
    );
    expect(new Set(active.map((row) => row["scope_hash"])).size).toBe(active.length);
  });

  it("refuses options that cannot work", async () => {
    await expect(reencrypt(columns, { tables: ["none"] })).rejects.toThrow(TypeError);
    for (const part of [{ tables: ["lines"] }, { scope: { tenant: "t1" } }]) {
      await expect(reindex(columns, { newIndexKey: true, ...part })).rejects.toThrow(TypeError);
      await expect(reencrypt(columns, { newIndexKey: true, ...part })).rejects.toThrow(TypeError);
    }
    await expect(reencrypt(columns, { keys: ["x"] })).rejects.toThrow(TypeError);
    await expect(reencrypt(columns, { batch: 0 })).rejects.toThrow(RangeError);
    await expect(reencrypt(columns, { tables: ["lines"], destroy: true })).rejects.toThrow(
      TypeError,
    );
    await database().client.query("DROP TABLE lines");
    await refuses("ERR_ENVELOPE_CONFIG", () => reencrypt(columns));
  });
});
