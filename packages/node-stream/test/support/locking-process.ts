/**
 * A process that says it is ready, waits to be told to go, then takes a file's lock in each of its
 * threads until each has had it a number of times, and reports how often it was not alone:
 * `locking-process.ts <path> <times> <threads>`.
 */
import { once } from "node:events";
import { open, unlink } from "node:fs/promises";
import { isMainThread, parentPort as port, Worker, workerData } from "node:worker_threads";
import { withFileLock } from "../../src/file-lock.ts";
import { hasCode } from "../../src/file-system.ts";

async function takeOften(path: string, times: number): Promise<number> {
  const mark = `${path}.inside`;
  let broken = 0;
  let left = times;
  for (;;) {
    if (left === 0) return broken;
    try {
      await withFileLock(path, async () => {
        left--;
        try {
          await (await open(mark, "wx")).close();
          await unlink(mark);
        } catch {
          broken++;
        }
      });
    } catch (error) {
      if (!hasCode(error, "EBUSY")) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
    }
  }
}

if (isMainThread) {
  const [path = "", times = "", threads = ""] = process.argv.slice(2);
  const file = new URL(import.meta.url);
  const options = { workerData: [path, Number(times)] };
  const workers = Array.from({ length: Number(threads) }, () => new Worker(file, options));
  await Promise.all(workers.map((worker) => once(worker, "message")));
  process.send?.("ready");
  await once(process, "message");
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
  for (const worker of workers) worker.postMessage("go");
  const reports = await Promise.all(workers.map((worker) => once(worker, "message")));
  process.send?.(reports.reduce((sum, [broken]) => sum + Number(broken), 0));
  process.disconnect();
} else {
  const [path, times] = workerData as [string, number];
  port?.postMessage("ready");
  port?.once("message", () => {
    void takeOften(path, times).then((broken) => port?.postMessage(broken));
  });
}
