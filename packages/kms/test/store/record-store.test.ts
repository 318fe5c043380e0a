import { readFileSync } from "node:fs";
import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import { RecordStore } from "../../src/store/record-store.ts";
import type { KeyRecord } from "../../src/store/key-record.ts";
import { verifyStore } from "../../src/store/verify.ts";
import { tempKeystore } from "../support/keystore.ts";
import {
  attack,
  copyOf,
  keyRecord,
  openStore,
  putBack,
  tempStore,
  uuid,
  withAliases,
  type OpenStore,
} from "../support/store.ts";

const DAY_MS = 86_400_000;

afterEach(() => {
  vi.useRealTimers();
});

interface Setup extends OpenStore {
  readonly a: string;
  readonly b: string;
}

/** Two keys with an alias each, both in memory. */
async function setup(): Promise<Setup> {
  const open = await tempStore();
  const [a, b] = [keyRecord(withAliases("alias/a")), keyRecord(withAliases("alias/b"))];
  await open.store.write(() => {
    open.store.keys.insert(a);
    open.store.keys.insert(b);
  });
  await open.store.read(() => [
    open.store.keys.get("local", a.keyId),
    open.store.keys.get("local", b.keyId),
  ]);
  return { ...open, a: a.keyId, b: b.keyId };
}

function change(
  { store }: Pick<OpenStore, "store">,
  keyId: string,
  by: Partial<KeyRecord>,
): Promise<void> {
  return store.write(() => store.keys.update({ ...found(store, keyId), ...by }));
}

function found(store: RecordStore, keyId: string): KeyRecord {
  const record = store.keys.get("local", keyId);
  if (record === undefined) throw new Error("the key is not there");
  return record;
}

/** What reading ends in: nothing, or what is wrong. */
async function problem(
  { path }: OpenStore,
  reading: Promise<unknown>,
): Promise<string | undefined> {
  const outcome: unknown = await reading.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome === undefined) return undefined;
  if (!(outcome instanceof Error)) throw new TypeError("no error");
  expect(outcome).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
  return outcome.message
    .replace(`keystore ${path}: `, "")
    .replace(". Check the path, or restore the file from a backup", "");
}

const keyProblem = (open: OpenStore, keyId: string): Promise<string | undefined> =>
  problem(
    open,
    open.store.read(() => open.store.keys.get("local", keyId)),
  );

async function findings({ database, root, keystoreId }: OpenStore): Promise<string[]> {
  const store = new RecordStore(database, root, keystoreId);
  const list = await verifyStore(database, store, () => undefined);
  return list.map(({ record, problem: what }) => `${record}: ${what}`).toSorted();
}

const ALTERED = "it was altered, or belongs to another row or keystore";
const OTHER_ALIASES = "the alias rows that point at it are not those it contains";

describe("a row that was altered is an error that names it", () => {
  // Requirements: F11
  it.each<[string, (keys: Setup) => string, (keys: Setup) => string]>([
    [
      "an alias that points at another key",
      ({ b }) => `UPDATE alias SET uuid = ${uuid(b)} WHERE name = 'alias/a'`,
      () => OTHER_ALIASES,
    ],
    [
      "an alias that points at no key",
      () => "UPDATE alias SET uuid = zeroblob(16) WHERE name = 'alias/a'",
      () => OTHER_ALIASES,
    ],
    [
      "records that were swapped",
      ({ a, b }) =>
        `UPDATE cmk SET sealed = (SELECT sealed FROM cmk AS o WHERE o.uuid != cmk.uuid);
         UPDATE alias SET uuid = CASE uuid WHEN ${uuid(a)} THEN ${uuid(b)} ELSE ${uuid(a)} END`,
      () => ALTERED,
    ],
    [
      "key ids that were swapped",
      ({ a, b }) =>
        `UPDATE cmk SET uuid = zeroblob(16) WHERE uuid = ${uuid(a)};
         UPDATE cmk SET uuid = ${uuid(a)} WHERE uuid = ${uuid(b)};
         UPDATE cmk SET uuid = ${uuid(b)} WHERE uuid = zeroblob(16)`,
      () => ALTERED,
    ],
    ["a record cut short", () => "UPDATE cmk SET sealed = substr(sealed, 1, 40)", () => ALTERED],
    ["an empty record", () => "UPDATE cmk SET sealed = x''", () => ALTERED],
    [
      "a record of 2 MiB",
      () => "UPDATE cmk SET sealed = zeroblob(2097152)",
      () => "its row is out of bounds",
    ],
    [
      "another version of sealing",
      () => "UPDATE cmk SET sealed = CAST(x'02' || substr(sealed, 2) AS BLOB)",
      () => ALTERED,
    ],
    [
      "a deletion date that the record does not have",
      () => "UPDATE cmk SET deletion = 99999999999999",
      () => "its row has another deletion date than it contains",
    ],
    [
      "one alias more",
      ({ a }) => `INSERT INTO alias VALUES ('local', 'alias/c', ${uuid(a)})`,
      () => OTHER_ALIASES,
    ],
    ["one alias less", () => "DELETE FROM alias WHERE name = 'alias/a'", () => OTHER_ALIASES],
    [
      "an alias by another name",
      () => "UPDATE alias SET name = 'alias/A' WHERE name = 'alias/a'",
      () => OTHER_ALIASES,
    ],
    [
      "a place in lists before the first",
      ({ a }) => `UPDATE cmk SET seq = -seq WHERE uuid = ${uuid(a)}`,
      () => "its row is out of bounds",
    ],
  ])("%s", async (_, sql, expected) => {
    const keys = await setup();
    const { path, store, a } = keys;
    attack(path, sql(keys));
    const named = `key ${a} in local does not verify: ${expected(keys)}`;
    expect(await keyProblem(keys, a)).toBe(named);
    expect(await problem(keys, change(keys, a, {}))).toBe(named);
    expect(
      await problem(
        keys,
        store.read(() => [
          store.keys.list("local", 0, 10),
          store.keys.listAliases("local", "", 10),
        ]),
      ),
    ).toMatch(/ does not verify: /);
    expect(await findings(keys)).toContain(named.replace(" does not verify", ""));
    const byAlias = await problem(
      keys,
      store.read(() => {
        expect(store.keys.byAlias("local", "alias/a")?.keyId ?? a).toBe(a);
      }),
    );
    expect(byAlias).toMatch(/^(?:key|alias) .* does not verify: /);
  });

  it("one bit, anywhere in the record", async () => {
    const keys = await setup();
    const { path, database, store, a } = keys;
    const [row] = copyOf(path, `(SELECT sealed FROM cmk WHERE uuid = ${uuid(a)})`).values();
    const sealed = row?.[0]?.["sealed"] as Uint8Array;
    const put = database.prepare(`UPDATE cmk SET sealed = ? WHERE uuid = ${uuid(a)}`);
    database.prepare("PRAGMA synchronous = OFF").run();
    // A store that keeps nothing in memory yet: the rows change on its own connection.
    const reading = (): Promise<string | undefined> => {
      const fresh = new RecordStore(database, keys.root, keys.keystoreId);
      return problem(
        keys,
        fresh.read(() => fresh.keys.get("local", a)),
      );
    };
    for (let i = 0; i < sealed.length; i++) {
      const flipped = Uint8Array.from(sealed);
      flipped[i] = (flipped[i] ?? 0) ^ (1 << (i & 7));
      put.run(flipped);
      expect(await reading(), `byte ${i}`).toBe(`key ${a} in local does not verify: ${ALTERED}`);
    }
    put.run(sealed);
    expect(await reading()).toBeUndefined();
    expect(await store.read(() => store.keys.get("local", a)?.keyId)).toBe(a);
  });

  it("a date in clear that has passed does not delete a key", async () => {
    const keys = await setup();
    attack(keys.path, `UPDATE cmk SET deletion = 0 WHERE uuid = ${uuid(keys.a)}`);
    const named = `key ${keys.a} in local does not verify: its row has another deletion date than it contains`;
    expect(await problem(keys, change(keys, keys.b, {}))).toBe(named);
    attack(keys.path, "UPDATE cmk SET deletion = NULL");
    expect(await keyProblem(keys, keys.a)).toBeUndefined();
  });

  it("a number that no row can have", async () => {
    const keys = await setup();
    attack(keys.path, "UPDATE cmk SET deletion = 9223372036854775807");
    const named = `key ${keys.a} in local does not verify: its row has another deletion date than it contains`;
    expect(await keyProblem(keys, keys.a)).toBe(named);
    attack(keys.path, "UPDATE cmk SET deletion = NULL, seq = seq + 9223372036854775000");
    const bounds = `key ${keys.a} in local does not verify: its row is out of bounds`;
    expect(await keyProblem(keys, keys.a)).toBe(bounds);
    const list = keys.store.read(() => keys.store.keys.list("local", 0, 10));
    expect(await problem(keys, list)).toBe("a row contains a number out of bounds");
  });

  // Requirements: F11
  it("a row of another keystore is not this one's", async () => {
    const keys = await setup();
    const other = await setup();
    attack(
      keys.path,
      `ATTACH '${other.path}' AS other; INSERT INTO cmk SELECT 99, uuid, region, deletion, sealed FROM other.cmk WHERE uuid = ${uuid(other.a)}`,
    );
    expect(await keyProblem(keys, other.a)).toBe(
      `key ${other.a} in local does not verify: ${ALTERED}`,
    );
    expect(await keyProblem(keys, keys.a)).toBeUndefined();
    expect(await findings(keys)).toEqual([`key ${other.a} in local: ${ALTERED}`]);
  });

  it("not even under the same root key", async () => {
    const keys = await setup();
    const store = new RecordStore(keys.database, keys.root, keys.a);
    expect(
      await problem(
        keys,
        store.read(() => store.keys.get("local", keys.a)),
      ),
    ).toBe("the state does not verify: its row was altered");
  });
});

describe("an older row that is put back", () => {
  const PUT_BACK = "an older row of it was put back";

  // Requirements: F18
  it("is noticed, with its alias rows or without", async () => {
    const keys = await setup();
    const { path, a } = keys;
    const old = copyOf(path, "cmk", "alias");
    await change(keys, a, { enabled: false, ...withAliases("alias/new") });

    putBack(path, old, (table) => table === "cmk");
    expect(await keyProblem(keys, a)).toBe(`key ${a} in local does not verify: ${PUT_BACK}`);
    attack(path, "DELETE FROM alias");
    putBack(path, old);
    expect(await keyProblem(keys, a)).toBe(`key ${a} in local does not verify: ${PUT_BACK}`);
    expect(await findings(keys)).toEqual(
      [
        "alias alias/new in local: its row was removed",
        "alias alias/a in local: its row was added",
        `key ${a} in local: ${PUT_BACK}`,
      ].toSorted(),
    );
  });

  it("is noticed by a process that opens the file afterwards", async () => {
    const keys = await setup();
    const old = copyOf(keys.path, "cmk", "alias");
    await change(keys, keys.a, { enabled: false });
    putBack(keys.path, old);
    expect(await keyProblem(await openStore(keys.path), keys.a)).toBe(
      `key ${keys.a} in local does not verify: ${PUT_BACK}`,
    );
  });

  // Requirements: F17
  it("is noticed with the bucket that lists it", async () => {
    const keys = await setup();
    const { path, a } = keys;
    const old = copyOf(path, "cmk", "bucket");
    await change(keys, a, { enabled: false });
    putBack(path, old);
    // Who knows the bucket notices the row of the key, and who has to read it the bucket.
    expect(await keyProblem(keys, a)).toBe(`key ${a} in local does not verify: ${PUT_BACK}`);
    expect(await keyProblem(await openStore(path), a)).toMatch(
      /^bucket [0-9]+ does not verify: an older row of it was put back$/,
    );
    for (const open of [keys, await openStore(path)]) {
      expect(await findings(open)).toEqual([
        expect.stringMatching(/^bucket [0-9]+: an older row of it was put back$/),
      ]);
    }
  });

  // Requirements: F16
  it("is noticed with bucket and state by every process that has the file open, and by no other", async () => {
    // The one thing that a file cannot tell from within: spec/kms-store-v1.md says so.
    const keys = await setup();
    const { path, a } = keys;
    const second = await openStore(path);
    await second.store.read(() => undefined);
    const old = copyOf(path, "cmk", "alias", "bucket", "state");
    const before = Number(old.get("state")?.[0]?.["revision"]);
    await change(keys, a, { enabled: false });
    await second.store.read(() => undefined);
    putBack(path, old);
    const back = `the keystore does not verify: the whole file is back at its change ${before}, and was at ${before + 1}`;
    for (const open of [keys, second]) {
      expect(await keyProblem(open, a)).toBe(back);
      expect(
        await problem(
          open,
          open.store.write(() => undefined),
        ),
      ).toBe(back);
    }
    const third = await openStore(path);
    expect(await third.store.read(() => third.store.keys.get("local", a)?.enabled)).toBe(true);
    // What goes on from there is another history.
    await change(third, a, { description: "fork" });
    expect(await keyProblem(keys, a)).toBe(
      `the keystore does not verify: there are two different changes ${before + 1}`,
    );
  });

  // Requirements: F18
  it("is noticed when the key was deleted", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys = await setup();
    const { path, a, b } = keys;
    await change(keys, a, { deletion: { date: Date.now() + 7 * DAY_MS, windowDays: 7 } });
    const old = copyOf(path, "cmk", "alias");
    for (const days of [8, 9]) {
      vi.setSystemTime(Date.now() + days * DAY_MS);
      await change(keys, b, {});
    }
    expect(copyOf(path, "cmk").get("cmk")).toHaveLength(1);
    putBack(path, old, (_, row) =>
      Buffer.from(row["uuid"] as Uint8Array).equals(Buffer.from(a.replaceAll("-", ""), "hex")),
    );
    vi.setSystemTime(Date.now() - 17 * DAY_MS);
    expect(await keyProblem(await openStore(path), a)).toBe(
      `key ${a} in local does not verify: it was deleted, and its row was put back`,
    );
    expect(await findings(keys)).toEqual([
      "alias alias/a in local: its row was added",
      `key ${a} in local: it was deleted, and its row was put back`,
    ]);
  });

  it("is noticed when it was sealed in a change that did not come to pass", async () => {
    const keys = await setup();
    const { path, store, a } = keys;
    let never = new Map<string, readonly Record<string, never>[]>();
    const failed = await rejection(
      store.write(() => {
        store.keys.update({ ...found(store, a), description: "never" });
        const row = keys.database.prepare(`SELECT * FROM cmk WHERE uuid = ${uuid(a)}`).get();
        never = new Map([["cmk", [row as Record<string, never>]]]);
        throw new Error("no");
      }),
    );
    expect(failed.message).toBe("no");
    putBack(path, never);
    expect(await keyProblem(keys, a)).toBe(`key ${a} in local does not verify: ${PUT_BACK}`);
  });
});

describe("a row that is removed", () => {
  // Requirements: F19, F20, F21
  it("is missed by its key id, in lists, and when the key is to be made again", async () => {
    const keys = await setup();
    const { path, store, a } = keys;
    attack(
      path,
      `DELETE FROM cmk WHERE uuid = ${uuid(a)}; DELETE FROM alias WHERE uuid = ${uuid(a)}`,
    );
    const named = `key ${a} in local does not verify: its row was removed`;
    expect(await keyProblem(keys, a)).toBe(named);
    const list = store.read(() => store.keys.list("local", 0, 10));
    expect(await problem(keys, list)).toBe(named);
    const again = store.write(() => store.keys.insert(keyRecord({ keyId: a })));
    expect(await problem(keys, again)).toBe(named);
    expect(await findings(keys)).toEqual([
      "alias alias/a in local: its row was removed",
      `key ${a} in local: its row was removed`,
    ]);
  });

  // Requirements: F19, F20, F21
  it("is missed by its alias, in lists, and when the alias is to be made again", async () => {
    const keys = await setup();
    const { path, store, a, b } = keys;
    attack(path, "DELETE FROM alias WHERE name = 'alias/a'");
    const named = "alias alias/a in local does not verify: its row was removed";
    const readings: (() => unknown)[] = [
      () => store.keys.byAlias("local", "alias/a"),
      () => store.keys.listAliases("local", "", 10),
      () => store.keys.listAliases("local", "alias/b", 10),
    ];
    for (const reading of readings) {
      expect(await problem(keys, store.read(reading))).toBe(named);
    }
    const again = change(keys, b, withAliases("alias/a", "alias/b"));
    expect(await problem(keys, again)).toBe(named);
    expect(await findings(keys)).toEqual([
      "alias alias/a in local: its row was removed",
      `key ${a} in local: ${OTHER_ALIASES}`,
    ]);
  });

  it("is missed where another took its place in a list", async () => {
    const keys = await setup();
    attack(keys.path, "UPDATE alias SET name = '' WHERE name = 'alias/a'");
    const list = keys.store.read(() => keys.store.keys.listAliases("local", "", 10));
    expect(await problem(keys, list)).toBe(
      "alias alias/a in local does not verify: its row was removed",
    );
  });

  // Requirements: F21
  it.each(["0", "-1", "-9007199254740991"])(
    "is missed in lists where it is only hidden from them, by seq %s",
    async (seq) => {
      const keys = await setup();
      const { path, store, a } = keys;
      attack(path, `UPDATE cmk SET seq = ${seq} WHERE uuid = ${uuid(a)}`);
      for (let i = 0; i < 2; i++) {
        const list = store.read(() => store.keys.list("local", 0, 10));
        expect(await problem(keys, list)).toBe(
          `key ${a} in local does not verify: its row is hidden from lists`,
        );
      }
      expect(await findings(keys)).toEqual([`key ${a} in local: its row is out of bounds`]);
    },
  );

  // Requirements: F21
  it("is missed in lists where another row is added for one that is hidden", async () => {
    const keys = await setup();
    const { path, store, a } = keys;
    attack(
      path,
      `UPDATE cmk SET seq = 0 WHERE uuid = ${uuid(a)};
       INSERT INTO cmk (uuid, region, sealed) VALUES (randomblob(16), 'local', zeroblob(100))`,
    );
    expect(
      await problem(
        keys,
        store.read(() => store.keys.list("local", 0, 10)),
      ),
    ).toMatch(/^key .* does not verify: it was altered/);
  });

  // Requirements: F16, F17
  it("is missed where it is a bucket's or the state's", async () => {
    const keys = await setup();
    attack(keys.path, "CREATE TEMP TABLE t AS SELECT * FROM bucket; DELETE FROM bucket");
    const open = await openStore(keys.path);
    expect(await keyProblem(open, keys.a)).toMatch(
      /^bucket [0-9]+ does not verify: its row was removed$/,
    );
    expect(await findings(open)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^bucket [0-9]+: its row was removed$/)]),
    );
    attack(keys.path, "DELETE FROM state");
    const state = "the state does not verify: its row is missing or out of bounds";
    for (const one of [keys, open]) expect(await keyProblem(one, keys.a)).toBe(state);
  });
});

// Requirements: F16, F17
it("names a bucket or a state that was altered", async () => {
  const keys = await setup();
  attack(
    keys.path,
    "UPDATE bucket SET sealed = CAST(substr(sealed, 1, length(sealed) - 16) || zeroblob(16) AS BLOB)",
  );
  const open = await openStore(keys.path);
  expect(await keyProblem(open, keys.a)).toMatch(
    /^bucket [0-9]+ does not verify: its row was altered$/,
  );
  for (const sql of [
    "UPDATE state SET revision = revision + 1",
    "UPDATE state SET revision = revision - 1, sealed = CAST(substr(sealed, 1, length(sealed) - 16) || zeroblob(16) AS BLOB)",
  ]) {
    attack(keys.path, sql);
    expect(await keyProblem(open, keys.a)).toBe("the state does not verify: its row was altered");
  }
});

it("finds keys by either form of their id, and only by their own", async () => {
  const { store } = await tempStore();
  const hex = "0123456789abcdef0123456789abcdef";
  const plain = "01234567-89ab-cdef-0123-456789abcdef";
  await store.write(() =>
    store.keys.insert(keyRecord({ keyId: `mrk-${hex}`, regions: ["local"] })),
  );
  expect(await store.read(() => store.keys.get("local", `mrk-${hex}`)?.keyId)).toBe(`mrk-${hex}`);
  expect(await store.read(() => store.keys.get("local", plain))).toBeUndefined();
});

it("changes no key that is not there", async () => {
  const { store } = await tempStore();
  const nothing = store.write(() => store.keys.update(keyRecord()));
  expect(await rejection(nothing)).toBeInstanceOf(RangeError);
});

it("takes no record of more than 1 MiB, and keeps the one there was", async () => {
  const keys = await setup();
  const large = change(keys, keys.a, { policy: "x".repeat(2 ** 20) });
  expect(await rejection(large)).toBeInstanceOf(RangeError);
  expect(await keyProblem(keys, keys.a)).toBeUndefined();
});

it("is used inside read and write only", async () => {
  const { database, root, keystoreId, store } = await tempStore();
  const unused = new RecordStore(database, root, keystoreId);
  expect(() => unused.keys.get("local", keyRecord().keyId)).toThrow(TypeError);
  await store.read(() => undefined);
  expect(store.now()).toBeGreaterThan(0);
});

describe("lists", () => {
  it("go through all keys and aliases in pages", async () => {
    const { store } = await tempStore();
    const records = Array.from({ length: 7 }, (_, i) => keyRecord(withAliases(`alias/${6 - i}`)));
    await store.write(() => records.forEach((record) => store.keys.insert(record)));
    const keys: string[] = [];
    for (let after: number | undefined = 0; after !== undefined;) {
      const from: number = after;
      const page = await store.read(() => store.keys.list("local", from, 3));
      keys.push(...page.items.map(({ keyId }) => keyId));
      after = page.next;
    }
    expect(keys).toEqual(records.map(({ keyId }) => keyId));
    const names: string[] = [];
    for (let after: string | undefined = ""; after !== undefined;) {
      const from: string = after;
      const page = await store.read(() => store.keys.listAliases("local", from, 3));
      names.push(...page.items.map(([{ name }]) => name));
      after = page.next;
    }
    expect(names).toEqual(Array.from({ length: 7 }, (_, i) => `alias/${i}`));
  });
});

describe("several connections", () => {
  it("see each other's changes at once", async () => {
    const keys = await setup();
    const other = await openStore(keys.path);
    await other.store.read(() => other.store.keys.get("local", keys.a));
    await change(keys, keys.a, { enabled: false });
    expect(await other.store.read(() => other.store.keys.get("local", keys.a)?.enabled)).toBe(
      false,
    );
    await change(other, keys.a, { enabled: true, description: "again" });
    expect(await keys.store.read(() => keys.store.keys.get("local", keys.a))).toMatchObject({
      enabled: true,
      description: "again",
    });
  });

  it("lose nothing when they change one key at once", async () => {
    const keys = await setup();
    const other = await openStore(keys.path);
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => {
        const { store } = i % 2 === 0 ? keys : other;
        return store.write(() => {
          const record = found(store, keys.a);
          store.keys.update({ ...record, tags: new Map([...record.tags, [`n${i}`, ""]]) });
        });
      }),
    );
    const tags = await keys.store.read(() => keys.store.keys.get("local", keys.a)?.tags);
    expect(tags?.size).toBe(40);
    expect(await findings(other)).toEqual([]);
  });

  it("read one state of the file, whatever others write meanwhile", async () => {
    const keys = await setup();
    const other = await openStore(keys.path);
    let changed: Promise<void> | undefined;
    await keys.store.read(() => {
      const before = keys.store.keys.get("local", keys.a);
      other.store.writeSync(() =>
        other.store.keys.update({ ...found(other.store, keys.a), description: "meanwhile" }),
      );
      changed = Promise.resolve();
      expect(keys.store.keys.get("local", keys.a)).toBe(before);
      expect(
        keys.store.keys.list("local", 0, 10).items.map(({ description }) => description),
      ).toEqual(["", ""]);
    });
    await changed;
    expect(await keys.store.read(() => keys.store.keys.get("local", keys.a)?.description)).toBe(
      "meanwhile",
    );
  });
});

describe("records in memory", () => {
  it("are read once while nobody else writes", async () => {
    const keys = await setup();
    const { store, a, b } = keys;
    await store.read(() => store.keys.get("local", a));
    const record = await store.read(() => store.keys.get("local", a));
    await change(keys, b, { description: "another" });
    expect(await store.read(() => store.keys.get("local", a))).toBe(record);
    const other = await openStore(keys.path);
    await change(other, b, { description: "and again" });
    // Looked at, found to be the same.
    expect(await store.read(() => store.keys.get("local", a))).toBe(record);
    await change(other, a, { description: "changed" });
    expect(await store.read(() => store.keys.get("local", a)?.description)).toBe("changed");
  });

  it("are those of before when a change is taken back", async () => {
    const keys = await setup();
    const { store, a } = keys;
    const failed = store.write(() => {
      store.keys.update({ ...found(store, a), description: "no" });
      expect(store.keys.get("local", a)?.description).toBe("no");
      throw new Error("taken back");
    });
    expect((await rejection(failed)).message).toBe("taken back");
    expect(await store.read(() => store.keys.get("local", a)?.description)).toBe("");
  });

  it("are seen to be changed by others, in use and asked for the first time alike", async () => {
    const { path, store } = await tempStore();
    const other = await openStore(path);
    const records = Array.from({ length: 30 }, (_, i) =>
      keyRecord(withAliases(`alias/${String(i).padStart(2, "0")}`)),
    );
    await store.write(() => records.forEach((record) => store.keys.insert(record)));
    const described = (): Promise<unknown> =>
      store.read(() =>
        records.map(({ aliases: [alias] }) => {
          return store.keys.byAlias("local", alias?.name ?? "")?.description;
        }),
      );
    const inUse = records.slice(0, 20);
    for (let round = 0; round < 3; round++) {
      await store.read(() => inUse.map(({ keyId }) => store.keys.get("local", keyId)));
    }
    for (const text of ["one", "two"]) {
      await other.store.write(() =>
        records.forEach((record) => other.store.keys.update({ ...record, description: text })),
      );
      expect(await described()).toEqual(records.map(() => text));
    }
    const [mine, theirs] = [records[0], records[29]];
    if (mine === undefined || theirs === undefined) throw new Error("there are thirty");
    await change({ store }, mine.keyId, { description: "mine" });
    await change(other, theirs.keyId, { description: "theirs" });
    expect(await described()).toEqual([
      "mine",
      ...Array.from({ length: 28 }, () => "two"),
      "theirs",
    ]);
  });

  it("are not all that there are", async () => {
    const { store } = await tempStore();
    const records = Array.from({ length: 4500 }, () => keyRecord());
    await store.write(() => records.forEach((record) => store.keys.insert(record)));
    const all = async (): Promise<string[]> => {
      const { items } = await store.read(() => store.keys.list("local", 0, 5000));
      return items.map(({ keyId }) => keyId);
    };
    expect(await all()).toEqual(records.map(({ keyId }) => keyId));
    const parse = vi.spyOn(JSON, "parse");
    const read = (i: number): Promise<unknown> =>
      store.read(() => store.keys.get("local", records[i]?.keyId ?? ""));
    const inUse = Array.from({ length: 2000 }, (_, i) => 2 * i);
    for (const i of inUse) await read(i);
    parse.mockClear();
    for (const i of inUse) await read(i);
    expect(parse).toHaveBeenCalledTimes(0);
    await read(1);
    expect(parse).toHaveBeenCalledTimes(1);
    parse.mockRestore();
  });

  it("take no more than so many bytes, as they lie in the file", async () => {
    const { store } = await tempStore();
    const records = Array.from({ length: 20 }, () => keyRecord({ policy: "x".repeat(1_000_000) }));
    await store.write(() => records.forEach((record) => store.keys.insert(record)));
    for (let times = 0; times < 2; times++) await store.read(() => store.keys.list("local", 0, 20));
    const parse = vi.spyOn(JSON, "parse");
    for (const { keyId } of records.slice(-9))
      await store.read(() => store.keys.get("local", keyId));
    expect(parse).toHaveBeenCalledTimes(0);
    await store.read(() => store.keys.get("local", records[1]?.keyId ?? ""));
    expect(parse).toHaveBeenCalledTimes(1);
    parse.mockRestore();
  });
});

describe("a key past its deletion date", () => {
  const pending = (days: number): Partial<KeyRecord> => ({
    enabled: false,
    deletion: { date: Date.now() + days * DAY_MS, windowDays: days },
  });
  const rows = (path: string): number[] =>
    [...copyOf(path, "cmk", "alias").values()].map(({ length }) => length);

  it("is gone at once, and deleted a day later, with its material", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys = await setup();
    const { path, store, a, b } = keys;
    const deleted: string[] = [];
    store.onDelete(({ keyId }) => deleted.push(keyId));
    await change(keys, a, pending(7));
    const [row] = copyOf(path, `(SELECT sealed FROM cmk WHERE uuid = ${uuid(a)})`).values();
    const needle = Buffer.from(row?.[0]?.["sealed"] as Uint8Array).subarray(0, 64);

    vi.setSystemTime(Date.now() + 7 * DAY_MS);
    const seen = await store.read(() => [
      store.keys.get("local", a),
      store.keys.byAlias("local", "alias/a"),
      store.keys.list("local", 0, 10).items.map(({ keyId }) => keyId),
      store.keys.listAliases("local", "", 10).items.map(([{ name }]) => name),
    ]);
    expect(seen).toEqual([undefined, undefined, [b], ["alias/b"]]);
    expect(await store.read(() => store.hasExpired())).toBe(true);
    await change(keys, b, { description: "1" });
    expect([rows(path), deleted]).toEqual([[2, 2], []]);
    expect(await store.read(() => store.hasExpired())).toBe(false);

    vi.setSystemTime(Date.now() + DAY_MS - 1);
    await change(keys, b, { description: "2" });
    expect(rows(path)).toEqual([2, 2]);
    vi.setSystemTime(Date.now() + 1);
    await change(keys, b, { description: "3" });
    expect([rows(path), deleted]).toEqual([[1, 1], [a]]);
    for (const file of [path, `${path}-wal`]) {
      expect(readFileSync(file).includes(needle), file).toBe(false);
    }
    expect(await findings(keys)).toEqual([]);
  });

  it("is not deleted by a change that fails", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys = await setup();
    await change(keys, keys.a, pending(7));
    for (const days of [8, 9]) {
      vi.setSystemTime(Date.now() + days * DAY_MS);
      const failed = keys.store.write(() => {
        throw new Error("no");
      });
      expect((await rejection(failed)).message).toBe("no");
    }
    expect(rows(keys.path)).toEqual([2, 2]);
  });

  it("stays gone when the clock is set back, also for who opens the file then", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys = await setup();
    const { store, a, b } = keys;
    await change(keys, a, pending(7));
    const start = Date.now();
    vi.setSystemTime(start + 8 * DAY_MS);
    expect(await store.read(() => store.keys.get("local", a))).toBeUndefined();
    vi.setSystemTime(start);
    expect(await store.read(() => store.keys.get("local", a))).toBeUndefined();
    vi.setSystemTime(start + 8 * DAY_MS);
    await change(keys, b, {});
    vi.setSystemTime(start);
    const other = await openStore(keys.path);
    expect(await other.store.read(() => other.store.keys.get("local", a))).toBeUndefined();
    expect(await other.store.read(() => other.store.now())).toBe(start + 8 * DAY_MS);
  });

  it("is there again when a clock that was a year ahead is reset within a day", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys = await setup();
    const { path, store, a, b } = keys;
    await change(keys, a, pending(7));
    const start = Date.now();
    for (const hours of [0, 1, 23]) {
      vi.setSystemTime(start + 365 * DAY_MS + hours * 3_600_000);
      await change(keys, b, {});
    }
    vi.setSystemTime(start + DAY_MS);
    expect(await store.read(() => store.keys.get("local", a))).toBeUndefined();
    await store.write(() => store.resetClock());
    expect(await store.read(() => [store.keys.get("local", a)?.keyId, store.now()])).toEqual([
      a,
      start + DAY_MS,
    ]);
    const other = await openStore(path);
    expect(await other.store.read(() => other.store.keys.get("local", a)?.keyId)).toBe(a);
    // And it goes when its time has really come.
    for (const days of [7, 8.5, 10]) {
      vi.setSystemTime(start + days * DAY_MS);
      await change(keys, b, {});
    }
    expect(rows(path)).toEqual([1, 1]);
  });

  it("is also found again by a process that used the wrong clock", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys = await setup();
    const other = await openStore(keys.path);
    await change(keys, keys.a, pending(7));
    const start = Date.now();
    vi.setSystemTime(start + 365 * DAY_MS);
    expect(await other.store.read(() => other.store.keys.get("local", keys.a))).toBeUndefined();
    vi.setSystemTime(start + 1);
    await keys.store.write(() => keys.store.resetClock());
    expect(await other.store.read(() => other.store.keys.get("local", keys.a)?.keyId)).toBe(keys.a);
    await change(other, keys.b, {});
    expect(await keys.store.read(() => keys.store.now())).toBe(start + 1);
  });

  it("is not deleted by setting back the clock", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys = await setup();
    const { path, store, a, b } = keys;
    await change(keys, a, pending(7));
    const start = Date.now();
    vi.setSystemTime(start + 365 * DAY_MS);
    await change(keys, b, {});
    // Seen, though not written down: what was noted a year ahead would be settled.
    vi.setSystemTime(start + 367 * DAY_MS);
    await store.read(() => store.keys.get("local", b));
    vi.setSystemTime(start + 8 * DAY_MS);
    await store.write(() => store.resetClock());
    expect(rows(path)).toEqual([2, 2]);
    expect(await store.read(() => [store.settled(), store.now()])).toEqual([
      expect.any(Number),
      start + 8 * DAY_MS,
    ]);
    expect(await store.read(() => store.settled())).toBeLessThanOrEqual(start);
  });

  it("is still to be deleted when a last change at closing did not", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys = await setup();
    const { path, store, a } = keys;
    await change(keys, a, pending(7));
    for (const days of [8, 9]) {
      vi.setSystemTime(Date.now() + days * DAY_MS);
      store.writeSync(() => undefined);
    }
    expect(rows(path)).toEqual([2, 2]);
    expect(await store.read(() => store.hasExpired())).toBe(true);
    await store.write(() => undefined);
    expect(rows(path)).toEqual([1, 1]);
    expect(await store.read(() => store.hasExpired())).toBe(false);
  });

  it("leaves its alias to another key", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys = await setup();
    const { path, store, a, b } = keys;
    await change(keys, a, pending(7));
    vi.setSystemTime(Date.now() + 7 * DAY_MS);
    await change(keys, b, withAliases("alias/a", "alias/b"));
    expect(await store.read(() => store.keys.byAlias("local", "alias/a")?.keyId)).toBe(b);
    expect(rows(path)).toEqual([2, 2]);
    expect(await findings(keys)).toEqual([]);
    for (const days of [1, 1]) {
      vi.setSystemTime(Date.now() + days * DAY_MS);
      await change(keys, b, {});
    }
    expect(rows(path)).toEqual([1, 2]);
    expect(await findings(keys)).toEqual([]);
  });

  it("is also deleted when a keystore is opened after its date", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { path, client, keystore, root } = await tempKeystore();
    const { KeyMetadata } = await client.createKey();
    await client.scheduleKeyDeletion({ KeyId: KeyMetadata.KeyId, PendingWindowInDays: 7 });
    keystore.close();
    const { openKeystore } = await import("../../src/index.ts");
    for (const left of [1, 0]) {
      vi.setSystemTime(Date.now() + 8 * DAY_MS);
      const again = await openKeystore(path, { root });
      again.close();
      expect(copyOf(path, "cmk").get("cmk")).toHaveLength(left);
    }
  });
});

describe("heads", () => {
  it("are kept with the rest, and taken back with it", async () => {
    const { path, store } = await tempStore();
    expect(await store.read(() => store.head("log", 0))).toBeUndefined();
    await store.write(() => store.setHead("log", 0, Uint8Array.of(1, 2)));
    await rejection(
      store.write(() => {
        store.setHead("log", 0, Uint8Array.of(3));
        expect(store.head("log", 0)).toEqual(Uint8Array.of(3));
        throw new Error("no");
      }),
    );
    const other = await openStore(path);
    expect(await other.store.read(() => other.store.head("log", 0))).toEqual(Uint8Array.of(1, 2));
    const long = store.write(() => store.setHead("log", 0, new Uint8Array(257)));
    expect(await rejection(long)).toBeInstanceOf(RangeError);
  });
});

it("seals tokens for this keystore and this name only", async () => {
  const { store } = await tempStore();
  const { store: other } = await tempStore();
  const token = store.sealToken("import", Uint8Array.of(1, 2));
  expect(store.openToken("import", token)).toEqual(Uint8Array.of(1, 2));
  expect(store.openToken("other", token)).toBeUndefined();
  expect(other.openToken("import", token)).toBeUndefined();
});
