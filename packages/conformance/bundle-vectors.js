// Gives the published package its own copy of the vectors, one file per kind where the repository
// has one per scenario. Stops a release without them, or with vectors of an earlier build that the
// specification no longer has.
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { readVectorFolder } from "./dist/vector-files.js";

const from = new URL("../../spec/vectors/", import.meta.url);
const to = new URL("vectors/", import.meta.url);

rmSync(to, { recursive: true, force: true });
cpSync(new URL("README.md", from), new URL("README.md", to));
for (const kind of ["envelope", "context", "text", "local-wrap"]) {
  const schema = `schema/${kind}.schema.json`;
  cpSync(new URL(schema, from), new URL(schema, to));
  const lines = readVectorFolder(new URL(`${kind}/`, from)).map((each) => ascii(each));
  writeFileSync(new URL(`${kind}.json`, to), `[\n${lines.join(",\n")}\n]\n`);
}

/** @param {object} value */
function ascii(value) {
  return JSON.stringify(value).replaceAll(/[\u0080-\uFFFF]/g, escaped);
}

/** @param {string} unit */
function escaped(unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
