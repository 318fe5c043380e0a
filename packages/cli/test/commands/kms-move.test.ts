import { generateRootKey } from "@env/kms";
import { startPostgres } from "@env/testkit/postgres";
import { expect, it, onTestFinished, vi } from "vitest";
import { project, run } from "../support/command.ts";

it("envelope kms move moves a keystore to PostgreSQL, where the commands find it, and back", async ({
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
  expect(moved.code).toBe(0);
  expect(JSON.parse(moved.stdout.toString())).toMatchObject({
    from: env.path("dev.kms"),
    to: server.url,
    root: "environment",
  });

  const listed = await env.run(["keys", "list", "--json", "--keystore", server.url]);
  expect(JSON.parse(listed.stdout.toString())).toMatchObject([{ aliases: ["alias/app"] }]);
  expect((await env.run(["audit", "verify", "--keystore", server.url])).code).toBe(0);

  // The file only says where it is.
  const gone = await env.run(["keys", "list", ...file]);
  expect(gone.code).toBe(6);
  expect(gone.stderr).toContain("it was moved to postgres://");
  // The line of the configuration that it says works.
  const [uri = ""] = /keystore:\S+\?key=alias\//.exec(gone.stderr) ?? [];
  const configured = await run(["encrypt", "-", "--cmk", `${uri}app`, "--context", "a=b"], {
    input: Buffer.from("text"),
  });
  expect({ ...configured, stdout: 0 }).toEqual({ code: 0, stdout: 0, stderr: "" });
  expect((await env.run(["kms", "move", ...file, "--cancel"])).code).toBe(6);

  const back = ["--keystore", server.url, "--to", env.path("back.kms"), "--root", "key-file"];
  const returned = await env.run(["kms", "move", ...back]);
  expect(returned.code).toBe(0);
  expect(returned.stdout.toString()).toContain(`root key   ${env.path("back.kms.key")}`);
  const again = await env.run(["keys", "list", "--json", "--keystore", env.path("back.kms")]);
  expect(JSON.parse(again.stdout.toString())).toMatchObject([{ aliases: ["alias/app"] }]);

  const secret = server.url.replace("test@", "test:secret@");
  const refused = await env.run(["kms", "move", ...file, "--to", secret]);
  expect(refused.stderr).toContain("PGPASSWORD");
  expect(refused.stderr).not.toContain("secret");
  return undefined;
});

it("envelope kms move refuses what it cannot do, and takes back a move by force", async () => {
  const env = await project();
  const file = ["--keystore", env.path("dev.kms")];
  expect((await env.run(["kms", "move", ...file])).code).toBe(2);
  expect((await env.run(["kms", "move", ...file, "--to", "a", "--cancel"])).code).toBe(2);
  expect((await env.run(["kms", "move", ...file, "--to", "a", "--force"])).code).toBe(2);
  expect((await env.run(["kms", "move", ...file, "--to", env.path("dev.kms")])).code).toBe(6);
  const idle = await env.run(["kms", "move", ...file, "--cancel", "--json"]);
  expect(JSON.parse(idle.stdout.toString())).toMatchObject({ canceled: false });
  const to = ["--to", env.path("new.kms"), "--root", "key-file"];
  expect((await env.run(["kms", "move", ...file, ...to])).code).toBe(0);
  const canceled = await env.run(["kms", "move", ...file, "--cancel", "--force", "--json"]);
  expect(JSON.parse(canceled.stdout.toString())).toMatchObject({
    canceled: true,
    to: env.path("new.kms"),
  });
  expect((await env.run(["keys", "list", ...file])).code).toBe(0);
});
