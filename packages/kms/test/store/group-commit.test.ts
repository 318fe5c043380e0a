import { spawn } from "node:child_process";
import { once } from "node:events";
import { DatabaseSync } from "node:sqlite";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished } from "vitest";
import { Database } from "../../src/store/database.ts";
import { RecordStore } from "../../src/store/record-store.ts";
import { verifyStore } from "../../src/store/verify.ts";
import { keyRecord, openStore, tempStore, withAliases, type OpenStore } from "../support/store.ts";

/** How many transactions there were. */
function revision({ database }: OpenStore): number {
  return Number(database.prepare("SELECT revision FROM state").get()?.["revision"]);
}

async function keyIds({ path }: OpenStore): Promise<string[]> {
  const { store } = await openStore(path);
  const { items } = await store.read(() => store.keys.list("local", 0, 1000));
  return items.map(({ keyId }) => keyId);
}

async function sound({ path }: OpenStore): Promise<void> {
  const { database, store } = await openStore(path);
  expect(await verifyStore(database, store, () => undefined)).toEqual([]);
}

it("puts changes that are asked for at once into one transaction, in their order", async () => {
  const open = await tempStore();
  const before = revision(open);
  const records = Array.from({ length: 20 }, () => keyRecord());
  const made = await Promise.all(
    records.map((record) =>
      open.store.write(() => {
        open.store.keys.insert(record);
        return open.store.keys.list("local", 0, 100).items.length;
      }),
    ),
  );
  expect(made).toEqual(records.map((_, i) => i + 1));
  expect(revision(open)).toBe(before + 1);
  expect(await keyIds(open)).toEqual(records.map(({ keyId }) => keyId));
  await sound(open);
});

it("also commits what is requested in response to the previous transactions", async () => {
  const open = await tempStore();
  const before = revision(open);
  const callers = Array.from({ length: 10 }, async () => {
    for (let i = 0; i < 5; i++) await open.store.write(() => open.store.keys.insert(keyRecord()));
  });
  await Promise.all(callers);
  expect(revision(open)).toBe(before + 5);
});

it("does not put more than 64 into one", async () => {
  const open = await tempStore();
  const before = revision(open);
  const writes = Array.from({ length: 130 }, () => open.store.write(() => undefined));
  await Promise.all(writes);
  expect(revision(open)).toBe(before + 3);
});

it("answers when it is on disk, and not before", async () => {
  const open = await tempStore();
  const other = await openStore(open.path);
  const record = keyRecord();
  let seenInside: unknown = "nothing";
  await open.store.write(() => {
    open.store.keys.insert(record);
    seenInside = other.database.prepare("SELECT count(*) AS n FROM cmk").get()?.["n"];
  });
  expect(seenInside).toBe(0);
  expect(await other.store.read(() => other.store.keys.get("local", record.keyId)?.keyId)).toBe(
    record.keyId,
  );
});

describe("a change that fails", () => {
  it("is taken back alone", async () => {
    const open = await tempStore();
    const [a, b, c] = [keyRecord(withAliases("alias/x")), keyRecord(), keyRecord()];
    const outcomes = await Promise.allSettled([
      open.store.write(() => open.store.keys.insert(a)),
      open.store.write(() => {
        open.store.keys.insert(b);
        open.store.keys.update({ ...a, aliases: [] });
        open.store.setHead("log", 0, Uint8Array.of(1));
        throw new Error("no");
      }),
      open.store.write(() => {
        open.store.keys.insert(c);
        return [open.store.keys.byAlias("local", "alias/x")?.keyId, open.store.head("log", 0)];
      }),
    ]);
    expect(outcomes).toEqual([
      { status: "fulfilled", value: undefined },
      { status: "rejected", reason: new Error("no") },
      { status: "fulfilled", value: [a.keyId, undefined] },
    ]);
    expect(await keyIds(open)).toEqual([a.keyId, c.keyId]);
    await sound(open);
  });

  it("leaves no trace of its transaction where all of them do", async () => {
    const open = await tempStore();
    const before = revision(open);
    const failing = (): Promise<void> =>
      open.store.write(() => {
        open.store.keys.insert(keyRecord());
        throw new Error("no");
      });
    await Promise.allSettled([failing(), failing()]);
    expect(revision(open)).toBe(before);
    expect(await keyIds(open)).toEqual([]);
  });

  it("inside another one is taken back without it", async () => {
    const open = await tempStore();
    const { store } = open;
    const [a, b] = [keyRecord(), keyRecord(withAliases("alias/b"))];
    await store.write(() => {
      store.keys.insert(a);
      expect(() =>
        store.attempt(() => {
          store.keys.insert(b);
          store.keys.update({ ...a, description: "no" });
          expect(store.keys.get("local", a.keyId)?.description).toBe("no");
          throw new RangeError("inner");
        }),
      ).toThrow(new RangeError("inner"));
      expect(store.attempt(() => store.keys.get("local", a.keyId)?.description)).toBe("");
      expect(store.keys.byAlias("local", "alias/b")).toBeUndefined();
    });
    expect(await keyIds(open)).toEqual([a.keyId]);
    await sound(open);
  });
});

describe("a transaction that ends by itself, as on a full disk", () => {
  it("is tried again without the change that ended it", async () => {
    const open = await tempStore();
    const { store } = open;
    const records = Array.from({ length: 3 }, () => keyRecord());
    const runs = [0, 0, 0];
    const outcomes = await Promise.allSettled(
      records.map((record, i) =>
        store.write(() => {
          runs[i] = (runs[i] ?? 0) + 1;
          store.keys.insert(record);
          if (i !== 1) return;
          open.database.prepare("ROLLBACK").run();
          throw new Error("the disk is full");
        }),
      ),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(outcomes[1]).toMatchObject({ reason: new Error("the disk is full") });
    expect(runs).toEqual([2, 2, 2]);
    expect(await keyIds(open)).toEqual([records[0]?.keyId, records[2]?.keyId]);
    await sound(open);
  });

  it("keeps nothing that is written after its end", async () => {
    const open = await tempStore();
    const { store } = open;
    const before = revision(open);
    const lost = store.write(() => {
      try {
        store.attempt(() => {
          open.database.prepare("ROLLBACK").run();
          throw new Error("the disk is full");
        });
      } catch {
        store.keys.insert(keyRecord());
      }
    });
    expect((await rejection(lost)).message).toBe("the disk is full");
    expect(await keyIds(open)).toEqual([]);
    expect(revision(open)).toBe(before);
    await store.write(() => store.keys.insert(keyRecord()));
    await sound(open);
  });
});

it("refuses all of them where another process keeps the lock", async () => {
  const open = await tempStore();
  const database = await Database.open(open.path, { busyTimeout: 40 });
  onTestFinished(() => database.close());
  const store = new RecordStore(database, open.root, open.keystoreId);
  const holder = new DatabaseSync(open.path);
  holder.exec("BEGIN IMMEDIATE");
  const [first, second] = [1, 2].map(() => rejection(store.write(() => undefined)));
  expect(await first).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_BUSY", retryable: true });
  holder.exec("COMMIT");
  // They have waited together, and would now succeed.
  expect(await second).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_BUSY" });
  holder.exec("BEGIN IMMEDIATE");
  expect(() => store.writeSync(() => undefined)).toThrow(
    expect.objectContaining({ code: "ERR_ENVELOPE_KEYSTORE_BUSY" }),
  );
  holder.exec("COMMIT");
  holder.close();
  await store.write(() => store.keys.insert(keyRecord()));
  await sound(open);
});

it("refuses transactions that are still waiting when the file is closed", async () => {
  const { store, database } = await tempStore();
  const waiting = [1, 2].map(() => rejection(store.write(() => undefined)));
  database.close();
  for (const error of await Promise.all(waiting)) {
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
  }
  expect(() => store.writeSync(() => undefined)).toThrow(
    expect.objectContaining({ code: "ERR_ENVELOPE_CLOSED" }),
  );
});

it("writes at once where nothing can be waited for", async () => {
  const open = await tempStore();
  const record = keyRecord();
  expect(open.store.writing).toBe(false);
  const inside = open.store.writeSync(() => {
    open.store.keys.insert(record);
    return open.store.writing;
  });
  expect([inside, open.store.writing]).toEqual([true, false]);
  expect(() =>
    open.store.writeSync(() => {
      open.store.keys.insert(keyRecord());
      throw new RangeError("no");
    }),
  ).toThrow(new RangeError("no"));
  expect([await keyIds(open), open.store.writing]).toEqual([[record.keyId], false]);
  await sound(open);
});

it("waits for another process, synchronously or without blocking this process", async () => {
  const open = await tempStore();
  const hold = `
    const db = new (require("node:sqlite").DatabaseSync)(process.argv[1]);
    db.exec("BEGIN IMMEDIATE");
    require("node:fs").writeSync(1, "held");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    db.exec("COMMIT");`;
  const child = spawn(process.execPath, ["-e", hold, open.path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  await once(child.stdout, "data");
  open.store.writeSync(() => open.store.keys.insert(keyRecord()));
  expect(await ended).toEqual([0, null]);

  const holder = new DatabaseSync(open.path);
  holder.exec("BEGIN IMMEDIATE");
  let ticks = 0;
  const timer = setInterval(() => {
    if (++ticks === 5) holder.exec("COMMIT");
  }, 5);
  await open.store.write(() => open.store.keys.insert(keyRecord()));
  clearInterval(timer);
  holder.close();
  expect(ticks).toBeGreaterThanOrEqual(5);
});

it("goes by one time throughout a change", async () => {
  const { store } = await tempStore();
  const [first, last] = await store.write(() => {
    const begin = store.now();
    const until = performance.now() + 5;
    while (performance.now() < until);
    return [begin, store.now()];
  });
  expect(last).toBe(first);
});
