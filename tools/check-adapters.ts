/**
 * The mistake it stops: adapters that drift apart. Whoever knows one of them knows where to look in
 * the next: the same files, the same headings in the README, in the same order.
 *
 *     node tools/check-adapters.ts
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { command, report } from "./command.ts";
import { headingsOf } from "./markdown.ts";
import { readPackages, readText, root } from "./workspace.ts";

const adapters = new Set(["@env/aws-kms", "@env/gcp-kms", "@env/local-file", "@env/vault-transit"]);

const files = [
  "src/client.ts",
  "src/driver.ts",
  "src/errors.ts",
  "src/index.ts",
  "src/uri.ts",
  "test/conformance.test.ts",
  "README.md",
];

const headings = [
  "Install",
  "Use",
  "Calls and permissions",
  "Context",
  "Limits",
  "Errors",
  "Rotation",
  "Live tests",
];

export interface Adapter {
  readonly name: string;
  /** Paths relative to its folder. */
  readonly has: (file: string) => boolean;
  /** Text of its README; empty where there is none. */
  readonly readme: string;
}

/** How an adapter differs from the others, one sentence each. */
export function differences({ name, has, readme }: Adapter): string[] {
  const found = files.filter((file) => !has(file)).map((file) => `${name} has no ${file}`);
  const level2 = headingsOf(readme).flatMap(({ level, text }) => (level === 2 ? [text] : []));
  const known = level2.filter((text) => headings.includes(text));
  for (const heading of headings) {
    if (!level2.includes(heading)) found.push(`${name}: README.md has no heading "${heading}"`);
  }
  const ordered = headings.filter((heading) => known.includes(heading));
  if (known.join("\n") !== ordered.join("\n")) {
    found.push(`${name}: the README's headings are not in the order ${ordered.join(" · ")}`);
  }
  return found;
}

await command(import.meta, () => {
  const present = readPackages().filter(({ manifest }) => adapters.has(manifest.name));
  const found = present.flatMap(({ dir, manifest }) => {
    const has = (file: string): boolean => existsSync(join(root, dir, file));
    const readme = has("README.md") ? readText(`${dir}/README.md`) : "";
    return differences({ name: manifest.name, has, readme });
  });
  return report("check-adapters", found, `${present.length} adapters have one shape`);
});
