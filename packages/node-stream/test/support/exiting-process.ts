/** A process that exits while it writes a file, after saying what is in the folder: `exiting-process.ts <path>`. */
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { writeFileWhole } from "../../src/output.ts";

const [target = ""] = process.argv.slice(2);
await writeFileWhole(target, {}, async () => {
  await new Promise((resolve) => process.send?.(readdirSync(dirname(target)), resolve));
  process.exit(0);
});
