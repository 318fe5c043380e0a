/** The programs that the tests start, bundled once for all of them. */
import { join } from "node:path";
import { bundled } from "@env/testkit/bundle";

export default bundled(join(import.meta.dirname, "../.."), ["test/support/bucket-process.ts"]);
