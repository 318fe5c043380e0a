/**
 * A process that opens a keystore of many CMKs, asks for one alias again and again and for others at
 * random, and prints as JSON what that took and the most memory it ever held.
 *
 *     node tools/bench/kms-scale.ts FILE COUNT
 *
 * The mistake it avoids: audit records of one measurement that are written in another. All that are due are
 * on disk before a measurement begins, and its own before it ends.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { openKeystore } from "@env/kms";
import { command } from "../command.ts";
import { median } from "./measure.ts";

export interface ScaleFacts {
  readonly openMs: number;
  /** Microseconds for a DescribeKey by an alias that is used all the time. */
  readonly hotUs: number;
  /** The same by an alias picked at random. */
  readonly randomUs: number;
  readonly rssMb: number;
}

const CALLS = 2500;
const ROUNDS = 3;

await command(import.meta, async ([path = "", count = ""]) => {
  const started = performance.now();
  using keystore = await openKeystore(path, {
    root: { keyFile: `${path}.key` },
    audit: { durability: { maxDelayMs: 100, maxEvents: 1000 } },
  });
  const openMs = performance.now() - started;
  const client = keystore.as();
  const micros = async (alias: () => string): Promise<number> => {
    await keystore.audit.flush();
    const from = performance.now();
    for (let i = 0; i < CALLS; i++) await client.describeKey({ KeyId: alias() });
    await keystore.audit.flush();
    return ((performance.now() - from) * 1000) / CALLS;
  };
  const hot = (): string => "alias/key-7";
  const random = (): string => `alias/key-${Math.floor(Math.random() * Number(count))}`;
  const hotRounds: number[] = [];
  const randomRounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    hotRounds[round] = await micros(hot);
    randomRounds[round] = await micros(random);
  }
  // The first of each warms up.
  const hotUs = median(hotRounds.slice(1));
  const randomUs = median(randomRounds.slice(1));
  const kib = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
  const facts: ScaleFacts = { openMs, hotUs, randomUs, rssMb: (kib * 1024) / 1e6 };
  console.log(JSON.stringify(facts));
  return 0;
});
