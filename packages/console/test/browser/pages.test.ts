import axe, { type AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { noBrowser, signIn } from "../support/browser.ts";
import { serveConsole, type Served } from "../support/served.ts";

/** Every page, and every part of the page of a key, with the heading that shows that it is there. */
const pages = {
  "/keys": "Keys",
  "/keys?view=deletion": "Keys",
  "/keys/alias/payments": "payments",
  "/keys/alias/payments?tab=policy": "payments",
  "/keys/alias/payments?tab=access": "payments",
  "/keys/alias/payments?tab=grants": "payments",
  "/keys/alias/payments?tab=rotation": "payments",
  "/keys/alias/payments?tab=aliases": "payments",
  "/keys/alias/payments?tab=tags": "payments",
  "/keys/alias/payments?tab=audit": "payments",
  "/keys/alias/partner-import?tab=import": "partner-import",
  "/keys/alias/release-signing": "release-signing",
  "/create-key": "Create key",
  "/who-can?action=kms:Decrypt&key=alias/payments&principal=arn:aws:iam::111122223333:user/bob":
    "Who can do what",
  "/principals": "Principals",
  "/principals?tab=policy": "Principals",
  "/principals/arn:aws:iam::111122223333:user/alice": "alice",
  "/principals/arn:aws:iam::111122223333:role/backup": "backup",
  "/audit": "Audit",
  "/try-it?key=alias/orders": "Try it",
  "/try-it?key=alias/release-signing": "Try it",
  "/cost": "Cost",
} as const;

describe.skipIf(noBrowser !== undefined)("pages", () => {
  let served: Served;
  beforeAll(async () => {
    served = await serveConsole();
    return served.close;
  });

  test("every page is accessible, light and dark, and not wider than a phone", async () => {
    const { page, context, complaints } = await served.visit();
    // The policy for content lets no script be added to a page; the debugger of the browser may.
    await context.addInitScript({ content: axe.source });
    const found: Record<string, readonly string[]> = {};
    const look = async (path: string): Promise<void> => {
      await page.setViewportSize({ width: 1280, height: 820 });
      const light = await violations(page);
      await page.emulateMedia({ colorScheme: "dark" });
      const dark = await violations(page, "color-contrast");
      await page.emulateMedia({ colorScheme: "light" });
      await page.setViewportSize({ width: 380, height: 820 });
      const width = Number(await page.evaluate("document.documentElement.scrollWidth"));
      const wrong = [...new Set([...light, ...dark]), ...(width > 380 ? [`${width} pixels`] : [])];
      if (wrong.length > 0) found[path] = wrong;
    };
    await page.goto(`${served.url}/console/keys`);
    await page.getByLabel("Access key ID").waitFor();
    await look("sign in");
    await signIn(page, served.accessKeys.alice);
    for (const [path, heading] of Object.entries(pages)) {
      await page.goto(`${served.url}/console${path}`);
      await page.getByRole("heading", { level: 1, name: heading }).waitFor();
      await page.locator(".loading").first().waitFor({ state: "detached" });
      await look(path);
    }
    expect(found).toEqual({});
    expect(complaints).toEqual([]);
    await context.close();
  });

  /** What axe finds, one line each. */
  async function violations(page: Page, only?: string): Promise<string[]> {
    const options = {
      resultTypes: ["violations"],
      ...(only === undefined ? {} : { runOnly: [only] }),
    };
    const { violations: found } = await page.evaluate<Pick<AxeResults, "violations">>(
      `axe.run(${JSON.stringify(options)}).then(({ violations }) => ({ violations }))`,
    );
    return found.flatMap(({ id, nodes }) =>
      nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`),
    );
  }
});
