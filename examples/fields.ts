/**
 * Encrypted columns in SQLite, read and written without `await`. The aad binds each value to its row
 * and column, so a value that is copied to another row does not open.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { memoryCmk } from "@env/core/testing";
import { Envelope, isEnvelopeError } from "@env/core";

// In production: the KMS of your configuration.
await using envelope = new Envelope({ cmks: [memoryCmk()] });
using fields = await envelope.fields({ context: { tenant: "acme" } });
using database = new DatabaseSync(":memory:");
database.exec("CREATE TABLE cards (id INTEGER PRIMARY KEY, holder TEXT, number TEXT)");

const place = (id: number) => ({ table: "cards", column: "number", id: String(id) });

const insert = database.prepare("INSERT INTO cards VALUES (?, ?, ?)");
for (const [id, holder, number] of [
  [1, "Ada", "4111 1111 1111 1111"],
  [2, "Grace", "5500 0000 0000 0004"],
] as const) {
  insert.run(id, holder, fields.encryptText(number, { aad: place(id) }));
}

interface Row {
  readonly id: number;
  readonly holder: string;
  readonly number: string;
}
const read = (): Row[] =>
  database.prepare("SELECT * FROM cards ORDER BY id").all() as unknown as Row[];

// One call to the KMS for all rows that share a data key. After that, nothing waits.
await fields.prepare(read().map(({ number }) => number));
for (const { id, holder, number } of read()) {
  console.log(`${holder}: ${fields.decryptText(number, { aad: place(id) })}`);
}

database.exec("UPDATE cards SET number = (SELECT number FROM cards WHERE id = 1) WHERE id = 2");
const [, copied] = read();
try {
  if (copied !== undefined) fields.decryptText(copied.number, { aad: place(2) });
} catch (error) {
  if (!isEnvelopeError(error)) throw error;
  console.log(`Ada's number in Grace's row: ${error.code}`);
}
