import { expect, it } from "vitest";
import { run } from "../support/command.ts";

it("lists its commands where none is given", async () => {
  const { code, stdout, stderr } = await run(["config"]);
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(/^Usage: envelope config/);
  expect(stderr).toMatch(/\n {2}check \[options\] [^]*\n {2}show /);
});

it.each([
  [["config", "chekc"], "Did you mean check?"],
  [["config", "check", "extra"], "envelope config check --help"],
  [["config", "check", "--timeout", "0"], "--timeout must be a number of seconds"],
  [["config", "check", "--timeout", "1e3"], "--timeout must be a number of seconds"],
  [["config", "check", "--timeout", "3601"], "--timeout must be a number of seconds"],
  [["config", "check", "--cmk", "x", "--environment", "y"], "--cmk replaces the configuration"],
])("refuses %j", async (args, text) => {
  const { code, stdout, stderr } = await run(args);
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(text);
});
