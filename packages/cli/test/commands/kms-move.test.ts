import { startPostgres } from "@env/testkit/postgres";
import { generateRootKey } from "@env/kms";
import { expect, it, onTestFinished, vi } from "vitest";
import { project } from "../support/command.ts";

it("envelope kms move copies a keystore to PostgreSQL, where the commands find it", async ({
  skip,
}) => {
  const server = await startPostgres({ settings: { fsync: "off" } });
  if (typeof server === "string") return skip(server);
  onTestFinished(() => server.stop());
  onTestFinished(() => void vi.unstubAllEnvs());
  const env = await project();
  const file = ["--keystore", env.path("dev.kms")];
  const to = ["--to", server.url];

  // Without a key for its new place, nothing is made.
  expect((await env.run(["kms", "move", ...file, ...to])).code).toBe(2);
  vi.stubEnv("ENVELOPE_ROOT_KEY", generateRootKey());
  const moved = await env.run(["kms", "move", ...file, ...to, "--json"]);
  expect(moved.stderr).toBe("");
  expect(JSON.parse(moved.stdout.toString())).toMatchObject({
    to: server.url,
    root: "environment",
  });

  const listed = await env.run(["keys", "list", "--json", "--keystore", server.url]);
  expect(JSON.parse(listed.stdout.toString())).toMatchObject([{ aliases: ["alias/app"] }]);
  expect((await env.run(["audit", "verify", "--keystore", server.url])).code).toBe(0);

  expect((await env.run(["kms", "move", ...file, ...to])).code).toBe(6);
  expect((await env.run(["kms", "move", ...file, "--to", "elsewhere"])).code).toBe(2);
  const secret = server.url.replace("test@", "test:secret@");
  const refused = await env.run(["kms", "move", ...file, "--to", secret]);
  expect(refused.stderr).toContain("PGPASSWORD");
  expect(refused.stderr).not.toContain("secret");
  return undefined;
});
