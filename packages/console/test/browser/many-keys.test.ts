import { beforeAll, describe, expect, test } from "vitest";
import { noBrowser } from "../support/browser.ts";
import { serveConsole, type Served } from "../support/served.ts";

/** Keys beside those that the keystore begins with. */
const MANY = 10_000;

describe.skipIf(noBrowser !== undefined)("ten thousand keys", () => {
  let served: Served;
  beforeAll(async () => {
    served = await serveConsole();
    const kms = served.keystore.as();
    const create = async (index: number): Promise<void> => {
      await kms.createKey({ Description: `number ${index}` });
    };
    for (let index = 0; index < MANY; index += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, next) => create(index + next)));
    }
    return served.close;
  });

  test("all of them are listed, searched and sorted, and rows come as one scrolls", async () => {
    await served.as("alice", "/keys", async (page) => {
      await page
        .getByRole("status")
        .getByText(String(MANY + 9), { exact: true })
        .waitFor();
      const rows = page.locator("tbody tr");
      const before = await rows.count();
      expect(before).toBeLessThan(1000);
      await rows.last().scrollIntoViewIfNeeded();
      await page.getByRole("button", { name: "Show more" }).scrollIntoViewIfNeeded();
      await page.waitForFunction(`document.querySelectorAll("tbody tr").length > ${before}`);
      await page.getByLabel("Search keys").fill("number 9876");
      await page.getByText(`1 of ${MANY + 9}`).waitFor();
      expect(await rows.count()).toBe(1);
    });
  });
});
