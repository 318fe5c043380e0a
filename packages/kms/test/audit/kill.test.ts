/**
 * Processes that are killed at some moment, one after the other on the same file: every record that was
 * acknowledged is in the log or in an archive, none is half there, and the chain verifies.
 *
 * `SLOW=1` for the full size, of which every tenth kill is verified in full.
 */
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { tempFolder } from "@env/testkit/folder";
import { seededRandom } from "@env/testkit/random";
import { expect, it } from "vitest";
import { start } from "@env/testkit/programs";
import { openLog, tempLog, type TestLog } from "./support/log.ts";

const KILLS = process.env["SLOW"] === undefined ? 4 : 200;
const random = seededRandom();

/** Ids of what a process acknowledged until it was killed. */
async function killed(...args: string[]): Promise<string[]> {
  const child = start("appender", ...args);
  const ids: string[] = [];
  createInterface(child.stdout).on("line", (line) => ids.push(line));
  const closed = once(child, "close");
  await Promise.race([once(child.stdout, "data"), closed]);
  await setTimeout(random(60));
  child.kill("SIGKILL");
  await closed;
  expect(child.signalCode).toBe("SIGKILL");
  // The last line may be cut off; it was not acknowledged to anybody then.
  return ids.filter((id) => /^[0-9a-f-]{36}$/.test(id));
}

/** Ids of all records in the archives, which must follow each other, and in the log, which must follow them. */
async function idsOf({ log }: TestLog, archive: string): Promise<Set<string>> {
  const report = await log.verify();
  expect(report.problems).toEqual([]);
  const ids = new Set<string>();
  const digests = new Map([[0, "0".repeat(64)]]);
  for (const name of readdirSync(archive)
    .filter((file) => file.endsWith(".json"))
    .toSorted()) {
    const path = join(archive, name);
    const { intact, first, last, previous, digest } = await log.verifyArchive(path);
    // After a crash an archive may be written again, longer.
    expect([intact, previous]).toEqual([true, digests.get(first - 1)]);
    digests.set(last, digest);
    const { Records }: { Records: { eventID: string }[] } = JSON.parse(readFileSync(path, "utf8"));
    for (const { eventID } of Records) ids.add(eventID);
  }
  expect(report.base.digest).toBe(digests.get(report.base.sequence));
  for await (const { record } of log.query()) ids.add(record.eventID);
  return ids;
}

it.each(["synced", "batched"])(
  "a log whose process is killed while it is %s has lost nothing",
  async (mode) => {
    const { path, close } = await tempLog();
    close();
    const archive = tempFolder();
    const acknowledged: string[] = [];
    for (let kill = 1; kill <= KILLS; kill++) {
      acknowledged.push(...(await killed(path, archive, mode)));
      if (kill % 10 !== 0 && kill !== KILLS && kill > 3) continue;
      const opened = await openLog(path);
      const there = await idsOf(opened, archive);
      expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
      opened.close();
    }
    // The first group of records at least, which came before the kill.
    expect(acknowledged.length).toBeGreaterThanOrEqual(KILLS);
  },
);

it("two processes killed at the same time have lost nothing", async () => {
  const { path, close } = await tempLog();
  close();
  const archive = tempFolder();
  const acknowledged: string[] = [];
  for (let kill = 1; kill <= Math.ceil(KILLS / 4); kill++) {
    const ids = await Promise.all([
      killed(path, archive, "synced"),
      killed(path, archive, "batched"),
    ]);
    acknowledged.push(...ids.flat());
  }
  const opened = await openLog(path);
  const there = await idsOf(opened, archive);
  expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
});
