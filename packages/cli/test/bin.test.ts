import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  bin,
  ended,
  environment,
  project,
  run as runAnywhere,
  start,
  temporaries,
  type Ended,
} from "./support/command.ts";

const none = ["--no-context"];
const big = randomBytes(48_000_000);

type Project = Awaited<ReturnType<typeof project>>;

const decrypted = async ({ path, run }: Project, name: string): Promise<Buffer> =>
  (await run(["decrypt", ...none, path(name), "-o", "-"])).stdout;

/** That of the configuration, and another: more than fits into a header without padding. */
const twoCmks = ({ path }: Project): string[] =>
  ["app", "next"].flatMap((name) => ["--cmk", `local-file:${path("dev.kms")}?key=alias/${name}`]);

/**
 * Starts the command over and over until it is hit by `signal` while its temporary file is there: how
 * fast it is depends on the machine.
 */
async function hit(
  { folder }: Project,
  args: readonly string[],
  signal: NodeJS.Signals,
  prepare: () => Promise<void> | void,
): Promise<Ended> {
  for (;;) {
    await prepare();
    const child = start(args, folder);
    const end = ended(child);
    while (child.exitCode === null && temporaries(folder).length === 0) await sleep(1);
    child.kill(signal);
    const result = await end;
    const killed = result.signal === "SIGKILL" && temporaries(folder).length === 1;
    if (killed || result.code === 130) return result;
  }
}

describe("an interrupted encrypt", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "leaves nothing on %s, and exit code 130",
    async (signal) => {
      const env = await project();
      writeFileSync(env.path("x"), big);
      const prepare = (): void => rmSync(env.path("x.envelope"), { force: true });
      const { code, stderr } = await hit(env, ["encrypt", ...none, "x"], signal, prepare);
      expect({ code, stderr }).toEqual({ code: 130, stderr: "error: interrupted\n" });
      expect(readdirSync(env.folder).toSorted()).toEqual([
        "dev.kms",
        "dev.kms.key",
        "envelope.config.json",
        "x",
      ]);
      expect(readFileSync(env.path("x")).equals(big)).toBe(true);
    },
  );

  it("leaves at most a temporary file on SIGKILL, and never half a target", async () => {
    const env = await project();
    writeFileSync(env.path("x"), big);
    const prepare = (): void => rmSync(env.path("x.envelope"), { force: true });
    await hit(env, ["encrypt", ...none, "x"], "SIGKILL", prepare);
    expect(existsSync(env.path("x.envelope"))).toBe(false);
    expect(temporaries(env.folder)).toEqual([".x.envelope.envelope-part"]);
    expect(readFileSync(env.path("x")).equals(big)).toBe(true);
    expect((await env.run(["encrypt", ...none, env.path("x")])).code).toBe(0);
    expect((await decrypted(env, "x.envelope")).equals(big)).toBe(true);
    expect(readdirSync(env.folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("keeps the old target with --force", async () => {
    const env = await project();
    writeFileSync(env.path("x"), big);
    const prepare = (): void => writeFileSync(env.path("x.envelope"), "old");
    await hit(env, ["encrypt", ...none, "--force", "x"], "SIGKILL", prepare);
    expect(readFileSync(env.path("x.envelope"), "utf8")).toBe("old");
  });

  it("ends though it waits for a pipe that nobody writes to", async () => {
    const env = await project();
    expect(spawnSync("mkfifo", [env.path("pipe")]).status).toBe(0);
    let result: Ended;
    let wait = 500;
    do {
      wait *= 2;
      const child = start(["encrypt", ...none, "pipe", "-o", "x.envelope"], env.folder);
      const end = ended(child);
      await sleep(wait);
      child.kill("SIGINT");
      child.kill("SIGINT");
      result = await end;
      expect(existsSync(env.path("x.envelope"))).toBe(false);
      // A slow machine had not begun to wait for the pipe: the command ended by itself.
    } while (result.code === 130);
    expect(result).toMatchObject({ signal: "SIGINT" });
  });
});

describe("a command that cannot be interrupted", () => {
  it("ends all the same after a signal, and leaves nothing half-written", async () => {
    const env = await project();
    expect(spawnSync("mkfifo", [env.path("pipe")]).status).toBe(0);
    const child = start(["encrypt", ...none, "pipe", "-o", "x.envelope"], env.folder);
    const end = ended(child);
    const writer = await open(env.path("pipe"), "w"); // And writes nothing.
    while (temporaries(env.folder).length === 0) await sleep(5);
    child.kill("SIGINT");
    expect(await end).toMatchObject({ signal: "SIGINT" });
    await writer.close();
    expect(readdirSync(env.folder).filter((name) => name.includes("x.envelope"))).toEqual([]);
  });
});

describe("an interrupted rewrap", () => {
  it.each(["SIGINT", "SIGKILL"] as const)("leaves the message as it was on %s", async (signal) => {
    const env = await project();
    writeFileSync(env.path("x"), big);
    // Without padding in its header, which a second CMK does not fit into: a copy, which takes a while.
    const { stdout: before } = await env.run(["encrypt", ...none, env.path("x"), "-o", "-"]);
    await env.run(["keys", "create", "--alias", "alias/next"]);
    const prepare = (): void => {
      for (const name of temporaries(env.folder)) rmSync(env.path(name));
      writeFileSync(env.path("x.envelope"), before);
    };
    await hit(env, ["rewrap", ...none, ...twoCmks(env), "x.envelope"], signal, prepare);
    expect(readFileSync(env.path("x.envelope")).equals(before)).toBe(true);
    expect((await decrypted(env, "x.envelope")).equals(big)).toBe(true);
    expect(temporaries(env.folder)).toEqual(
      signal === "SIGKILL" ? [".x.envelope.envelope-part"] : [],
    );
    // The next one goes on from there, whether it has anything to write or not.
    expect((await env.run(["rewrap", ...none, env.path("x.envelope")])).code).toBe(0);
    expect(readdirSync(env.folder).filter((name) => name.startsWith("."))).toEqual([]);
    expect((await decrypted(env, "x.envelope")).equals(big)).toBe(true);
  });
});

describe("a file system that does not take the file", () => {
  /** A file system of its own, of `size`; only root may make one. */
  const mount = (path: string, options: string): string | undefined => {
    mkdirSync(path);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]);
    if (mounted.status !== 0) return `a tmpfs cannot be mounted here: ${String(mounted.stderr)}`;
    onTestFinished(() => void spawnSync("umount", ["-l", path]));
    return undefined;
  };

  it("is reported where it is full, and keeps what it has", async (ctx) => {
    const env = await project();
    const problem = mount(env.path("small"), "size=4m");
    if (problem !== undefined) ctx.skip(problem);
    writeFileSync(env.path("x"), big);
    const full = await env.run([
      "encrypt",
      ...none,
      env.path("x"),
      "-o",
      env.path("small/x.envelope"),
    ]);
    expect(full).toMatchObject({ code: 7, stderr: expect.stringContaining("no space") });
    expect(readdirSync(env.path("small"))).toEqual([]);

    writeFileSync(env.path("y"), big.subarray(0, 3_000_000));
    const { stdout: before } = await env.run(["encrypt", ...none, env.path("y"), "-o", "-"]);
    writeFileSync(env.path("small/y.envelope"), before);
    await env.run(["keys", "create", "--alias", "alias/next"]);
    const rewrap = await runAnywhere([
      "rewrap",
      ...none,
      ...twoCmks(env),
      env.path("small/y.envelope"),
    ]);
    expect(rewrap).toMatchObject({ code: 7, stderr: expect.stringContaining("no space") });
    expect(readdirSync(env.path("small"))).toEqual(["y.envelope"]);
    expect(readFileSync(env.path("small/y.envelope")).equals(before)).toBe(true);
    expect((await decrypted(env, "small/y.envelope")).equals(big.subarray(0, 3_000_000))).toBe(
      true,
    );
  });

  it("is reported where it is read-only", async (ctx) => {
    const env = await project();
    const problem = mount(env.path("fixed"), "size=1m,ro");
    if (problem !== undefined) ctx.skip(problem);
    writeFileSync(env.path("x"), "hello");
    const { code, stderr } = await env.run([
      "encrypt",
      ...none,
      env.path("x"),
      "-o",
      env.path("fixed/x.envelope"),
    ]);
    expect({ code, stderr }).toMatchObject({
      code: 7,
      stderr: expect.stringContaining("read-only"),
    });
  });

  it("is reported where the folder belongs to somebody else", async (ctx) => {
    if (process.getuid?.() === 0) ctx.skip("root may write everywhere");
    const env = await project();
    mkdirSync(env.path("closed"), { mode: 0o500 });
    writeFileSync(env.path("x"), "hello");
    const { code, stderr } = await env.run([
      "encrypt",
      ...none,
      env.path("x"),
      "-o",
      env.path("closed/x.envelope"),
    ]);
    expect({ code, stderr }).toMatchObject({
      code: 7,
      stderr: expect.stringContaining("permission"),
    });
  });
});

describe("the executable", () => {
  it("ends quietly and with 0 where the reader closes the pipe", async () => {
    const env = await project();
    writeFileSync(env.path("x"), big);
    await env.run(["encrypt", ...none, env.path("x")]);
    for (const more of [[], ["--stream"]]) {
      const args = [bin, "decrypt", ...none, "x.envelope", "-o", "-", ...more];
      const child = spawn(process.execPath, args, { cwd: env.folder, env: environment() });
      const errors: Buffer[] = [];
      child.stderr.on("data", (data: Buffer) => errors.push(data));
      child.stdout.once("data", () => child.stdout.destroy());
      const code = await new Promise((resolve) => child.once("exit", resolve));
      expect({ code, stderr: Buffer.concat(errors).toString() }).toEqual({ code: 0, stderr: "" });
    }
  });

  it("leaves no plaintext behind in the temporary folder", async () => {
    const env = await project();
    mkdirSync(env.path("tmp"));
    writeFileSync(env.path("x"), Buffer.alloc(70_000_000));
    await env.run(["encrypt", ...none, env.path("x")]);
    const args = [bin, "decrypt", ...none, "x.envelope", "-o", "-"];
    const child = spawn(process.execPath, args, {
      cwd: env.folder,
      env: environment({ TMPDIR: env.path("tmp") }),
    });
    const end = ended(child);
    const { code, stdout } = await end;
    expect({ code, bytes: stdout.length }).toEqual({ code: 0, bytes: 70_000_000 });
    expect(readdirSync(env.path("tmp"))).toEqual([]);
  });

  it("starts with a shebang, so that it can be installed as a command", () => {
    expect(readFileSync(bin, "utf8").split("\n")[0]).toBe("#!/usr/bin/env node");
  });

  it("prints a stack for whoever asks for it, and else none", async () => {
    const env = await project();
    writeFileSync(env.path("x"), "no message");
    for (const debug of ["0", "1"]) {
      const args = [bin, "inspect", "x"];
      const child = spawn(process.execPath, args, {
        cwd: env.folder,
        env: environment({ ENVELOPE_DEBUG: debug }),
      });
      const { stderr } = await ended(child);
      expect(stderr.includes("    at ")).toBe(debug === "1");
    }
  });
});

describe("the executable", () => {
  const manifest = readFileSync(join(import.meta.dirname, "../package.json"), "utf8");
  const { engines } = JSON.parse(manifest) as { engines: { node: string } };

  it.each([
    ["20.19.0", 1, `error: envelope needs Node ${engines.node}; this is v20.19.0\n`],
    ["22.12.0", 1, `error: envelope needs Node ${engines.node}; this is v22.12.0\n`],
    ["22.13.0", 0, ""],
  ])("on Node %s ends with %d", (version, status, problem) => {
    const pretended = `Object.defineProperties(process, {
      version: { value: "v${version}" }, versions: { value: { node: "${version}" } },
    });`;
    const args = ["--import", `data:text/javascript,${encodeURIComponent(pretended)}`];
    const child = spawnSync(process.execPath, [...args, bin, "--version"], {
      env: environment(),
      encoding: "utf8",
    });
    expect(child.stderr.split("hint:")[0]).toBe(problem);
    expect(child.status).toBe(status);
  });
});
