/**
 * The mistake it stops: a browser or edge bundle that grows unnoticed, or that comes to hold Node's
 * parts. Bundles what an application that imports `Envelope` gets where there is no `node` condition,
 * minified, and fails over the budget or where a module for Node is in it.
 *
 *     node tools/bundle-size.ts
 *
 * @module
 */
import { gzipSync } from "node:zlib";
import { rolldown, type OutputChunk } from "rolldown";
import { command, report } from "./command.ts";
import { root } from "./workspace.ts";

/** Most bytes of `import { Envelope } from "@env/core"`, minified and gzipped. */
const BUDGET_BYTES = 15_000;

const ENTRY = "entry.js";

/** Bundles a program as a bundler for browsers does, from the packages' sources. */
export async function bundle(program: string, minify: boolean): Promise<OutputChunk> {
  const build = await rolldown({
    input: ENTRY,
    cwd: import.meta.dirname,
    platform: "browser",
    external: /^node:/, // Reported by nodeParts().
    resolve: { conditionNames: ["@env/source", "browser", "import", "default"] },
    // Resolved like a file of this folder, whose package depends on core.
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === ENTRY ? `${import.meta.dirname}/${ENTRY}` : null),
        load: (id) => (id.endsWith(`/${ENTRY}`) ? program : null),
      },
    ],
  });
  try {
    const { output } = await build.generate({ format: "esm", minify });
    if (output.length !== 1) throw new Error(`one chunk was expected, got ${output.length}`);
    return output[0];
  } finally {
    await build.close();
  }
}

/** Modules and imports that have no place in a browser. */
export function nodeParts({ imports, moduleIds }: OutputChunk): string[] {
  return [...imports, ...moduleIds.filter((id) => id.endsWith(".node.ts"))];
}

await command(import.meta, async () => {
  const program = `export { Envelope } from "@env/core";`;
  const [min, plain] = [await bundle(program, true), await bundle(program, false)];
  const minBytes = Buffer.byteLength(min.code);
  const gzipBytes = gzipSync(min.code, { level: 9 }).length;

  console.log("in the bundle, before minification:");
  const modules = Object.entries(plain.modules).map(([id, { renderedLength }]) => ({
    name: id.startsWith(root) ? id.slice(root.length + 1) : id,
    bytes: renderedLength,
  }));
  for (const { name, bytes } of modules.toSorted((a, b) => b.bytes - a.bytes)) {
    if (bytes > 0) console.log(`${String(bytes).padStart(8)} B  ${name}`);
  }
  const found = nodeParts(plain).map((part) => `${part} is only for Node`);
  if (gzipBytes > BUDGET_BYTES) {
    found.push(`${gzipBytes} bytes gzipped, at most ${BUDGET_BYTES} are allowed`);
  }
  const size = `Envelope is ${minBytes} bytes minified, ${gzipBytes} of ${BUDGET_BYTES} gzipped`;
  return report("bundle-size", found, size);
});
