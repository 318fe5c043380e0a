/**
 * A process that applies a seed: `applier.ts <path> <key file> <seed, JSON>`. Prints a line when it begins,
 * one for each audit record of what it has done, and one when it is done.
 */
import { readFileSync } from "node:fs";
import { openKeystore, parseSeed } from "../../../src/index.ts";

const [path = "", keyFile = "", seedFile = ""] = process.argv.slice(2);
const seed = parseSeed(JSON.parse(readFileSync(seedFile, "utf8")));
using keystore = await openKeystore(path, { root: { keyFile }, busyTimeout: 60_000 });
const after = (await keystore.audit.anchor()).sequence;
const done = new AbortController();
const followed = (async () => {
  for await (const { record } of keystore.audit.tail({ after, signal: done.signal })) {
    process.stdout.write(`${record.eventName}\n`);
  }
})();
process.stdout.write("begin\n");
await keystore.seeding.apply(await keystore.seeding.plan(seed, { prune: true }));
done.abort();
await followed;
process.stdout.write("done\n");
