import { constants, createPublicKey, publicEncrypt, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Locator } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
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

  test("the log is exported, a record a line", () =>
    as("alice", "/audit", async (page) => {
      const downloading = page.waitForEvent("download");
      await page.getByRole("button", { name: "Export" }).click();
      const lines = (await readFile(await (await downloading).path(), "utf8"))
        .trimEnd()
        .split("\n");
      const times = lines.map((line) => Date.parse(JSON.parse(line).eventTime));
      expect(times.length).toBeGreaterThan(100);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }));

  test("material that was wrapped with the downloaded key is imported", () =>
    as("alice", "/keys/alias/partner-import?tab=import", async (page) => {
      await page.getByRole("button", { name: "Get wrapping key" }).click();
      const command = await page.getByRole("region", { name: "command" }).innerText();
      const [, wrappingKey = ""] = /<<< '([^']+)'/.exec(command) ?? [];
      const wrapped = publicEncrypt(
        {
          key: createPublicKey({
            key: Buffer.from(wrappingKey, "base64"),
            format: "der",
            type: "spki",
          }),
          padding: constants.RSA_PKCS1_OAEP_PADDING,
          oaepHash: "sha256",
        },
        randomBytes(32),
      );
      await page.getByLabel("Wrapped material in base64").fill(wrapped.toString("base64"));
      await page.getByRole("button", { name: "Import", exact: true }).click();
      await sees(page.getByText("The material is imported."));
      await sees(page.getByText("Imported", { exact: true }));
      const kms = served.keystore.as();
      const Plaintext = Buffer.from("x");
      expect(await kms.encrypt({ KeyId: "alias/partner-import", Plaintext })).toBeDefined();
    }));

  test("tags are replaced: one is changed, one removed, one added", () =>
    as("alice", "/keys/alias/backups?tab=tags", async (page) => {
      await page.getByLabel("Tags, value 2").fill("staging");
      await page.getByRole("button", { name: "Remove key 1" }).click();
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await page.getByLabel("Tags, key 2").fill("owner");
      await page.getByLabel("Tags, value 2").fill("alice");
      await page.getByRole("button", { name: "Save tags" }).click();
      await sees(page.getByText("The tags are saved."));
      expect(await tagsOf("backups")).toEqual({ stage: "staging", owner: "alice" });
    }));

  test("a grant is revoked", () =>
    as("alice", "/keys/alias/payments?tab=grants", async (page) => {
      await page.locator("tbody").getByRole("button", { name: "Revoke", exact: true }).click();
      const dialog = page.getByRole("dialog", { name: "Revoke this grant?" });
      await sees(dialog.getByText("role/backup"));
      await dialog.getByRole("button", { name: "Revoke grant" }).click();
      await sees(page.getByText("The grant is revoked."));
      await sees(page.getByText("This key has no grants."));
      const KeyId = served.keys["payments"] ?? "";
      expect((await served.keystore.as().listGrants({ KeyId })).Grants).toEqual([]);
    }));

  test("a managed policy is made and attached to a group, and a user joins the group", () =>
    as("alice", "/principals?tab=policy", async (page) => {
      await page.getByRole("button", { name: "Create policy" }).click();
      await page.getByRole("dialog").getByLabel("Name").fill("decryption");
      await page.getByRole("dialog").getByRole("button", { name: "Create policy" }).click();
      await sees(page.getByRole("heading", { level: 1, name: "decryption" }));
      const group = "arn:aws:iam::111122223333:group/developers";
      const policy = "arn:aws:iam::111122223333:policy/decryption";
      await page.goto(`${served.url}/console/principals/${group}`);
      await page.getByLabel("Attach").fill(policy);
      await page.getByRole("button", { name: "Attach", exact: true }).click();
      await sees(page.getByText("The policy is attached."));
      await sees(page.getByRole("link", { name: policy }));
      const carol = "arn:aws:iam::111122223333:user/carol";
      await page.goto(`${served.url}/console/principals/${carol}`);
      await page.getByLabel("Join").fill("developers");
      await page.getByRole("button", { name: "Join", exact: true }).click();
      await sees(page.getByText("The user is in the group."));
      await sees(page.getByRole("link", { name: "developers" }));
      expect((await served.keystore.iam.get(group)).attached).toEqual([policy]);
      expect((await served.keystore.iam.get(carol)).groups).toEqual([group]);
    }));

  test("what is selected in the list is enabled and tagged together", () =>
    as("alice", "/keys", async (page) => {
      const kms = served.keystore.as();
      await page.getByLabel("Select alias/orders-staging").check();
      await page.getByLabel("Select alias/experiments").check();
      await page.getByRole("button", { name: "Enable", exact: true }).click();
      await sees(page.getByText("2 keys enabled."));
      const { KeyMetadata } = await kms.describeKey({ KeyId: "alias/orders-staging" });
      expect(KeyMetadata.Enabled).toBe(true);
      await page.getByLabel("Select alias/orders-staging").check();
      await page.getByLabel("Select alias/experiments").check();
      await page.getByRole("button", { name: "Tag…" }).click();
      await page.getByLabel("Tags to add or replace, name 1").fill("stage");
      await page.getByLabel("Tags to add or replace, value 1").fill("test");
      await page.getByRole("button", { name: "Add tags" }).click();
      await sees(page.getByText("2 keys tagged."));
      expect(await tagsOf("orders-staging")).toEqual({ team: "orders", stage: "test" });
      expect(await tagsOf("experiments")).toEqual({ stage: "test" });
    }));

  test("a hostile policy of 32 KB is shown as text, and can be changed and saved", async () => {
    const hostile = `</textarea><script>globalThis.pwned = 1</script><img src=x onerror="globalThis.pwned = 1"> \u202Eevil`;
    // The text of a policy is Latin-1: other characters are escaped in it.
    const escaped = (document: object): string =>
      JSON.stringify(document).replaceAll("\u202E", String.raw`\u202e`);
    const policy = (filling: string): string =>
      escaped({
        Version: "2012-10-17",
        Statement: [
          {
            Sid: "Enable IAM policies",
            Effect: "Allow",
            Principal: { AWS: "arn:aws:iam::111122223333:root" },
            Action: "kms:*",
            Resource: "*",
          },
          {
            Effect: "Deny",
            Principal: "*",
            Action: "kms:Decrypt",
            Resource: "*",
            Condition: { StringEquals: { "kms:EncryptionContext:note": [hostile, filling] } },
          },
        ],
      });
    const Policy = policy("<".repeat(32_000 - policy("").length));
    const kms = served.keystore.as();
    const { KeyMetadata } = await kms.createKey({ Policy });
    await as("alice", `/keys/${KeyMetadata.Arn}?tab=policy`, async (page) => {
      const shown = await page.getByLabel("Policy as JSON").inputValue();
      expect(JSON.parse(shown)).toEqual(JSON.parse(Policy));
      await page.getByLabel("Policy as JSON").fill(shown.replace("Enable IAM policies", "Mine"));
      await page.getByRole("button", { name: "Review changes" }).click();
      await sees(page.getByRole("dialog").getByText("Mine"));
      await page.getByRole("dialog").getByRole("button", { name: "Save policy" }).click();
      await sees(page.getByText("The policy is saved."));
      const saved = await kms.getKeyPolicy({ KeyId: KeyMetadata.KeyId });
      expect(JSON.parse(saved.Policy)).toEqual(
        JSON.parse(Policy.replace("Enable IAM policies", "Mine")),
      );
      await page.goto(`${served.url}/console/keys/${KeyMetadata.Arn}?tab=access`);
      await sees(page.getByText("user/alice").last());
      expect(await page.evaluate("globalThis.pwned")).toBeUndefined();
    });
  });

  test("a multi-Region key is replicated, and its replica is made the primary key and back", async () => {
    const kms = served.keystore.as();
    const { KeyMetadata } = await kms.createKey({ MultiRegion: true });
    const { Arn: KeyId } = KeyMetadata;
    const primary = async (): Promise<string | undefined> =>
      (await kms.describeKey({ KeyId })).KeyMetadata.MultiRegionConfiguration?.PrimaryKey.Region;
    await as("alice", `/keys/${KeyId}`, async (page) => {
      const regions = page.getByRole("region", { name: "Regions" });
      const makePrimary = async (region: string): Promise<void> => {
        await regions.getByRole("button", { name: "Make primary…" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Make primary" }).click();
        await sees(regions.getByRole("listitem").filter({ hasText: `${region} primary` }));
      };
      await regions.getByRole("button", { name: "Replicate…" }).click();
      await page.getByRole("dialog").getByLabel("Region").fill("us-west-2");
      await page.getByRole("dialog").getByRole("button", { name: "Replicate" }).click();
      await sees(page.getByText("The key is replicated into us-west-2."));
      await makePrimary("us-west-2");
      expect(await primary()).toBe("us-west-2");
      await makePrimary("eu-central-1");
      expect(await primary()).toBe("eu-central-1");
    });
    await as("bob", `/keys/${KeyId}`, async (page) => {
      await sees(page.locator('button[aria-disabled="true"]', { hasText: "Replicate…" }));
      await sees(page.locator('button[aria-disabled="true"]', { hasText: "Make primary…" }));
    });
  });

  async function tagsOf(alias: string): Promise<Record<string, string>> {
    const KeyId = served.keys[alias] ?? "";
    const { Tags } = await served.keystore.as().listResourceTags({ KeyId });
    return Object.fromEntries(Tags.map(({ TagKey, TagValue }) => [TagKey, TagValue]));
  }
});
