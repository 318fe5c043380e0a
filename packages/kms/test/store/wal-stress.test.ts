/**
 * Processes that write and checkpoint at the same moment, which SQLite has lost transactions by: none is lost here.
 *
 * `WAL_STRESS_MINUTES=30` for eight of them and so long.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { seededRandom } from "@env/testkit/random";
import { expect, it } from "vitest";
import { sqliteVersion } from "../../src/index.ts";
import { tempKeystore } from "../support/keystore.ts";
import { start } from "@env/testkit/programs";
import type { Acknowledged } from "../support/stress-writer.ts";

const minutes = Number(process.env["WAL_STRESS_MINUTES"] ?? 0);
const size = minutes > 0 ? { writers: 8, changes: 0 } : { writers: 3, changes: 60 };

it(
  "writers that force checkpoints lose nothing",
  async () => {
    const random = seededRandom();
    const { path, keystore, root } = await tempKeystore();
    const values = new Map<string, number>();
    const total = { made: 0, checkpoints: 0 };
    const run = async (): Promise<void> => {
      const args = [path, root.keyFile, minutes, size.changes, random(2 ** 32)].map(String);
      const child = start("stress-writer", ...args);
      const ended = once(child, "close");
      for await (const line of createInterface(child.stdout)) {
        const said: Acknowledged | typeof total | undefined = line.startsWith("{")
          ? JSON.parse(line)
          : undefined;
        if (said === undefined) continue;
        if ("keyId" in said) {
          values.set(said.keyId, said.value);
        } else {
          total.made += said.made;
          total.checkpoints += said.checkpoints;
        }
      }
      expect(await ended).toEqual([0, null]);
    };
    await Promise.all(Array.from({ length: size.writers }, run));

    const client = keystore.as();
    let lost = 0;
    for (const [KeyId, value] of values) {
      const { KeyMetadata } = await client.describeKey({ KeyId });
      lost += Number(KeyMetadata.Description !== String(value));
    }
    expect(lost).toBe(0);
    expect(await keystore.verify()).toEqual([]);
    console.info(
      `SQLite ${sqliteVersion()}, Node ${process.version}: ${size.writers} writers, ${total.made} changes acknowledged, ${total.checkpoints} checkpoints forced, ${values.size} keys, ${lost} changes lost`,
    );
    expect(total.checkpoints).toBeGreaterThan(0);
  },
  minutes * 60_000 + 600_000,
);
