import { describe, expect, it, vi } from "vitest";
import { appendAll, event, fill, KEY, openLog, tempLog, type TestLog } from "./support/log.ts";

const OTHER = KEY.replace(/.$/, "7");

function last({ log, store }: TestLog, arn = KEY): Promise<string | undefined> {
  return store.read(() => log.lastUse(arn)?.operation);
}

/** Last uses that are written down. */
function written({ store }: TestLog): Promise<readonly string[]> {
  return store.read(() => store.lastUses.list("", 1000).items.map(({ arn }) => arn));
}

function numbered(i: number): string {
  return KEY.replace(/.{8}$/, String(i).padStart(8, "0"));
}

/** Uses `count` different keys once each. */
async function useKeys({ log }: TestLog, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, i) => event({ resources: [numbered(i)] }));
  await Promise.all(appendAll(log, events));
}

describe("the last use of a key", () => {
  it("is the last one in the log, of each key by itself", async () => {
    const one = await tempLog();
    expect(await last(one)).toBeUndefined();
    await one.log.append(event({ operation: "Encrypt" }));
    await one.log.append(event({ operation: "ReEncrypt", resources: [KEY, OTHER] }));
    await one.log.append(event({ operation: "Decrypt", resources: [OTHER] }));
    expect([await last(one), await last(one, OTHER)]).toEqual(["ReEncrypt", "Decrypt"]);
  });

  it("is not written down while the log itself has it", async () => {
    const one = await tempLog();
    await fill(one.log, 10);
    await one.log.append(event());
    const two = await openLog(one.path);
    expect(await last(two)).toBe("Decrypt");
    expect(await written(one)).toEqual([]);
  });

  it("is that of another process, and of this one after it", async () => {
    const one = await tempLog();
    const two = await openLog(one.path);
    for (const [operation, writer] of [
      ["Encrypt", one],
      ["Decrypt", two],
      ["GenerateDataKey", one],
    ] as const) {
      await writer.log.append(event({ operation }));
      expect([await last(one), await last(two)]).toEqual([operation, operation]);
    }
  });

  it("is not one that was taken back", async () => {
    const one = await tempLog();
    await one.log.append(event({ operation: "Encrypt" }));
    const change = one.store.write(() => {
      void one.log.append(event({ operation: "Sign" }));
      expect(one.log.lastUse(KEY)?.operation).toBe("Sign");
      throw new Error("taken back");
    });
    await expect(change).rejects.toThrow("taken back");
    expect(await last(one)).toBe("Encrypt");
  });

  it("is found by reading a record once, whoever else writes and whatever was taken back", async () => {
    const one = await tempLog();
    const two = await openLog(one.path);
    const after = vi.spyOn(two.store.auditRows, "after");
    const read = (): number =>
      after.mock.results.reduce(
        (sum, { type, value }) => sum + (type === "return" ? value.length : 0),
        0,
      );
    await fill(one.log, 600);
    for (let round = 1; round <= 3; round++) {
      await one.log.append(event());
      const change = two.store.write(() => {
        void two.log.append(event({ operation: "Sign" }));
        expect(two.log.lastUse(KEY)?.operation).toBe("Sign");
        if (round < 3) throw new Error("taken back");
      });
      if (round < 3) await expect(change).rejects.toThrow("taken back");
      else await change;
      expect(read()).toBe(600 + round);
    }
    expect([await last(one), await last(two)]).toEqual(["Sign", "Sign"]);
    // What it has written itself is not read at all.
    expect(read()).toBe(603);
  });

  it("is written down in pieces when thousands of calls have used other keys since", async () => {
    const one = await tempLog();
    await useKeys(one, 100);
    await one.log.append(event({ operation: "Encrypt" }));
    await fill(one.log, 6000);
    // The log does so by itself, beside the calls.
    while ((await written(one)).length < 101);
    const two = await openLog(one.path);
    for (const log of [one, two]) {
      expect([await last(log), await last(log, numbered(99))]).toEqual(["Encrypt", "Decrypt"]);
    }
    expect(await one.log.verify()).toMatchObject({ intact: true });
  });

  it("is kept where its record is cut off", async () => {
    const one = await tempLog();
    await one.log.append(event({ operation: "Encrypt" }));
    await fill(one.log, 10);
    await one.log.append(event({ resources: [OTHER] }));
    await one.log.applyRetention({ maxRecords: 3 });
    expect(await written(one)).toEqual([KEY]);
    const two = await openLog(one.path);
    expect([await last(two), await last(two, OTHER)]).toEqual(["Encrypt", "Decrypt"]);
  });

  it("goes with its key, whether it is written down or not", async () => {
    const one = await tempLog();
    const deleted = event({ operation: "DeleteKey", principal: "kms.amazonaws.com" });
    await one.log.append(event());
    await fill(one.log, 2);
    await one.log.applyRetention({ maxRecords: 1 });
    expect(await written(one)).toEqual([KEY]);
    await one.log.append(event({ operation: "Encrypt" }));
    await one.store.write(() => void one.log.append(deleted));
    expect([await last(one), await last(await openLog(one.path))]).toEqual([undefined, undefined]);
    expect(await written(one)).toEqual([]);
  });

  // Requirements: A1
  it("is refused where a recent record was altered or removed", async () => {
    for (const sql of ["SET sealed = zeroblob(99)", "SET seq = -3"]) {
      const one = await tempLog();
      await fill(one.log, 2);
      await one.log.append(event());
      one.close();
      one.attack(`UPDATE audit ${sql} WHERE seq = 3`);
      const two = await openLog(one.path);
      await expect(last(two)).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
    }
  });
});
