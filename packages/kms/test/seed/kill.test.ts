/**
 * Processes that are killed while they apply a seed, at a random record or moment: what is there is whole,
 * and applying the seed again completes it. `SLOW=1` for the full size.
 */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { tempFolder } from "@env/testkit/folder";
import { seededRandom } from "@env/testkit/random";
import { expect, it } from "vitest";
import { openKeystore, type SeedDocument } from "../../src/index.ts";
import { auditRecords, tempKeystore } from "../support/keystore.ts";
import { start } from "@env/testkit/programs";
import { apply, identityPolicy, keyPolicy } from "./support/seeds.ts";

const KILLS = process.env["SLOW"] === undefined ? 12 : 200;
const KEYS = 50;
const random = seededRandom();

const keyId = (i: number): string => `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`;
const arn = (kind: string, i: number): string => `arn:aws:iam::000000000000:${kind}/p${i}`;
const numbers = Array.from({ length: KEYS }, (_, i) => i);

/** The first state of everything. */
const first: SeedDocument = {
  version: 1,
  keys: numbers.map((i) => ({
    keyId: keyId(i),
    description: `key ${i}`,
    tags: { number: String(i) },
    aliases: [`alias/${i}`, `alias/${i}/old`],
    ...(i % 3 === 0 ? { policy: keyPolicy("kms:Decrypt") } : {}),
    ...(i % 4 === 0 ? { rotation: { periodInDays: 90 } } : {}),
  })),
  principals: [
    ...[0, 1].map((i) => ({ arn: arn("group", i), policies: { use: identityPolicy("kms:*") } })),
    ...numbers
      .slice(0, 10)
      .map((i) => ({ arn: arn("user", i), tags: { n: String(i) }, groups: [arn("group", i % 2)] })),
  ],
};

/** Another one: each alias with another key, other settings, and keys and principals that go. */
const second: SeedDocument = {
  version: 1,
  keys: numbers.slice(5).map((i) => ({
    keyId: keyId(i),
    description: `key ${i} again`,
    tags: { other: String(i) },
    aliases: [`alias/${((i + 1) % (KEYS - 5)) + 5}`],
    enabled: i % 5 !== 0,
  })),
  principals: first.principals?.slice(0, 6) ?? [],
};

/** Runs a process until it has printed so many lines; if it does not stop there, for some moments more. */
async function killedAfter(
  lines: number,
  stops: boolean,
  ...args: readonly string[]
): Promise<string[]> {
  const child = start("applier", ...args, ...(stops ? [`${lines}`] : []));
  const closed = once(child, "close");
  const seen: string[] = [];
  await Promise.race([
    closed,
    new Promise<void>((resolve) => {
      createInterface(child.stdout).on("line", (line) => {
        if (seen.push(line) >= lines) resolve();
      });
      if (lines === 0) resolve();
    }),
  ]);
  if (!stops) await setTimeout(lines === 0 ? random(400) : random(3));
  child.kill("SIGKILL");
  await closed;
  return seen;
}

/** What an apply that nobody killed comes to. */
async function undisturbed(...seeds: readonly SeedDocument[]) {
  const { keystore } = await tempKeystore();
  for (const seed of seeds) await apply(keystore, seed, true);
  const records = (await auditRecords(keystore)).map(({ eventName }) => eventName);
  return { config: await keystore.seeding.exportConfig(), records: records.toSorted() };
}

it.each([
  ["a new keystore", [first]],
  ["a keystore that has another", [first, second]],
])("a seed that is killed over %s is completed by applying it again", async (_, seeds) => {
  const expected = await undisturbed(...seeds);
  const wanted = seeds.at(-1) ?? first;
  const seedFile = join(tempFolder(), "seed.json");
  writeFileSync(seedFile, JSON.stringify(wanted));
  let interrupted = 0;
  for (let kill = 0; kill < KILLS / 2; kill++) {
    const { path, keystore: made, root } = await tempKeystore();
    for (const seed of seeds.slice(0, -1)) await apply(made, seed, true);
    const before = (await auditRecords(made)).length;
    made.close();
    // Lines before the first record: while it opens, or has just begun.
    const lines = kill % 6 === 0 ? 0 : 1 + random(99);
    // Every other process stops at its last line, or a fast one could always be done before it is killed.
    const stops = kill % 2 === 1;
    const seen = await killedAfter(lines, stops, path, root.keyFile, seedFile);

    using keystore = await openKeystore(path, { root });
    expect(await keystore.verify()).toEqual([]);
    const records = await auditRecords(keystore);
    // What was told is there: a record is in its change's transaction.
    const told = seen.filter((line) => line !== "begin" && line !== "done").length;
    expect(records.length - before).toBeGreaterThanOrEqual(told);
    if (records.length < expected.records.length) interrupted += 1;
    if (seeds.length === 1) {
      // What is there is whole: a step is one transaction.
      const { keys = [], principals = [] } = await keystore.seeding.exportConfig();
      expect(expected.config.keys).toEqual(expect.arrayContaining([...keys]));
      expect(expected.config.principals).toEqual(expect.arrayContaining([...principals]));
    }

    await apply(keystore, wanted, true);
    expect(await keystore.seeding.exportConfig()).toEqual(expected.config);
    const done = (await auditRecords(keystore)).map(({ eventName }) => eventName);
    expect(done.toSorted()).toEqual(expected.records);
    const { steps } = await apply(keystore, wanted, true);
    expect(steps.filter(({ action }) => action !== "none")).toEqual([]);
    expect(await keystore.verify()).toEqual([]);
  }
  expect(interrupted).toBeGreaterThanOrEqual(KILLS / 4);
});
