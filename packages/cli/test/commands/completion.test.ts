import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { beforeEach, describe, expect, it } from "vitest";
import { run } from "../support/command.ts";

const installed = (shell: string): boolean => spawnSync(shell, ["-c", "exit 0"]).status === 0;

for (const shell of ["bash", "fish", "zsh"]) {
  if (!installed(shell))
    console.log(`the completion for ${shell} is not tested: ${shell} is not installed`);
}

/** What the shell offers for each command line, whose last word is being typed. */
type Complete = (...lines: readonly (readonly string[])[]) => string[][];

const word = (text: string): string => `'${text}'`;

/** Ends the answers to one line. */
const END = ";;";

const shells: Readonly<Record<string, (script: string) => Complete>> = {
  bash:
    (script) =>
    (...lines) =>
      answers(
        "bash",
        script,
        (words) => {
          const typed = `COMP_WORDS=(${words.map(word).join(" ")}); COMP_CWORD=${words.length - 1}`;
          // Without readline there is no completion whose options could be changed.
          return `${typed}; compopt() { :; }; _envelope; printf "%s\\n" "\${COMPREPLY[@]}"`;
        },
        lines,
      ),
  fish:
    (script) =>
    (...lines) =>
      answers("fish", script, (words) => `complete -C "${words.join(" ")}"`, lines),
};

function answers(
  shell: string,
  script: string,
  completing: (words: readonly string[]) => string,
  lines: readonly (readonly string[])[],
): string[][] {
  const program = [
    `source ${script}`,
    ...lines.flatMap((words) => [completing(words), `echo "${END}"`]),
  ];
  const options = { encoding: "utf8", cwd: tempFolder() } as const;
  const { stdout, stderr, status } = spawnSync(shell, ["-c", program.join("\n")], options);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout
    .split(`${END}\n`)
    .slice(0, -1)
    .map((text) => text.split("\n").flatMap((line) => line.split("\t")[0] || []));
}

describe.each(Object.keys(shells))("envelope completion %s", (shell) => {
  const possible = installed(shell);
  let complete: Complete;

  beforeEach(async () => {
    const { stdout } = await run(["completion", shell]);
    const script = join(tempFolder(), "script");
    writeFileSync(script, stdout);
    const make = shells[shell];
    if (make !== undefined) complete = make(script);
  });

  it.runIf(possible)("offers commands, and those below a command", () => {
    const [top, keys, within, none] = complete(
      ["envelope", ""],
      ["envelope", "keys", "ro"],
      ["envelope", "--json", "--config", "keys", "in"],
      ["envelope", "keys", "rotate", ""],
    );
    expect(top).toEqual(expect.arrayContaining(["init", "encrypt", "keys", "completion"]));
    expect(keys).toEqual(["rotate"]);
    expect(within).toEqual(expect.arrayContaining(["init", "inspect"]));
    expect(none).not.toContain("rotate");
  });

  it.runIf(possible)("offers the options of a command and of the program", () => {
    const [options] = complete(["envelope", "encrypt", "--"]);
    expect(options).toEqual(expect.arrayContaining(["--output", "--context", "--json", "--help"]));
    expect(options).not.toContain("--keystore");
  });

  it.runIf(possible)("offers the values that an option has", () => {
    expect(complete(["envelope", "serve", "--auth", "s"])).toEqual([["strict"]]);
  });
});

it.runIf(installed("zsh"))("prints a script that zsh can parse", async () => {
  const { stdout } = await run(["completion", "zsh"]);
  const { status, stderr } = spawnSync("zsh", ["-n"], { input: stdout, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});

it("refuses another shell", async () => {
  const { code, stderr } = await run(["completion", "tcsh"]);
  expect(code).toBe(2);
  expect(stderr).toContain("bash, zsh, fish");
});
