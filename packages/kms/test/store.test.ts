import { DatabaseSync } from "node:sqlite";
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { openKeystore, type KmsClient } from "../src/index.ts";
import { Database } from "../src/database.ts";
import { random, secretKey } from "../src/seal.ts";
import { Store } from "../src/store.ts";
import { newKey, NOWHERE, rejection, tempKeystore } from "./support/keystore.ts";

// Many transactions, each on disk before it is answered, or much scrypt: slow on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const DAY_MS = 86_400_000;
const uuid = (keyId: string): string => `x'${keyId.replaceAll("-", "")}'`;

afterEach(() => {
  vi.useRealTimers();
});

/** Two keys with an alias each, and a second connection to their file: an attacker's. */
async function setup(): Promise<{
  client: KmsClient;
  a: string;
  b: string;
  path: string;
  root: { keyFile: string };
  attack: (sql: string) => void;
}> {
  const { path, client, root } = await tempKeystore();
  const a = await newKey(client, "alias/a");
  const b = await newKey(client, "alias/b");
  const attack = (sql: string): void => {
    const db = new DatabaseSync(path);
    db.exec(`PRAGMA ignore_check_constraints = ON; ${sql}`);
    db.close();
  };
  return { client, a, b, path, root, attack };
}

const altered = { code: "ERR_ENV_KEYSTORE_FORMAT" };

describe("a row that was altered is an error", () => {
  it.each<[string, (keys: { a: string; b: string }) => string]>([
    [
      "an alias that points at another key",
      ({ b }) => `UPDATE alias SET uuid = ${uuid(b)} WHERE name = 'alias/a'`,
    ],
    [
      "an alias that points at no key",
      () => "UPDATE alias SET uuid = zeroblob(16) WHERE name = 'alias/a'",
    ],
    [
      "records that were swapped",
      ({ a, b }) =>
        `UPDATE cmk SET sealed = (SELECT sealed FROM cmk AS o WHERE o.uuid != cmk.uuid);
       UPDATE alias SET uuid = CASE uuid WHEN ${uuid(a)} THEN ${uuid(b)} ELSE ${uuid(a)} END`,
    ],
    [
      "key ids that were swapped",
      ({ a, b }) =>
        `UPDATE cmk SET uuid = zeroblob(16) WHERE uuid = ${uuid(a)};
       UPDATE cmk SET uuid = ${uuid(a)} WHERE uuid = ${uuid(b)};
       UPDATE cmk SET uuid = ${uuid(b)} WHERE uuid = zeroblob(16)`,
    ],
    ["another revision", () => "UPDATE cmk SET revision = revision + 1"],
    ["a revision of 0", () => "UPDATE cmk SET revision = 0"],
    ["a revision beyond 2^53", () => "UPDATE cmk SET revision = 9223372036854775807"],
    ["a record cut short", () => "UPDATE cmk SET sealed = substr(sealed, 1, 24)"],
    ["an empty record", () => "UPDATE cmk SET sealed = x''"],
    ["a record of 2 MiB", () => "UPDATE cmk SET sealed = zeroblob(2097152)"],
    [
      "another record version",
      () => "UPDATE cmk SET sealed = CAST(x'02' || substr(sealed, 2) AS BLOB)",
    ],
    [
      "a deletion date that the record does not have",
      () => "UPDATE cmk SET deletion = 99999999999999",
    ],
    ["one alias more", ({ a }) => `INSERT INTO alias VALUES ('alias/c', ${uuid(a)})`],
    ["one alias less", () => "DELETE FROM alias WHERE name = 'alias/a'"],
    ["an alias by another name", () => "UPDATE alias SET name = 'alias/A' WHERE name = 'alias/a'"],
  ])("%s", async (_, statements) => {
    const { client, a, b, attack } = await setup();
    await client.generateDataKey({ KeyId: a, KeySpec: "AES_256" });
    attack(statements({ a, b }));
    for (const call of [
      client.generateDataKey({ KeyId: a, KeySpec: "AES_256" }),
      client.updateKeyDescription({ KeyId: a, Description: "" }),
      client.listKeys(),
    ]) {
      expect(await rejection(call)).toMatchObject(altered);
    }
    const byAlias = await rejection(
      client.generateDataKey({ KeyId: "alias/a", KeySpec: "AES_256" }),
    );
    // Not there, or an error; never another key.
    expect([altered.code, "NotFoundException"]).toContain(
      "code" in byAlias ? byAlias.code : byAlias.name,
    );
  });

  it("one bit, anywhere in the record", async () => {
    const { client, a, path } = await setup();
    const db = new DatabaseSync(path);
    onTestFinished(() => db.close());
    const found = db.prepare(`SELECT sealed FROM cmk WHERE uuid = ${uuid(a)}`).get()?.["sealed"];
    const sealed = new Uint8Array(found as Uint8Array);
    const put = db.prepare(`UPDATE cmk SET sealed = ? WHERE uuid = ${uuid(a)}`);
    db.exec("PRAGMA synchronous = OFF");
    for (let i = 0; i < sealed.length; i++) {
      const flipped = sealed.slice();
      flipped[i] = (flipped[i] ?? 0) ^ (1 << (i & 7));
      put.run(flipped);
      expect(await rejection(client.describeKey({ KeyId: a })), `${i}`).toMatchObject(altered);
    }
    put.run(sealed);
    await client.describeKey({ KeyId: a });
  });

  it("an expired deletion date does not delete a key", async () => {
    const { client, a, attack, path, root } = await setup();
    attack(`UPDATE cmk SET deletion = 1 WHERE uuid = ${uuid(a)}`);
    expect(await rejection(client.createKey())).toMatchObject(altered);
    expect(await rejection(openKeystore(path, { root }))).toMatchObject(altered);
    attack("UPDATE cmk SET deletion = NULL");
    await client.generateDataKey({ KeyId: a, KeySpec: "AES_256" });
  });

  it("a row of another keystore is not this one's", async () => {
    const { client, a, path, attack } = await setup();
    const { path: other, client: foreign } = await tempKeystore();
    await newKey(foreign);
    attack(
      `ATTACH '${other}' AS other; INSERT INTO cmk SELECT 99, uuid, revision, deletion, sealed FROM other.cmk`,
    );
    expect(await rejection(client.listKeys())).toMatchObject(altered);
    await client.generateDataKey({ KeyId: a, KeySpec: "AES_256" });
    expect(path).not.toBe(other);
  });
});

it("an alias that points at no key is an error by that alias, too", async () => {
  const { client, attack } = await setup();
  attack("UPDATE alias SET uuid = zeroblob(16) WHERE name = 'alias/a'");
  expect(await rejection(client.describeKey({ KeyId: "alias/a" }))).toMatchObject(altered);
  expect(await rejection(client.listAliases())).toMatchObject(altered);
});

it("a record opens in its own keystore only, even under the same root key", async () => {
  const { a, path } = await setup();
  const database = await Database.open(path, { busyTimeout: 0 });
  onTestFinished(() => database.close());
  const root = secretKey(random(32));
  const store = (keystoreId: string): Store => new Store(database, root, keystoreId);
  const record = {
    keyId: NOWHERE,
    created: 0,
    description: "",
    enabled: true,
    deletion: undefined,
    policy: "",
    aliases: [],
    versions: [{ created: 0, key: root }],
  };
  store(a).insert(record);
  expect(store(a).key(NOWHERE)?.policy).toBe("");
  expect(() => store(NOWHERE).key(NOWHERE)).toThrow(expect.objectContaining(altered));
});

it("does not notice an older row of the same key, put back whole", async () => {
  // Documented in spec/kms-store-v1.md; if this ever fails, that must be rewritten.
  const { client, a, attack } = await setup();
  attack("CREATE TABLE old AS SELECT * FROM cmk");
  await client.disableKey({ KeyId: a });
  attack(
    "UPDATE cmk SET (revision, sealed) = (SELECT revision, sealed FROM old WHERE old.uuid = cmk.uuid); DROP TABLE old",
  );
  const made = client.generateDataKey({ KeyId: a, KeySpec: "AES_256" });
  expect((await made).Plaintext).toHaveLength(32);
});

describe("several connections", () => {
  it("see each other's changes at once", async () => {
    const { client, a, path, root } = await setup();
    using second = await openKeystore(path, { root });
    const other = second.as();
    await other.generateDataKey({ KeyId: a, KeySpec: "AES_256" });
    await client.disableKey({ KeyId: a });
    expect((await rejection(other.generateDataKey({ KeyId: a, KeySpec: "AES_256" }))).name).toBe(
      "DisabledException",
    );
    await other.enableKey({ KeyId: a });
    await client.rotateKeyOnDemand({ KeyId: a });
    const { CiphertextBlob } = await client.encrypt({ KeyId: a, Plaintext: new Uint8Array(1) });
    await other.decrypt({ KeyId: a, CiphertextBlob });
  });

  it("lose nothing when they change one key at once", async () => {
    const { client, a, path, root } = await setup();
    using second = await openKeystore(path, { root });
    const other = second.as();
    const calls = Array.from({ length: 20 }, (_, i) =>
      (i % 2 === 0 ? client : other).createAlias({ AliasName: `alias/n${i}`, TargetKeyId: a }),
    );
    await Promise.all(calls);
    expect((await client.listAliases({ KeyId: a, Limit: 100 })).Aliases).toHaveLength(21);
  });
});

describe("a key past its deletion date", () => {
  const rows = (path: string): unknown[] => {
    const db = new DatabaseSync(path);
    const found = db.prepare("SELECT hex(uuid) AS uuid FROM cmk ORDER BY seq").all();
    const aliases = db.prepare("SELECT name FROM alias ORDER BY name").all();
    db.close();
    return [found.map((row) => row["uuid"]), aliases.map((row) => row["name"])];
  };
  const hex = (keyId: string): string => keyId.replaceAll("-", "").toUpperCase();

  it.each(["the next change", "the next opening"])("is deleted with %s", async (when) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { client, a, b, path, root } = await setup();
    await client.scheduleKeyDeletion({ KeyId: a, PendingWindowInDays: 7 });
    const db = new DatabaseSync(path);
    const sealed = db.prepare("SELECT sealed FROM cmk WHERE deletion IS NOT NULL").get()?.[
      "sealed"
    ];
    db.close();
    const needle = Buffer.from(sealed as Uint8Array).subarray(0, 64);

    vi.setSystemTime(Date.now() + 7 * DAY_MS);
    await rejection(client.describeKey({ KeyId: a }));
    expect(rows(path)).toEqual([
      [hex(a), hex(b)],
      ["alias/a", "alias/b"],
    ]);
    if (when === "the next change") {
      await client.updateKeyDescription({ KeyId: b, Description: "" });
    } else {
      const again = await openKeystore(path, { root });
      again.close();
    }
    expect(rows(path)).toEqual([[hex(b)], ["alias/b"]]);
    for (const file of [path, `${path}-wal`]) {
      expect(readFileSync(file).includes(needle), file).toBe(false);
    }
  });

  it("frees its alias for another", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { client, a, b } = await setup();
    await client.scheduleKeyDeletion({ KeyId: a, PendingWindowInDays: 7 });
    vi.setSystemTime(Date.now() + 7 * DAY_MS);
    await client.createAlias({ AliasName: "alias/a", TargetKeyId: b });
    expect((await client.describeKey({ KeyId: "alias/a" })).KeyMetadata.KeyId).toBe(b);
  });
});

it("opens a record once while its row stays the same", async () => {
  const { client, a } = await setup();
  const used = async (): Promise<void> => {
    await client.generateDataKey({ KeyId: a, KeySpec: "AES_256" });
  };
  await used();
  const parse = vi.spyOn(JSON, "parse");
  await used();
  await used();
  expect(parse).toHaveBeenCalledTimes(0);
  await client.updateKeyDescription({ KeyId: a, Description: "" });
  await used();
  await used();
  expect(parse).toHaveBeenCalledTimes(1);
  parse.mockRestore();
});

it("holds more keys than it keeps in memory", async () => {
  const { client } = await tempKeystore();
  const made = await Promise.all(Array.from({ length: 1100 }, () => newKey(client)));
  const listAll = async (): Promise<string[]> => {
    const { Keys, NextMarker } = await client.listKeys({ Limit: 1000 });
    const rest = await client.listKeys({ Limit: 1000, Marker: NextMarker });
    return [...Keys, ...rest.Keys].map(({ KeyId }) => KeyId);
  };
  const listed = await listAll();
  expect(listed.toSorted()).toEqual(made.toSorted());
  expect(await listAll()).toEqual(listed);
  const parse = vi.spyOn(JSON, "parse");
  for (const KeyId of listed.slice(-1000)) await client.describeKey({ KeyId });
  expect(parse).toHaveBeenCalledTimes(0);
  await client.describeKey({ KeyId: listed[0] });
  expect(parse).toHaveBeenCalledTimes(1);
  parse.mockRestore();
});
