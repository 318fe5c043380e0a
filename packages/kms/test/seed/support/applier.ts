/**
 * A process that applies a seed: `applier.ts <path> <key file> <seed, JSON> [lines]`. Prints a line when it
 * begins, one for each audit record of what it has done, and one when it is done. Stands still after so many
 * lines, if a number is given.
 */
import { readFileSync, writeSync } from "node:fs";
import { openKeystore, parseSeed } from "../../../src/index.ts";

const [path = "", keyFile = "", seedFile = "", last] = process.argv.slice(2);
let printed = 0;
function print(line: string): void {
  writeSync(1, `${line}\n`);
  printed += 1;
  if (printed === Number(last)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

const seed = parseSeed(JSON.parse(readFileSync(seedFile, "utf8")));
using keystore = await openKeystore(path, { root: { keyFile }, busyTimeout: 60_000 });
const after = (await keystore.audit.anchor()).sequence;
const done = new AbortController();
const followed = (async () => {
  for await (const { record } of keystore.audit.tail({ after, signal: done.signal })) {
    print(record.eventName);
  }
})();
print("begin");
await keystore.seeding.apply(await keystore.seeding.plan(seed, { prune: true }));
done.abort();
await followed;
print("done");
