/** Builds the pages once for all tests. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";
import { CHROMIUM } from "./browser.ts";

export default async function buildPages(): Promise<void> {
  // Nothing looks at them without a browser.
  if (!existsSync(CHROMIUM)) return;
  await build({ root: join(import.meta.dirname, "../.."), logLevel: "warn" });
}
