import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { noBrowser, pages } from "./support/browser.ts";

/** The most bytes of all that a browser loads, gzipped. */
const BUDGET = 80_000;

describe.skipIf(noBrowser !== undefined)("the built pages", () => {
  test("all of them together stay below 80 KB, gzipped", () => {
    const files = readdirSync(pages, { recursive: true, encoding: "utf8" }).filter((file) =>
      /\.(?:html|js|css|svg)$/.test(file),
    );
    const sizes = files.map((file) => gzipSync(readFileSync(join(pages, file))).length);
    expect(files.length).toBeGreaterThanOrEqual(4);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(BUDGET);
  });

  test("nothing is inline, and nothing comes from elsewhere", () => {
    const html = readFileSync(join(pages, "index.html"), "utf8");
    expect(html).not.toMatch(/<style|style=|<script(?![^>]*\bsrc=)|\bon\w+=/);
    for (const [, address = ""] of html.matchAll(/(?:src|href)="([^"]*)"/g)) {
      expect(address).toMatch(/^\/console\//);
    }
  });
});
