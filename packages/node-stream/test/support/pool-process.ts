/** A process that uses the pool, awaits a task on it and nothing else, and must end by itself. */
import { shareKeys } from "@env/core/message";
import { sharedPool, WorkerPool } from "../../src/pool.ts";
import { newCodec } from "./codec.ts";
import { realThread } from "./pools.ts";

const pool = sharedPool() ?? new WorkerPool(1, realThread);
const alive = setInterval(() => undefined, 1000); // Until it has started: starting alone does not.
await pool.start();
clearInterval(alive);
const keys = shareKeys(await newCodec());
const task = { kind: "run", operation: "seal", keys, index: 0, last: false } as const;
await pool.run({ ...task, input: new Uint8Array(16_400).subarray(0, 16_384) });
process.stdout.write("done\n");
