import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { statSync } from "node:fs";
import { symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { writeFileWhole } from "@env/node-stream";
import { interruptRewrap, progressOf, project, run, temporaries } from "../support/command.ts";

const none = ["--no-context"];
const plaintext = randomBytes(2_500_000);
const HEADER = 4096;

let env: Awaited<ReturnType<typeof project>>;
let before: Buffer;

beforeEach(async () => {
  env = await project();
  writeFileSync(env.path("x"), plaintext);
  await env.run(["encrypt", ...none, env.path("x")]);
  before = readFileSync(env.path("x.envelope"));
});

const rotate = (): Promise<unknown> => env.run(["keys", "rotate", "alias/app"]);
const message = (): Buffer => readFileSync(env.path("x.envelope"));
const opens = async (name = "x.envelope"): Promise<boolean> => {
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
    chmodSync(env.path("x.envelope"), 0o640);
    await rotate();
    expect(await env.run(["rewrap", ...none, env.path("x.envelope")])).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect(message().subarray(HEADER).equals(before.subarray(HEADER))).toBe(true);
    expect(message().subarray(0, HEADER).equals(before.subarray(0, HEADER))).toBe(false);
    expect(statSync(env.path("x.envelope")).mode & 0o777).toBe(0o640);
    expect(temporaries(env.folder)).toEqual([]);
    expect(await opens()).toBe(true);
  });

  it("reports per key version how many files depend on it", async () => {
    await rotate();
    const { stdout } = await env.run(["rewrap", ...none, env.path("x.envelope"), "--json"]);
    const [file, summary] = lines(stdout);
    expect(file).toMatchObject({
      path: env.path("x.envelope"),
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
    utimesSync(env.path("x.envelope"), 1000, 1000);
    const { ino, mtimeMs } = statSync(env.path("x.envelope"));
    await env.run(["rewrap", ...none, env.path("x.envelope")]);
    expect(statSync(env.path("x.envelope"))).toMatchObject({ ino, mtimeMs });
  });

  it("writes nothing with --dry-run, and reports what it would", async () => {
    await rotate();
    const { stdout } = await env.run([
      "rewrap",
      ...none,
      "--dry-run",
      env.path("x.envelope"),
      "--json",
    ]);
    expect(lines(stdout)[0]).toMatchObject({ changed: true });
    expect(lines(stdout)[1]).toMatchObject({ summary: { dryRun: true, changed: 1 } });
    expect(message().equals(before)).toBe(true);
  });

  it("goes on after a failure, counts it as still depending on the old version, and ends with 8", async () => {
    await rotate();
    mkdirSync(env.path("d"));
    const bad = Buffer.from(before);
    bad[110] = (bad[110] ?? 0) ^ 1;
    writeFileSync(env.path("d/1.envelope"), bad);
    writeFileSync(env.path("d/2.envelope"), before);
    writeFileSync(env.path("d/3.envelope"), before.subarray(0, -20_000));
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
      { error: { code: "ERR_ENVELOPE_KMS_REJECTED", path: env.path("d/1.envelope") } },
      { error: { code: "ERR_CLI_SOME_FAILED", exitCode: 8 } },
    ]);
    expect(readFileSync(env.path("d/1.envelope")).equals(bad)).toBe(true);
    expect(await opens("d/2.envelope")).toBe(true);
  });

  it("passes over no damaged message in a folder: finishes its rewrap, or reports it", async () => {
    await rotate();
    await env.run(["rewrap", ...none, env.path("x.envelope")]);
    mkdirSync(env.path("d"));
    interruptRewrap(env.path("d/1.envelope"), before, message());
    const damaged = Buffer.from(before).fill(0, 0, 512);
    writeFileSync(env.path("d/2.envelope"), damaged);
    const args = ["rewrap", ...none, "-r", env.path("d"), "--json"];
    const { code, stderr } = await env.run(args);
    expect(code).toBe(8);
    expect(lines(Buffer.from(stderr))).toMatchObject([
      { error: { code: "ERR_ENVELOPE_FORMAT", path: env.path("d/2.envelope") } },
      { error: { code: "ERR_CLI_SOME_FAILED" } },
    ]);
    expect(readFileSync(env.path("d/1.envelope")).equals(message())).toBe(true);
    expect(readFileSync(env.path("d/2.envelope")).equals(damaged)).toBe(true);
  });

  it("leaves a file alone whose payload cannot be right", async () => {
    await rotate();
    const cut = before.subarray(0, HEADER + 60);
    writeFileSync(env.path("cut.envelope"), cut);
    const { code, stderr } = await env.run(["rewrap", ...none, env.path("cut.envelope")]);
    expect({ code, stderr }).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("ERR_ENVELOPE_TRUNCATED"),
    });
    expect(readFileSync(env.path("cut.envelope")).equals(cut)).toBe(true);
  });

  it("refuses another context and leaves the file as it was", async () => {
    await rotate();
    expect((await env.run(["rewrap", "--context", "a=b", env.path("x.envelope")])).code).toBe(3);
    expect(message().equals(before)).toBe(true);
  });

  it("moves to another CMK with --cmk and --from", async () => {
    await env.run(["keys", "create", "--alias", "alias/next"]);
    const uri = (alias: string): string => `local-file:${env.path("dev.kms")}?key=${alias}`;
    const cmks = ["--cmk", uri("alias/next"), "--from", uri("alias/app")];
    const args = ["rewrap", ...none, env.path("x.envelope"), "--json", ...cmks];
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    expect(lines(stdout)[0]).toMatchObject({
      plaintextSeen: true,
      entries: [{ action: "removed" }, { action: "added" }],
    });
    expect(await env.run(["decrypt", ...none, env.path("x.envelope"), "-o", "-"])).toMatchObject({
      code: 4,
    });
    expect(message().subarray(HEADER).equals(before.subarray(HEADER))).toBe(true);
  });

  it("keeps a symbolic link one, and works on what it points to", async () => {
    symlinkSync("x.envelope", env.path("link"));
    await rotate();
    expect((await env.run(["rewrap", ...none, env.path("link")])).code).toBe(0);
    expect(readlinkSync(env.path("link"))).toBe("x.envelope");
    expect(message().equals(before)).toBe(false);
  });

  it("writes the header in place where it has room, and says so", async () => {
    linkSync(env.path("x.envelope"), env.path("other"));
    const { ino } = statSync(env.path("x.envelope"));
    await rotate();
    const { stdout } = await env.run(["rewrap", ...none, env.path("x.envelope")]);
    expect(stdout.toString().split("\n")[0]).toBe(
      `rewrapped ${env.path("x.envelope")}  (header in place)`,
    );
    expect(statSync(env.path("x.envelope")).ino).toBe(ino);
    expect(readFileSync(env.path("other")).equals(message())).toBe(true);
    expect(await opens()).toBe(true);
  });

  it("writes a new file where the header has no room, and says so", async () => {
    const { stdout: unpadded } = await env.run(["encrypt", ...none, env.path("x"), "-o", "-"]);
    writeFileSync(env.path("y.envelope"), unpadded);
    chmodSync(env.path("y.envelope"), 0o640);
    linkSync(env.path("y.envelope"), env.path("other"));
    await env.run(["keys", "create", "--alias", "alias/next"]);
    const cmks = ["app", "next"].flatMap((name) => [
      "--cmk",
      `local-file:${env.path("dev.kms")}?key=alias/${name}`,
    ]);
    const args = ["rewrap", ...none, ...cmks, env.path("y.envelope")];
    const dry = await run([...args, "--dry-run"]);
    expect(dry.stdout.toString()).toContain("would rewrap");
    let stdout: Buffer = Buffer.alloc(0);
    const told = await progressOf(async () => ({ stdout } = await run([...args, "--json"])));
    expect(told).toBe(unpadded.length);
    const written = readFileSync(env.path("y.envelope"));
    expect(lines(stdout)[0]).toMatchObject({
      method: "copied",
      bytesWritten: written.length,
      entries: [{ action: "current" }, { action: "added" }],
    });
    const summary = lines(stdout)[1]?.["summary"] as { keys: { before: number }[] };
    expect(summary.keys.toSorted((a, b) => a.before - b.before)).toMatchObject([
      { keyVersion: "1", before: 0, after: 1 },
      { keyVersion: "1", before: 1, after: 1 },
    ]);
    expect(statSync(env.path("y.envelope")).mode & 0o777).toBe(0o640);
    expect(readFileSync(env.path("other")).equals(unpadded)).toBe(true);
    expect(readdirSync(env.folder).filter((name) => name.startsWith("."))).toEqual([]);
    expect(await opens("y.envelope")).toBe(true);
  });

  it("counts entries that it keeps, of CMKs that are not configured", async () => {
    await env.run(["keys", "create", "--alias", "alias/next"]);
    const uri = (name: string): string => `local-file:${env.path("dev.kms")}?key=alias/${name}`;
    const both = ["--cmk", uri("app"), "--cmk", uri("next")];
    await run(["rewrap", ...none, ...both, env.path("x.envelope")]);
    await env.run(["keys", "rotate", "alias/next"]);
    const { stdout } = await env.run(["rewrap", ...none, env.path("x.envelope"), "--json"]);
    expect(lines(stdout)[0]).toMatchObject({ changed: false, method: "none" });
    expect(lines(stdout)[1]).toMatchObject({
      summary: {
        keys: [
          { keyVersion: "1", before: 1, after: 1 },
          { keyVersion: "1", before: 1, after: 1 },
        ],
      },
    });
  });

  it("does not touch what somebody else is writing", async () => {
    await rotate();
    await writeFileWhole(env.path("x.envelope"), { overwrite: true }, async (file) => {
      expect(await env.run(["rewrap", ...none, env.path("x.envelope")])).toMatchObject({
        code: 7,
        stderr: expect.stringContaining("x.envelope: something else is writing to it"),
      });
      await file.writeFile(before);
    });
    expect(message().equals(before)).toBe(true);
  });

  it("names what blocks its lock", async () => {
    writeFileSync(env.path(".x.envelope.envelope-lock"), "in the way");
    const { code, stderr } = await env.run(["rewrap", ...none, env.path("x.envelope")]);
    expect(code).toBe(7);
    expect(stderr).toContain(
      `${env.path(".x.envelope.envelope-lock")} is in the way of the lock: remove it`,
    );
  });

  it("finishes an interrupted rewrap, and then has nothing to do", async () => {
    await rotate();
    await env.run(["rewrap", ...none, env.path("x.envelope")]);
    const after = message();
    interruptRewrap(env.path("x.envelope"), before, after);
    const dry = await env.run(["rewrap", ...none, "--dry-run", env.path("x.envelope")]);
    expect(dry).toMatchObject({ code: 0, stdout: expect.anything() });
    const { code, stdout } = await env.run(["rewrap", ...none, env.path("x.envelope")]);
    expect({ code, text: stdout.toString() }).toMatchObject({
      code: 0,
      text: expect.stringMatching(/^current /),
    });
    expect(message().equals(after)).toBe(true);
    expect(readdirSync(env.folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("tells how far it is where it writes in place, or nothing", async () => {
    const args = ["rewrap", ...none, env.path("x.envelope")];
    expect(await progressOf(() => env.run(args))).toBe(before.length);
    await rotate();
    expect(await progressOf(() => env.run(args))).toBe(before.length);
  });

  it("works on regular files", async () => {
    expect(await env.run(["rewrap", ...none, "/dev/null"])).toMatchObject({
      code: 2,
      stderr: "error: /dev/null: only regular files can be rewrapped\n",
    });
  });

  it("rewraps the text form, whatever line break is behind it", async () => {
    const input = Buffer.from("hello");
    const { stdout: text } = await env.run(["encrypt", ...none, "--text", "-"], { input });
    await rotate();
    for (const end of ["", "\n", "\r\n"]) {
      writeFileSync(env.path("t"), text.toString().trimEnd() + end);
      const args = ["rewrap", ...none, env.path("t")];
      const old = readFileSync(env.path("t"));
      const dry = await env.run([...args, "--dry-run"]);
      expect(dry.stdout.toString()).toContain("would rewrap");
      expect(readFileSync(env.path("t"))).toEqual(old);
      const { code, stdout: told } = await env.run(args);
      expect({ code, told: told.toString().split("\n")[0] }).toEqual({
        code: 0,
        told: `rewrapped ${env.path("t")}  (text form, rewritten)`,
      });
      const after = readFileSync(env.path("t"), "latin1");
      expect(after).toMatch(new RegExp(`^env1\\.[\\w-]+${end.replace("\r", "\\r")}$`));
      expect(after.trimEnd()).not.toBe(text.toString().trimEnd());
      const { stdout } = await env.run(["decrypt", ...none, env.path("t"), "-o", "-"]);
      expect(stdout.equals(input)).toBe(true);
    }
  });

  it("leaves a text form alone that somebody else has written meanwhile", async () => {
    const input = Buffer.from("hello");
    const { stdout: text } = await env.run(["encrypt", ...none, "--text", "-"], { input });
    writeFileSync(env.path("t"), text);
    await rotate();
    const running = env.run(["rewrap", ...none, env.path("t")]);
    while (temporaries(env.folder).length === 0) await new Promise(setImmediate);
    writeFileSync(env.path("t"), "newer");
    expect(await running).toMatchObject({
      code: 7,
      stderr: expect.stringContaining("something else is writing to it"),
    });
    expect(readFileSync(env.path("t"), "utf8")).toBe("newer");
  });
});
