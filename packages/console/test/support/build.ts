/** Builds the pages once for all tests. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";
import { CHROMIUM, pages } from "./browser.ts";

export default async function buildPages(): Promise<void> {
  // Nothing looks at them without a browser.
  if (!existsSync(CHROMIUM)) return;
  const { NODE_ENV } = process.env;
  // What is tested is what is published, except for its place.
  process.env["NODE_ENV"] = "production";
  await build({
    root: join(import.meta.dirname, "../.."),
    logLevel: "warn",
    build: { outDir: pages, emptyOutDir: true },
  });
  if (NODE_ENV !== undefined) process.env["NODE_ENV"] = NODE_ENV;
}
