import { Readable } from "node:stream";
import { writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { main } from "../../src/main.ts";
import { capture, project, run as runAnywhere } from "../support/command.ts";
import { populated } from "../support/principals.ts";

/** Runs the command with a terminal as stdout. */
async function onTerminal(args: readonly string[], columns: number): Promise<string[]> {
  const [stdout, stderr] = [capture(), capture()];
  const code = await main(args, {
    stdin: Readable.from([]),
    stdout: Object.assign(stdout.stream, { isTTY: true, columns }),
    stderr: stderr.stream,
    signal: new AbortController().signal,
  });
  expect({ code, stderr: stderr.bytes().toString() }).toEqual({ code: 0, stderr: "" });
  return stdout.bytes().toString().trimEnd().split("\n");
}

it("lists keys in 80 columns, with what does not fit below each of them", async () => {
  const { path, run } = await project();
  const create = ["keys", "create", "--alias", "alias/orders-of-the-shop", "--description"];
  await run([
    ...create,
    "a description of more than one line, with what the key is for and whose it is",
  ]);
  await run(["keys", "schedule-deletion", "alias/app", "--days", "7"]);
  const lines = await onTerminal(["keys", "list", "--keystore", path("dev.kms")], 80);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(lines).toContain("  alias/orders-of-the-shop");
  expect(lines.join("\n")).toMatch(
    / pending deletion .*\n {2}alias\/app\n.*\n {2}to be deleted on 2/,
  );
  const wide = await onTerminal(["keys", "list", "--keystore", path("dev.kms")], 250);
  expect(wide).toHaveLength(3);
  expect(wide.join("\n")).toMatch(/ pending deletion \(\d{4}-\d{2}-\d{2}\) /);
});

it("shows audit records in 80 columns, without breaking words", async () => {
  const { path, run } = await project();
  await run(["keys", "list"]);
  const lines = await onTerminal(["audit", "tail", "--keystore", path("dev.kms")], 80);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  const piped = (await run(["audit", "tail"])).stdout.toString();
  expect(lines.join(" ").split(/\s+/)).toEqual(piped.trim().split(/\s+/));
});

it("calls a local keystore as another principal with --as", async () => {
  const { path, run } = await populated();
  writeFileSync(path("x"), "x");
  const encrypt = (as: string, tenant: string): ReturnType<typeof run> =>
    run(["encrypt", "--as", as, "--context", `tenant=${tenant}`, path("x"), "-o", "-"]);
  expect((await encrypt("user/alice", "acme")).code).toBe(0);
  expect((await encrypt("user/alice", "other")).code).toBe(4);
  const refused = await encrypt("user/eve", "acme");
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain("`envelope policy explain` shows what is missing");
  expect((await encrypt("nobody in particular", "acme")).code).toBe(2);
  expect((await run(["keys", "list", "--as", "user/eve"])).code).toBe(4);
  expect((await run(["keys", "list", "--as", "nobody in particular"])).code).toBe(2);
});

it("does not ignore --as where no local keystore is configured", async () => {
  const cmk = ["--cmk", "vault-transit:http://127.0.0.1:1/transit/app"];
  const { code } = await runAnywhere([
    "encrypt",
    "--no-context",
    "-",
    "--text",
    "--as",
    "root",
    ...cmk,
  ]);
  expect(code).toBe(2);
});
