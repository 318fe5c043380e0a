import { readFileSync, writeFileSync } from "node:fs";
import { beforeEach, expect, it } from "vitest";
import { project } from "./support/command.ts";

type Project = Awaited<ReturnType<typeof project>>;

const none = ["--no-context"];
let env: Project;
beforeEach(async () => {
  env = await project();
  await env.run(["keys", "create", "--alias", "alias/second"]);
  const config = env.path("envelope.config.json");
  const { environments } = JSON.parse(readFileSync(config, "utf8"));
  environments.development.cmks.push("local-file:./dev.kms?key=alias/second");
  environments.development.minWrapped = 1;
  writeFileSync(config, JSON.stringify({ environments }));
  writeFileSync(env.path("x"), "x");
});

it("says nothing where all CMKs wrapped, and counts them in JSON", async () => {
  const { stdout, stderr } = await env.run(["encrypt", ...none, "--json", env.path("x")]);
  expect(stderr).toBe("");
  expect(JSON.parse(stdout.toString())).toMatchObject({ wrapped: 2, cmks: 2 });
});

it("warns where a CMK did not wrap, with its answer, even with --quiet and on stdout", async () => {
  await env.run(["keys", "disable", "alias/second"]);
  for (const args of [[], ["--quiet"], ["--text", "-o", "-"]]) {
    const { code, stderr } = await env.run(["encrypt", ...none, "--force", ...args, env.path("x")]);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^warning: fewer CMKs than configured wrapped this message: .* \(by 1 of 2\) \(local-file alias\/second: ERR_ENVELOPE_KMS_KEY_STATE\); .*\n$/,
    );
  }
});

it("tells programs in the results, of encrypt and of rewrap", async () => {
  await env.run(["keys", "disable", "alias/second"]);
  const encrypted = await env.run(["encrypt", ...none, "--json", env.path("x")]);
  expect(encrypted.stderr).toBe("");
  expect(JSON.parse(encrypted.stdout.toString())).toMatchObject({ wrapped: 1, cmks: 2 });
  await env.run(["keys", "enable", "alias/second"]);
  const args = ["rewrap", ...none, "--json", env.path("x.envelope")];
  const [line = ""] = (await env.run(args)).stdout.toString().split("\n");
  expect(JSON.parse(line)).toMatchObject({ changed: true, wrapped: 2, cmks: 2 });
});

it("warns once about many messages", async () => {
  await env.run(["keys", "disable", "alias/second"]);
  const names = Array.from({ length: 12 }, (_, i) => env.path(`f${i}`));
  for (const name of names) writeFileSync(name, "x");
  const { stderr } = await env.run(["encrypt", ...none, "--quiet", ...names]);
  expect(stderr.match(/^warning: /gm)).toHaveLength(1);
  expect(stderr).toContain("these 12 messages");
  expect(stderr).toContain("and 2 more");
});
