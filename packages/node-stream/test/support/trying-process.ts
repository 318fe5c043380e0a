/** A process or a thread that tries once to lock a file, and says what came of it: `trying-process.ts <path>`. */
import { parentPort as port, workerData } from "node:worker_threads";
import { withFileLock } from "../../src/file-lock.ts";

const path = String(port === null ? process.argv[2] : workerData);
const outcome = await withFileLock(path, async () => "locked").catch(({ code }) => String(code));
if (port === null) process.send?.(outcome);
else port.postMessage(outcome);
