/** A thread that opens one run with keys that were shared with it. */
import { parentPort, workerData } from "node:worker_threads";
import { cryptoBackend } from "@env/core/crypto";

interface Task {
  readonly shared: unknown;
  readonly sealed: Uint8Array<ArrayBuffer>;
}

const { shared, sealed } = workerData as Task;
const backend = cryptoBackend();
const keys = backend.adopt?.(shared);
if (keys === undefined) throw new Error("the backend adopts no keys");
const out = new Uint8Array(sealed.length - Math.ceil(sealed.length / 16_400) * 16);
if ((await backend.openChunks(keys, 0, sealed, out)) !== -1) throw new Error("does not verify");
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a thread has no origin
parentPort?.postMessage(out);
