/** A process that uses the pool, awaits a task on it and nothing else, and must end by itself. */
import { createSecretKey, randomBytes } from "node:crypto";
import { sharedPool, WorkerPool } from "../../src/pool.ts";
import { realThread } from "./pools.ts";

const pool = sharedPool() ?? new WorkerPool(1, realThread);
const alive = setInterval(() => undefined, 1000); // Until it has started: starting alone does not.
await pool.start();
clearInterval(alive);
const keys = {
  key: createSecretKey(randomBytes(32)) as never,
  baseNonce: new Uint8Array(12),
};
const task = { kind: "run", operation: "seal", keys, index: 0, last: false } as const;
await pool.run({ ...task, input: new Uint8Array(16_400).subarray(0, 16_384) });
process.stdout.write("done\n");
