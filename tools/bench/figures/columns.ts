/**
 * Measures 10,000 rows with three encrypted columns, written and read through Kysely, beside the same without
 * encryption, pgcrypto with its defaults, and AES with one key in `node:crypto`, as people write it by hand.
 *
 * The mistakes it avoids: another ORM or another number of statements for one side (all write 500 rows at once and read
 * 500 at once), and a speed without what it costs to store, which is told beside it.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { Columns, defineTables, pg } from "@env/columns";
import { startPostgres } from "@env/testkit/postgres";
import { Kysely, PostgresDialect, sql, type RawBuilder } from "kysely";
import { Pool } from "pg";
import { openEnvelope, requireSame, seconds, type Bench, type Figure } from "../bench.ts";
import type { Row } from "../row.ts";

const AT_ONCE = 500;
const COLUMNS = ["name", "email", "phone"] as const;
const OURS = "env";

type Person = Readonly<Record<"id" | (typeof COLUMNS)[number], string>>;
type Stored = Readonly<Record<string, string | Uint8Array | RawBuilder<unknown>>>;

/** How a side writes rows, and reads what it has selected. */
interface Side {
  /** The type of its columns. */
  readonly type: "text" | "bytea";
  seal(rows: readonly Person[]): readonly Stored[] | Promise<readonly Stored[]>;
  /** Selects a column; the column itself, unless the database decrypts. */
  readonly select?: (column: string) => RawBuilder<unknown>;
  open(rows: readonly object[]): readonly object[] | Promise<readonly object[]>;
}

export const columns: Figure = {
  name: "columns",
  async run(bench) {
    const server = await startPostgres();
    if (typeof server === "string") {
      const figure = "columns of PostgreSQL";
      return [{ kind: "limit", figure, unit: "ms", ours: undefined, note: server }];
    }
    const pool = new Pool({ connectionString: server.url });
    pool.on("error", () => undefined); // The server ends before the last connection has.
    try {
      return await compare(bench, pool);
    } finally {
      await pool.end();
      await server.stop();
    }
  },
};

async function compare(bench: Bench, pool: Pool): Promise<Row[]> {
  const people = peopleOf(bench.quick ? 1000 : 10_000);
  const db = new Kysely<Record<string, Record<string, unknown>>>({
    dialect: new PostgresDialect({ pool }),
  });
  const sides = await openSides(pool);
  const names = [...sides.keys()];
  const tables = new Map(names.map((name, at) => [name, `side_${at}`]));
  for (const [name, { type }] of sides) {
    const fields = COLUMNS.map((column) => `${column} ${type}`).join(", ");
    await pool.query(`CREATE TABLE ${tables.get(name)} (id text PRIMARY KEY, ${fields})`);
  }

  const rateOf = async (work: () => Promise<void>): Promise<number> =>
    people.length / (await seconds(work));
  const write = async (name: string, side: Side): Promise<number> => {
    const table = tables.get(name) ?? "";
    await pool.query(`TRUNCATE ${table}`);
    return rateOf(async () => {
      for (const rows of batches(people)) {
        await db
          .insertInto(table)
          .values([...(await side.seal(rows))])
          .execute();
      }
    });
  };
  const read = (name: string, side: Side): Promise<number> =>
    rateOf(async () => {
      const found: object[] = [];
      for (const rows of batches(people)) {
        const selected = COLUMNS.map((column) =>
          (side.select?.(column) ?? sql.ref(column)).as(column),
        );
        const answer = await db
          .selectFrom(tables.get(name) ?? "")
          .select(["id", ...selected])
          .where(
            "id",
            "in",
            rows.map(({ id }) => id),
          )
          .orderBy("id")
          .execute();
        found.push(...(await side.open(answer)));
      }
      requireSame(`rows of ${name}`, JSON.stringify(found), JSON.stringify(people));
    });

  const rows: Row[] = [];
  const directions = { written: write, read } as const;
  for (const [direction, measure] of Object.entries(directions)) {
    const contenders = [...sides].map(([name, side]) => ({
      name,
      measure: () => measure(name, side),
    }));
    const values = await bench.takeTurns(contenders);
    for (const peer of names.filter((name) => name !== OURS)) {
      const ours = values.get(OURS) ?? [];
      const figure = `rows with three encrypted columns, ${direction}`;
      rows.push({
        kind: "comparison",
        figure,
        unit: "rows/s",
        ours,
        peer,
        theirs: values.get(peer),
      });
    }
  }
  for (const name of names) {
    const sizes = COLUMNS.map((column) => `avg(pg_column_size(${column}))`).join(" + ");
    const answer = await pool.query(`SELECT ${sizes} AS bytes FROM ${tables.get(name)}`);
    const figure = `stored for the three values, ${name}`;
    rows.push({ kind: "limit", figure, unit: "bytes", ours: [Number(answer.rows[0].bytes)] });
  }
  return rows;
}

async function openSides(pool: Pool): Promise<ReadonlyMap<string, Side>> {
  const asTheyAre = (rows: readonly object[]): readonly object[] => rows;
  return new Map<string, Side>([
    [OURS, await ourSide(pool)],
    ["no encryption", { type: "text", seal: (rows) => rows, open: asTheyAre }],
    ["pgcrypto", await pgcryptoSide(pool, asTheyAre)],
    ["AES by hand", handSide()],
  ]);
}

async function ourSide(pool: Pool): Promise<Side> {
  const tables = defineTables({
    people: {
      key: ["id"],
      columns: { name: { type: "text" }, email: { type: "text" }, phone: { type: "text" } },
    },
  });
  const { envelope } = openEnvelope();
  const ours = new Columns({ envelope, client: pg(pool), tables });
  await ours.migrate();
  const people = ours.table("people");
  return {
    type: "bytea",
    seal: (rows) => people.sealAll(rows),
    open: (rows) => people.openAll(rows),
  };
}

/** `pgp_sym_encrypt` with a password, as its documentation shows it. */
async function pgcryptoSide(pool: Pool, open: Side["open"]): Promise<Side> {
  await pool.query("CREATE EXTENSION pgcrypto");
  const password = randomBytes(32).toString("hex");
  return {
    type: "bytea",
    seal: (rows) =>
      rows.map((row) => ({
        id: row.id,
        ...Object.fromEntries(
          COLUMNS.map((column) => [column, sql`pgp_sym_encrypt(${row[column]}, ${password})`]),
        ),
      })),
    select: (column) => sql`pgp_sym_decrypt(${sql.ref(column)}, ${password})`,
    open,
  };
}

/** One key from the environment, nonce, ciphertext and tag: nothing is bound, and nothing can be rotated. */
function handSide(): Side {
  const key = randomBytes(32);
  const encrypt = (text: string): Buffer => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    const ciphertext = [cipher.update(text, "utf8"), cipher.final()];
    return Buffer.concat([nonce, ...ciphertext, cipher.getAuthTag()]);
  };
  const decrypt = (value: Buffer): string => {
    const decipher = createDecipheriv("aes-256-gcm", key, value.subarray(0, 12));
    decipher.setAuthTag(value.subarray(-16));
    return decipher.update(value.subarray(12, -16), undefined, "utf8") + decipher.final("utf8");
  };
  return {
    type: "bytea",
    seal: (rows) =>
      rows.map(({ id, name, email, phone }) => ({
        id,
        name: encrypt(name),
        email: encrypt(email),
        phone: encrypt(phone),
      })),
    open: (rows) =>
      rows.map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([field, value]) => [
            field,
            Buffer.isBuffer(value) ? decrypt(value) : value,
          ]),
        ),
      ),
  };
}

/** Creates people in the order of their ids. */
function peopleOf(count: number): readonly Person[] {
  return Array.from({ length: count }, (_, at) => {
    const number = String(at).padStart(6, "0");
    return {
      id: number,
      name: `Person ${number}`,
      email: `person.${number}@example.com`,
      phone: `+4144${number}0`,
    };
  });
}

function* batches(people: readonly Person[]): Generator<readonly Person[]> {
  for (let at = 0; at < people.length; at += AT_ONCE) yield people.slice(at, at + AT_ONCE);
}
