import type { Locator } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { noBrowser, signIn } from "../support/browser.ts";
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

  test("a key that nobody has does not sign in, and the secret is gone from the page", async () => {
    const { page, context } = await served.visit();
    await page.goto(`${served.url}/console`);
    await page.getByLabel("Access key ID").fill("AKIAXXXXXXXXXXXXXXXX");
    await page.getByLabel("Secret access key").fill("not the secret");
    await page.getByRole("button", { name: "Sign in" }).click();
    await sees(page.getByRole("alert"));
    expect(await page.getByLabel("Secret access key").inputValue()).toBe("");
    await context.close();
  });

  test("a page that is loaded anew is still signed in, and not after signing out", async () => {
    const { page, context } = await served.visit();
    await page.goto(`${served.url}/console`);
    await signIn(page, served.accessKeys.alice);
    await page.reload();
    await sees(page.getByRole("link", { name: "payments" }));
    await page.getByText("user/alice").first().click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await sees(page.getByLabel("Access key ID"));
    await page.reload();
    await sees(page.getByLabel("Access key ID"));
    await context.close();
  });

  test("neither the secret nor the credentials are kept where a script could find them later", () =>
    as("alice", "/keys", async (page) => {
      await sees(page.getByRole("link", { name: "payments" }));
      const kept = await page.evaluate<string>(
        "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])",
      );
      expect(kept).not.toContain(served.accessKeys.alice.secretAccessKey);
      expect(kept).not.toContain(served.accessKeys.alice.accessKeyId);
    }));

  test("a person who may not do something sees why, and the statement that denies it", () =>
    as("bob", "/keys/alias/payments", async (page) => {
      const button = page.getByRole("button", { name: "Disable", exact: true });
      await sees(page.locator('button[aria-disabled="true"]', { hasText: "Disable" }));
      // It may be pressed to learn why, but not for what it says.
      await button.click({ force: true });
      await sees(
        page.getByRole("tooltip").getByText('Denied by key policy, statement "No developers".'),
      );
      await page.getByRole("tooltip").getByRole("link", { name: "Explain" }).click();
      await sees(
        page.getByRole("region", { name: "Decision" }).getByText("Denied", { exact: true }),
      );
    }));

  test("a person who may not see something is told so instead of being shown a blank page", () =>
    as("bob", "/principals", async (page) => {
      await sees(page.getByRole("alert").getByText("You may not see this."));
      await sees(page.getByText(/user\/bob is not authorized to perform: iam:ListUsers/));
    }));

  test("a session that has ended is begun again over the page, and nothing that was typed is lost", () =>
    as("alice", "/keys/alias/orders?tab=tags", async (page) => {
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await page.getByLabel("Tags, key 3").fill("note");
      await page.context().clearCookies();
      await page.route("**/", (route) =>
        route.fulfill({
          status: 400,
          contentType: "application/x-amz-json-1.1",
          body: '{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}',
        }),
      );
      await page.getByRole("button", { name: "Save tags" }).click();
      const dialog = page.getByRole("dialog", { name: "Your session has ended" });
      await sees(dialog);
      await page.unroute("**/");
      const { accessKeyId, secretAccessKey } = served.accessKeys.alice;
      await dialog.getByLabel("Access key ID").fill(accessKeyId);
      await dialog.getByLabel("Secret access key").fill(secretAccessKey);
      await dialog.getByRole("button", { name: "Sign in" }).click();
      await dialog.waitFor({ state: "detached" });
      expect(await page.getByLabel("Tags, key 3").inputValue()).toBe("note");
      await page.getByRole("button", { name: "Save tags" }).click();
      await sees(page.getByText("The tags are saved."));
    }));

  test("a server that is gone is waited for, and what is on the page stays", () =>
    as("alice", "/keys/alias/orders", async (page) => {
      await sees(page.getByRole("heading", { name: "Cryptographic configuration" }));
      await served.stop();
      await page.getByLabel("Parts of this page").getByRole("link", { name: "Grants" }).click();
      await sees(page.getByText("The server does not answer. Trying again…"));
      await served.start();
      await page
        .getByText("The server does not answer. Trying again…")
        .waitFor({ state: "detached" });
      await sees(page.getByRole("button", { name: "Create grant" }));
    }));

  test("of two people who edit one policy, the second is told, and loses nothing", () =>
    as("alice", "/keys/alias/orders?tab=policy", async (page) => {
      const editor = page.getByLabel("Policy as JSON");
      const before = await editor.inputValue();
      await editor.fill(before.replace("Enable IAM policies", "Mine"));
      const KeyId = served.keys["orders"] ?? "";
      await served.keystore
        .as()
        .putKeyPolicy({ KeyId, Policy: before.replace("Enable IAM policies", "Theirs") });
      await page.getByRole("button", { name: "Review changes" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Save policy" }).click();
      const conflict = page.getByRole("dialog", { name: "Somebody else has changed this policy" });
      await sees(conflict.getByText("Theirs").first());
      await conflict.getByRole("button", { name: "Go on editing mine" }).click();
      expect(await editor.inputValue()).toContain("Mine");
      await page.getByRole("button", { name: "Review changes" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Save policy" }).click();
      await sees(page.getByText("The policy is saved."));
      const { Policy } = await served.keystore.as().getKeyPolicy({ KeyId });
      expect(Policy).toContain("Mine");
    }));

  test("the linter's findings are at their lines, and the cursor goes there", () =>
    as("alice", "/keys/alias/orders?tab=policy", async (page) => {
      const editor = page.getByLabel("Policy as JSON");
      await editor.fill((await editor.inputValue()).replace('"kms:*"', '"kms:Decyrpt"'));
      const finding = page
        .getByLabel("Findings of the linter")
        .getByRole("listitem")
        .filter({ hasText: "Decyrpt" })
        .first();
      await finding.getByRole("button").click();
      expect(await page.evaluate<string>("getSelection().toString()")).toContain("kms:Decyrpt");
    }));

  test("a key is created with its alias, tags and policy, and its page is opened", () =>
    as("alice", "/create-key", async (page) => {
      await page.getByRole("button", { name: "Next: Labels" }).click();
      await page.getByLabel("Alias").fill("made-here");
      await page.getByRole("button", { name: "Next: Who may" }).click();
      await page.getByLabel("Add to users").fill("arn:aws:iam::111122223333:role/backup");
      await page.getByLabel("Add to users").press("Enter");
      await page.getByRole("button", { name: "Next: Summary" }).click();
      await sees(page.getByText("aws kms create-key"));
      await page.getByRole("button", { name: "Create key" }).click();
      await sees(page.getByRole("heading", { level: 1, name: "made-here" }));
      const kms = served.keystore.as();
      const { KeyMetadata } = await kms.describeKey({ KeyId: "alias/made-here" });
      const { Policy } = await kms.getKeyPolicy({ KeyId: KeyMetadata.KeyId });
      expect(Policy).toContain("role/backup");
      const { KeyRotationEnabled } = await kms.getKeyRotationStatus({ KeyId: KeyMetadata.KeyId });
      expect(KeyRotationEnabled).toBe(true);
    }));

  test("what is selected in the list is disabled together", () =>
    as("alice", "/keys", async (page) => {
      await page.getByLabel("Select alias/experiments").check();
      await page.getByLabel("Select alias/release-signing").check();
      await page.getByRole("button", { name: "Disable", exact: true }).click();
      await sees(page.getByText("2 keys disabled."));
      const { KeyMetadata } = await served.keystore
        .as()
        .describeKey({ KeyId: "alias/experiments" });
      expect(KeyMetadata.Enabled).toBe(false);
    }));

  test("text is encrypted and decrypted again, hidden until it is asked for, and wiped", () =>
    as("alice", "/try-it?key=alias/orders", async (page) => {
      await page.getByLabel("Text", { exact: true }).fill("hello");
      await page.getByRole("button", { name: "Encrypt", exact: true }).click();
      const ciphertext = await page.getByRole("region", { name: "ciphertext" }).innerText();
      expect(await page.getByLabel("Text", { exact: true }).inputValue()).toBe("");
      await page.getByLabel("Ciphertext in base64").fill(ciphertext);
      await page.getByRole("button", { name: "Decrypt", exact: true }).click();
      await page.getByRole("button", { name: "Show plaintext" }).click();
      await sees(page.getByText("hello", { exact: true }));
      await page.getByRole("button", { name: "Wipe now" }).click();
      expect(await page.content()).not.toContain("hello");
    }));

  test("an access key is shown once", () =>
    as("alice", "/principals/arn:aws:iam::111122223333:user/carol", async (page) => {
      await page.getByRole("button", { name: "Create access key" }).click();
      const text = await page.getByRole("region", { name: "access key", exact: true }).innerText();
      const [, secret = ""] = /AWS_SECRET_ACCESS_KEY=(\S+)/.exec(text) ?? [];
      expect(secret).toHaveLength(40);
      await page.getByRole("button", { name: "I have kept it" }).click();
      await page.reload();
      await sees(page.getByRole("heading", { name: "Access keys" }));
      expect(await page.content()).not.toContain(secret);
    }));

  test("hostile text is shown as text", async () => {
    const hostile = `<script>globalThis.pwned = 1</script><img src=x onerror="globalThis.pwned = 1"> \u202Eevil`;
    const kms = served.keystore.as();
    const { KeyMetadata } = await kms.createKey({
      Description: `${hostile}${"x".repeat(8000)}`,
      Tags: [{ TagKey: "javascript:alert(1)", TagValue: "<b>bold</b>".slice(0, 256) }],
    });
    await as("alice", `/keys/${KeyMetadata.Arn}`, async (page) => {
      await sees(page.getByText("<script>globalThis.pwned"));
      await page.goto(`${served.url}/console/keys/${KeyMetadata.Arn}?tab=tags`);
      await sees(page.getByLabel("Tags, value 1"));
      expect(await page.getByLabel("Tags, value 1").inputValue()).toBe("<b>bold</b>");
      await page.goto(`${served.url}/console/keys`);
      await sees(page.getByText("<script>globalThis.pwned"));
      expect(await page.evaluate("globalThis.pwned")).toBeUndefined();
    });
  });
});
