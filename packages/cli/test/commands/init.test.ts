import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateRootKey } from "@env/kms";
import { tempFolder } from "@env/testkit/folder";
import { afterEach, describe, expect, it, vi } from "vitest";
import type * as Files from "../../src/files.ts";
import { run, type Ran } from "../support/command.ts";

/** What goes wrong once the next file was written and has its name. */
const fault = vi.hoisted((): { next?: Error | undefined } => ({}));
vi.mock("../../src/files.ts", async (original) => {
  const files = await original<typeof Files>();
  const writeOutput: typeof Files.writeOutput = async (...args) => {
    const written = await files.writeOutput(...args);
    if (fault.next !== undefined) throw fault.next;
    return written;
  };
  return { ...files, writeOutput };
});

afterEach(() => {
  vi.unstubAllEnvs();
  fault.next = undefined;
});

const init = (folder: string, ...more: string[]): Promise<Ran> =>
  run([
    "init",
    "--keystore",
    join(folder, "dev.kms"),
    "--config",
    join(folder, "envelope.config.json"),
    ...more,
  ]);

const roundTrip = async (folder: string): Promise<string> => {
  const config = ["--config", join(folder, "envelope.config.json"), "--environment", "development"];
  const input = Buffer.from("hello");
  const { stdout: message } = await run(["encrypt", "--no-context", "-", ...config], { input });
  const { stdout } = await run(["decrypt", "--no-context", "-", ...config], { input: message });
  return stdout.toString();
};

describe("envelope init", () => {
  it.each(["dev.kms", "dev.kms.key", "envelope.config.json"])(
    "does not overwrite %s",
    async (name) => {
      const folder = tempFolder();
      writeFileSync(join(folder, name), "mine");
      const { code, stderr } = await init(folder);
      expect({ code, stderr }).toMatchObject({ code: 6, stderr: expect.stringContaining(name) });
      expect(readdirSync(folder)).toEqual([name]);
      expect(readFileSync(join(folder, name), "utf8")).toBe("mine");
    },
  );

  it.each([
    ["the alias is malformed", ["--alias", "app"], 2],
    ["the alias is reserved", ["--alias", "alias/aws/app"], 4],
    ["the configuration has no folder", ["--config", "/nowhere/at/all/x.json"], 7],
    ["the root key is of no known kind", ["--root", "cloud"], 2],
    ["the root key is nowhere", ["--root", "environment"], 2],
    ["there is no passphrase and nobody to ask", ["--root", "passphrase"], 6],
    ["a CMK is given", ["--cmk", "local-file:x?key=y"], 2],
  ])("makes nothing where %s", async (_, args, code) => {
    const folder = tempFolder();
    vi.stubEnv("ENVELOPE_PASSPHRASE", undefined);
    vi.stubEnv("ENVELOPE_ROOT_KEY", undefined);
    expect(await init(folder, ...args)).toMatchObject({ code });
    expect(readdirSync(folder)).toEqual([]);
  });

  it("adds an environment to a configuration, and keeps what is in it", async () => {
    const folder = tempFolder();
    await init(folder);
    const config = join(folder, "envelope.config.json");
    const before = JSON.parse(readFileSync(config, "utf8"));
    const ci = ["--keystore", join(folder, "ci.kms"), "--environment", "test"];
    expect((await init(folder, ...ci)).code).toBe(0);
    expect(JSON.parse(readFileSync(config, "utf8"))).toEqual({
      environments: {
        ...before.environments,
        test: { cmks: ["local-file:./ci.kms?key=alias/app"] },
      },
    });
    expect(await roundTrip(folder)).toBe("hello");
    // A second time it has nothing to add, and makes no keystore for it.
    const again = await init(folder, ...ci, "--keystore", join(folder, "third.kms"));
    expect(again).toMatchObject({ code: 7, stderr: expect.stringContaining('"test"') });
    expect(existsSync(join(folder, "third.kms"))).toBe(false);
  });

  it.each([
    ['{"environments": {}\n "x": 1}', "config.json:2:2: it is not valid JSON"],
    ["[]", "expected a JSON object"],
    ['{"environments": []}', 'expected an object in "environments"'],
  ])("makes nothing for a configuration %j that it cannot add to", async (text, problem) => {
    const folder = tempFolder();
    writeFileSync(join(folder, "envelope.config.json"), text);
    const { code, stderr } = await init(folder);
    expect({ code, stderr }).toMatchObject({ code: 6, stderr: expect.stringContaining(problem) });
    expect(readdirSync(folder)).toEqual(["envelope.config.json"]);
  });

  it("completes a run that was killed before its configuration was there", async () => {
    const folder = tempFolder();
    const first = await init(folder, "--json");
    const { keyId } = JSON.parse(first.stdout.toString());
    rmSync(join(folder, "envelope.config.json"));
    const second = await init(folder, "--json");
    expect(JSON.parse(second.stdout.toString())).toMatchObject({ keyId, existing: true });
    expect(await roundTrip(folder)).toBe("hello");
  });

  it("keeps the keystore of a configuration that is there and only not known to be on the disk", async () => {
    const folder = tempFolder();
    fault.next = Object.assign(new Error("EIO: i/o error, fsync"), { code: "EIO" });
    expect((await init(folder)).code).not.toBe(0);
    fault.next = undefined;
    expect(await roundTrip(folder)).toBe("hello");
  });

  it("completes a run that was killed before the keystore had its CMK", async () => {
    const folder = tempFolder();
    expect((await run(["kms", "create", "--keystore", join(folder, "dev.kms")])).code).toBe(0);
    expect((await init(folder)).code).toBe(0);
    expect(await roundTrip(folder)).toBe("hello");
  });

  it("does not take an existing keystore with another kind of root key for its own", async () => {
    const folder = tempFolder();
    await run(["kms", "create", "--keystore", join(folder, "dev.kms")]);
    vi.stubEnv("ENVELOPE_PASSPHRASE", "correct horse battery");
    expect((await init(folder, "--root", "passphrase")).code).toBe(2);
    expect(existsSync(join(folder, "envelope.config.json"))).toBe(false);
  });

  it("makes nothing when it is interrupted", async () => {
    const folder = tempFolder();
    const files = ["--keystore", join(folder, "dev.kms"), "--config", join(folder, "c.json")];
    const { code } = await run(["init", ...files], {
      signal: AbortSignal.abort(new Error("stop")),
    });
    expect(code).not.toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("does not write the root key to a file if the option asks for that", async () => {
    const folder = tempFolder();
    vi.stubEnv("ENVELOPE_ROOT_KEY", generateRootKey());
    const { code, stdout } = await init(folder, "--root", "environment");
    expect(code).toBe(0);
    expect(existsSync(join(folder, "dev.kms.key"))).toBe(false);
    expect(stdout.toString()).not.toContain("env-root-1");
    expect(await roundTrip(folder)).toBe("hello");
  });

  it("takes a passphrase from the environment, and the right one opens", async () => {
    const folder = tempFolder();
    vi.stubEnv("ENVELOPE_PASSPHRASE", "correct horse");
    expect((await init(folder, "--root", "passphrase")).code).toBe(0);
    expect(await roundTrip(folder)).toBe("hello");
    vi.stubEnv("ENVELOPE_PASSPHRASE", "wrong horse");
    const { code, stderr } = await run(["keys", "list", "--keystore", join(folder, "dev.kms")]);
    expect({ code, stderr }).toMatchObject({
      code: 6,
      stderr: expect.stringContaining("ROOT_KEY"),
    });
    expect(stderr).not.toContain("horse");
  });

  it("writes a path that needs encoding so that it is found again", async () => {
    const folder = tempFolder();
    const keystore = join(folder, "a b?#%ü.kms");
    expect((await init(folder, "--keystore", keystore)).code).toBe(0);
    expect(await roundTrip(folder)).toBe("hello");
  });
});
