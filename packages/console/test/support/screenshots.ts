/**
 * Draws the screenshots in `docs/console/` from a keystore that a team has used for a month: light, dark, and as on a phone.
 *
 *     nx build @env/console && node --conditions=@env/source packages/console/test/support/screenshots.ts
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKmsServer } from "@env/kms-server";
import { signIn, startBrowser, visit } from "./browser.ts";
import { seededKeystore } from "./seeded.ts";

const shots = {
  keys: "/keys",
  key: "/keys/alias/payments",
  policy: "/keys/alias/payments?tab=policy",
  access: "/keys/alias/payments?tab=access",
  "create-key": "/create-key",
  "who-can":
    "/who-can?action=kms:Decrypt&key=alias/payments&principal=arn:aws:iam::111122223333:user/bob",
  audit: "/audit",
  principal: "/principals/arn:aws:iam::111122223333:user/alice",
  cost: "/cost",
} as const;

const looks = {
  light: { width: 1280, height: 800, colorScheme: "light" },
  dark: { width: 1280, height: 800, colorScheme: "dark" },
  phone: { width: 380, height: 760, colorScheme: "light" },
} as const;

const root = join(import.meta.dirname, "../../../..");
const out = join(root, "docs/console");
const folder = mkdtempSync(join(tmpdir(), "console-"));
const { keystore, accessKeys } = await seededKeystore(join(folder, "console.kms"));
const server = createKmsServer(keystore, {
  port: 0,
  auth: "strict",
  console: { folder: join(root, "packages/console/dist") },
});
const browser = await startBrowser();
try {
  mkdirSync(out, { recursive: true });
  const url = await server.listen();
  const { page } = await visit(browser);
  await page.goto(`${url}/console`);
  await signIn(page, accessKeys.alice);
  for (const [name, path] of Object.entries(shots)) {
    for (const [look, { colorScheme, ...size }] of Object.entries(looks)) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme });
      await page.goto(`${url}/console${path}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await page.waitForLoadState("networkidle");
      await page.screenshot({ path: join(out, `${name}-${look}.png`) });
    }
  }
} finally {
  await browser.close();
  await server.close();
  keystore.close();
  rmSync(folder, { recursive: true, force: true });
}
