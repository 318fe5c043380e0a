/**
 * Reads the vectors as they are in this repository, with one file per scenario. The published package
 * has one file per kind instead, which `bundle-vectors.js` writes.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";

/** Returns the vectors in a folder, sorted by name. */
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
