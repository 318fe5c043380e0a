/** The console over a keystore that a team has used for a month. */
import { join } from "node:path";
import { createKmsServer, type KmsServer } from "@env/kms-server";
import { tempFolder } from "@env/testkit/folder";
import type { Page } from "playwright-core";
import { pages, signIn, startBrowser, visit, type Visit } from "./browser.ts";
import { seededKeystore, type Seeded } from "./seeded.ts";

export interface Served extends Seeded {
  readonly url: string;
  /** A browser that nobody has signed in with. */
  readonly visit: () => Promise<Visit>;
  /** Opens a page as somebody, does something there, and fails where the browser complains. */
  readonly as: (
    who: keyof Seeded["accessKeys"],
    path: string,
    run: (page: Page) => Promise<void>,
  ) => Promise<void>;
  /** Stops the server, and starts it again at the same address: sessions end with it. */
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export async function serveConsole(): Promise<Served> {
  const removals: (() => void)[] = [];
  const folder = tempFolder((remove) => removals.push(remove));
  const [seeded, browser] = await Promise.all([
    seededKeystore(join(folder, "console.kms")),
    startBrowser(),
  ]);
  let server: KmsServer;
  const start = async (port: number): Promise<string> => {
    server = createKmsServer(seeded.keystore, { port, auth: "strict", console: { folder: pages } });
    return server.listen();
  };
  const url = await start(0);
  // Attempts to sign in are limited, and to open a page takes longer than most tests: one for each person is enough.
  const visits = new Map<string, Visit>();
  return {
    ...seeded,
    url,
    visit: () => visit(browser),
    as: async (who, path, run) => {
      const known = visits.get(who) ?? (await visit(browser));
      // A test that fails leaves its page as it is, and the next one opens another.
      visits.delete(who);
      const { page, complaints } = known;
      await page.goto(`${url}/console${path}`);
      await page.locator("main").waitFor();
      if (await page.getByLabel("Access key ID").isVisible())
        await signIn(page, seeded.accessKeys[who]);
      await run(page);
      if (complaints.length > 0) throw new Error(`the browser complains: ${complaints.join(", ")}`);
      visits.set(who, known);
    },
    stop: () => server.close(),
    start: async () => void (await start(Number(new URL(url).port))),
    close: async () => {
      await browser.close();
      await server.close();
      seeded.keystore.close();
      for (const remove of removals) remove();
    },
  };
}
