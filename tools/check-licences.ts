/**
 * The mistake it stops: a dependency whose licence its users could not accept, or one without a licence. It looks at
 * everything that an installation of the published packages brings along, with the SDKs that they ask for.
 *
 *     node tools/check-licences.ts        also prints how many packages have which licence
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { command, report } from "./command.ts";
import { readPackages, readRoot, root } from "./workspace.ts";

/** SPDX identifiers of licences that ask for no more than a notice, and of what is in the public domain. */
const PERMISSIVE = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Public Domain",
  "Unicode-3.0",
  "Unlicense",
]);

/**
 * Whether a licence expression can be met by permissive licences alone.
 *
 * @param expression - SPDX, in which AND binds before OR.
 */
export function isPermissive(expression: string): boolean {
  const group = /\(([^()]*)\)/.exec(expression);
  if (group !== null) {
    const [whole, inner = ""] = group;
    return isPermissive(expression.replace(whole, isPermissive(inner) ? "MIT" : "refused"));
  }
  return expression
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((licence) => PERMISSIVE.has(licence.trim())));
}

/** Packages by licence, as `pnpm licenses list --json` gives them. */
type Licences = Readonly<Record<string, readonly { readonly name: string }[]>>;

function listLicences(): Licences {
  const { packageManager = "pnpm" } = readRoot();
  const filters = readPackages().flatMap(({ manifest }) => ["--filter", manifest.name]);
  const args = [
    "-y",
    "--prefer-offline",
    packageManager,
    ...filters,
    "licenses",
    "list",
    "--prod",
    "--json",
  ];
  const { status, stdout, stderr } = spawnSync("npx", args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`pnpm licenses failed\n${stdout}${stderr}`);
  return JSON.parse(stdout) as Licences;
}

await command(import.meta, () => {
  const licences = listLicences();
  for (const [licence, packages] of Object.entries(licences)) {
    console.log(`${String(packages.length).padStart(5)}  ${licence}`);
  }
  const found = Object.entries(licences)
    .filter(([licence]) => !isPermissive(licence))
    .map(([licence, packages]) => `${packages.map(({ name }) => name).join(", ")}: ${licence}`);
  const count = Object.values(licences).flat().length;
  if (count === 0) found.push("pnpm lists no dependencies");
  return report("check-licences", found, `${count} packages have permissive licences`);
});
