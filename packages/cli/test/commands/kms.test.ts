import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { project } from "../support/command.ts";

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
});
