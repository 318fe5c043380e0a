/**
 * A process that locks a file, says so, and holds the lock until it dies: `holding-process.ts <path>`. Where it is
 * refused, it says with which code.
 */
import { withFileLock } from "../../src/file-lock.ts";

try {
  await withFileLock(process.argv[2] ?? "", async () => {
    process.send?.("locked");
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  });
} catch (error) {
  process.send?.(String((error as NodeJS.ErrnoException).code));
}
