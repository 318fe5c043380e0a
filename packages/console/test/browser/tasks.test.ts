/** What somebody does who has never seen the console, each with as few clicks as are counted here. */
import type { Locator, Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { noBrowser } from "../support/browser.ts";
import { serveConsole, type Served } from "../support/served.ts";

/** A person at a page: counts what is pressed. Typing is not counted. */
class Person {
  readonly page: Page;
  readonly #by: "mouse" | "keyboard";
  clicks = 0;

  constructor(page: Page, by: "mouse" | "keyboard") {
    this.page = page;
    this.#by = by;
  }

  async press(what: Locator): Promise<void> {
    this.clicks++;
    if (this.#by === "mouse") return what.click();
    await what.focus();
    if (!(await what.evaluate((element) => element.matches(":focus")))) {
      throw new Error("what is pressed does not take the focus");
    }
    const isChecked = (await what.getAttribute("type")) === "checkbox";
    await this.page.keyboard.press(isChecked ? "Space" : "Enter");
  }

  button(name: string | RegExp): Promise<void> {
    return this.press(this.page.getByRole("button", { name, exact: true }));
  }

  link(name: string): Promise<void> {
    return this.press(this.page.getByRole("link", { name, exact: true }));
  }

  /** Waits until a text is on the page. */
  sees(text: string | RegExp): Promise<void> {
    return this.page.getByText(text).first().waitFor();
  }
}

describe.skipIf(noBrowser !== undefined)("tasks", () => {
  let served: Served;
  beforeAll(async () => {
    served = await serveConsole();
    return served.close;
  });

  describe.each(["mouse", "keyboard"] as const)("by %s", (by) => {
    /** Does a task from the list of keys on. @returns The clicks. */
    async function clicksOf(task: (person: Person) => Promise<void>): Promise<number> {
      let clicks = 0;
      await served.as("alice", "/keys", async (page) => {
        const person = new Person(page, by);
        await task(person);
        ({ clicks } = person);
      });
      return clicks;
    }

    test("find out why somebody is denied: 2 clicks", async () => {
      const clicks = await clicksOf(async (person) => {
        await person.link("Who can do what");
        await person.page.getByLabel("Principal").fill("arn:aws:iam::111122223333:user/bob");
        await person.page.getByLabel("Action").fill("kms:Decrypt");
        await person.page.getByLabel("Key", { exact: true }).fill("alias/payments");
        await person.button("Explain");
        await person.sees('Denied by key policy, statement "No developers".');
        await person.page.getByRole("region", { name: "How it was decided" }).waitFor();
      });
      expect(clicks).toBe(2);
    });

    test("rotate a key: 4 clicks", async () => {
      const clicks = await clicksOf(async (person) => {
        await person.link("orders");
        await person.link("Rotation");
        await person.button("Rotate now");
        await person.button("Rotate key");
        await person.sees("The key is rotated.");
      });
      expect(clicks).toBe(4);
      const { Rotations } = await served.keystore
        .as()
        .listKeyRotations({ KeyId: served.keys["orders"] });
      expect(Rotations.some(({ RotationType }) => RotationType === "ON_DEMAND")).toBe(true);
    });

    test("see who used a key in the last week: 2 clicks", async () => {
      const clicks = await clicksOf(async (person) => {
        await person.link("payments");
        await person.press(
          person.page.getByLabel("Parts of this page").getByRole("link", { name: "Audit" }),
        );
        await person.page.getByRole("cell", { name: "role/payments-service" }).first().waitFor();
      });
      expect(clicks).toBe(2);
    });

    test("schedule a deletion, and take it back: 4 clicks", async () => {
      const clicks = await clicksOf(async (person) => {
        await person.link("backups");
        await person.button("Delete…");
        await person.sees("What would break");
        await person.page.getByLabel("Type “alias/backups” to confirm").fill("alias/backups");
        await person.button("Schedule deletion");
        await person.sees("The key will be deleted in 30 days.");
        await person.button("Cancel deletion");
        await person.sees("The deletion is cancelled.");
      });
      expect(clicks).toBe(4);
      const { KeyMetadata } = await served.keystore.as().describeKey({ KeyId: "alias/backups" });
      expect(KeyMetadata.KeyState).toBe("Disabled");
      await served.keystore.as().enableKey({ KeyId: KeyMetadata.KeyId });
    });

    test("move an alias to another key: 4 clicks", async () => {
      const [from, to] = by === "mouse" ? ["orders", "backups"] : ["backups", "orders"];
      const clicks = await clicksOf(async (person) => {
        await person.link(from);
        await person.link("Aliases");
        const row = person.page.getByRole("listitem").filter({ hasText: "alias/orders-archive" });
        await person.press(row.getByRole("button", { name: "Move…" }));
        await person.page.getByLabel("To the key").fill(`alias/${to}`);
        await person.button("Move alias");
        await person.sees(`alias/orders-archive points at alias/${to}.`);
      });
      expect(clicks).toBe(4);
      const { KeyMetadata } = await served.keystore
        .as()
        .describeKey({ KeyId: "alias/orders-archive" });
      expect(KeyMetadata.Arn).toBe(served.keys[to]);
    });

    test("add a grant: 6 clicks", async () => {
      const clicks = await clicksOf(async (person) => {
        await person.link("orders");
        await person.link("Grants");
        await person.button("Create grant");
        const dialog = person.page.getByRole("dialog");
        await dialog.getByLabel("Grantee").fill("arn:aws:iam::111122223333:role/backup");
        await person.press(dialog.getByLabel("Decrypt", { exact: true }));
        await person.press(dialog.getByRole("button", { name: "Create grant" }));
        await person.sees("This token is shown once.");
        await person.button("Done");
        await person.page.getByRole("rowheader", { name: "role/backup" }).first().waitFor();
      });
      expect(clicks).toBe(6);
    });

    test("find the keys that nobody uses: 1 click", async () => {
      const clicks = await clicksOf(async (person) => {
        await person.press(person.page.getByRole("link", { name: /^Unused for 90 days/ }));
        // All keys of this keystore are new.
        await person.sees("There are none.");
      });
      expect(clicks).toBe(1);
    });

    test("verify the log: 2 clicks", async () => {
      const clicks = await clicksOf(async (person) => {
        await person.link("Audit");
        await person.button("Verify log");
        await person.sees(/^Intact: [\d,]+ records, 1 to \d+, unaltered and complete\.$/);
      });
      expect(clicks).toBe(2);
    });
  });
});
