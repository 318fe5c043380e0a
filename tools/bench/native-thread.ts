/**
 * A thread of the figure `native`: seals when it is told to, and answers with its rate.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { onNative } from "./figures/native.ts";

const { quick } = workerData as { readonly quick: boolean };
const { seal } = await onNative(quick);
await seal?.(); // Warms up.
parentPort?.once("message", () => {
  void Promise.resolve(seal?.()).then((rate) => parentPort?.postMessage(rate, []));
});
parentPort?.postMessage("ready", []);
