import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { ended, run, start } from "./support/command.ts";

describe("main", () => {
  it.each(["--version", "-V"])("shows the version and the cryptography for %s", async (option) => {
    expect((await run([option])).stdout.toString()).toBe(
      `${manifest.version}\ncrypto: node (OpenSSL ${process.versions.openssl})\n`,
    );
  });

  it("takes a value that begins with -V for a value, and does not report success", async () => {
    // One key in 4096 has grant tokens like this.
    const token = ["--grant-token", "-Vw1YNvZ"];
    const args = ["policy", "check", "--as", "role/app", "--action", "Decrypt", ...token];
    const folder = tempFolder();
    const { code, stdout, stderr } = await run([...args, "--config", join(folder, "none.json")]);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 6, stdout: "" });
    expect(stderr).toContain("none.json: there is no such file");
  });

  it("shows an example in the help of every command", async () => {
    const names: string[] = [];
    const look = async (...path: string[]): Promise<void> => {
      const help = (await run([...path, "--help"])).stdout.toString();
      names.push(path.join(" "));
      expect(help, path.join(" ")).toMatch(/^Examples?:\n {2}envelope /m);
      const [, commands = ""] = /^Commands:\n((?: .*\n)+)/m.exec(help) ?? [];
      for (const [, name = ""] of commands.matchAll(/^ {2}([a-z0-9-]+)/gm)) {
        if (!path.includes(name)) await look(...path, name);
      }
    };
    await look();
    expect(names).toEqual(expect.arrayContaining(["verify", "kms create", "keys alias set"]));
  });

  it("shows the examples in `help` as well", async () => {
    expect((await run(["help", "encrypt"])).stdout.toString()).toContain("Examples:");
  });

  it.each([["--help"], ["help"], ["encrypt", "--help"], ["help", "keys", "alias"]])(
    "shows help on stdout for %j",
    async (...args) => {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout.toString()).toMatch(/^Usage: envelope/);
    },
  );

  it("shows every option of the program with each command", async () => {
    const { stdout } = await run(["encrypt", "--help"]);
    for (const option of ["--config", "--environment", "--cmk", "--json", "--quiet"]) {
      expect(stdout.toString()).toContain(option);
    }
  });

  it.each([
    ["encrpt", "Did you mean encrypt?"],
    ["kyes", "Did you mean keys?"],
    ["--jsno", "Did you mean --json?"],
  ])("suggests for %s", async (typo, hint) => {
    const { code, stderr } = await run([typo]);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(hint) });
  });

  it("answers a wrong command line in JSON where that is asked for, and in nothing else", async () => {
    for (const args of [
      ["--json"],
      ["encrypt", "--json"],
      ["nothing", "--json"],
      ["keys", "--json"],
    ]) {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: "" });
      expect(JSON.parse(stderr)).toMatchObject({ error: { code: "ERR_CLI_USAGE", exitCode: 2 } });
    }
  });

  it("hints at the help of the very command, and not where the message lists the values", async () => {
    expect((await run(["policy", "lint"])).stderr).toContain("`envelope policy lint --help`");
    const { stderr } = await run(["policy", "lint", "--kind", "kye", "x"]);
    expect(stderr).toContain("Allowed choices are key, identity");
    expect(stderr).not.toContain("hint:");
  });

  it("names -- for a file whose name starts with a dash", async () => {
    const folder = tempFolder();
    writeFileSync(join(folder, "-dash.txt"), "x");
    const { stderr } = await ended(start(["encrypt", "--no-context", "-dash.txt"], folder));
    expect(stderr).toContain("envelope encrypt … -- -dash.txt");
  });

  it("takes --json behind -- for a file name", async () => {
    const { stderr } = await run(["inspect", "--", "--json"]);
    expect(stderr).toBe("error: --json: there is no such file or folder\n");
  });

  it("keeps control characters of an argument away from the terminal", async () => {
    const { stderr } = await run(["inspect", "\u001b]0;pwned\u0007"]);
    expect(stderr).toContain("\\u001b]0;pwned\\u0007");
    for (const control of ["\u001b", "\u0007"]) expect(stderr).not.toContain(control);
  });
});
