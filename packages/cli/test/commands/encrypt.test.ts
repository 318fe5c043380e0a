import { randomBytes } from "node:crypto";
import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import {
  capture,
  progressOf,
  project,
  run as runAnywhere,
  temporaries,
} from "../support/command.ts";
import { interrupted } from "../../src/errors.ts";
import { main } from "../../src/main.ts";

const none = ["--no-context"];

describe("envelope encrypt", () => {
  it.each([
    ["an empty file", Buffer.alloc(0)],
    ["one byte", Buffer.from("x")],
    ["exactly one chunk", randomBytes(16_384)],
    ["one byte less than a piece", randomBytes(2 ** 20 - 1)],
    ["16 MiB of zeros", Buffer.alloc(2 ** 24)],
  ])("%s comes back as it was", async (_, plaintext) => {
    const { path, run } = await project();
    writeFileSync(path("x"), plaintext);
    expect(await run(["encrypt", "--context", "a=b", path("x")])).toMatchObject({ code: 0 });
    expect(
      await run(["decrypt", "--context", "a=b", path("x.envelope"), "-o", path("y")]),
    ).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect(readFileSync(path("y")).equals(plaintext)).toBe(true);
    expect(readFileSync(path("x")).equals(plaintext)).toBe(true);
  });

  it("pads the header of files to a page, and not that of stdout", async () => {
    const { path, run } = await project();
    writeFileSync(path("x"), "hello");
    await run(["encrypt", ...none, path("x")]);
    const { stdout } = await run(["encrypt", ...none, "-o", "-", path("x")]);
    await run(["encrypt", ...none, "-", "-o", path("y.envelope")], { input: Buffer.from("hello") });
    for (const name of ["x.envelope", "y.envelope"]) {
      expect(statSync(path(name)).size).toBe(4096 + 56 + 5 + 16);
    }
    expect(stdout.length).toBeLessThan(300);
  });

  it("keeps the permissions of the source, and 0600 for what comes from a pipe", async () => {
    const { path, run } = await project();
    writeFileSync(path("x"), "hello");
    chmodSync(path("x"), 0o604);
    await run(["encrypt", ...none, path("x")]);
    await run(["encrypt", ...none, "-", "-o", path("y.envelope")], { input: Buffer.from("hello") });
    expect(statSync(path("x.envelope")).mode & 0o777).toBe(0o604);
    expect(statSync(path("y.envelope")).mode & 0o777).toBe(0o600);
  });

  it("writes the text form where it is asked to, and only as long as it may be", async () => {
    const { path, run } = await project();
    writeFileSync(path("x"), "hello");
    expect(await run(["encrypt", ...none, "--text", path("x")])).toMatchObject({ code: 0 });
    expect(readFileSync(path("x.envelope"), "latin1")).toMatch(/^env1\.[\w-]+\n$/);
    expect((await run(["decrypt", ...none, path("x.envelope"), "-o", "-"])).stdout.toString()).toBe(
      "hello",
    );
    writeFileSync(path("y"), Buffer.alloc(2 ** 20 + 1));
    expect(await run(["encrypt", ...none, "--text", path("y")])).toMatchObject({ code: 2 });
    expect(existsSync(path("y.envelope"))).toBe(false);
  });

  it.each([
    ["grows", (path: string): void => appendFileSync(path, "more")],
    ["shrinks", (path: string): void => truncateSync(path, 100)],
  ])("refuses a file that %s while it is read", async (_, change) => {
    const { folder, path, run } = await project();
    writeFileSync(path("x"), Buffer.alloc(50_000_000));
    const running = run(["encrypt", ...none, path("x")]);
    while (temporaries(folder).length === 0) await new Promise(setImmediate);
    change(path("x"));
    expect(await running).toMatchObject({
      code: 7,
      stderr: expect.stringContaining("something else is writing to it"),
    });
    expect(existsSync(path("x.envelope"))).toBe(false);
    expect(temporaries(folder)).toEqual([]);
  });

  it("tells how far it is, to the last byte, wherever the message goes", async () => {
    const { path, run } = await project();
    writeFileSync(path("x"), Buffer.alloc(3_000_000));
    for (const target of [path("x.envelope"), "-"]) {
      const args = ["encrypt", ...none, path("x"), "-o", target];
      expect(await progressOf(() => run(args))).toBe(3_000_000);
    }
  });

  it("leaves nothing where the KMS refuses", async () => {
    const { folder, path, run } = await project();
    writeFileSync(path("x"), "hello");
    await run(["keys", "disable", "alias/app"]);
    const { code, stderr } = await run(["encrypt", ...none, path("x")]);
    expect({ code, stderr }).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("KEY_STATE"),
    });
    expect(existsSync(path("x.envelope"))).toBe(false);
    expect(temporaries(folder)).toEqual([]);
  });

  it("stops between two pieces when it is interrupted", async () => {
    const { folder, path, run } = await project();
    const controller = new AbortController();
    const input = new Readable({ read: () => undefined });
    input.push(Buffer.alloc(3_000_000));
    const running = run(["encrypt", ...none, "-", "-o", path("x.envelope")], {
      input,
      signal: controller.signal,
    });
    while (temporaries(folder).length === 0) await new Promise(setImmediate);
    controller.abort(new Error("stop"));
    expect((await running).code).not.toBe(0);
    expect(existsSync(path("x.envelope"))).toBe(false);
    expect(temporaries(folder)).toEqual([]);
  });

  it("is interrupted as a whole, not file by file", async () => {
    const { folder, path, run } = await project();
    for (const name of ["x", "y"]) writeFileSync(path(name), Buffer.alloc(20_000_000));
    const controller = new AbortController();
    const { signal } = controller;
    const running = run(["encrypt", ...none, path("x"), path("y")], { signal });
    while (temporaries(folder).length === 0) await new Promise(setImmediate);
    controller.abort(interrupted());
    expect(await running).toMatchObject({ code: 130, stderr: "error: interrupted\n" });
    expect(existsSync(path("x.envelope")) || existsSync(path("y.envelope"))).toBe(false);
  });

  it("does not write binary to a terminal", async () => {
    const { path, folder } = await project();
    writeFileSync(path("x"), "hello");
    const [stdout, stderr] = [capture(), capture()];
    const host = {
      stdin: Readable.from([]),
      stdout: Object.assign(stdout.stream, { isTTY: true }),
      stderr: stderr.stream,
      signal: new AbortController().signal,
    };
    expect(await main(["encrypt", ...none, "-o", "-", path("x"), "--config", folder], host)).toBe(
      2,
    );
    expect(stdout.bytes()).toHaveLength(0);
  });

  it("goes through folders without following links, and does not encrypt twice", async () => {
    const { path, run } = await project();
    mkdirSync(path("d/e"), { recursive: true });
    writeFileSync(path("d/e/x"), "hello");
    writeFileSync(path("outside"), "hello");
    symlinkSync("../outside", path("d/link"));
    expect(await run(["encrypt", ...none, "--recursive", path("d")])).toMatchObject({ code: 0 });
    expect(existsSync(path("d/e/x.envelope"))).toBe(true);
    expect(existsSync(path("d/link.envelope"))).toBe(false);
    await run(["encrypt", ...none, "--recursive", "--force", path("d")]);
    expect(existsSync(path("d/e/x.envelope.envelope"))).toBe(false);
  });

  it("reports a damaged message in a folder, and does not encrypt it as plaintext", async () => {
    const { path, run } = await project();
    mkdirSync(path("d"));
    writeFileSync(path("d/plain"), "hello");
    await run(["encrypt", ...none, path("d/plain"), "-o", path("d/1.envelope")]);
    const damaged = readFileSync(path("d/1.envelope")).fill(0, 0, 512);
    writeFileSync(path("d/1.envelope"), damaged);
    writeFileSync(path("d/2.envelope"), "");
    const { code, stderr } = await run(["encrypt", ...none, "-r", path("d"), "--json"]);
    expect(code).toBe(8);
    const errors = stderr.trim().split("\n");
    expect(errors.map((line) => JSON.parse(line).error)).toMatchObject([
      { code: "ERR_ENVELOPE_FORMAT", path: path("d/1.envelope") },
      { code: "ERR_ENVELOPE_FORMAT", path: path("d/2.envelope") },
      { code: "ERR_CLI_SOME_FAILED" },
    ]);
    expect(readdirSync(path("d")).toSorted()).toEqual([
      "1.envelope",
      "2.envelope",
      "plain",
      "plain.envelope",
    ]);
    expect(readFileSync(path("d/1.envelope")).equals(damaged)).toBe(true);
  });

  it("encrypts a file that is named like a message only where the result is named", async () => {
    const { path, run } = await project();
    mkdirSync(path("d"));
    for (const content of ["plaintext", "message"]) {
      writeFileSync(path("x"), "hello");
      if (content === "message") await run(["encrypt", ...none, path("x")]);
      else writeFileSync(path("x.envelope"), "hello");
      for (const more of [[], ["--force"], ["-o", path("d")]]) {
        const refused = await run(["encrypt", ...none, path("x.envelope"), ...more]);
        expect(refused.code).toBe(2);
        expect(refused.stderr).toContain("its name already ends in .envelope");
        expect(existsSync(path("x.envelope.envelope"))).toBe(false);
      }
      expect(readdirSync(path("d"))).toEqual([]);
      const named = ["encrypt", ...none, path("x.envelope"), "-o", path("y"), "--force"];
      expect(await run(named)).toMatchObject({ code: 0 });
      await run(["decrypt", ...none, path("y"), "-o", path("z"), "--force"]);
      expect(readFileSync(path("z")).equals(readFileSync(path("x.envelope")))).toBe(true);
      rmSync(path("x.envelope"));
    }
  });

  it("never prints key material", async () => {
    const { path, run } = await project();
    writeFileSync(path("x"), "hello");
    const root = readFileSync(path("dev.kms.key"), "utf8").trim().slice("env-root-1.".length);
    const commands = [
      ["keys", "list", "--json"],
      ["keys", "show", "alias/app", "--json"],
      ["encrypt", ...none, path("x")],
      ["inspect", path("x.envelope"), "--json"],
    ];
    for (const args of commands) {
      const { stdout, stderr } = await run(args);
      expect(stdout.toString() + stderr).not.toContain(root);
    }
  });
});

it("wants a context before it looks for a configuration", async () => {
  expect(await runAnywhere(["encrypt", "x"])).toMatchObject({ code: 2 });
});
