#!/usr/bin/env node
/**
 * The executable. It looks at the runtime before anything is imported: an older Node would stop at an
 * import it does not have, with a stack that says nothing to a user.
 *
 * @module
 */
import { readFileSync } from "node:fs";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 13)) {
  await import("./run.ts");
} else {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { engines }: { readonly engines: { readonly node: string } } = JSON.parse(manifest);
  process.stderr.write(`error: envelope needs Node ${engines.node}; this is ${process.version}\n`);
  process.stderr.write(
    "hint: install a current Node, or run it with one: npx -p node@24 envelope\n",
  );
  process.exitCode = 1;
}
