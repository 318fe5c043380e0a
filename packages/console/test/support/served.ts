/** The console over a keystore that a team has used for a month. */
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import type { Browser } from "playwright-core";
import { startBrowser } from "./browser.ts";
import { seededKeystore, type Seeded } from "./seeded.ts";
import { standIn } from "./stand-in.ts";

export interface Served extends Seeded {
  readonly url: string;
  readonly browser: Browser;
  /** Stops the server, and starts it again at the same address. */
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
  const keys = Object.values(seeded.accessKeys);
  let server = await standIn(seeded.keystore, keys);
  const { url } = server;
  const stop = (): Promise<void> => server.close();
  return {
    ...seeded,
    url,
    browser,
    stop,
    start: async () => {
      server = await standIn(seeded.keystore, keys, Number(new URL(url).port));
    },
    close: async () => {
      await browser.close();
      await stop();
      seeded.keystore.close();
      for (const remove of removals) remove();
    },
  };
}
