/**
 * A process that takes a file's lock as often as it can, and reports how often it was not alone:
 * `locking-process.ts <path> <ms>`.
 */
import { open, unlink } from "node:fs/promises";
import { hasCode, withFileLock } from "../../src/file-lock.ts";

const [path = "", ms = "0"] = process.argv.slice(2);
const mark = `${path}.inside`;
const report = { entered: 0, broken: 0 };
const end = performance.now() + Number(ms);
while (performance.now() < end) {
  try {
    await withFileLock(path, async () => {
      report.entered++;
      try {
        await (await open(mark, "wx")).close();
        await unlink(mark);
      } catch {
        report.broken++;
      }
    });
  } catch (error) {
    if (!hasCode(error, "EBUSY")) throw error;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
process.send?.(report);
