/**
 * A process whose threads replace a file by encrypting another, each until it has done so a number of
 * times: `replacing-process.ts <source> <target> <times> <threads>`.
 */
import { once } from "node:events";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { Envelope } from "@env/core";
import { encryptFile } from "../../src/file.ts";
import { hasCode } from "../../src/file-system.ts";
import { rotatingCmk } from "./rotating-cmk.ts";

async function replace(source: string, target: string): Promise<boolean> {
  const envelope = new Envelope({ cmks: [rotatingCmk("one", 1).cmk] });
  try {
    await encryptFile(envelope, source, target, { context: {}, overwrite: true });
    return true;
  } catch (error) {
    if (!hasCode(error, "EBUSY")) throw error;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
    return false;
  }
}

if (isMainThread) {
  const [source, target, times, threads] = process.argv.slice(2);
  const data = { workerData: [source, target, times] };
  const file = new URL(import.meta.url);
  const workers = Array.from({ length: Number(threads) }, () => new Worker(file, data));
  await Promise.all(workers.map((worker) => once(worker, "exit")));
} else {
  const [source = "", target = "", times] = workerData as string[];
  for (let left = Number(times); left > 0;) if (await replace(source, target)) left--;
}
