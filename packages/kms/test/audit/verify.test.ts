import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/audit/canonical.ts";
import { Chain, encodeHead, ORIGIN } from "../../src/audit/chain.ts";
import { toRecord } from "../../src/audit/record.ts";
import type { AuditProblemKind, AuditReport } from "../../src/audit/verify.ts";
import {
  appendAll,
  event,
  fill,
  filledLog,
  NOON,
  openLog,
  tempLog,
  type TestLog,
  FACTS,
  rootKey,
} from "./support/log.ts";

type Found = readonly [kind: AuditProblemKind, first: number, last: number];

const found = ({ problems }: AuditReport): Found[] =>
  problems.map(({ kind, first, last }) => [kind, first, last]);

describe("an untouched log", () => {
  it("is intact from its first record to its last", async () => {
    const { log } = await filledLog(700);
    const report = await log.verify();
    expect(report).toEqual({
      intact: true,
      base: { sequence: 0, digest: "0".repeat(64) },
      last: await log.anchor(),
      verified: [{ first: 1, last: 700 }],
      problems: [],
    });
  });

  it("is intact while it is empty", async () => {
    const { log } = await tempLog();
    expect(await log.verify()).toMatchObject({ intact: true, verified: [], problems: [] });
  });

  it("may grow while it is verified", async () => {
    const { log } = await filledLog(600);
    let done = 0;
    const appended: Promise<void>[] = [];
    const report = await log.verify({
      onProgress: (progress) => {
        ({ done } = progress);
        expect(progress.total).toBe(600);
        appended.push(...appendAll(log, [event()]));
      },
    });
    await Promise.all(appended);
    expect(done).toBe(600);
    expect(report).toMatchObject({ intact: true, verified: [{ first: 1, last: 600 }] });
    expect((await log.verify()).verified).toEqual([{ first: 1, last: 600 + appended.length }]);
  });

  it("may be cut by retention while it is verified", async () => {
    const { log } = await filledLog(600, { retention: { maxRecords: 100 } });
    let calls = 0;
    const report = await log.verify({
      onProgress: async () => {
        calls++;
        if (calls === 1) await log.applyRetention();
      },
    });
    expect(calls).toBe(2);
    expect(report).toMatchObject({
      intact: true,
      base: { sequence: 501 },
      last: { sequence: 600 },
      verified: [{ first: 502, last: 600 }],
    });
  });

  it("may lose all that was there while it is verified", async () => {
    const { log } = await filledLog(600, { retention: { maxRecords: 5 } });
    const report = await log.verify({
      onProgress: async () => {
        await fill(log, 50, 600);
        await log.applyRetention();
      },
    });
    expect(report).toMatchObject({ intact: true, last: { sequence: 600 }, verified: [] });
    expect(report.base.sequence).toBeGreaterThan(600);
  });

  it("stops verifying when its signal is aborted", async () => {
    const { log } = await filledLog(600);
    const reason = new Error("enough");
    const controller = new AbortController();
    const verifying = log.verify({
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(verifying).rejects.toBe(reason);
  });
});

describe("what is done to the rows of 20 records is found and named", () => {
  it.each<[string, string, readonly Found[]]>([
    ["the first removed", "DELETE FROM audit WHERE seq = 1", [["missing", 1, 1]]],
    ["one removed", "DELETE FROM audit WHERE seq = 7", [["missing", 7, 7]]],
    [
      "some removed",
      "DELETE FROM audit WHERE seq IN (7, 8, 12)",
      [
        ["missing", 7, 8],
        ["missing", 12, 12],
      ],
    ],
    ["the tail cut off", "DELETE FROM audit WHERE seq > 15", [["missing", 16, 20]]],
    ["the head cut off", "DELETE FROM audit WHERE seq <= 5", [["missing", 1, 5]]],
    ["all removed", "DELETE FROM audit", [["missing", 1, 20]]],
    [
      "a bit changed",
      "UPDATE audit SET sealed = CAST(substr(sealed, 1, 99) || x'00' || substr(sealed, 101) AS BLOB) WHERE seq = 7",
      [["altered", 7, 7]],
    ],
    [
      "cut short",
      "UPDATE audit SET sealed = substr(sealed, 1, 100) WHERE seq = 7",
      [["altered", 7, 7]],
    ],
    ["emptied", "UPDATE audit SET sealed = x'' WHERE seq IN (7, 8)", [["altered", 7, 8]]],
    ["made huge", "UPDATE audit SET sealed = zeroblob(1000000) WHERE seq = 7", [["altered", 7, 7]]],
    ["another time", "UPDATE audit SET time = time + 1 WHERE seq = 7", [["altered", 7, 7]]],
    [
      "a time beyond all dates",
      "UPDATE audit SET time = 9223372036854775807 WHERE seq = 7",
      [["altered", 7, 7]],
    ],
    ["a time before all dates", "UPDATE audit SET time = -1 WHERE seq = 7", [["altered", 7, 7]]],
    [
      "two that changed places",
      "UPDATE audit SET seq = -1 WHERE seq = 7; UPDATE audit SET seq = 7 WHERE seq = 11; UPDATE audit SET seq = 11 WHERE seq = -1",
      [
        ["moved", 7, 7],
        ["moved", 11, 11],
      ],
    ],
    [
      "one in the place of another",
      "UPDATE audit SET (time, sealed) = (SELECT time, sealed FROM audit WHERE seq = 3) WHERE seq = 7",
      [["moved", 7, 7]],
    ],
    [
      "all moved down after one was removed",
      "DELETE FROM audit WHERE seq = 18; UPDATE audit SET seq = 18 WHERE seq = 19; UPDATE audit SET seq = 19 WHERE seq = 20",
      [
        ["moved", 18, 19],
        ["missing", 20, 20],
      ],
    ],
    [
      "one inserted, the rest moved up",
      "UPDATE audit SET seq = 21 WHERE seq = 20; UPDATE audit SET seq = 20 WHERE seq = 19; INSERT INTO audit SELECT 19, time, sealed FROM audit WHERE seq = 2",
      [
        ["moved", 19, 20],
        ["unexpected", 21, 21],
      ],
    ],
    [
      "one added behind",
      "INSERT INTO audit SELECT 21, time, sealed FROM audit WHERE seq = 20",
      [["unexpected", 21, 21]],
    ],
    [
      "some added far behind",
      "INSERT INTO audit VALUES (30, 0, x'00'), (9223372036854775807, 0, x'00')",
      [["unexpected", 30, Number.MAX_SAFE_INTEGER]],
    ],
    ["one added before", "INSERT INTO audit VALUES (0, 0, x'00')", [["unexpected", 0, 0]]],
    [
      "one added far before",
      "INSERT INTO audit VALUES (-9223372036854775807, 0, x'00')",
      [["unexpected", Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]],
    ],
    [
      "several things at once",
      "DELETE FROM audit WHERE seq = 3; UPDATE audit SET sealed = x'00' WHERE seq = 9; DELETE FROM audit WHERE seq = 20",
      [
        ["missing", 3, 3],
        ["altered", 9, 9],
        ["missing", 20, 20],
      ],
    ],
  ])("%s", async (_, sql, problems) => {
    const { log, attack } = await filledLog(20);
    const before = await log.verify();
    attack(sql);
    const report = await log.verify();
    expect(before.intact).toBe(true);
    expect(report.intact).toBe(false);
    expect(found(report)).toEqual(problems);
  });

  it("a record that the index of times does not lead to", async () => {
    const { path, close } = await filledLog(20);
    close();
    // The entry of record 7: its time in six bytes, and its number. The next millisecond is free.
    const file = readFileSync(path);
    const entry = Buffer.alloc(7, 7);
    entry.writeUIntBE(NOON + 6000, 0, 6);
    const at = file.indexOf(entry);
    expect([at > 0, file.indexOf(entry, at + 1)]).toEqual([true, -1]);
    file.writeUIntBE(NOON + 6001, at, 6);
    writeFileSync(path, file);
    const { log } = await openLog(path);
    expect(found(await log.verify())).toEqual([["hidden", 7, 7]]);
  });

  // Requirements: A3
  it("a record longer than any, though it is well sealed", async () => {
    const { log, store } = await tempLog();
    const chain = new Chain(rootKey(), FACTS.keystoreId);
    const long = { ...toRecord(event(), FACTS), eventName: "x".repeat(300_000) };
    const record = new TextEncoder().encode(canonicalJson(long));
    const { sealed, link } = chain.seal(ORIGIN, NOON, record);
    await store.write(() => {
      store.auditRows.insert({ sequence: 1, time: NOON, sealed });
      store.setHead("audit", 0, encodeHead({ base: ORIGIN, last: link }));
    });
    expect(found(await log.verify())).toEqual([["altered", 1, 1]]);
    // SQLite kept it: what was read of the row has no bytes.
    const rows = await store.read(() => store.auditRows.after(0, 1, 1));
    expect(rows).toEqual([{ sequence: 1, time: NOON, sealed: new Uint8Array(0) }]);
  });

  it("an invalid record that is correctly sealed", async () => {
    const { log, store } = await tempLog();
    const chain = new Chain(rootKey(), FACTS.keystoreId);
    const { sealed, link } = chain.seal(ORIGIN, NOON, new TextEncoder().encode("{}"));
    await store.write(() => {
      store.auditRows.insert({ sequence: 1, time: NOON, sealed });
      store.setHead("audit", 0, encodeHead({ base: ORIGIN, last: link }));
    });
    expect(found(await log.verify())).toEqual([["altered", 1, 1]]);
    await expect(log.page()).rejects.toThrow("record 1 is malformed");
    await expect(log.tail({ after: 0 }).next()).rejects.toThrow("record 1 is malformed");
  });

  it("an invalid head", async () => {
    const { log, store } = await tempLog();
    await store.write(() => store.setHead("audit", 0, Uint8Array.of(1, 2, 3)));
    await expect(log.verify()).rejects.toThrow("its head is malformed");
    await expect(log.append(event())).rejects.toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_FORMAT",
    });
  });

  it("says which ranges are good, and what is wrong in words", async () => {
    const { log, attack } = await filledLog(20);
    attack("DELETE FROM audit WHERE seq IN (4, 5); UPDATE audit SET sealed = x'' WHERE seq = 20");
    const { verified, problems } = await log.verify();
    expect(verified).toEqual([
      { first: 1, last: 3 },
      { first: 6, last: 19 },
    ]);
    expect(problems.map(({ message }) => message)).toEqual([
      "records 4 to 5: removed, there is no such row",
      "record 20: altered, or written without the root key",
    ]);
  });
});

describe("older rows that are put back", () => {
  /** Two different records 11: what was there first is kept in a copy of the file. */
  async function forked(): Promise<TestLog & { readonly old: string }> {
    const first = await filledLog(10);
    const old = `${first.path}.old`;
    await first.log.append(event({ operation: "First11" }));
    await first.log.append(event({ operation: "First12" }));
    first.close();
    copyFileSync(first.path, old);
    return { ...(await openLog(first.path)), old };
  }

  it("a record from another history of the same file does not follow", async () => {
    const { path, close } = await filledLog(10);
    close();
    const copy = `${path}.copy`;
    copyFileSync(path, copy);
    const one = await openLog(path);
    const two = await openLog(copy);
    await fill(one.log, 5, 10);
    await two.log.append(event({ operation: "Other" }));
    two.close();
    one.attack(
      `ATTACH '${copy}' AS other; UPDATE audit SET (time, sealed) = (SELECT time, sealed FROM other.audit WHERE seq = 11) WHERE seq = 11`,
    );
    // Record 11 opens and follows record 10, but record 12 was written behind another one.
    const report = await one.log.verify();
    expect(found(report)).toEqual([["replaced", 11, 12]]);
    expect(report.verified).toEqual([
      { first: 1, last: 10 },
      { first: 13, last: 15 },
    ]);
  });

  it("the last record from another history is not the one of the head", async () => {
    const { path, close } = await filledLog(10);
    close();
    const copy = `${path}.copy`;
    copyFileSync(path, copy);
    const one = await openLog(path);
    const two = await openLog(copy);
    await one.log.append(event());
    await two.log.append(event({ operation: "Other" }));
    two.close();
    one.attack(
      `ATTACH '${copy}' AS other; UPDATE audit SET (time, sealed) = (SELECT time, sealed FROM other.audit WHERE seq = 11) WHERE seq = 11`,
    );
    expect(found(await one.log.verify())).toEqual([["replaced", 11, 11]]);
  });

  it("an older head does not open", async () => {
    const { log, attack, old } = await forked();
    await log.append(event());
    attack(
      `ATTACH '${old}' AS old; UPDATE state SET (revision, sealed) = (SELECT revision, sealed FROM old.state)`,
    );
    await expect(log.verify()).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
  });

  it("the whole file is seen by whoever has an anchor", async () => {
    const { log, path, old, close } = await forked();
    const early = await log.anchor();
    await log.append(event());
    await log.append(event());
    const late = await log.anchor();
    expect(await log.verify({ anchor: early })).toMatchObject({
      intact: true,
      anchor: "confirmed",
    });
    expect(await log.verify({ anchor: late })).toMatchObject({ intact: true, anchor: "confirmed" });
    close();
    copyFileSync(old, path);
    const { log: replaced } = await openLog(path);
    expect(await replaced.verify({ anchor: early })).toMatchObject({ anchor: "confirmed" });
    const report = await replaced.verify({ anchor: late });
    expect(report).toMatchObject({ intact: false, anchor: "contradicted" });
    expect(found(report)).toEqual([["anchor", 14, 14]]);
    expect((await replaced.verify()).intact).toBe(true);
    // It goes on from there, and gets another record 14.
    await replaced.append(event());
    await replaced.append(event());
    expect(found(await replaced.verify({ anchor: late }))).toEqual([["anchor", 14, 14]]);
  });

  it("an anchor of nothing, and of the last record that was cut off, are confirmed", async () => {
    const { log } = await filledLog(5, { retention: { maxRecords: 3 } });
    await log.applyRetention();
    const { base } = await log.verify();
    expect(base.sequence).toBe(3);
    expect(await log.verify({ anchor: base })).toMatchObject({ anchor: "confirmed" });
    const anchor = { sequence: 0, digest: "0".repeat(64) };
    expect(await log.verify({ anchor })).toMatchObject({ intact: true, anchor: "cut off" });
    const { log: empty } = await tempLog();
    expect(await empty.verify({ anchor })).toMatchObject({ intact: true, anchor: "confirmed" });
  });
});
