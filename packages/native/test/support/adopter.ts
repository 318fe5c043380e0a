/**
 * A thread that opens a run of chunks with keys that another thread shared.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { native } from "./native.ts";

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the test's own
const { shared, sealed } = workerData as {
  readonly shared: unknown;
  readonly sealed: Uint8Array<ArrayBuffer>;
};
const keys = native().adopt?.(shared);
if (keys === undefined) throw new Error("the backend cannot adopt keys");
const out = new Uint8Array(sealed.length - 16 * Math.ceil(sealed.length / 16_400));
if ((await native().openChunks(keys, 0, sealed, out)) !== -1) throw new Error("it does not verify");
parentPort?.postMessage(out, []);
