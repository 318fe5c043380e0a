/** A browser for tests: one for all tests of a file, and a page of its own for each. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

/** Where the pages are built for tests. */
export const pages: string = join(import.meta.dirname, "../../node_modules/.cache/pages");

/** Debian installs it there; `CHROMIUM` names another one. */
export const CHROMIUM: string = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** Why tests are skipped; `undefined`: there is a browser. */
export const noBrowser = existsSync(CHROMIUM) ? undefined : `there is no ${CHROMIUM}`;

const args = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args, timeout: 0 });
}

export interface Visit {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the browser complained about: errors of scripts, and breaches of the policy for content. */
  readonly complaints: readonly string[];
}

export async function visit(browser: Browser): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 820 },
    reducedMotion: "reduce",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  // A test waits for what it expects as long as it may run, however busy the machine is.
  context.setDefaultTimeout(0);
  const complaints: string[] = [];
  context.on("weberror", (error) => complaints.push(error.error().message));
  context.on("console", (message) => {
    // A refused or failed call is part of many tests, and the page says it.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      complaints.push(message.text());
    }
  });
  const page = await context.newPage();
  return { context, page, complaints };
}

/** Signs in on the page that is shown. */
export async function signIn(
  page: Page,
  {
    accessKeyId,
    secretAccessKey,
  }: { readonly accessKeyId: string; readonly secretAccessKey: string },
): Promise<void> {
  await page.getByLabel("Access key ID").fill(accessKeyId);
  await page.getByLabel("Secret access key").fill(secretAccessKey);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("main#content").waitFor();
}
