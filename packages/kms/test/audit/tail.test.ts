import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import type { AuditEntry } from "../../src/audit/query.ts";
import { event, fill, filledLog, openLog, tempLog, type TestLog } from "./support/log.ts";

/** The next so many names. */
async function take(entries: AsyncIterator<AuditEntry, void>, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const { value, done } = await entries.next();
    if (done === true || value === undefined) throw new Error("it ended");
    found.push(`${value.sequence} ${value.record.eventName}`);
  }
  return found;
}

/** Long enough that only what is told at once arrives within a test. */
const NEVER = { pollMs: 60_000 };

describe("following the log", () => {
  it("gives new records as they come, and none of before", async () => {
    const { log } = await filledLog(3);
    const entries = log.tail(NEVER);
    const first = take(entries, 1);
    await log.flush();
    // Where it began is known once it has looked; until then nothing is new.
    await log.page();
    await log.append(event({ operation: "New" }));
    expect(await first).toEqual(["4 New"]);
    await fill(log, 2, 4);
    expect(await take(entries, 2)).toEqual(["5 Operation5", "6 Operation6"]);
    await entries.return();
  });

  it("gives those behind a record, any number of them", async () => {
    const { log } = await filledLog(600);
    const entries = log.tail({ ...NEVER, after: 598 });
    expect(await take(entries, 2)).toEqual(["599 Operation599", "600 Operation600"]);
    const all = log.tail({ ...NEVER, after: 0 });
    expect((await take(all, 600)).at(-1)).toBe("600 Operation600");
    await Promise.all([entries.return(), all.return()]);
  });

  it("gives those of changes", async () => {
    const { log, store } = await tempLog();
    const entries = log.tail({ ...NEVER, after: 0 });
    const first = take(entries, 1);
    await store.write(() => void log.append(event({ operation: "CreateKey" })));
    expect(await first).toEqual(["1 CreateKey"]);
    await entries.return();
  });

  it("gives those of other processes", async () => {
    const { log, path } = await tempLog();
    const { log: other } = await openLog(path);
    const entries = log.tail({ after: 0, pollMs: 10 });
    const first = take(entries, 1);
    await other.append(event({ operation: "Theirs" }));
    expect(await first).toEqual(["1 Theirs"]);
    await entries.return();
  });

  it("goes on behind what retention has cut off", async () => {
    const { log } = await filledLog(10, { retention: { maxRecords: 4 } });
    const entries = log.tail({ ...NEVER, after: 2 });
    expect(await take(entries, 1)).toEqual(["3 Operation3"]);
    await log.applyRetention();
    // Those that were read already still come.
    expect(await take(entries, 7)).toHaveLength(7);
    expect(await take(entries, 1)).toEqual(["11 RotateAuditLog"]);
    const late = log.tail({ ...NEVER, after: 2 });
    expect((await take(late, 1))[0]).toBe("8 Operation8");
    await Promise.all([entries.return(), late.return()]);
  });

  it("goes on behind a cut that overtakes it", async () => {
    const { log } = await filledLog(600, { retention: { maxRecords: 100 } });
    const entries = log.tail({ ...NEVER, after: 0 });
    expect(await take(entries, 256)).toHaveLength(256);
    await log.applyRetention();
    expect(await take(entries, 1)).toEqual(["502 Operation502"]);
    await entries.return();
  });

  it("leaves nothing behind that listens", async () => {
    const { log } = await filledLog(1);
    const { signal } = new AbortController();
    const entries = log.tail({ ...NEVER, after: 0, signal });
    await take(entries, 1);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await entries.return();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("ends with its signal, also while it waits", async () => {
    const { log } = await tempLog();
    const controller = new AbortController();
    const entries = log.tail({ ...NEVER, signal: controller.signal });
    const next = entries.next();
    await log.page();
    controller.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    const after = log.tail({ ...NEVER, after: 0, signal: controller.signal });
    expect(await after.next()).toEqual({ done: true, value: undefined });
  });

  it("ends when the log is closed", async () => {
    const { log, close } = await tempLog();
    const entries = log.tail(NEVER);
    const next = entries.next();
    await log.page();
    close();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  // Requirements: A2
  it("ends with an error at a record that was altered or removed", async () => {
    const altered = await filledLog(3);
    altered.attack("UPDATE audit SET sealed = x'00' WHERE seq = 2");
    await expect(rest(altered)).rejects.toThrow("record 2 was altered");
    const removed = await filledLog(3);
    removed.attack("DELETE FROM audit WHERE seq = 2");
    await expect(rest(removed)).rejects.toThrow("record 3 does not follow record 1");
    const next = await filledLog(4);
    next.attack("DELETE FROM audit WHERE seq = 3");
    await expect(next.log.tail({ ...NEVER, after: 2 }).next()).rejects.toThrow(
      "record 4 does not follow record 2",
    );
    const cut = await filledLog(3);
    const entries = cut.log.tail({ ...NEVER, after: 0 });
    expect(await take(entries, 3)).toHaveLength(3);
    cut.attack("DELETE FROM audit WHERE seq = 3");
    await cut.log.append(event());
    cut.attack("DELETE FROM audit WHERE seq = 4");
    await cut.log.append(event());
    await expect(take(entries, 1)).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
  });

  it.each([9, 60_001, Number.NaN])("does not look every %d ms", async (pollMs) => {
    const { log } = await tempLog();
    await expect(log.tail({ pollMs }).next()).rejects.toThrow("pollMs must be 10 to 60,000");
  });

  it.each([-1, 0.5])("does not begin after %d", async (after) => {
    const { log } = await tempLog();
    await expect(log.tail({ after }).next()).rejects.toThrow(
      "after must be the number of a record",
    );
  });
});

async function rest({ log }: TestLog): Promise<string[]> {
  return take(log.tail({ ...NEVER, after: 0 }), 3);
}
