import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { project, run as runAnywhere } from "../support/command.ts";

const KEY = "00000000-0000-4000-8000-000000000001";
const MATERIAL = Buffer.alloc(32, 7).toString("base64");
const SEED = `
version: 1
keys:
  - keyId: ${KEY}
    description: orders
    aliases: [alias/orders]
principals:
  - arn: arn:aws:iam::000000000000:role/app
`;

describe("envelope kms", () => {
  it("creates an empty keystore of an account and a region, which apply fills", async () => {
    const folder = tempFolder();
    const keystore = ["--keystore", join(folder, "ci.kms")];
    const facts = ["--account", "111122223333", "--region", "eu-1"];
    expect((await runAnywhere(["kms", "create", ...keystore, ...facts])).code).toBe(0);
    expect(readdirSync(folder).toSorted()).toEqual(["ci.kms", "ci.kms.key"]);
    const none = await runAnywhere(["keys", "list", "--json", ...keystore]);
    expect(JSON.parse(none.stdout.toString())).toEqual([]);
    const seed = SEED.replace("000000000000:role", "111122223333:role");
    const applied = await runAnywhere(["kms", "apply", "-", ...keystore], {
      input: Buffer.from(seed),
    });
    expect(applied).toMatchObject({ code: 0, stderr: "" });
    const { stdout } = await runAnywhere(["keys", "show", "alias/orders", ...keystore]);
    expect(stdout.toString()).toContain(`arn:aws:kms:eu-1:111122223333:key/${KEY}`);
  });

  it.each([
    ["an existing keystore", ["--keystore", "dev.kms"], 6],
    ["a malformed account", ["--keystore", "new.kms", "--account", "12"], 2],
    ["a malformed region", ["--keystore", "new.kms", "--region", "EU"], 2],
  ])("creates nothing for %s", async (_, [option = "", name = "", ...more], code) => {
    const env = await project();
    const before = readdirSync(env.folder);
    const ran = await env.run(["kms", "create", option, env.path(name), ...more]);
    expect(ran.code).toBe(code);
    expect(readdirSync(env.folder)).toEqual(before);
  });

  it("applies a seed from stdin, once", async () => {
    const { run } = await project();
    const input = Buffer.from(SEED);
    expect((await run(["kms", "apply", "-", "--dry-run", "--quiet"], { input })).code).toBe(9);
    const first = await run(["kms", "apply", "-", "--json"], { input });
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(first.stdout.toString())).toMatchObject({
      dryRun: false,
      warnings: [],
      steps: [
        { action: "create", record: "arn:aws:iam::000000000000:role/app" },
        { action: "create", record: KEY, changes: [{ path: "description", to: "orders" }, {}] },
      ],
    });
    expect(await run(["kms", "apply", "-", "--dry-run", "--quiet"], { input })).toMatchObject({
      code: 0,
      stderr: "",
    });
  });

  it("exports what makes the same keystore again", async () => {
    const [one, two] = [await project(), await project()];
    await one.run(["kms", "apply", "-"], { input: Buffer.from(SEED) });
    const { stdout: yaml } = await one.run(["kms", "export-config"]);
    const { stdout: json } = await one.run(["kms", "export-config", "--json"]);
    for (const input of [yaml, json]) {
      expect((await two.run(["kms", "apply", "-", "--prune"], { input })).code).toBe(0);
      expect((await two.run(["kms", "export-config"])).stdout.toString()).toBe(yaml.toString());
    }
    const keyFile = readFileSync(one.path("dev.kms.key"), "utf8").trim();
    expect(yaml.toString()).not.toContain(keyFile);
  });

  it("takes key material only where both say so, warns loudly and shows none", async () => {
    const { run, path } = await project();
    const text = `version: 1\ninsecureFixedMaterial: true\nkeys:\n  - keyId: ${KEY}\n    material: [${MATERIAL}]\n`;
    writeFileSync(path("seed.yaml"), text);
    const refused = await run(["kms", "apply", path("seed.yaml")]);
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("seed.yaml:2:24: insecureFixedMaterial: "),
    });
    const args = ["kms", "apply", path("seed.yaml"), "--insecure-fixed-material"];
    const json = await run([...args, "--dry-run", "--json"]);
    expect(JSON.parse(json.stdout.toString())).toMatchObject({
      warnings: [expect.stringContaining("INSECURE")],
    });
    const { code, stdout, stderr } = await run([...args, "--quiet"]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/^warning: INSECURE/),
    });
    const exported = await run(["kms", "export-config"]);
    for (const shown of [stdout, json.stdout, exported.stdout]) {
      expect(shown.toString()).not.toContain(MATERIAL);
    }
  });

  it("changes nothing once it is interrupted", async () => {
    const { run } = await project();
    const signal = AbortSignal.abort(new Error("stop"));
    const seed = { input: Buffer.from(SEED) };
    expect((await run(["kms", "apply", "-"], { ...seed, signal })).code).not.toBe(0);
    const { stdout } = await run(["kms", "export-config"]);
    expect(stdout.toString()).not.toContain(KEY);
  });

  it("refuses a file that is missing, too long or not UTF-8", async () => {
    const { run, path } = await project();
    writeFileSync(path("latin1"), Uint8Array.of(0xe4));
    expect((await run(["kms", "apply", path("none")])).code).toBe(7);
    expect((await run(["kms", "apply", path("latin1")])).code).toBe(2);
  });

  it("lists the CMKs that were not used for some time", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2030, 0, 1) });
    onTestFinished(() => void vi.useRealTimers());
    const { run } = await project();
    await run(["kms", "apply", "-"], { input: Buffer.from(SEED) });
    const later = await run(["kms", "unused", "--days", "1"]);
    expect(later).toMatchObject({
      code: 0,
      stderr: "every CMK was used or created in the last 1 day\n",
    });
    expect(later.stdout.toString()).toBe("");
    vi.setSystemTime(Date.UTC(2030, 3, 1));
    const { stdout, stderr } = await run(["kms", "unused", "--json"]);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout.toString())).toContainEqual({
      keyId: KEY,
      arn: `arn:aws:kms:local:000000000000:key/${KEY}`,
      region: "local",
      aliases: ["alias/orders"],
      state: "Enabled",
      created: "2030-01-01T00:00:00.000Z",
    });
    const shown = await run(["kms", "unused", "--days", "90"]);
    expect(shown.stdout.toString()).toMatch(
      new RegExp(`^${KEY} +local +enabled +2030-01-01 +never +- +alias/orders$`, "m"),
    );
  });

  it.each(["0", "36501", "1.5", "-1", "ten", ""])("refuses --days %j", async (days) => {
    const { run } = await project();
    const { code, stderr } = await run(["kms", "unused", `--days=${days}`]);
    expect(code).toBe(2);
    expect(stderr).toContain("--days must be a number from 1 to 36500");
  });
});
