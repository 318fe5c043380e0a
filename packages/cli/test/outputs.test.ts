import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { beforeEach, expect, it } from "vitest";
import { project } from "./support/command.ts";

type Project = Awaited<ReturnType<typeof project>>;

const none = ["--no-context"];
let env: Project;
beforeEach(async () => {
  env = await project();
  mkdirSync(env.path("in/sub"), { recursive: true });
  writeFileSync(env.path("in/a"), "a");
  writeFileSync(env.path("in/sub/b"), "b");
});

const encrypt = (...args: string[]): ReturnType<Project["run"]> =>
  env.run(["encrypt", ...none, ...args]);

it("keeps the tree of a folder in the folder of -o, and decrypts it into another", async () => {
  const [input, encrypted, plain] = [env.path("in"), env.path("enc"), env.path("plain")];
  expect((await encrypt("-r", input, "-o", encrypted)).code).toBe(0);
  expect(readdirSync(encrypted).toSorted()).toEqual(["a.envelope", "sub"]);
  const decrypted = await env.run(["decrypt", ...none, "-r", encrypted, "-o", plain]);
  expect(decrypted.code).toBe(0);
  expect(readFileSync(env.path("plain/sub/b"), "utf8")).toBe("b");
});

it("keeps several folders apart by their names", async () => {
  mkdirSync(env.path("other"));
  writeFileSync(env.path("other/a"), "another");
  const out = env.path("out");
  expect((await encrypt("-r", env.path("in"), env.path("other"), "-o", out)).code).toBe(0);
  expect(existsSync(env.path("out/in/a.envelope"))).toBe(true);
  expect(existsSync(env.path("out/other/a.envelope"))).toBe(true);
});

it.each(["out/", "out"])("writes one file into the folder %s", async (name) => {
  if (name === "out") mkdirSync(env.path(name));
  expect((await encrypt(env.path("in/a"), "-o", env.path(name))).code).toBe(0);
  expect(readdirSync(env.path("out"))).toEqual(["a.envelope"]);
});

it("does not look into the output folder for inputs", async () => {
  const out = env.path("in/out");
  expect((await encrypt("-r", env.path("in"), "-o", out)).code).toBe(0);
  const again = await encrypt("-r", env.path("in"), "-o", out, "--force", "--json");
  expect(again.code).toBe(0);
  expect(again.stdout.toString()).toContain('"skipped":"the output folder"');
  expect(readdirSync(out).toSorted()).toEqual(["a.envelope", "sub"]);
});

it("refuses two inputs with one output, even with --force", async () => {
  writeFileSync(env.path("a"), "another");
  const args = [env.path("in/a"), env.path("a"), "-o", env.path("out"), "--force"];
  const { code, stderr } = await encrypt(...args);
  expect(code).toBe(8);
  expect(stderr).toContain(`${env.path("in/a")} has the same output`);
});

it("says once which outputs exist, and what to do about it", async () => {
  const args = ["-r", env.path("in")];
  expect((await encrypt(...args)).code).toBe(0);
  const { code, stderr } = await encrypt(...args);
  expect(code).toBe(8);
  const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
  expect(errors).toEqual([
    `error: 2 outputs already exist: ${env.path("in/a.envelope")}, ${env.path("in/sub/b.envelope")}`,
    "error: 2 of 2 files failed",
  ]);
  expect(stderr.match(/--skip-existing/g)).toHaveLength(1);
});

it("leaves existing outputs alone with --skip-existing, and encrypts the rest", async () => {
  await encrypt("-r", env.path("in"));
  const before = readFileSync(env.path("in/a.envelope"));
  writeFileSync(env.path("in/new"), "new");
  const { code, stdout, stderr } = await encrypt("-r", env.path("in"), "--skip-existing");
  expect(code).toBe(0);
  expect(stdout.toString()).toMatch(/^[^\n]*new -> [^\n]*new\.envelope[^\n]*\n$/);
  expect(stderr).toContain("in/a: its output exists");
  expect(readFileSync(env.path("in/a.envelope"))).toEqual(before);
  expect((await encrypt("x", "--skip-existing", "--force")).code).toBe(2);
});

it.each([
  ["stdin into a folder", ["-", "-o", "in"], 2],
  ["several inputs to one file", ["in/a", "in/sub/b", "-o", "file"], 7],
  ["a folder to stdout", ["-r", "in", "-o", "-"], 2],
  ["an empty name", ["in/a", "-o", ""], 2],
])("refuses %s before anything is written", async (_, args, code) => {
  writeFileSync(env.path("file"), "kept");
  const paths = args.map((arg) => (/^(?:in|file)/.test(arg) ? env.path(arg) : arg));
  expect((await encrypt(...paths)).code).toBe(code);
  expect(readFileSync(env.path("file"), "utf8")).toBe("kept");
});

it("never replaces a file of its own, by whatever name", async () => {
  linkSync(env.path("dev.kms"), env.path("hard"));
  for (const name of ["dev.kms", "dev.kms-wal", "dev.kms.key", "envelope.config.json", "hard"]) {
    const before = existsSync(env.path(name)) ? readFileSync(env.path(name)) : undefined;
    const { code } = await encrypt(env.path("in/a"), "-o", env.path(name), "--force");
    expect({ name, code }).toEqual({ name, code: 2 });
    const after = existsSync(env.path(name)) ? readFileSync(env.path(name)) : undefined;
    expect(after).toEqual(before);
  }
});

it("names what it cannot replace for what it is, also with --force", async () => {
  symlinkSync("in/a", env.path("link"));
  for (const [target, problem] of [
    ["/dev/null", "it is not a regular file"],
    [env.path("link"), "it is a symbolic link"],
  ] as const) {
    const { code, stderr } = await encrypt(env.path("in/a"), "-o", target, "--force");
    expect({ code, stderr }).toMatchObject({ code: 7, stderr: expect.stringContaining(problem) });
  }
});
