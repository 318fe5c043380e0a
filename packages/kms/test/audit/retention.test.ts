import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { until } from "@env/testkit/turns";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AuditEvent } from "../../src/audit/event.ts";
import { AuditLog } from "../../src/audit/log.ts";
import type { AuditRetention } from "../../src/audit/retention.ts";
import type { AuditStore } from "../../src/audit/rows.ts";
import {
  appendAll,
  event,
  fill,
  filledLog,
  NOON,
  openLog,
  tempLog,
  FACTS,
  rootKey,
} from "./support/log.ts";

const DAY_MS = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOON + 1000 });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A log of these records, opened with this retention, which nothing has started yet. */
async function logOf(events: readonly AuditEvent[], retention: AuditRetention): Promise<AuditLog> {
  const { log, path, close } = await tempLog();
  await Promise.all(appendAll(log, events));
  close();
  return (await openLog(path, { retention })).log;
}

/** Events of so many days ago. */
function aged(...days: number[]): AuditEvent[] {
  return days.map((ago) => event({ time: NOON + 1000 - ago * DAY_MS }));
}

describe("cutting off by number", () => {
  it("leaves so many records, the record of the cut among them", async () => {
    const { log } = await filledLog(50, { retention: { maxRecords: 20 } });
    const before = await log.anchor();
    expect(await log.applyRetention()).toEqual({ removed: 31, archives: [] });
    const report = await log.verify({ anchor: before });
    expect(report).toMatchObject({
      intact: true,
      base: { sequence: 31 },
      last: { sequence: 51 },
      verified: [{ first: 32, last: 51 }],
      anchor: "confirmed",
    });
    const { entries } = await log.page({ operations: ["RotateAuditLog"] });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ sequence: 51 });
    expect(entries[0]?.record).toMatchObject({
      eventType: "AwsServiceEvent",
      requestParameters: { firstRecord: 1, lastRecord: 31, digest: report.base.digest },
    });
    expect(await log.applyRetention()).toEqual({ removed: 0, archives: [] });
  });

  it("leaves a log that goes on", async () => {
    const { log, path } = await filledLog(50, { retention: { maxRecords: 1 } });
    await log.applyRetention();
    await fill(log, 3, 50);
    const { log: other } = await openLog(path);
    expect(await other.verify()).toMatchObject({
      intact: true,
      base: { sequence: 50 },
      verified: [{ first: 51, last: 54 }],
    });
  });

  it("happens without being asked for", async () => {
    const { log } = await tempLog({ retention: { maxRecords: 100 } });
    await fill(log, 1500);
    await fill(log, 1000, 1500);
    await until(async () => (await log.verify()).base.sequence > 1000);
    expect((await log.verify()).intact).toBe(true);
  });

  it("does not happen at every call", async () => {
    const { log, path, close } = await tempLog();
    await fill(log, 200);
    close();
    const { log: kept } = await openLog(path, { retention: { maxRecords: 100 } });
    await fill(kept, 1, 200);
    await until(async () => (await kept.verify()).base.sequence === 102);
    await fill(kept, 10, 201);
    await fill(kept, 10, 211);
    expect((await kept.verify()).base.sequence).toBe(102);
  });

  it("is done once by two who do it at the same time", async () => {
    const one = await filledLog(300, { retention: { maxRecords: 100 } });
    const two = await openLog(one.path, { retention: { maxRecords: 100 } });
    const reports = await Promise.all([
      one.log.applyRetention(),
      one.log.applyRetention(),
      two.log.applyRetention(),
    ]);
    expect(reports[1]).toBe(reports[0]);
    expect((reports[0]?.removed ?? 0) + (reports[2]?.removed ?? 0)).toBe(201);
    expect(await one.log.verify()).toMatchObject({ intact: true, last: { sequence: 301 } });
  });

  it("begins again where another process was first", async () => {
    const one = await filledLog(600, { retention: { maxRecords: 100 } });
    const { store } = await openLog(one.path);
    let reads = 0;
    const hooked: AuditStore = {
      read: async (fn) => {
        reads++;
        // Between its look at the head and its first look at the rows.
        if (reads === 2) await one.log.applyRetention();
        return store.read(fn);
      },
      write: (fn) => store.write(fn),
      writeSync: (fn) => store.writeSync(fn),
      writing: false,
      isShared: false,
      chain: 0,
      chains: () => [0],
      now: () => store.now(),
      head: (name, chain) => store.head(name, chain),
      setHead: (...head) => store.setHead(...head),
      lastUses: store.lastUses,
      auditRows: store.auditRows,
    };
    const two = new AuditLog(hooked, rootKey(), FACTS, { retention: { maxRecords: 50 } });
    expect(await two.applyRetention()).toEqual({ removed: 51, archives: [] });
    expect(await two.verify()).toMatchObject({
      intact: true,
      base: { sequence: 552 },
      last: { sequence: 602 },
    });
  });

  it("goes piece by piece through what is many megabytes", async () => {
    const parameters = { KeyId: "k", Policy: "p".repeat(32_000) };
    const events = Array.from({ length: 300 }, () =>
      event({ operation: "PutKeyPolicy", parameters }),
    );
    const log = await logOf(events, { maxRecords: 10 });
    expect((await log.applyRetention()).removed).toBeGreaterThan(280);
    const report = await log.verify();
    expect(report.intact).toBe(true);
    expect(report.last.sequence - report.base.sequence).toBe(10);
    const { entries } = await log.page({ operations: ["RotateAuditLog"] });
    expect(entries.length).toBeGreaterThan(1);
  });
});

describe("cutting off by age", () => {
  it("leaves what is not older", async () => {
    const log = await logOf(aged(40, 31, 30, 29, 1), { maxAgeDays: 30 });
    expect(await log.applyRetention()).toEqual({ removed: 2, archives: [] });
    expect(await log.verify()).toMatchObject({
      intact: true,
      base: { sequence: 2 },
      verified: [{ first: 3, last: 6 }],
    });
  });

  it("with a number too, what either no longer keeps is cut off", async () => {
    const log = await logOf(aged(40, 29, 29, 29, 1), { maxAgeDays: 30, maxRecords: 4 });
    expect(await log.applyRetention()).toEqual({ removed: 2, archives: [] });
  });
});

describe("an archive", () => {
  it("holds what was cut off, in CloudTrail's form, and verifies", async () => {
    const archive = tempFolder();
    const { log } = await filledLog(50, { retention: { maxRecords: 20, archive } });
    const { entries } = await log.page({ limit: 31 });
    const { archives } = await log.applyRetention();
    const path = join(archive, "audit-0000000000000001-0000000000000031.json");
    expect(archives).toEqual([path]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const file: unknown = JSON.parse(readFileSync(path, "utf8"));
    const { base } = await log.verify();
    expect(file).toEqual({
      format: "env-audit-archive-1",
      keystoreId: "11111111-2222-4333-8444-555555555555",
      first: 1,
      last: 31,
      previous: "0".repeat(64),
      digest: base.digest,
      Records: entries.map(({ record }) => record),
    });
    expect(await log.verifyArchive(path)).toEqual({
      intact: true,
      first: 1,
      last: 31,
      previous: "0".repeat(64),
      digest: base.digest,
    });
    const [cut] = (await log.page({ operations: ["RotateAuditLog"] })).entries;
    expect(cut?.record.requestParameters?.["archive"]).toBe(
      "audit-0000000000000001-0000000000000031.json",
    );
  });

  it("goes on where the one before it ends", async () => {
    const archive = tempFolder();
    const { log } = await filledLog(50, { retention: { maxRecords: 20, archive } });
    const [first = ""] = (await log.applyRetention()).archives;
    await fill(log, 30, 50);
    const [second = ""] = (await log.applyRetention()).archives;
    const [one, two] = [await log.verifyArchive(first), await log.verifyArchive(second)];
    expect(two).toMatchObject({ intact: true, first: one.last + 1, previous: one.digest });
    expect((await log.verify()).base.digest).toBe(two.digest);
  });

  it.each<[string, (text: string) => string]>([
    ["an altered record", (text) => text.replace("Operation7", "Operation8")],
    ["a record less", (text) => text.replace(/\n.*Operation7".*/, "")],
    ["a record more", (text) => text.replace(/(\n.*Operation7".*)/, "$1$1")],
    ["two records exchanged", (text) => text.replace(/(\n.*Operation7".*)(\n.*)/, "$2$1")],
    ["another first record", (text) => text.replace('"first":1', '"first":2')],
    ["another last record", (text) => text.replace('"last":31', '"last":30')],
    ["another digest", (text) => text.replace(/"digest":"../, '"digest":"00')],
    ["another beginning", (text) => text.replace(/"previous":"../, '"previous":"ff')],
    ["a line cut off", (text) => text.slice(0, text.indexOf('"Operation30"'))],
    ["no end", (text) => text.replace("\n]}\n", "\n")],
  ])("with %s is not intact", async (_, alter) => {
    const archive = tempFolder();
    const { log } = await filledLog(50, { retention: { maxRecords: 20, archive } });
    const [path = ""] = (await log.applyRetention()).archives;
    const text = readFileSync(path, "utf8");
    const altered = alter(text);
    expect(altered).not.toBe(text);
    writeFileSync(path, altered);
    expect((await log.verifyArchive(path)).intact).toBe(false);
  });

  it("of another format is refused", async () => {
    const archive = tempFolder();
    const { log } = await filledLog(5, { retention: { maxRecords: 2, archive } });
    const [path = ""] = (await log.applyRetention()).archives;
    writeFileSync(path, readFileSync(path, "utf8").replace("archive-1", "archive-2"));
    await expect(log.verifyArchive(path)).rejects.toThrow("it does not begin as an archive");
  });

  it.each(["", "{}", '{"format":"env-audit-archive-1","Records":[', "\n"])(
    "is not %j",
    async (text) => {
      const path = join(tempFolder(), "file.json");
      writeFileSync(path, text);
      const { log } = await tempLog();
      await expect(log.verifyArchive(path)).rejects.toMatchObject({
        code: "ERR_ENVELOPE_KEYSTORE_FORMAT",
      });
    },
  );

  it("that continues after its end, or does not exist, is refused", async () => {
    const archive = tempFolder();
    const { log } = await filledLog(5, { retention: { maxRecords: 2, archive } });
    const [path = ""] = (await log.applyRetention()).archives;
    writeFileSync(path, "{}\n", { flag: "a" });
    await expect(log.verifyArchive(path)).rejects.toThrow("continues after its end");
    writeFileSync(path, `${readFileSync(path, "utf8").split("\n")[0]}\n${"x".repeat(500_000)}`);
    await expect(log.verifyArchive(path)).rejects.toThrow("a line is longer than any record");
    for (const unreadable of [`${path}.not`, archive]) {
      await expect(log.verifyArchive(unreadable)).rejects.toMatchObject({
        code: "ERR_ENVELOPE_KEYSTORE_IO",
      });
    }
  });

  it("that cannot be written leaves the log as it was, and no file", async () => {
    const folder = tempFolder();
    const archive = join(folder, "none");
    const { log } = await filledLog(50, { retention: { maxRecords: 20, archive } });
    await expect(log.applyRetention()).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    expect(await log.verify()).toMatchObject({ intact: true, base: { sequence: 0 } });
    // A folder of the archive's name: it is written, and cannot get its name.
    mkdirSync(join(archive, "audit-0000000000000001-0000000000000031.json"), { recursive: true });
    await expect(log.applyRetention()).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    expect(readdirSync(archive)).toHaveLength(1);
    expect((await log.verify()).base.sequence).toBe(0);
  });

  it("is there before anything is cut off, and is written again after a crash", async () => {
    const archive = tempFolder();
    const { log, setRoom } = await filledLog(50, { retention: { maxRecords: 20, archive } });
    // The cut itself fails: its record finds no room.
    setRoom(-1000);
    const path = join(archive, "audit-0000000000000001-0000000000000031.json");
    const before = existsSync(path);
    await log.applyRetention().catch(() => undefined);
    expect([before, existsSync(path)]).toEqual([false, true]);
    setRoom(1000);
    await log.applyRetention();
    expect(await log.verifyArchive(path)).toMatchObject({ intact: true });
    expect(await log.verify()).toMatchObject({ intact: true, base: { sequence: 31 } });
  });
});

describe("a log that does not verify", () => {
  // Requirements: A5
  it.each<[string, string, string]>([
    ["altered", "UPDATE audit SET sealed = x'00' WHERE seq = 7", "record 7 was altered"],
    [
      "with a record missing",
      "DELETE FROM audit WHERE seq = 7",
      "record 8 does not follow record 6",
    ],
    ["without any record", "DELETE FROM audit", "record 1 is missing"],
  ])("%s is not cut: it is evidence", async (_, sql, message) => {
    const archive = tempFolder();
    const { log, attack } = await filledLog(50, { retention: { maxRecords: 20, archive } });
    attack(sql);
    await expect(log.applyRetention()).rejects.toThrow(message);
    expect(readdirSync(archive)).toEqual([]);
    expect((await log.verify()).base.sequence).toBe(0);
  });

  // Requirements: A5
  it("with a record of another history is not cut", async () => {
    const { path, log, close } = await tempLog();
    await fill(log, 6);
    close();
    const copy = `${path}.copy`;
    copyFileSync(path, copy);
    const other = await openLog(copy);
    await other.log.append(event({ operation: "Other7" }));
    other.close();
    const written = await openLog(path);
    await fill(written.log, 14, 6);
    written.close();
    const one = await openLog(path, { retention: { maxRecords: 3 } });
    one.attack(
      `ATTACH '${copy}' AS other; UPDATE audit SET (time, sealed) = (SELECT time, sealed FROM other.audit WHERE seq = 7) WHERE seq = 7`,
    );
    await expect(one.log.applyRetention()).rejects.toThrow("record 8 does not follow record 7");
  });

  it("warns if retention that nobody asked for fails", async () => {
    const { log, attack } = await filledLog(50, { retention: { maxRecords: 20 } });
    await log.applyRetention();
    attack("UPDATE audit SET sealed = x'00' WHERE seq = 35");
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    await fill(log, 1000, 50);
    await until(() => warn.mock.calls.length > 0);
    expect(warn.mock.calls[0]?.[0]).toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_FORMAT",
      message: expect.stringContaining("record 35 was altered"),
    });
    warn.mockRestore();
  });
});

describe("applying other limits than those of the log", () => {
  it("cuts off by them once, with an archive or without", async () => {
    const archive = tempFolder();
    const { log } = await filledLog(50, { retention: "none" });
    expect(await log.applyRetention()).toEqual({ removed: 0, archives: [] });
    expect(await log.applyRetention({ maxRecords: 40 })).toEqual({ removed: 11, archives: [] });
    const { removed, archives } = await log.applyRetention({ maxRecords: 30, archive });
    expect([removed, archives.length]).toEqual([11, 1]);
    expect(await log.verifyArchive(archives[0] ?? "")).toMatchObject({ intact: true, first: 12 });
    expect((await log.verify()).intact).toBe(true);
  });

  it("waits for those that are being applied", async () => {
    const { log } = await filledLog(300, { retention: { maxRecords: 200 } });
    const [first, second] = await Promise.all([
      log.applyRetention(),
      log.applyRetention({ maxRecords: 100 }),
    ]);
    expect([first.removed, second.removed]).toEqual([101, 101]);
  });

  it("refuses limits out of bounds", async () => {
    const { log } = await tempLog();
    await expect(log.applyRetention({})).rejects.toThrow(TypeError);
    await expect(log.applyRetention({ maxRecords: 0 })).rejects.toThrow(RangeError);
  });
});
