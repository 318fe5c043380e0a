/**
 * A database that is full, slow, read-only, or not the one that it says it is, and a node whose clock is wrong. A refused call
 * has changed nothing, and what was acknowledged stays.
 */
import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPostgres, type Postgres } from "@env/testkit/postgres";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { createKeystore, openKeystore, type Keystore } from "../../../src/index.ts";
import { newKey } from "../../support/keystore.ts";

const DAY = 86_400_000;
let server: Postgres;
let schemas = 0;
let schema: string;
let root: { keyFile: string };

beforeAll(async () => {
  const started = await startPostgres({ settings: { fsync: "off" } });
  if (typeof started === "string") throw new Error(started);
  server = started;
});
afterAll(() => server.stop());
beforeEach(() => {
  schema = `f${++schemas}`;
  root = { keyFile: `${tempFolder()}/key` };
});

function sql(...statements: readonly string[]): string {
  const each = statements.flatMap((text) => ["-c", text]);
  return server.run("psql", "-qtAX", "-v", "ON_ERROR_STOP=1", server.url, ...each).trim();
}

const urlOf = (more = ""): string => `${server.url}?schema=${schema}${more}`;

async function create(): Promise<Keystore> {
  const keystore = await createKeystore(urlOf(), { root });
  onTestFinished(() => keystore.close());
  return keystore;
}

async function open(url = urlOf(), busyTimeout = 5000): Promise<Keystore> {
  const keystore = await openKeystore(url, { root, busyTimeout });
  onTestFinished(() => keystore.close());
  return keystore;
}

async function sound(keystore: Keystore): Promise<void> {
  expect(await keystore.verify()).toEqual([]);
  expect(await keystore.audit.verify()).toMatchObject({ intact: true });
}

/** Calls until a call is refused. */
async function untilRefused(
  call: () => Promise<unknown>,
): Promise<{ readonly done: number; readonly error: unknown }> {
  for (let done = 0; done < 5000; done++) {
    try {
      await call();
    } catch (error) {
      return { done, error };
    }
  }
  throw new Error("no call was refused");
}

/** A folder that PostgreSQL may use: it does not see those of this user. */
function folderOf(name: string): string {
  const folder = `${server.folder}-${name}`;
  mkdirSync(folder, { mode: 0o700 });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { uid, gid } = statSync(server.folder);
  chownSync(folder, uid, gid);
  return folder;
}

/** A disk of so many megabytes; `undefined` where this user may not mount one. */
function smallDisk(megabytes: number): string | undefined {
  const folder = folderOf("disk");
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder], {
      stdio: "ignore",
    });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync("umount", ["-l", folder]));
  const { uid, gid } = statSync(server.folder);
  chownSync(folder, uid, gid);
  return folder;
}

it("a full database refuses calls until there is room, and loses nothing", async ({ skip }) => {
  const disk = smallDisk(8);
  if (disk === undefined) return skip("no file system can be mounted here");
  sql(`CREATE TABLESPACE ${schema} LOCATION '${disk}'`);
  onTestFinished(() => void sql(`DROP SCHEMA ${schema} CASCADE`, `DROP TABLESPACE ${schema}`));
  sql(`ALTER ROLE test SET default_tablespace = ${schema}`);
  const keystore = await create();
  sql("ALTER ROLE test RESET default_tablespace");
  const client = keystore.as();
  const KeyId = await newKey(client);
  sql(
    `CREATE TABLE ${schema}.filler (bytes TEXT) TABLESPACE ${schema}`,
    `ALTER TABLE ${schema}.filler ALTER bytes SET STORAGE PLAIN`,
  );
  const fill = `INSERT INTO ${schema}.filler SELECT repeat('x', 7000) FROM generate_series(1, 100)`;
  expect(() => {
    for (let i = 0; i < 100; i++) sql(fill);
  }).toThrow("No space left on device");

  // There may be some room in the last page of a table.
  const { done, error } = await untilRefused(() =>
    client.generateDataKey({ KeyId, NumberOfBytes: 16 }),
  );
  expect(error).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_IO",
    message: expect.stringContaining("lacks disk space"),
  });
  sql(`DROP TABLE ${schema}.filler`);
  await client.disableKey({ KeyId });
  const names: string[] = [];
  for await (const { record } of keystore.audit.query()) names.push(record.eventName);
  expect(names).toHaveLength(done + 2);
  expect(names.at(-1)).toBe("DisableKey");
  await sound(keystore);
  return undefined;
});

it("a call that waits too long for the database has changed nothing", async () => {
  const keystore = await create();
  const KeyId = await newKey(keystore.as());
  const node = await open(urlOf(), 300);
  const other = new pg.Client({ connectionString: server.url });
  await other.connect();
  onTestFinished(() => other.end());
  await other.query("BEGIN");
  await other.query(`SELECT 1 FROM ${schema}.state FOR UPDATE`);
  expect(await rejection(node.as().disableKey({ KeyId }))).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_BUSY",
    message: expect.stringContaining("nothing was changed"),
  });
  await other.query("ROLLBACK");
  const { KeyMetadata } = await node.as().describeKey({ KeyId });
  expect(KeyMetadata.KeyState).toBe("Enabled");
  await node.as().disableKey({ KeyId });
  await sound(node);
});

it("a database that becomes read-only under a running node is used again once it is not", async () => {
  const keystore = await create();
  const KeyId = await newKey(keystore.as());
  const node = await open(urlOf(), 300);
  await node.as().describeKey({ KeyId });
  sql("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()");
  onTestFinished(
    () => void sql("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"),
  );
  // The node's connection reads the settings a moment later.
  const { error } = await untilRefused(() => node.as().describeKey({ KeyId }));
  expect(error).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_IO",
    message: expect.stringContaining("the database is read-only; nothing was changed"),
  });
  // The node has looked for another server.
  expect(await rejection(node.as().disableKey({ KeyId }))).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_BUSY",
    message: expect.stringContaining("it takes no changes"),
  });
  sql("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()");
  await vi.waitUntil(() => sql("SHOW default_transaction_read_only") === "off");
  await node.as().disableKey({ KeyId });
  await sound(node);
});

it("a node whose clock is a day ahead takes the others along until the clock is reset", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const now = Date.now();
  const right = await create();
  const wrong = await open();
  const createdBy = async (node: Keystore, time: number): Promise<number> => {
    vi.setSystemTime(time);
    const { KeyMetadata } = await node.as().createKey();
    return KeyMetadata.CreationDate.getTime() - now;
  };
  const KeyId = await newKey(right.as());
  await right.as().scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });

  expect(await createdBy(wrong, now + DAY)).toBe(DAY);
  expect(await createdBy(right, now + 1000)).toBe(DAY);
  // A node that is behind changes nothing of it.
  expect(await createdBy(right, now - DAY)).toBe(DAY);
  vi.setSystemTime(now + 2000);
  await right.resetClock();
  expect(await createdBy(right, now + 3000)).toBe(3000);
  expect(await createdBy(wrong, now + 4000)).toBe(4000);
  const { KeyMetadata } = await wrong.as().describeKey({ KeyId });
  expect(KeyMetadata.KeyState).toBe("PendingDeletion");
  await sound(right);
});

/** A certificate authority, and a certificate of the server by it. */
function certificates(): { readonly ca: string; readonly other: string } {
  const folder = folderOf("tls");
  const openssl = (...args: readonly string[]): void =>
    void execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  for (const ca of ["ca", "other"]) {
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-subj",
      `/CN=${ca}`,
      "-days",
      "1",
      "-keyout",
      `${ca}.key`,
      "-out",
      `${ca}.crt`,
    );
  }
  openssl(
    "req",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-subj",
    "/CN=server",
    "-keyout",
    "server.key",
    "-out",
    "server.csr",
  );
  writeFileSync(join(folder, "names"), "subjectAltName = IP:127.0.0.1");
  openssl(
    "x509",
    "-req",
    "-in",
    "server.csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-days",
    "1",
    "-extfile",
    "names",
    "-out",
    "server.crt",
  );
  const { uid, gid } = statSync(server.folder);
  for (const name of ["server.key", "server.crt"]) chownSync(join(folder, name), uid, gid);
  sql(
    `ALTER SYSTEM SET ssl_cert_file = '${join(folder, "server.crt")}'`,
    `ALTER SYSTEM SET ssl_key_file = '${join(folder, "server.key")}'`,
    "ALTER SYSTEM SET ssl = on",
    "SELECT pg_reload_conf()",
  );
  return { ca: join(folder, "ca.crt"), other: join(folder, "other.crt") };
}

it("TLS with verify-full takes the server's own certificate, and no other", async () => {
  const keystore = await create();
  keystore.close();
  const verified = (certificate: string): string =>
    urlOf(`&sslmode=verify-full&sslrootcert=${encodeURIComponent(certificate)}`);
  expect(await rejection(open(urlOf("&sslmode=verify-full")))).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_IO",
    message: expect.stringContaining("does not support SSL"),
  });
  const { ca, other } = certificates();
  const encrypted =
    "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'envelope'";
  // Until the server has read its settings.
  await vi.waitUntil(() => sql("SHOW ssl") === "on");
  const node = await open(verified(ca));
  await newKey(node.as());
  expect(sql(encrypted)).toBe("1");
  const refused = [verified(other), verified(ca).replace("127.0.0.1", "localhost")];
  for (const url of refused) {
    expect(await rejection(open(url))).toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_IO",
      message: expect.stringContaining("cannot be encrypted as sslmode demands"),
    });
  }
});
