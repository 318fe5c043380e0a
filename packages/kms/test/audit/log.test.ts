import { DatabaseSync } from "node:sqlite";
import { readFileSync } from "node:fs";
import { until } from "@env/testkit/turns";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AuditLog, type AuditOptions } from "../../src/audit/log.ts";
import type { AuditEntry } from "../../src/audit/query.ts";
import {
  ALICE,
  appendAll,
  event,
  FACTS,
  fill,
  filledLog,
  KEY,
  openLog,
  rootKey,
  tempLog,
} from "./support/log.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function names(log: AuditLog): Promise<string[]> {
  const found: AuditEntry[] = [];
  for await (const entry of log.query()) found.push(entry);
  found.sort((a, b) => a.sequence - b.sequence);
  expect(found.map(({ sequence }) => sequence)).toEqual(found.map((_, i) => i + 1));
  return found.map(({ record }) => record.eventName);
}

/** A lock that another process holds until it is released. */
function lock(path: string): () => void {
  const db = new DatabaseSync(path);
  db.exec("BEGIN IMMEDIATE");
  return () => db.close();
}

const batched = (maxDelayMs: number, maxEvents: number): AuditOptions => ({
  durability: { maxDelayMs, maxEvents },
});

describe("a record of a call", () => {
  it("is in the file once it is answered for", async () => {
    const { log, path } = await tempLog();
    await log.append(event({ operation: "Encrypt" }));
    const { log: other } = await openLog(path);
    expect(await names(other)).toEqual(["Encrypt"]);
  });

  it("cannot be read in the file", async () => {
    const { log, path, close } = await tempLog();
    const encryptionContext = { tenant: "acme-corporation" };
    await log.append(event({ operation: "DescribeKey", encryptionContext }));
    const words = ["acme-corporation", "alice", "DescribeKey", "Decrypt"];
    const before = readFileSync(path, "latin1") + readFileSync(`${path}-wal`, "latin1");
    for (const word of [...words, KEY]) expect(before).not.toContain(word);
    // A use shows that the key has been used, and nothing else.
    await log.append(event({ encryptionContext }));
    close();
    const file = readFileSync(path, "latin1");
    for (const word of words) expect(file).not.toContain(word);
  });

  it("shares a transaction with those that come at the same time", async () => {
    const { log, commits } = await tempLog();
    const before = commits();
    await fill(log, 64);
    expect(commits()).toBe(before + 1);
    await log.append(event());
    expect(commits()).toBe(before + 2);
    expect(await names(log)).toHaveLength(65);
  });

  it("waits for those that come in the turns after it, as long as every turn brings more", async () => {
    const { log, commits } = await tempLog();
    const before = commits();
    const calls: Promise<void>[] = [];
    for (let turn = 0; turn < 20; turn++) {
      const next = new Promise(setImmediate);
      calls.push(Promise.resolve(log.append(event())));
      await next;
    }
    await Promise.all(calls);
    expect(commits()).toBe(before + 1);
  });

  it("comes behind all that other processes have written", async () => {
    const { log, path } = await filledLog(2);
    const { log: other } = await openLog(path);
    await other.append(event({ operation: "Theirs" }));
    await log.append(event({ operation: "Ours" }));
    expect(await names(other)).toEqual(["Operation1", "Operation2", "Theirs", "Ours"]);
    expect((await log.verify()).intact).toBe(true);
  });
});

describe("a record of a change", () => {
  it("is there exactly if the change is", async () => {
    const { log, store, commits } = await tempLog();
    const before = commits();
    const made = store.write(() => {
      expect(log.append(event({ operation: "CreateKey" }))).toBeUndefined();
      return "made";
    });
    const failed = store.write(() => {
      void log.append(event({ operation: "CreateAlias" }));
      throw new Error("refused");
    });
    const also = store.write(() => void log.append(event({ operation: "TagResource" })));
    await expect(failed).rejects.toThrow("refused");
    expect(await made).toBe("made");
    await also;
    expect(commits()).toBe(before + 1);
    expect(await names(log)).toEqual(["CreateKey", "TagResource"]);
    expect((await log.verify()).intact).toBe(true);
  });

  it("takes the change back with it where it cannot be written", async () => {
    const { log, store, setRoom } = await tempLog();
    setRoom(0);
    const change = store.write(() => {
      for (let i = 0; i < 100; i++) void log.append(event());
    });
    await expect(change).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    setRoom(1000);
    await log.append(event({ operation: "After" }));
    expect(await names(log)).toEqual(["After"]);
  });
});

describe("on a full disk", () => {
  it("the call is refused, and the log stays whole", async () => {
    const { log, setRoom } = await filledLog(3);
    setRoom(0);
    const refused = Array.from({ length: 40 }, () => event({ operation: "Refused" }));
    const calls = appendAll(log, refused);
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ reason: { code: "ERR_ENVELOPE_KEYSTORE_IO" } });
    }
    setRoom(1000);
    expect(await names(log)).toEqual(["Operation1", "Operation2", "Operation3"]);
    await log.append(event({ operation: "After" }));
    expect(await names(log)).toEqual(["Operation1", "Operation2", "Operation3", "After"]);
    expect((await log.verify()).intact).toBe(true);
  });

  it("calls go on where that was chosen, and what was kept is written later", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    const { log, setRoom } = await tempLog({ onFailure: "continue" });
    setRoom(0);
    await fill(log, 40);
    await fill(log, 1);
    expect(warn.mock.calls).toMatchObject([[{ code: "ERR_ENVELOPE_KEYSTORE_IO" }]]);
    expect(await names(log)).toEqual([]);
    await expect(log.flush()).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    setRoom(1000);
    await log.append(event({ operation: "After" }));
    const written = await names(log);
    expect(written).toHaveLength(42);
    expect(written.at(0)).toBe("Operation1");
    expect(written.at(-1)).toBe("After");
  });

  it("what could not be kept is counted in the log", async () => {
    vi.spyOn(process, "emitWarning").mockReturnValue();
    const { log, setRoom } = await tempLog({ onFailure: "continue" });
    setRoom(0);
    await fill(log, 10_003);
    setRoom(100_000);
    await log.append(event({ operation: "After" }));
    const lost: AuditEntry[] = [];
    for await (const entry of log.query({ operations: ["AuditRecordsLost"] })) lost.push(entry);
    expect(lost.map(({ record }) => record.requestParameters)).toEqual([{ count: 3 }]);
    expect(lost[0]?.record.eventType).toBe("AwsServiceEvent");
    const { entries } = await log.page({ first: "newest", operations: ["After"] });
    expect(entries[0]?.sequence).toBe(10_002);
    expect((await log.verify()).intact).toBe(true);
  });
});

describe("in batches", () => {
  it("answers a call at once, and has its record on disk within the delay", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { log, commits } = await tempLog(batched(100, 1000));
    const before = commits();
    for (let i = 0; i < 10; i++) expect(log.append(event())).toBeUndefined();
    await vi.advanceTimersByTimeAsync(99);
    await log.page();
    expect(commits()).toBe(before);
    vi.advanceTimersByTime(1);
    await until(() => commits() > before);
    expect(commits()).toBe(before + 1);
    expect((await log.page()).entries).toHaveLength(10);
  });

  it("holds at most the agreed number of records in memory", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { log } = await tempLog(batched(60_000, 5));
    for (let i = 0; i < 5; i++) expect(log.append(event())).toBeUndefined();
    const sixth = log.append(event({ operation: "Sixth" }));
    expect(sixth).toBeInstanceOf(Promise);
    await sixth;
    expect(await names(log)).toHaveLength(6);
    expect(log.append(event())).toBeUndefined();
    await log.flush();
    expect(await names(log)).toHaveLength(7);
  });

  it("writes pending records when it is closed", async () => {
    const { log, path, close } = await tempLog(batched(60_000, 1000));
    for (let i = 0; i < 10; i++) void log.append(event());
    close();
    const { log: other } = await openLog(path);
    expect(await names(other)).toHaveLength(10);
    expect((await other.verify()).intact).toBe(true);
  });

  it("refuses records once it is closed", async () => {
    const { log, close } = await tempLog(batched(60_000, 1000));
    close();
    await expect(log.append(event())).rejects.toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
  });

  it("refuses calls after a batch could not be written, until one can be", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { log, setRoom } = await tempLog(batched(50, 1000));
    setRoom(0);
    for (let i = 0; i < 30; i++) expect(log.append(event({ operation: "Kept" }))).toBeUndefined();
    await expect(log.flush()).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    await expect(log.append(event({ operation: "Refused" }))).rejects.toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_IO",
    });
    setRoom(1000);
    await log.append(event({ operation: "Waited" }));
    expect(log.append(event({ operation: "AtOnce" }))).toBeUndefined();
    await log.flush();
    const written = await names(log);
    expect(written).toEqual([...Array<string>(30).fill("Kept"), "Waited", "AtOnce"]);
  });

  it("loses no record of an answered call, however many there are", async () => {
    const { log, setRoom } = await tempLog(batched(60_000, 11_000));
    setRoom(0);
    for (let i = 0; i < 10_500; i++) expect(log.append(event())).toBeUndefined();
    await expect(log.flush()).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    setRoom(100_000);
    await log.flush();
    expect((await log.verify()).last.sequence).toBe(10_500);
  });

  it("retries a failed batch without waiting for another call", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { log, setRoom, commits } = await tempLog(batched(50, 1000));
    setRoom(0);
    for (let i = 0; i < 30; i++) void log.append(event());
    await expect(log.flush()).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    setRoom(1000);
    const before = commits();
    vi.advanceTimersByTime(1000);
    await until(() => commits() > before);
    expect(commits()).toBe(before + 1);
    expect(await names(log)).toHaveLength(30);
  });
});

describe("closing", () => {
  it("writes the records that calls are waiting for, and then refuses further ones", async () => {
    const { log, path, close } = await tempLog();
    const waiting = log.append(event());
    close();
    await waiting;
    expect(() => log.close()).not.toThrow();
    await expect(log.append(event())).rejects.toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
    await expect(log.flush()).rejects.toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
    const { log: other } = await openLog(path);
    expect(await names(other)).toEqual(["Decrypt"]);
  });

  it("writes nothing twice that was just written", async () => {
    const { log, store, path, close } = await tempLog();
    // Both are in one transaction, and the first to hear of it closes the log.
    const change = store.write(() => undefined).then(close);
    const waiting = log.append(event());
    await Promise.all([change, waiting]);
    const { log: other } = await openLog(path);
    expect(await names(other)).toEqual(["Decrypt"]);
  });

  it("tells those who wait that their record is lost", async () => {
    const { path } = await tempLog();
    const { log } = await openLog(path, {}, 20);
    const release = lock(path);
    const waiting = log.append(event());
    expect(() => log.close()).toThrow(
      expect.objectContaining({ code: "ERR_ENVELOPE_KEYSTORE_BUSY" }),
    );
    release();
    await expect(waiting).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_BUSY" });
  });
});

describe("an anchor", () => {
  it("is the last record's number and digest", async () => {
    const { log } = await tempLog();
    expect(await log.anchor()).toEqual({ sequence: 0, digest: "0".repeat(64) });
    await log.append(event());
    const anchor = await log.anchor();
    expect(anchor).toEqual({ sequence: 1, digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    await log.append(event());
    expect((await log.anchor()).digest).not.toBe(anchor.digest);
  });
});

describe("an option out of bounds is refused", () => {
  it.each<[AuditOptions, string]>([
    [batched(0, 1), "audit.durability.maxDelayMs must be an integer from 1 to 60000"],
    [batched(60_001, 1), "audit.durability.maxDelayMs must be an integer from 1 to 60000"],
    [batched(1, 0), "audit.durability.maxEvents must be an integer from 1 to 100000"],
    [batched(1, 1.5), "audit.durability.maxEvents must be an integer from 1 to 100000"],
    [JSON.parse(`{"onFailure":"ignore"}`), "audit.onFailure must be refuse or continue"],
    [{ retention: {} }, "audit.retention needs maxAgeDays or maxRecords"],
    [{ retention: { maxAgeDays: 0 } }, "audit.retention.maxAgeDays must be 1 to 36,500"],
    [
      { retention: { maxRecords: 0.5 } },
      "audit.retention.maxRecords must be an integer, 1 or more",
    ],
    [
      { retention: { maxRecords: 1, archive: "" } },
      "audit.retention.archive must be the path of a folder",
    ],
  ])("%j", async (options, message) => {
    const { store } = await tempLog();
    expect(() => new AuditLog(store, rootKey(), FACTS, options)).toThrow(message);
  });
});

it("finds who did it", async () => {
  const { log } = await tempLog();
  await log.append(event());
  const { entries } = await log.page({ principal: ALICE });
  expect(entries[0]?.record.userIdentity).toMatchObject({ type: "IAMUser", userName: "alice" });
});
