import { describe, expect, it } from "vitest";
import type { AuditEvent } from "../../src/audit/event.ts";
import type { AuditLog } from "../../src/audit/log.ts";
import type { AuditQuery } from "../../src/audit/query.ts";
import {
  ALICE,
  appendAll,
  event,
  filledLog,
  KEY,
  NOON,
  tempLog,
  type TestLog,
} from "./support/log.ts";

const BOB = "arn:aws:iam::111122223333:user/bob";
const OTHER = "arn:aws:kms:local:111122223333:key/ffffffff-1111-4222-8333-444455556666";
const DENIED = { code: "AccessDeniedException", message: "no" };

async function numbers(log: AuditLog, query: AuditQuery = {}): Promise<number[]> {
  const found: number[] = [];
  for await (const { sequence } of log.query(query)) found.push(sequence);
  return found;
}

/** Six records, the fifth of which came late. */
async function mixed(): Promise<TestLog> {
  const made = await tempLog();
  const at = (seconds: number): number => NOON + seconds * 1000;
  await made.log.append(event({ time: at(0), operation: "Encrypt" }));
  await made.log.append(event({ time: at(1), principal: BOB }));
  await made.log.append(event({ time: at(1), error: DENIED, resources: [OTHER] }));
  await made.log.append(event({ time: at(2), principal: "s3.amazonaws.com", resources: [] }));
  await made.log.append(event({ time: at(0), operation: "ReEncrypt", resources: [KEY, OTHER] }));
  await made.log.append(event({ time: at(3), error: { code: "Other", message: "x" } }));
  return made;
}

describe("a query finds the records", () => {
  it.each<[string, AuditQuery, number[]]>([
    ["all, in the order of time", {}, [1, 5, 2, 3, 4, 6]],
    ["newest first", { first: "newest" }, [6, 4, 3, 2, 5, 1]],
    ["from a time on", { from: new Date(NOON + 1000) }, [2, 3, 4, 6]],
    ["before a time", { to: new Date(NOON + 1000) }, [1, 5]],
    ["between two", { from: new Date(NOON + 1000), to: new Date(NOON + 2000) }, [2, 3]],
    [
      "newest first, between two",
      { from: new Date(NOON), to: new Date(NOON + 2000), first: "newest" },
      [3, 2, 5, 1],
    ],
    ["at no time", { from: new Date(NOON + 1000), to: new Date(NOON + 1000) }, []],
    ["before 1970", { to: new Date(-1) }, []],
    ["since before 1970", { from: new Date(-1) }, [1, 5, 2, 3, 4, 6]],
    ["of operations", { operations: ["Encrypt", "ReEncrypt"] }, [1, 5]],
    ["of none", { operations: [] }, []],
    ["of a principal", { principal: BOB }, [2]],
    ["of a service", { principal: "s3.amazonaws.com" }, [4]],
    ["of a part of a name", { principal: ALICE.slice(0, -1) }, []],
    ["of a key", { resource: OTHER }, [5, 3]],
    ["that were refused", { outcome: "refused" }, [3, 6]],
    ["that succeeded", { outcome: "succeeded" }, [1, 5, 2, 4]],
    ["refused with a code", { errorCode: "AccessDeniedException" }, [3]],
    ["refused with no such code", { errorCode: "no" }, []],
    ["that meet everything", { resource: OTHER, outcome: "succeeded", principal: ALICE }, [5]],
  ])("%s", async (_, query, expected) => {
    const { log } = await mixed();
    expect(await numbers(log, query)).toEqual(expected);
  });
});

describe("a stream", () => {
  it("goes over any number of records, in both orders", async () => {
    const { log } = await filledLog(1030);
    const all = Array.from({ length: 1030 }, (_, i) => i + 1);
    expect(await numbers(log)).toEqual(all);
    expect(await numbers(log, { first: "newest" })).toEqual(all.toReversed());
  });

  it("goes over many records of the same time", async () => {
    const { log } = await tempLog();
    await Promise.all(appendAll(log, Array<AuditEvent>(700).fill(event())));
    expect(new Set(await numbers(log)).size).toBe(700);
    expect((await numbers(log, { first: "newest" })).at(0)).toBe(700);
  });

  it("ends, though records come all the time", async () => {
    const { log } = await filledLog(600);
    let count = 0;
    for await (const { sequence } of log.query()) {
      count++;
      expect(sequence).toBeLessThanOrEqual(600);
      if (count % 200 === 0) await log.append(event({ time: NOON + 86_400_000 }));
    }
    expect(count).toBe(600);
  });
});

describe("pages", () => {
  it.each(["oldest", "newest"] as const)("lead through all records, %s first", async (first) => {
    const { log } = await filledLog(25);
    const found: number[] = [];
    const sizes: number[] = [];
    let marker: string | undefined;
    do {
      const page = await log.page({
        first,
        limit: 10,
        ...(marker === undefined ? {} : { marker }),
      });
      sizes.push(page.entries.length);
      found.push(...page.entries.map(({ sequence }) => sequence));
      marker = page.next;
    } while (marker !== undefined);
    expect(sizes).toEqual([10, 10, 5]);
    const all = Array.from({ length: 25 }, (_, i) => i + 1);
    expect(found).toEqual(first === "oldest" ? all : all.toReversed());
  });

  it("have no next one where nothing is left", async () => {
    const { log } = await filledLog(10);
    expect(await log.page({ limit: 10 })).not.toHaveProperty("next");
    expect(await log.page({ limit: 9 })).toHaveProperty("next");
    expect(await log.page({ operations: ["None"] })).toEqual({ entries: [] });
  });

  it.each([0, 1001, 1.5])("of %d records there are none", async (limit) => {
    const { log } = await tempLog();
    await expect(log.page({ limit })).rejects.toThrow("limit must be an integer from 1 to 1000");
  });

  it.each(["", "1", "1-2-3", "a-b", "1-99999999999999999"])(
    "do not begin at %j",
    async (marker) => {
      const { log } = await tempLog();
      await expect(log.page({ marker })).rejects.toThrow("marker must be the `next` of a page");
    },
  );
});

describe("a page that is to open few records", () => {
  it("ends early, and the next ones find the rest", async () => {
    const { log } = await filledLog(600);
    await log.append(event({ principal: BOB, time: NOON + 1e7 }));
    const first = await log.page({ principal: BOB, effort: 1 });
    expect(first.entries).toEqual([]);
    const found: number[] = [];
    let pages = 0;
    let marker = first.next;
    while (marker !== undefined) {
      const page = await log.page({ principal: BOB, effort: 1, marker });
      found.push(...page.entries.map(({ sequence }) => sequence));
      marker = page.next;
      pages++;
    }
    expect([found, pages]).toEqual([[601], 2]);
    await expect(log.page({ effort: 0 })).rejects.toThrow(RangeError);
  });
});

describe("a record that was altered", () => {
  // Requirements: A2
  it("ends a query with an error that names it", async () => {
    const { log, attack } = await filledLog(20);
    attack("UPDATE audit SET sealed = x'00' WHERE seq = 7");
    const found: number[] = [];
    const reading = (async () => {
      for await (const { sequence } of log.query()) found.push(sequence);
    })();
    await expect(reading).rejects.toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_FORMAT",
      message: expect.stringContaining("record 7 was altered"),
    });
    expect(found).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("is left out where that was asked for", async () => {
    const { log, attack } = await filledLog(5);
    attack("UPDATE audit SET sealed = x'00' WHERE seq = 3");
    expect(await numbers(log, { altered: "skip" })).toEqual([1, 2, 4, 5]);
  });
});

it("refuses an invalid date", async () => {
  const { log } = await tempLog();
  const none = new Date(Number.NaN);
  await expect(numbers(log, { from: none })).rejects.toThrow("from must be a valid date");
  await expect(numbers(log, { to: none })).rejects.toThrow("to must be a valid date");
});
