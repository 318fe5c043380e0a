/** A process that locks a file, says so, and holds the lock until it dies: `holding-process.ts <path>`. */
import { withFileLock } from "../../src/file-lock.ts";

await withFileLock(process.argv[2] ?? "", async () => {
  process.send?.("locked");
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
