import { beforeAll, describe, expect, test } from "vitest";
import type { Locator } from "playwright-core";
import { noBrowser } from "../support/browser.ts";
import { serveConsole, type Served } from "../support/served.ts";

describe.skipIf(noBrowser !== undefined)("the console", () => {
  let served: Served;
  beforeAll(async () => {
    served = await serveConsole();
    return served.close;
  });

  /** Fails where something does not come to be seen. */
  const sees = (what: Locator): Promise<void> => what.waitFor();

  const as: Served["as"] = (...what) => served.as(...what);

  test("the log is compared with an anchor that was kept earlier", () =>
    as("alice", "/audit", async (page) => {
      await page.getByRole("button", { name: "Verify log" }).click();
      const dialog = page.getByRole("dialog", { name: "Verification of the audit log" });
      const kept = await dialog.getByRole("region", { name: "anchor" }).innerText();
      const compare = async (anchor: string): Promise<void> => {
        await dialog.getByLabel("Earlier anchor").fill(anchor);
        await dialog.getByRole("button", { name: "Compare" }).click();
      };
      await compare(` ${kept} `);
      await sees(dialog.getByText("The anchor is confirmed: the log still contains its record."));
      await compare(`1:${"0".repeat(64)}`);
      await sees(dialog.getByText("1 problem found."));
      await sees(dialog.getByText("The anchor is contradicted"));
      expect(await dialog.getByRole("region", { name: "anchor" }).count()).toBe(0);
      await compare("yesterday");
      expect(
        await dialog
          .getByLabel("Earlier anchor")
          .evaluate((field) => field.matches(":user-invalid")),
      ).toBe(true);
    }));
});
