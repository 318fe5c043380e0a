/**
 * The vectors as they lie in this repository: one file per scenario. The published package has one
 * file per kind instead, which `bundle-vectors.js` writes.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";

/** The vectors in a folder, in the order of their names. */
export function readVectorFolder<Vector extends { readonly name: string }>(folder: URL): Vector[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return files.toSorted(byName).map((file) => {
    const vector: Vector = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
    return Object.assign(vector, { name: file.slice(0, -".json".length) });
  });
}

function byName(a: string, b: string): number {
  return a < b ? -1 : 1;
}
