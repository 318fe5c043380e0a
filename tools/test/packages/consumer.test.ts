import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { expect, it, onTestFinished, vi } from "vitest";
import { Consumer } from "../../packages/consumer.ts";
import { root } from "../../workspace.ts";

it("runs programs without the settings of the process that runs the check", () => {
  const folder = tempFolder();
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv("NODE_OPTIONS", "--conditions=@env/source");
  vi.stubEnv("NODE_PATH", join(root, "tools/node_modules"));
  vi.stubEnv("npm_config_user_agent", "pnpm");
  const consumer = new Consumer(folder);
  const program = consumer.write("program.cjs", "console.log(JSON.stringify(process.env));");
  const { stdout } = consumer.run(process.execPath, [program]);
  const env = JSON.parse(stdout) as Record<string, string>;
  expect(Object.keys(env).filter((name) => /^(NODE_|npm_)/.test(name))).toEqual([]);
  expect(env["PATH"]).not.toContain(root);
});
