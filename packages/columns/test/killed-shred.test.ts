/** A shredding that is killed before and after each of its steps, and that the next one finishes. */
import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  fileFences,
  pg,
  report,
  sqlite,
  SubjectKeys,
  verifyReceipt,
  type SqlClient,
} from "@env/columns";
import { isEnvelopeError } from "@env/core";
import { tempFolder } from "@env/testkit/folder";
import { start } from "@env/testkit/programs";
import { Pool } from "pg";
import { describe, expect, it } from "vitest";
import { newPostgresDatabase, noPostgres } from "./support/databases.ts";
import { passColumns, receiptKey } from "./support/pass-columns.ts";
import { refuses } from "./support/refuses.ts";

/** What a shredding does, in order: two fences, the keys, and the receipt with what it says. */
const STEPS = 9;

/** Kills a shredding everywhere. Returns how many steps one has that is not killed. */
async function killEverywhere(url: string, client: SqlClient): Promise<number> {
  const file = join(tempFolder(), "fences");
  const columns = () => passColumns(client, { fences: [fileFences(file)] });
  await columns().migrate();
  const seal = (id: number, tenant: string) =>
    columns()
      .table("people")
      .seal({ id, tenant, email: `${tenant}@example.com` });
  const other = await seal(0, "other");
  const outcomes = new Set<string>();
  for (let at = 1; at <= STEPS + 0.5; at += 0.5) {
    const tenant = `killed-${at}`;
    const row = await seal(1, tenant);
    const child = start("pass-process", url, "shred", String(at), file, tenant);
    expect(await once(child, "exit"), `killed at ${at}`).toEqual([null, "SIGKILL"]);

    // Nothing is half-way: a value can be read until the first fence is durable, and never after that.
    const read = await columns()
      .table("people")
      .open(row)
      .then(
        () => "readable",
        (error: unknown) => (isEnvelopeError(error) ? error.code : String(error)),
      );
    expect(read, `killed at ${at}`).toBe(at === 1 ? "readable" : "ERR_ENVELOPE_SHREDDED");
    outcomes.add(read);

    const told: unknown[] = [];
    const subjects = new SubjectKeys({
      columns: columns(),
      signingKey: receiptKey(),
      onShredded: (receipt) => void told.push(receipt),
    });
    const kept = await subjects.receipt({ tenant });
    const receipt = await subjects.shred({ tenant });
    if (kept !== undefined) expect(receipt).toEqual(kept);
    expect(told).toEqual([receipt]);
    expect(await subjects.shred({ tenant })).toEqual(receipt);
    expect(verifyReceipt(receipt, { tenant }, createPublicKey(receiptKey()))).toBe(true);
    await refuses("ERR_ENVELOPE_SHREDDED", () => columns().table("people").open(row));
    await refuses("ERR_ENVELOPE_SHREDDED", () => seal(2, tenant));
    const facts: { keys: string[] } = JSON.parse(receipt.text);
    const states = (await report(columns(), { tables: [] })).keys;
    const mine = states.filter(({ id }) => facts.keys.includes(id));
    expect(mine.map(({ state, scope }) => [state, scope])).toEqual([["destroyed", undefined]]);
  }
  expect(outcomes.size).toBe(2);
  expect(await columns().table("people").open(other)).toMatchObject({ email: "other@example.com" });

  const whole = start("pass-process", url, "shred", "Infinity", file, "whole");
  let output = "";
  whole.stdout?.on("data", (data: Buffer) => (output += data.toString()));
  expect(await once(whole, "close")).toEqual([0, null]);
  return Number(output);
}

describe("a killed shredding", () => {
  it("is finished by the next one on SQLite, wherever it was killed", async () => {
    const path = join(tempFolder(), "db");
    const database = new DatabaseSync(path, { timeout: 10_000 });
    expect(await killEverywhere(path, sqlite(database))).toBe(STEPS);
    database.close();
  });

  it.skipIf(noPostgres !== undefined)(
    "is finished by the next one on PostgreSQL, wherever it was killed",
    async () => {
      const url = await newPostgresDatabase();
      const pool = new Pool({ connectionString: url });
      expect(await killEverywhere(url, pg(pool))).toBe(STEPS);
      await pool.end();
    },
  );
});
