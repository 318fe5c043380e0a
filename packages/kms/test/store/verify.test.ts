import { DatabaseSync } from "node:sqlite";
import { readFileSync, writeFileSync } from "node:fs";
import { rejection } from "@env/testkit/refusal";
import { expect, it } from "vitest";
import { openKeystore, type RootKeySource } from "../../src/index.ts";
import { newKey, PASSPHRASE, ROOT, tempKeystore } from "../support/keystore.ts";
import { attack, copyOf, putBack, uuid } from "../support/store.ts";

it("finds nothing in a keystore that was only used", async () => {
  const { keystore, client } = await tempKeystore();
  expect(await keystore.verify()).toEqual([]);
  const ids = await Promise.all(Array.from({ length: 30 }, (_, i) => newKey(client, `alias/${i}`)));
  await client.deleteAlias({ AliasName: "alias/0" });
  await client.updateAlias({ AliasName: "alias/1", TargetKeyId: ids[2] ?? "" });
  await keystore.iam.put({ arn: "arn:aws:iam::000000000000:user/alice" });
  await keystore.changeRoot(PASSPHRASE);
  expect(await keystore.verify()).toEqual([]);
});

it("names everything that is wrong, while others go on", async () => {
  const { path, keystore, client } = await tempKeystore();
  const [a = "", b = "", c = ""] = await Promise.all(
    ["a", "b", "c"].map((name) => newKey(client, `alias/${name}`)),
  );
  await keystore.iam.put({ arn: "arn:aws:iam::000000000000:user/alice" });
  const old = copyOf(path, "cmk");
  await client.disableKey({ KeyId: b });
  putBack(path, old, (_, row) => Buffer.from(row["uuid"] as Uint8Array).equals(keyBytes(b)));
  attack(path, `UPDATE cmk SET sealed = zeroblob(100) WHERE uuid = ${uuid(a)}`);
  attack(path, "DELETE FROM alias WHERE name = 'alias/c'; DELETE FROM principal");
  const [findings] = await Promise.all([keystore.verify(), newKey(client, "alias/more")]);
  expect(findings.map(({ record, problem }) => `${record}: ${problem}`).toSorted()).toEqual(
    [
      `key ${a} in local: it was altered, or belongs to another row or keystore`,
      `key ${b} in local: an older row of it was put back`,
      "alias alias/c in local: its row was removed",
      `key ${c} in local: the alias rows that point at it are not those it contains`,
      "principal arn:aws:iam::000000000000:user/alice: its row was removed",
    ].toSorted(),
  );
});

it("names what is wrong with the audit log", async () => {
  const { path, keystore, client } = await tempKeystore();
  const KeyId = await newKey(client);
  await client.describeKey({ KeyId });
  await client.disableKey({ KeyId });
  attack(path, "DELETE FROM audit WHERE seq = 2");
  expect(await keystore.verify()).toEqual([
    { record: "the audit log", problem: "record 2: removed, there is no such row" },
  ]);
});

it("reads more rows than a page has", async () => {
  const { path, keystore } = await tempKeystore();
  attack(
    path,
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
     INSERT INTO principal SELECT printf('%05d', i), x'', '' FROM n`,
  );
  const findings = await keystore.verify();
  expect(findings).toHaveLength(1200);
  expect(new Set(findings.map(({ record }) => record)).size).toBe(1200);
});

it.each([
  ["of another kind", (): RootKeySource => PASSPHRASE],
  ["of the same kind", (path: string): RootKeySource => ({ keyFile: `${path}.other-key` })],
])(
  "notices a descriptor from before a root key source %s, and so does opening",
  async (_, source) => {
    const { path, keystore, root } = await tempKeystore();
    const old = copyOf(path, "descriptor");
    await keystore.changeRoot(source(path));
    putBack(path, old);
    expect(await keystore.verify()).toEqual([
      { record: "the descriptor", problem: "an older row of it was put back" },
    ]);
    const error = await rejection(openKeystore(path, { root }));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
    expect(error.message).toContain(
      "the descriptor does not verify: an older row of it was put back",
    );
  },
);

it("reads the rows themselves, not what is in memory", async () => {
  const { path, keystore, client } = await tempKeystore();
  const KeyId = await newKey(client);
  keystore.close();
  const root = { keyFile: `${path}.key` };
  using again = await openKeystore(path, { root });
  await again.as().describeKey({ KeyId });
  // Past SQLite: no change that it would notice.
  const db = new DatabaseSync(path);
  const sealed = db.prepare("SELECT sealed FROM cmk").get()?.["sealed"] as Uint8Array;
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  const bytes = readFileSync(path);
  const at = bytes.indexOf(sealed);
  expect(at).toBeGreaterThan(0);
  bytes[at + 30] = (bytes[at + 30] ?? 0) ^ 1;
  again.close();
  writeFileSync(path, bytes);
  using altered = await openKeystore(path, { root });
  expect(await altered.verify()).toEqual([
    {
      record: `key ${KeyId} in local`,
      problem: "it was altered, or belongs to another row or keystore",
    },
  ]);
});

it("says what SQLite finds damaged", async () => {
  const { path, keystore, client, root } = await tempKeystore();
  await newKey(client, "alias/app");
  keystore.close();
  // Of which nothing is said: no row of a damaged file is worth a look.
  attack(path, "DELETE FROM audit WHERE seq = 1");
  const db = new DatabaseSync(path);
  const page = db
    .prepare("SELECT rootpage AS n FROM sqlite_schema WHERE name = 'alias_by_uuid'")
    .get();
  db.close();
  const bytes = readFileSync(path);
  // The index names another alias than the table.
  const start = (Number(page?.["n"]) - 1) * 4096;
  const at = bytes.indexOf("alias/app", start);
  expect(at).toBeLessThan(start + 4096);
  bytes.write("alias/apq", at);
  writeFileSync(path, bytes);
  using damaged = await openKeystore(path, { root });
  const findings = await damaged.verify();
  expect(findings.length).toBeGreaterThan(0);
  for (const { record } of findings) expect(record).toBe("the database");
});

it("refuses a file that is back at an older state", async () => {
  const { path, keystore, client } = await tempKeystore();
  const old = copyOf(path, "cmk", "alias", "bucket", "state");
  const KeyId = await newKey(client);
  attack(path, "DELETE FROM cmk; DELETE FROM alias; DELETE FROM bucket; DELETE FROM audit");
  putBack(path, old);
  const error = await rejection(keystore.verify());
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
  expect(error.message).toMatch(/the whole file is back at its change [0-9]+, and was at [0-9]+/);
  expect(await rejection(client.describeKey({ KeyId }))).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_FORMAT",
  });
});

function keyBytes(keyId: string): Buffer {
  return Buffer.from(keyId.replaceAll("-", ""), "hex");
}

// Requirements: F12
it.each<[string, string, string]>([
  ["a key id", "UPDATE cmk SET uuid = zeroblob(64000000)", "uuid of cmk"],
  ["a key id of an alias", "UPDATE alias SET uuid = zeroblob(64000000)", "uuid of alias"],
  ["an alias", "UPDATE alias SET name = hex(zeroblob(32000000))", "name of alias"],
  [
    "a principal",
    "INSERT INTO principal VALUES (hex(zeroblob(32000000)), x'', '')",
    "arn of principal",
  ],
  [
    "a principal's name",
    "INSERT INTO principal VALUES ('a', x'', hex(zeroblob(32000000)))",
    "name of principal",
  ],
])("names %s that is too long to read, without reading it", async (_, sql, columns) => {
  const { path, keystore, client, root } = await tempKeystore();
  await newKey(client, "alias/a");
  keystore.close();
  attack(path, sql);
  using opened = await openKeystore(path, { root });
  const before = process.memoryUsage().rss;
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 1);
  const findings = await opened.verify();
  clearInterval(timer);
  peak = Math.max(peak, process.memoryUsage().rss);
  expect(findings).toEqual([
    {
      record: "the database",
      problem: `the column ${columns} has a value out of bounds in one row`,
    },
  ]);
  // The value alone would be more.
  expect(peak - before).toBeLessThan(48_000_000);
});

it("lists nothing while a key is hidden from lists", async () => {
  const { path, keystore, client } = await tempKeystore();
  const KeyId = await newKey(client);
  const RetiringPrincipal = ROOT;
  await client.createGrant({
    KeyId,
    GranteePrincipal: ROOT,
    RetiringPrincipal,
    Operations: ["Decrypt"],
  });
  expect((await client.listRetirableGrants({ RetiringPrincipal })).Grants).toHaveLength(1);
  attack(path, "UPDATE cmk SET seq = 0");
  for (const list of [client.listKeys(), client.listRetirableGrants({ RetiringPrincipal })]) {
    const error = await rejection(list);
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
    expect(error.message).toContain("its row is hidden from lists");
  }
  expect(keystore.sqliteVersion).toMatch(/^3\./);
});
