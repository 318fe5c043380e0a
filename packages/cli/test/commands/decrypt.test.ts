import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { main } from "../../src/main.ts";
import { capture, interruptRewrap, progressOf, project, temporaries } from "../support/command.ts";
import { Readable, Writable } from "node:stream";

const none = ["--no-context"];
/** More than one piece, so that some of it verifies before the end is reached. */
const plaintext = randomBytes(3_000_000);
const HEADER = 4096;

let env: Awaited<ReturnType<typeof project>>;
let message: Buffer;

beforeEach(async () => {
  env = await project();
  writeFileSync(env.path("x"), plaintext);
  await env.run(["encrypt", ...none, env.path("x")]);
  message = readFileSync(env.path("x.envelope"));
});

const decrypt = (bytes: Uint8Array, ...more: string[]): ReturnType<typeof env.run> => {
  writeFileSync(env.path("m.envelope"), bytes);
  return env.run(["decrypt", ...none, env.path("m.envelope"), ...more]);
};

const flipped = (position: number): Buffer => {
  const bytes = Buffer.from(message);
  bytes[position] = (bytes[position] ?? 0) ^ 1;
  return bytes;
};

describe("envelope decrypt", () => {
  it.each([
    ["not a message at all", () => randomBytes(5000), 3, "ERR_ENVELOPE_FORMAT"],
    ["nothing", () => Buffer.alloc(0), 3, "ERR_ENVELOPE_TRUNCATED"],
    ["another version", () => flipped(4), 3, "ERR_ENVELOPE_UNSUPPORTED"],
    ["padding that is not zero", () => flipped(HEADER - 1), 3, "ERR_ENVELOPE_FORMAT"],
    ["another key's label", () => flipped(40), 4, "ERR_ENVELOPE_NO_KEY"],
    ["an altered wrapped key", () => flipped(100), 3, "ERR_ENVELOPE_DECRYPT"],
    ["an altered salt", () => flipped(HEADER), 3, "ERR_ENVELOPE_DECRYPT"],
    ["an altered commitment", () => flipped(HEADER + 55), 3, "ERR_ENVELOPE_DECRYPT"],
    ["an altered first chunk", () => flipped(HEADER + 56), 3, "ERR_ENVELOPE_DECRYPT"],
    ["an altered last byte", () => flipped(message.length - 1), 3, "ERR_ENVELOPE_DECRYPT"],
    ["its last byte missing", () => message.subarray(0, -1), 3, "ERR_ENVELOPE_DECRYPT"],
    [
      "its last chunk missing",
      () => message.subarray(0, HEADER + 56 + 16_400 * 183),
      3,
      "ERR_ENVELOPE_TRUNCATED",
    ],
    ["a byte appended", () => Buffer.concat([message, Buffer.of(0)]), 3, "ERR_ENVELOPE_DECRYPT"],
    ["the header alone", () => message.subarray(0, HEADER), 3, "ERR_ENVELOPE_TRUNCATED"],
  ])("refuses %s, and leaves no byte of plaintext", async (_, bytes, code, error) => {
    const toFile = await decrypt(bytes(), "-o", env.path("y"), "--json");
    expect({ code: toFile.code, error: JSON.parse(toFile.stderr) }).toMatchObject({
      code,
      error: { error: { code: error, exitCode: code, path: env.path("m.envelope") } },
    });
    expect(existsSync(env.path("y"))).toBe(false);
    expect(temporaries(env.folder)).toEqual([]);
    const toStdout = await decrypt(bytes(), "-o", "-");
    expect(toStdout).toMatchObject({ code, stdout: Buffer.alloc(0) });
  });

  it("with --stream gives the authentic front of what turns out to be cut", async () => {
    const cut = flipped(message.length - 1);
    const { code, stdout } = await decrypt(cut, "-o", "-", "--stream");
    expect(code).toBe(3);
    expect(stdout.length).toBeGreaterThan(1_000_000);
    expect(plaintext.subarray(0, stdout.length).equals(stdout)).toBe(true);
  });

  it.each([
    ["another context", ["--context", "a=b"]],
    ["another aad", [...none, "--aad", "id=1"]],
  ])("refuses %s", async (_, args) => {
    const { code, stderr } = await env.run([
      "decrypt",
      ...args,
      env.path("x.envelope"),
      "-o",
      env.path("y"),
    ]);
    expect({ code, stderr }).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("ERR_ENVELOPE_DECRYPT"),
    });
    expect(existsSync(env.path("y"))).toBe(false);
  });

  it("reads a pipe, of which the length is not known", async () => {
    const args = ["decrypt", ...none, "-"];
    expect((await env.run(args, { input: message })).stdout.equals(plaintext)).toBe(true);
    for (const bytes of [
      message.subarray(0, -1),
      message.subarray(0, 2_000_000),
      message.subarray(0, 4),
    ]) {
      const { code, stdout } = await env.run(args, { input: bytes });
      expect({ code, bytes: stdout.length }).toEqual({ code: 3, bytes: 0 });
    }
  });

  it("reads the text form with any line break behind it, and says what is too long", async () => {
    const { stdout: text } = await env.run(["encrypt", ...none, "--text", "-"], {
      input: Buffer.from("hello"),
    });
    for (const end of ["", "\n", "\r\n"]) {
      const { stdout } = await decrypt(Buffer.from(text.toString().trimEnd() + end), "-o", "-");
      expect(stdout.toString()).toBe("hello");
    }
    for (const [bytes, named] of [
      ["env1.", "ERR_ENVELOPE_TRUNCATED"],
      ["env1.jkVOVg==", "ERR_ENVELOPE_FORMAT"],
      ["env1.\n\n", "ERR_ENVELOPE_FORMAT"],
      [`env1.${"A".repeat(2_000_000)}`, "ERR_ENVELOPE_FORMAT"],
    ] as const) {
      const { code, stderr } = await decrypt(Buffer.from(bytes), "-o", "-");
      expect({ code, stderr }).toMatchObject({
        code: 3,
        stderr: expect.stringContaining(named),
      });
    }
  });

  it("keeps the permissions of the message", async () => {
    chmodSync(env.path("x.envelope"), 0o640);
    await env.run(["decrypt", ...none, env.path("x.envelope"), "-o", env.path("y")]);
    expect(statSync(env.path("y")).mode & 0o777).toBe(0o640);
  });

  it("does not replace what is there", async () => {
    writeFileSync(env.path("y"), "old");
    const args = ["decrypt", ...none, env.path("x.envelope"), "-o", env.path("y")];
    expect((await env.run(args)).code).toBe(7);
    expect(readFileSync(env.path("y"), "utf8")).toBe("old");
    expect((await env.run([...args, "--force"])).code).toBe(0);
    expect(readFileSync(env.path("y")).equals(plaintext)).toBe(true);
  });

  it("reads the text form into a file", async () => {
    const input = Buffer.from("hello");
    const { stdout: text } = await env.run(["encrypt", ...none, "--text", "-"], { input });
    chmodSync(env.path("x.envelope"), 0o640);
    expect(await decrypt(text, "-o", env.path("y"))).toMatchObject({ code: 0 });
    expect(readFileSync(env.path("y"), "utf8")).toBe("hello");
  });

  it("does not write over the message, even with --force", async () => {
    const { code, stderr } = await decrypt(message, "-o", env.path("m.envelope"), "--force");
    expect({ code, stderr }).toMatchObject({ code: 7, stderr: expect.stringMatching(/the input/) });
    expect(readFileSync(env.path("m.envelope")).equals(message)).toBe(true);
  });

  it("finishes an interrupted rewrap first", async () => {
    await env.run(["keys", "rotate", "alias/app"]);
    await env.run(["rewrap", ...none, env.path("x.envelope")]);
    interruptRewrap(env.path("m.envelope"), message, readFileSync(env.path("x.envelope")));
    expect(
      await env.run(["decrypt", ...none, env.path("m.envelope"), "-o", env.path("y")]),
    ).toMatchObject({ code: 0 });
    expect(readFileSync(env.path("y")).equals(plaintext)).toBe(true);
    expect(readdirSync(env.folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("reads a message whose rewrap was interrupted, wherever the plaintext goes", async () => {
    await env.run(["keys", "rotate", "alias/app"]);
    await env.run(["rewrap", ...none, env.path("x.envelope")]);
    const after = readFileSync(env.path("x.envelope"));
    for (const more of [[], ["--stream"]]) {
      interruptRewrap(env.path("x.envelope"), message, after);
      const args = ["decrypt", ...none, env.path("x.envelope"), "-o", "-", ...more];
      expect((await env.run(args)).stdout.equals(plaintext)).toBe(true);
    }
    mkdirSync(env.path("d"));
    interruptRewrap(env.path("d/y.envelope"), message, after);
    expect(await env.run(["decrypt", ...none, "-r", env.path("d")])).toMatchObject({ code: 0 });
    expect(readFileSync(env.path("d/y")).equals(plaintext)).toBe(true);
  });

  it("reports a damaged message in a folder, and does not pass over it", async () => {
    mkdirSync(env.path("d"));
    const damaged = Buffer.from(message).fill(0, 0, 512);
    writeFileSync(env.path("d/1.envelope"), damaged);
    writeFileSync(env.path("d/2.envelope"), message);
    writeFileSync(env.path("d/3.envelope"), "");
    writeFileSync(env.path("d/notes"), "not a message");
    const { code, stderr } = await env.run(["decrypt", ...none, "-r", env.path("d"), "--json"]);
    expect(code).toBe(8);
    const errors = stderr.trim().split("\n");
    expect(errors.map((line) => JSON.parse(line).error)).toMatchObject([
      { code: "ERR_ENVELOPE_FORMAT", path: env.path("d/1.envelope") },
      { code: "ERR_ENVELOPE_TRUNCATED", path: env.path("d/3.envelope") },
      { code: "ERR_CLI_SOME_FAILED" },
    ]);
    expect(readFileSync(env.path("d/2")).equals(plaintext)).toBe(true);
  });

  it("tells how far it is, to the last byte of the message, wherever the plaintext goes", async () => {
    for (const target of [env.path("y"), "-"]) {
      const args = ["decrypt", ...none, env.path("x.envelope"), "-o", target];
      expect(await progressOf(() => env.run(args))).toBe(message.length);
    }
  });

  it("ends quietly where the reader of stdout is gone", async () => {
    const stdout = new Writable({
      write: (_, __, done) => done(Object.assign(new Error("EPIPE"), { code: "EPIPE" })),
    });
    stdout.on("error", () => undefined);
    const stderr = capture();
    const host = {
      stdin: Readable.from([]),
      stdout,
      stderr: stderr.stream,
      signal: new AbortController().signal,
    };
    const config = ["--config", env.path("envelope.config.json"), "--environment", "development"];
    expect(
      await main(["decrypt", ...none, env.path("x.envelope"), "-o", "-", ...config], host),
    ).toBe(0);
    expect(stderr.bytes().toString()).toBe("");
  });
});
