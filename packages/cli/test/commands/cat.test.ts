import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { Readable, Writable } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import { main } from "../../src/main.ts";
import { interrupted } from "../../src/errors.ts";
import { capture, interruptRewrap, project, temporaries, type Ran } from "../support/command.ts";

const none = ["--no-context"];
/** More than one piece of 1 MiB, and a final chunk that is not full. */
const plaintext = randomBytes(2_600_000);
const HEADER = 4096;

let env: Awaited<ReturnType<typeof project>>;
let message: Buffer;

beforeEach(async () => {
  env = await project();
  writeFileSync(env.path("x"), plaintext);
  await env.run(["encrypt", ...none, env.path("x")]);
  message = readFileSync(env.path("x.envelope"));
});

const cat = (...args: string[]): Promise<Ran> =>
  env.run(["cat", ...none, ...args, env.path("x.envelope")]);

const altered = (position: number): void =>
  writeFileSync(env.path("x.envelope"), message.with(position, (message[position] ?? 0) ^ 1));

describe("envelope cat", () => {
  it("writes all of the plaintext", async () => {
    const { code, stdout, stderr } = await cat();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.equals(plaintext)).toBe(true);
  });

  it.each([
    ["0-99", 0, 100],
    ["bytes=0-99", 0, 100],
    ["1048570-1048580", 1_048_570, 1_048_581],
    ["2599990-", 2_599_990, 2_600_000],
    ["-7", 2_599_993, 2_600_000],
    ["2599990-9999999", 2_599_990, 2_600_000],
    ["1-", 1, 2_600_000],
  ])("writes the range %s", async (range, start, end) => {
    const { code, stdout } = await cat("--range", range);
    expect(code).toBe(0);
    expect(stdout.equals(plaintext.subarray(start, end))).toBe(true);
  });

  it("writes nothing of an empty message, and says of which range there is nothing", async () => {
    writeFileSync(env.path("x"), "");
    await env.run(["encrypt", ...none, "--force", env.path("x")]);
    for (const range of [[], ["--range", "-5"]]) {
      expect(await cat(...range)).toEqual({ code: 0, stdout: Buffer.alloc(0), stderr: "" });
    }
    const { code, stderr } = await cat("--range", "0-");
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `error: ${env.path("x.envelope")}: the plaintext has no bytes 0-\nhint: it is empty\n`,
    });
  });

  it("ends with 2 and a code of its own where the range is past the end", async () => {
    const { code, stdout, stderr } = await cat("--range", "2600000-", "--json");
    expect({ code, bytes: stdout.length }).toEqual({ code: 2, bytes: 0 });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "ERR_CLI_USAGE" } });
    const past = await cat("--range", "2600000-");
    expect(past).toMatchObject({ code: 2, stderr: expect.stringContaining("2600000 bytes") });
    expect(past.stdout).toHaveLength(0);
  });

  it("refuses a cut message before the first byte, whatever the range", async () => {
    for (const end of [-1, HEADER + 56 + 16_400 * 100 - message.length]) {
      writeFileSync(env.path("x.envelope"), message.subarray(0, end));
      for (const range of [[], ["--range", "0-0"]]) {
        const { code, stdout, stderr } = await cat(...range);
        expect({ code, bytes: stdout.length }).toEqual({ code: 3, bytes: 0 });
        expect(stderr).toMatch(/ERR_ENVELOPE_(?:DECRYPT|TRUNCATED)/);
      }
    }
  });

  it("gives the authentic bytes in front of what was altered, none behind, and ends with 3", async () => {
    altered(HEADER + 56 + 16_400 * 100);
    const whole = await cat();
    expect(whole.code).toBe(3);
    expect(whole.stdout.length).toBeLessThanOrEqual(100 * 16_384);
    expect(plaintext.subarray(0, whole.stdout.length).equals(whole.stdout)).toBe(true);
    expect(await cat("--range", "1638400-1638400")).toMatchObject({
      code: 3,
      stdout: Buffer.alloc(0),
      stderr: expect.stringContaining("ERR_ENVELOPE_DECRYPT"),
    });
  });

  it("does not look at what it was not asked for", async () => {
    altered(HEADER + 56 + 16_400 * 100);
    const { code, stdout } = await cat("--range", "1638399-1638399");
    expect({ code, stdout }).toEqual({ code: 0, stdout: plaintext.subarray(1_638_399, 1_638_400) });
  });

  it("reads the text form", async () => {
    const input = Buffer.from("hello world");
    const { stdout: text } = await env.run(["encrypt", ...none, "--text", "-"], { input });
    writeFileSync(env.path("x.envelope"), text);
    expect((await cat()).stdout.toString()).toBe("hello world");
    expect((await cat("--range", "-5")).stdout.toString()).toBe("world");
    expect(await cat("--range", "11-")).toMatchObject({ code: 2 });
  });

  it("takes context, aad and stored context as decrypt does", async () => {
    const bound = ["--context", "a=b", "--aad", "id=1"];
    await env.run(["encrypt", ...bound, "--store-context", "--force", env.path("x")]);
    const range = ["--range", "0-9", env.path("x.envelope")];
    const stored = ["--from-header", "--require", "a=b", "--aad", "id=1"];
    for (const args of [bound, stored]) {
      const { stdout } = await env.run(["cat", ...args, ...range]);
      expect(stdout.equals(plaintext.subarray(0, 10))).toBe(true);
    }
    expect(await env.run(["cat", "--context", "a=b", ...range])).toMatchObject({ code: 3 });
    expect(await env.run(["cat", ...range])).toMatchObject({ code: 2 });
  });

  it.each([
    ["a folder", 7, "it is a folder", (): void => mkdirSync(env.path("y"))],
    ["nothing", 7, "no such file", (): void => undefined],
    ["a device", 2, "regular files", (): void => symlinkSync("/dev/null", env.path("y"))],
    ["no message", 3, "ERR_ENVELOPE_FORMAT", (): void => writeFileSync(env.path("y"), "hello")],
  ])("says what is wrong with %s", async (_, code, problem, make) => {
    make();
    const ran = await env.run(["cat", ...none, env.path("y")]);
    expect(ran).toMatchObject({ code, stderr: expect.stringContaining(problem) });
    expect(ran.stderr).toContain(env.path("y"));
  });

  it("opens the message even if something else has the name of its journal", async () => {
    symlinkSync("nowhere", env.path(".x.envelope.envelope-journal"));
    expect((await cat("--range", "0-8")).stdout.equals(plaintext.subarray(0, 9))).toBe(true);
  });

  it("finishes an interrupted rewrap first", async () => {
    await env.run(["keys", "rotate", "alias/app"]);
    await env.run(["rewrap", ...none, env.path("x.envelope")]);
    interruptRewrap(env.path("x.envelope"), message, readFileSync(env.path("x.envelope")));
    expect((await cat("--range", "-9")).stdout.equals(plaintext.subarray(-9))).toBe(true);
  });

  it("says what stdin is for, and that its output is no JSON", async () => {
    expect(await env.run(["cat", ...none, "-"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--stream"),
    });
    expect(await cat("--json")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--json needs stdout"),
    });
  });

  it("follows a link to the message, and writes nothing beside it", async () => {
    mkdirSync(env.path("d"));
    symlinkSync("../x.envelope", env.path("d/link"));
    chmodSync(env.path("x.envelope"), 0o400);
    const { stdout } = await env.run(["cat", ...none, env.path("d/link")]);
    expect(stdout.equals(plaintext)).toBe(true);
    expect(temporaries(env.folder)).toEqual([]);
  });

  const withStdout = async (
    write: (done: (error?: Error) => void) => void,
    signal: AbortSignal,
  ): Promise<{ code: number; stderr: string }> => {
    const stdout = new Writable({ write: (_, __, done) => write(done) });
    stdout.on("error", () => undefined);
    const stderr = capture();
    const host = { stdin: Readable.from([]), stdout, stderr: stderr.stream, signal };
    const config = ["--config", env.path("envelope.config.json"), "--environment", "development"];
    const code = await main(["cat", ...none, env.path("x.envelope"), ...config], host);
    return { code, stderr: stderr.bytes().toString() };
  };

  it("ends quietly where the reader is gone", async () => {
    const gone = Object.assign(new Error("EPIPE"), { code: "EPIPE" });
    const { signal } = new AbortController();
    expect(await withStdout((done) => done(gone), signal)).toEqual({ code: 0, stderr: "" });
  });

  it("stops where it is interrupted", async () => {
    const controller = new AbortController();
    const stopped = await withStdout((done) => {
      controller.abort(interrupted());
      done();
    }, controller.signal);
    expect(stopped).toEqual({ code: 130, stderr: "error: interrupted\n" });
  });
});
