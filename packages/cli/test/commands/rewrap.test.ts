import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { project, temporaries } from "../support/command.ts";

const none = ["--no-context"];
const plaintext = randomBytes(2_500_000);
const HEADER = 4096;

let env: Awaited<ReturnType<typeof project>>;
let before: Buffer;

beforeEach(async () => {
  env = await project();
  writeFileSync(env.path("x"), plaintext);
  await env.run(["encrypt", ...none, env.path("x")]);
  before = readFileSync(env.path("x.env"));
});

const rotate = (): Promise<unknown> => env.run(["keys", "rotate", "alias/app"]);
const message = (): Buffer => readFileSync(env.path("x.env"));
const opens = async (name = "x.env"): Promise<boolean> => {
  const { stdout } = await env.run(["decrypt", ...none, env.path(name), "-o", "-"]);
  return stdout.equals(plaintext);
};
const lines = (stdout: Buffer): Record<string, unknown>[] =>
  stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("envelope rewrap", () => {
  it("changes the header, keeps the payload and the permissions", async () => {
    chmodSync(env.path("x.env"), 0o640);
    await rotate();
    expect(await env.run(["rewrap", ...none, env.path("x.env")])).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect(message().subarray(HEADER).equals(before.subarray(HEADER))).toBe(true);
    expect(message().subarray(0, HEADER).equals(before.subarray(0, HEADER))).toBe(false);
    expect(statSync(env.path("x.env")).mode & 0o777).toBe(0o640);
    expect(temporaries(env.folder)).toEqual([]);
    expect(await opens()).toBe(true);
  });

  it("reports per key version how many files depend on it", async () => {
    await rotate();
    const { stdout } = await env.run(["rewrap", ...none, env.path("x.env"), "--json"]);
    const [file, summary] = lines(stdout);
    expect(file).toMatchObject({
      path: env.path("x.env"),
      changed: true,
      plaintextSeen: false,
      entries: [{ action: "rewrapped", fromVersion: "1", keyVersion: "2" }],
    });
    expect(summary).toMatchObject({
      summary: {
        files: 1,
        changed: 1,
        failed: 0,
        keys: [
          { provider: "local-file", keyVersion: "1", before: 1, after: 0 },
          { provider: "local-file", keyVersion: "2", before: 0, after: 1 },
        ],
      },
    });
  });

  it("does not touch a file that is current", async () => {
    utimesSync(env.path("x.env"), 1000, 1000);
    const { ino, mtimeMs } = statSync(env.path("x.env"));
    await env.run(["rewrap", ...none, env.path("x.env")]);
    expect(statSync(env.path("x.env"))).toMatchObject({ ino, mtimeMs });
  });

  it("writes nothing with --dry-run, and reports what it would", async () => {
    await rotate();
    const { stdout } = await env.run(["rewrap", ...none, "--dry-run", env.path("x.env"), "--json"]);
    expect(lines(stdout)[0]).toMatchObject({ changed: true });
    expect(lines(stdout)[1]).toMatchObject({ summary: { dryRun: true, changed: 1 } });
    expect(message().equals(before)).toBe(true);
  });

  it("goes on after a failure, counts it as still depending on the old version, and ends with 8", async () => {
    await rotate();
    mkdirSync(env.path("d"));
    const bad = Buffer.from(before);
    bad[110] = (bad[110] ?? 0) ^ 1;
    writeFileSync(env.path("d/1.env"), bad);
    writeFileSync(env.path("d/2.env"), before);
    writeFileSync(env.path("d/3.env"), before.subarray(0, -20_000));
    writeFileSync(env.path("d/notes"), "not a message");
    const { code, stdout, stderr } = await env.run([
      "rewrap",
      ...none,
      "--recursive",
      env.path("d"),
      "--json",
    ]);
    expect(code).toBe(8);
    expect(lines(stdout).at(-1)).toMatchObject({
      summary: {
        files: 3,
        changed: 2,
        failed: 1,
        skipped: 1,
        keys: [
          { keyVersion: "1", before: 3, after: 1 },
          { keyVersion: "2", before: 0, after: 2 },
        ],
      },
    });
    const errors = lines(Buffer.from(stderr));
    expect(errors).toMatchObject([
      { error: { code: "ERR_ENV_KMS_REJECTED", path: env.path("d/1.env") } },
      { error: { code: "ERR_CLI_SOME_FAILED", exitCode: 8 } },
    ]);
    expect(readFileSync(env.path("d/1.env")).equals(bad)).toBe(true);
    expect(await opens("d/2.env")).toBe(true);
  });

  it("leaves a file alone whose payload cannot be right", async () => {
    await rotate();
    const cut = before.subarray(0, HEADER + 60);
    writeFileSync(env.path("cut.env"), cut);
    const { code, stderr } = await env.run(["rewrap", ...none, env.path("cut.env")]);
    expect({ code, stderr }).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("ERR_ENV_TRUNCATED"),
    });
    expect(readFileSync(env.path("cut.env")).equals(cut)).toBe(true);
  });

  it("refuses another context and leaves the file as it was", async () => {
    await rotate();
    expect((await env.run(["rewrap", "--context", "a=b", env.path("x.env")])).code).toBe(3);
    expect(message().equals(before)).toBe(true);
  });

  it("moves to another CMK with --cmk and --from", async () => {
    await env.run(["keys", "create", "--alias", "alias/next"]);
    const uri = (alias: string): string => `local-file:${env.path("dev.kms")}?key=${alias}`;
    const cmks = ["--cmk", uri("alias/next"), "--from", uri("alias/app")];
    const { run } = await import("../support/command.ts");
    const args = ["rewrap", ...none, env.path("x.env"), "--json", ...cmks];
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    expect(lines(stdout)[0]).toMatchObject({
      plaintextSeen: true,
      entries: [{ action: "removed" }, { action: "added" }],
    });
    expect(await env.run(["decrypt", ...none, env.path("x.env"), "-o", "-"])).toMatchObject({
      code: 4,
    });
    expect(message().subarray(HEADER).equals(before.subarray(HEADER))).toBe(true);
  });

  it("keeps a symbolic link one, and works on what it points to", async () => {
    symlinkSync("x.env", env.path("link"));
    await rotate();
    expect((await env.run(["rewrap", ...none, env.path("link")])).code).toBe(0);
    expect(readlinkSync(env.path("link"))).toBe("x.env");
    expect(message().equals(before)).toBe(false);
  });

  it("gives a file with two names one that is new, and the other name keeps the old", async () => {
    linkSync(env.path("x.env"), env.path("other"));
    await rotate();
    await env.run(["rewrap", ...none, env.path("x.env")]);
    expect(readFileSync(env.path("other")).equals(before)).toBe(true);
    expect(await opens("other")).toBe(true);
    expect(await opens()).toBe(true);
  });

  it("rewraps the text form, whatever line break is behind it", async () => {
    const input = Buffer.from("hello");
    const { stdout: text } = await env.run(["encrypt", ...none, "--text", "-"], { input });
    await rotate();
    for (const end of ["", "\n", "\r\n"]) {
      writeFileSync(env.path("t"), text.toString().trimEnd() + end);
      expect((await env.run(["rewrap", ...none, env.path("t")])).code).toBe(0);
      const after = readFileSync(env.path("t"), "latin1");
      expect(after).toMatch(new RegExp(`^env1\\.[\\w-]+${end.replace("\r", "\\r")}$`));
      expect(after.trimEnd()).not.toBe(text.toString().trimEnd());
      const { stdout } = await env.run(["decrypt", ...none, env.path("t"), "-o", "-"]);
      expect(stdout.equals(input)).toBe(true);
    }
  });
});
