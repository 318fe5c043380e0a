/** The programs that the tests start, and the package itself for others, bundled once for all of them. */
import { join } from "node:path";
import { bundled } from "@env/testkit/bundle";

export default bundled(join(import.meta.dirname, "../.."), [
  "src/index.ts",
  "test/audit/support/appender.ts",
  "test/seed/support/applier.ts",
  "test/support/maker.ts",
  "test/support/mover.ts",
  "test/support/stress-writer.ts",
  "test/support/writer.ts",
]);
