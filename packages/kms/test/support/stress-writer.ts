/**
 * A process that changes a keystore and forces checkpoints beside it, until a time or a number of changes is reached:
 * `stress-writer.ts <path> <key file> <minutes> <changes> <seed>`. Prints what was acknowledged, one JSON text per line.
 */
import { DatabaseSync } from "node:sqlite";
import { seededRandom } from "@env/testkit/random";
import { openKeystore } from "../../src/index.ts";

export interface Acknowledged {
  readonly keyId: string;
  /** The description that the key has now. */
  readonly value: number;
}

const [path = "", keyFile = "", minutes = "0", changes = "0", seed = "0"] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const end = performance.now() + Number(minutes) * 60_000;
const audit = { retention: { maxRecords: 20_000 } };
using keystore = await openKeystore(path, { root: { keyFile }, audit, busyTimeout: 120_000 });
const client = keystore.as();
// A connection of its own, as of another program: SQLite's locks are also between those of one process.
const other = new DatabaseSync(path);
const modes = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] as const;

let made = 0;
let checkpoints = 0;
let keyId = "";
while (made < Number(changes) || performance.now() < end) {
  if (made % 50 === 0) {
    const { KeyMetadata } = await client.createKey({ Description: String(made) });
    keyId = KeyMetadata.KeyId;
  } else {
    await client.updateKeyDescription({ KeyId: keyId, Description: String(made) });
  }
  process.stdout.write(`${JSON.stringify({ keyId, value: made } satisfies Acknowledged)}\n`);
  made++;
  if (random(4) > 0) continue;
  // It answers that it was busy where another connection was at it.
  other.prepare(`PRAGMA wal_checkpoint(${modes[random(modes.length)]})`).get();
  checkpoints++;
}
other.close();
process.stdout.write(`${JSON.stringify({ made, checkpoints })}\n`);
