/**
 * Several real processes over one file, or one PostgreSQL: nothing that was acknowledged is lost, and nothing is half.
 * `SLOW=1` for the full size.
 */
import { once } from "node:events";
import { seededRandom } from "@env/testkit/random";
import { expect, it } from "vitest";
import { openKeystore, type Keystore } from "../src/index.ts";
import { newKey, onFiles, tempKeystore } from "./support/keystore.ts";
import { Ledger } from "./support/ledger.ts";
import { start } from "@env/testkit/programs";

const size =
  process.env["SLOW"] === undefined
    ? { writers: 3, changes: 60, kills: 8 }
    : { writers: 8, changes: 1000, kills: 200 };

/** A database is backed up by its own means. */
const backups = onFiles ? [0.1, 0.3, 0.5] : [];

async function setup(): Promise<{
  path: string;
  keyFile: string;
  shared: string[];
  keystore: Keystore;
}> {
  const { path, client, keystore, root } = await tempKeystore({ busyTimeout: 60_000 });
  const shared: string[] = [];
  for (let i = 0; i < 16; i++) shared.push(await newKey(client));
  return { path, keyFile: root.keyFile, shared, keystore };
}

it("concurrent writers lose nothing, and each of them gets its turn", async () => {
  const { path, keyFile, shared, keystore } = await setup();
  const ledger = new Ledger(shared);
  const ends = Array.from({ length: size.writers }, async (_, i) => {
    const child = start("writer", path, keyFile, `w${i}`, `w${i}`, String(size.changes), ...shared);
    const end = once(child, "close");
    await ledger.follow(child.stdout);
    return end;
  });
  for (const part of backups) {
    await Promise.race([ledger.reaches(size.writers * size.changes * part), Promise.all(ends)]);
    await keystore.backup(`${path}.${part}`);
  }
  for (const end of await Promise.all(ends)) expect(end).toEqual([0, null]);
  expect(ledger.count).toBe(size.writers * size.changes);
  await ledger.compare({ path, root: { keyFile } }, keystore, true);
  for (const part of backups) {
    using copy = await openKeystore(`${path}.${part}`, { root: { keyFile } });
    expect(await copy.verify()).toEqual([]);
    expect(await copy.audit.verify()).toMatchObject({ intact: true });
  }
});

it("killing a writer loses nothing that it acknowledged", async () => {
  const { path, keyFile, shared, keystore: first } = await setup();
  first.close();
  const ledger = new Ledger(shared);
  const random = seededRandom();
  for (let run = 0; run < size.kills; run++) {
    const child = start("writer", path, keyFile, `k${run}`, "k", "100000", ...shared);
    const end = once(child, "close");
    const followed = ledger.follow(child.stdout);
    // At some moment of opening, or of some change.
    if (run % 5 > 0) await ledger.reaches(ledger.count + 1);
    await new Promise((resolve) => setTimeout(resolve, random(run % 5 === 0 ? 250 : 60)));
    child.kill("SIGKILL");
    await Promise.all([followed, end]);
    using keystore = await openKeystore(path, { root: { keyFile } });
    await newKey(keystore.as());
    if (run % 8 === 7) await ledger.compare({ path, root: { keyFile } }, keystore, false);
  }
  // So many runs were killed after they had changed something.
  expect(ledger.count).toBeGreaterThanOrEqual(size.kills - Math.ceil(size.kills / 5));
});
