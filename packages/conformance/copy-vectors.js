// Gives the published package its own copy of the vectors; stops a release without them, or with
// files of an earlier build that the specification no longer has.
import { cpSync, rmSync } from "node:fs";

const from = new URL("../../spec/vectors/", import.meta.url);
const to = new URL("vectors/", import.meta.url);

rmSync(to, { recursive: true, force: true });
for (const name of ["README.md", "schema", "envelope", "context", "text", "local-wrap"]) {
  cpSync(new URL(name, from), new URL(name, to), { recursive: true });
}
