/**
 * The table of options in a package's README.
 *
 * @module
 */
import { readFileSync } from "node:fs";

/** Names of the options in the table with the heading `option`, in its order. */
export function documentedOptions(readme: string | URL): string[] {
  const [, table = ""] =
    /^\| option +\|[^\n]*\n((?:\|[^\n]*\n)+)/m.exec(readFileSync(readme, "utf8")) ?? [];
  const cells = table.split("\n").map((row) => row.split("|")[1] ?? "");
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
}
