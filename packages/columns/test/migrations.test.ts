/** Migrations from what people have now, each from the bytes that its tool writes. */
import { createCipheriv, createDecipheriv, randomBytes, type CipherGCMTypes } from "node:crypto";
import { Columns, defineTables, reencrypt, report, type SqlValue } from "@env/columns";
import { expect, it } from "vitest";
import { describeDatabases, type TestDatabase } from "./support/databases.ts";
import { FixedCmk } from "./support/fixed-cmk.ts";

const key = Buffer.from("0dbd0a86bf192ee52c387519cadae78e5b24221c7658973177abacb518633b0d", "hex");
const keyOfCloak = Buffer.from("DbQoar8ZLuUsOHZNyrnjlskInHDYlzF3q6y1KGM7DUM=", "base64url");

type Aead = "aes-256-gcm" | "chacha20-poly1305";

/** Writes nonce, ciphertext and tag. */
function seal(cipher: Aead, secret: Buffer, text: string): Buffer {
  const nonce = randomBytes(12);
  // The other AEAD has the same calls.
  const sealing = createCipheriv(cipher as CipherGCMTypes, secret, nonce, { authTagLength: 16 });
  const body = Buffer.concat([sealing.update(text), sealing.final()]);
  return Buffer.concat([nonce, body, sealing.getAuthTag()]);
}

function open(cipher: Aead, secret: Buffer, sealed: Buffer): string {
  const nonce = sealed.subarray(0, 12);
  const opening = createDecipheriv(cipher as CipherGCMTypes, secret, nonce, { authTagLength: 16 });
  opening.setAuthTag(sealed.subarray(-16));
  const body = opening.update(sealed.subarray(12, -16));
  return Buffer.concat([body, opening.final()]).toString();
}

interface Source {
  readonly name: string;
  readonly type: "text" | "bytes";
  readonly write: (text: string) => SqlValue;
  readonly read: (stored: unknown) => string;
}

const sources: readonly Source[] = [
  {
    name: "a home-made ENCRYPTION_KEY",
    type: "text",
    write: (text) => seal("aes-256-gcm", key, text).toString("base64"),
    read: (stored) => open("aes-256-gcm", key, Buffer.from(String(stored), "base64")),
  },
  {
    // crypto_aead_ietf_encrypt(message, '', nonce, key), with the nonce in front: RFC 8439.
    name: "pgsodium",
    type: "bytes",
    write: (text) => seal("chacha20-poly1305", key, text),
    read: (stored) =>
      stored instanceof Uint8Array ? open("chacha20-poly1305", key, Buffer.from(stored)) : "",
  },
  {
    // The strings of @47ng/cloak: version, algorithm, fingerprint of the key, nonce, ciphertext with tag.
    name: "prisma-field-encryption",
    type: "text",
    write(text) {
      const sealed = seal("aes-256-gcm", keyOfCloak, text);
      const parts = [sealed.subarray(0, 12), sealed.subarray(12)].map((part) => encode(part));
      return ["v1.aesgcm256.2fc1baee", ...parts].join(".");
    },
    read: readCloak,
  },
];

/** Base64url with padding, as that library writes it. */
function encode(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

function readCloak(stored: unknown): string {
  const [, , , nonce = "", ciphertext = ""] = String(stored).split(".");
  const sealed = [nonce, ciphertext].map((part) => Buffer.from(part, "base64url"));
  return open("aes-256-gcm", keyOfCloak, Buffer.concat(sealed));
}

it("reads what @47ng/cloak itself wrote", () => {
  const text =
    "v1.aesgcm256.2fc1baee.r9QlkUeH3YldhKV9.F7I15-ok5HJwGJPMtLoSmtq0WMxONUccSpMn4ohcxg==";
  expect(readCloak(text)).toBe("ada@example.com");
});

describeDatabases("a migration", (database: () => TestDatabase) => {
  it.each(sources)("from $name moves and indexes every value", async ({ type, write, read }) => {
    const { client, bytes } = database();
    const stored = type === "bytes" ? bytes : "text";
    await client.query(`CREATE TABLE users (id integer PRIMARY KEY, old ${stored})`);
    for (let id = 0; id < 20; id++) {
      const value = id === 7 ? null : write(`User.${id}@example.com`);
      await client.query("INSERT INTO users VALUES ($1, $2)", [id, value]);
    }
    // The migration: columns beside the old one, a definition that reads it, a pass, and a definition without it.
    await client.query(`ALTER TABLE users ADD COLUMN email ${bytes}`);
    await client.query(`ALTER TABLE users ADD COLUMN email_index ${bytes}`);
    const email = { type: "text", index: { column: "email_index", rule: "email" } } as const;
    const envelope = new FixedCmk().envelope();
    const migrating = new Columns({
      envelope,
      client,
      writeLease: 20,
      tables: defineTables({
        users: { key: ["id"], columns: { email: { ...email, plaintext: { from: "old", read } } } },
      }),
    });
    await migrating.migrate();
    const rows = await client.query("SELECT * FROM users WHERE id = 3");
    expect(await migrating.table("users").openAll(rows)).toMatchObject([
      { email: "User.3@example.com" },
    ]);
    expect(migrating.plaintextReads.get("users.email")).toBe(1);
    expect((await reencrypt(migrating)).tables["users"]).toEqual({
      rows: 20,
      changed: 19,
      failed: 0,
    });

    await client.query("ALTER TABLE users DROP COLUMN old");
    const tables = defineTables({ users: { key: ["id"], columns: { email } } });
    const columns = new Columns({ envelope, client, tables });
    expect(await report(columns)).toMatchObject({ plaintext: 0, retired: 0 });
    const users = columns.table("users");
    const [hash = new Uint8Array()] = await users.find("email", "user.3@EXAMPLE.com");
    const found = await client.query("SELECT id, email FROM users WHERE email_index = $1", [hash]);
    expect(await users.openAll(found)).toEqual([{ id: 3, email: "User.3@example.com" }]);
    const [empty] = await client.query("SELECT email, email_index FROM users WHERE id = 7");
    expect(empty).toEqual({ email: null, email_index: null });
  });
});
