import { describe, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { run } from "./support/command.ts";

describe("main", () => {
  it("shows the version", async () => {
    expect((await run(["--version"])).stdout.toString()).toBe(`${manifest.version}\n`);
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
