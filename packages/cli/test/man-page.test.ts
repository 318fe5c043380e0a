import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { manPage } from "../src/man-page.ts";
import { run } from "./support/command.ts";
import { commandOutline } from "./support/outline.ts";

it("leaves nothing of a text for the formatter to interpret", () => {
  const one = commandOutline("a", { description: ".SH starts with a dot, has a \\ and -x" });
  const page = manPage(commandOutline("", { commands: [one] }), "1.2.3");
  expect(page).toContain("\n\\&.SH starts with a dot, has a \\e and \\-x\n");
});

const formatter = spawnSync("groff", ["--version"]).status === 0;
if (!formatter) console.log("the man page is not formatted: groff is not installed");

it.runIf(formatter)("is formatted without a warning, and says what help says", async () => {
  const { stdout } = await run(["help", "man"]);
  const args = ["-man", "-Tutf8", "-ww", "-k", "-rLL=300n", "-P-cbou"];
  const formatted = spawnSync("groff", args, { input: stdout, encoding: "utf8" });
  expect({ status: formatted.status, stderr: formatted.stderr }).toEqual({ status: 0, stderr: "" });
  const text = formatted.stdout.replaceAll(/\s+/g, " ").replaceAll("‐", "-");
  const help = await run(["help", "keys", "rotate"]);
  const [, usage = ""] = /^Usage: (.*)$/m.exec(help.stdout.toString()) ?? [];
  expect(usage).toMatch(/^envelope keys rotate /);
  expect(text).toContain(usage);
  expect(text).toContain("-o, --output <path>");
});
