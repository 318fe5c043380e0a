import { expect, it } from "vitest";
import { markdownPage } from "../src/markdown-page.ts";
import { run } from "./support/command.ts";
import { commandOutline } from "./support/outline.ts";

it("shows texts as they are", () => {
  const one = commandOutline("a", { description: "Reads <x> or *.log | `a|b`." });
  const page = markdownPage(commandOutline("", { commands: [one] }));
  expect(page).toContain("\nReads \\<x\\> or \\*.log \\| `a\\|b`.\n");
});

it("has every command with its usage and its options", async () => {
  const { stdout } = await run(["help", "markdown"]);
  const page = stdout.toString();
  expect(page).toContain("\n## envelope keys rotate\n");
  expect(page).toContain("| `-o, --output <path>` | ");
  expect(page).toContain("\n## Exit codes\n");
});
