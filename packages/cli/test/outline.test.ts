import { Command, Option } from "@commander-js/extra-typings";
import { expect, it } from "vitest";
import { allCommands, outlineOf } from "../src/outline.ts";

it("gives every command with its path, and what help shows of it", () => {
  const program = new Command("p").description("P.").helpOption(false).helpCommand(false);
  const below = program.command("a").summary("A.").description("A, at length.").helpOption(false);
  below
    .command("b")
    .helpOption(false)
    .argument("<file>", "a file")
    .addOption(new Option("-m, --mode <mode>", "how").choices(["x", "y"]))
    .addOption(new Option("--secret").hideHelp());
  const outline = outlineOf(program);
  expect(allCommands(outline).map(({ path, summary }) => [path, summary])).toEqual([
    ["", "P."],
    ["a", "A."],
    ["a b", ""],
  ]);
  expect(outline.commands[0]?.commands[0]).toEqual({
    path: "a b",
    summary: "",
    description: "",
    usage: "[options] <file>",
    options: [
      {
        names: ["-m", "--mode"],
        flags: "-m, --mode <mode>",
        description: "how",
        takesValue: true,
        choices: ["x", "y"],
      },
    ],
    arguments: [{ name: "file", description: "a file" }],
    commands: [],
  });
});
