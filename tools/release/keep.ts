/**
 * Keeps what a release writes, so that all later versions can be shown to open it: a keystore with its audit log and
 * root key, and, under a CMK in it, messages, an object of S3 and a database with encrypted columns. Run once, before a version is tagged; what is kept never changes.
 *
 *     node --conditions=@env/source tools/release/keep.ts
 *
 * The folder is `spec/vectors/released/<version>`. `tools/test/release/keep.test.ts` opens all of them.
 *
 * @module
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { S3Client } from "@aws-sdk/client-s3";
import { Columns, defineTables, sqlite } from "@env/columns";
import { Envelope } from "@env/core";
import { createKeystore, type Keystore } from "@env/kms";
import { localFile } from "@env/local-file";
import { encryptFile } from "@env/node-stream";
import { encryptedS3, type EncryptedS3 } from "@env/s3";
import { command } from "../command.ts";
import { readText, root, type Manifest } from "../workspace.ts";

export const RELEASED = "spec/vectors/released";

/** The files of a kept release. */
export const kept = {
  keystore: "app.kms",
  rootKey: "app.kms.key",
  plaintext: "report.txt",
  message: "report.txt.envelope",
  text: "message.txt",
  object: "object",
  objectMetadata: "object.json",
  database: "app.db",
} as const;

/** The path of a kept file. */
export type PathOf = (name: keyof typeof kept) => string;

export const ALIAS = "alias/app";
export const context = { tenant: "acme", purpose: "réports" };
export const aad = { table: "reports", id: "42" };
/** Longer than two chunks. */
export const plaintext: string = "A line of the report, as it was when it was written.\n".repeat(
  700,
);

export const objectName = { Bucket: "reports", Key: "2026/report.txt" } as const;

/** The row that the database has. */
export const person = { id: "7", tenant: "acme", email: "Ada@example.com", born: "1815-12-10" };

/** Writes a release's folder. */
export async function keep(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const path: PathOf = (name) => join(folder, kept[name]);
  using keystore = await createKeystore(path("keystore"), { root: { keyFile: path("rootKey") } });
  await fill(keystore);
  const cmk = localFile({ client: keystore.as("user/alice"), key: ALIAS });
  await using envelope = new Envelope({ cmks: [cmk] });
  writeFileSync(path("plaintext"), plaintext);
  await encryptFile(envelope, path("plaintext"), path("message"), { context, aad });
  const text = await envelope.encryptText(plaintext, { context, aad, storeContext: true });
  writeFileSync(path("text"), text);
  await keepObject(path, envelope);
  await keepDatabase(path, envelope);
}

/** The body and the metadata of an object, as they are sent to S3. */
async function keepObject(path: PathOf, envelope: Envelope): Promise<void> {
  const sealed = await objects(envelope).seal({ ...objectName, Body: plaintext });
  await writeFile(path("object"), sealed.body);
  writeFileSync(path("objectMetadata"), `${JSON.stringify(sealed.input.Metadata, null, 2)}\n`);
}

/** What opens the object. It makes no call to S3. */
export function objects(envelope: Envelope): EncryptedS3 {
  const client = new S3Client({ region: "us-east-1" });
  return encryptedS3({ client, envelope, context: ({ Key }) => ({ ...context, key: Key }) });
}

/** A table of one row with a searchable column, and the tables with its data keys. */
async function keepDatabase(path: PathOf, envelope: Envelope): Promise<void> {
  using database = new DatabaseSync(path("database"));
  const columns = columnsOf(database, envelope);
  await columns.migrate();
  database.exec(
    "CREATE TABLE users (id TEXT PRIMARY KEY, tenant TEXT, email BLOB, born BLOB, email_index BLOB)",
  );
  const { id, tenant, email, born, email_index } = await columns.table("users").seal(person);
  database
    .prepare("INSERT INTO users VALUES (?, ?, ?, ?, ?)")
    .run(id, tenant, email, born, email_index ?? null);
}

/** The encrypted columns of the database. */
export function columnsOf(database: DatabaseSync, envelope: Envelope) {
  const tables = defineTables({
    users: {
      key: ["id"],
      scope: { tenant: "tenant" },
      columns: {
        email: { type: "text", index: { column: "email_index", rule: "email" } },
        born: { type: "text" },
      },
    },
  });
  return new Columns({ envelope, client: sqlite(database), tables });
}

/** Uses what a keystore has records of: versions, aliases, tags, policies, grants, principals. */
async function fill(keystore: Keystore): Promise<void> {
  const account = keystore.as();
  const { KeyMetadata } = await account.createKey({
    Description: "reports",
    Tags: [{ TagKey: "team", TagValue: "reports" }],
  });
  const { KeyId } = KeyMetadata;
  await account.createAlias({ AliasName: ALIAS, TargetKeyId: KeyId });
  await account.rotateKeyOnDemand({ KeyId });
  const alice = "arn:aws:iam::000000000000:user/alice";
  await keystore.iam.put({ arn: alice, policies: [] });
  await account.createGrant({
    KeyId,
    GranteePrincipal: alice,
    Operations: ["GenerateDataKey", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "DescribeKey"],
  });
}

await command(import.meta, async () => {
  const { version = "" } = JSON.parse(readText("packages/core/package.json")) as Manifest;
  const folder = join(root, RELEASED, version);
  if (existsSync(folder)) {
    console.error(`keep: ${RELEASED}/${version} is there already, and what is kept never changes`);
    return 1;
  }
  await keep(folder);
  console.log(`keep: ${RELEASED}/${version}`);
  return 0;
});
