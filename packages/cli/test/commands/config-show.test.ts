import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { expect, it } from "vitest";
import { run, type Ran } from "../support/command.ts";

const old = "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-000000000000";
const cmks = [
  "local-file:./keys/dev%20one.kms?key=alias/app",
  `aws-kms:alias/app?region=eu-west-1&alsoUnwrap=${old}`,
  "vault-transit:https://vault.internal:8200/transit/orders?kubernetes=app",
];

async function show(
  environment: object,
  ...args: readonly string[]
): Promise<Ran & { readonly folder: string }> {
  const folder = tempFolder();
  const config = join(folder, "envelope.config.json");
  writeFileSync(config, JSON.stringify({ environments: { production: environment } }));
  const always = ["--config", config, "--environment", "production"];
  return { ...(await run(["config", "show", ...always, ...args])), folder };
}

it("shows what the URIs of an environment name, and opens none of them", async () => {
  const dataKeyCache = { maxAge: 60_000, maxMessages: 100, maxBytes: 1e9 };
  const { code, folder, stderr, stdout } = await show({ cmks, minWrapped: 2, dataKeyCache });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.toString()).toBe(`\
config       ${folder}/envelope.config.json
environment  production
minWrapped   2 of 3
dataKeyCache {"maxAge":60000,"maxMessages":100,"maxBytes":1000000000}
CMK 1        local-file
  path         ${folder}/keys/dev one.kms
  key          alias/app
CMK 2        aws-kms
  key          alias/app
  region       eu-west-1
  alsoUnwrap   ["${old}"]
CMK 3        vault-transit
  address      https://vault.internal:8200
  mount        transit
  key          orders
  auth         {"kubernetes":{"role":"app"}}
`);
});

it("gives all of it as JSON", async () => {
  const { folder, stdout } = await show({ cmks: cmks.slice(0, 1) }, "--json");
  expect(JSON.parse(stdout.toString())).toEqual({
    config: `${folder}/envelope.config.json`,
    environment: "production",
    minWrapped: 1,
    dataKeyCache: null,
    cmks: [{ provider: "local-file", path: `${folder}/keys/dev one.kms`, key: "alias/app" }],
  });
});

it("has no file to name with --cmk", async () => {
  const { stdout } = await run(["config", "show", "--cmk", "local-file:/a.kms?key=x", "--json"]);
  expect(JSON.parse(stdout.toString())).toMatchObject({
    config: null,
    environment: "command line",
  });
});

it.each(["hvs.SECRET", "hvs.SECRET:key", "vault-transit:https://me:hvs.SECRET@vault/transit/app"])(
  "repeats nothing of a URI that is none: %s",
  async (uri) => {
    const { code, stdout, stderr } = await show({ cmks: [...cmks, uri] });
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 6, stdout: "" });
    expect(stderr).toMatch(/^error: CMK 4: .*\[ERR_ENVELOPE_CONFIG\]\n$/s);
    expect(stderr).not.toContain("SECRET");
  },
);
