/**
 * A thread that seals one chunk with keys that another thread shared.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { native } from "./native.ts";

const { shared, plaintext } = workerData as {
  readonly shared: unknown;
  readonly plaintext: Uint8Array<ArrayBuffer>;
};
const out = new Uint8Array(plaintext.length + 16);
const keys = native().adopt?.(shared);
if (keys === undefined) throw new Error("the backend cannot adopt keys");
await native().sealChunks(keys, 3, plaintext, true, out);
parentPort?.postMessage(out, []);
