import type * as FileSystem from "node:fs/promises";
import { existsSync, linkSync, readdirSync, writeFileSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";
import { keystoreFile } from "../src/own-files.ts";
import { project } from "./support/command.ts";

const opened = vi.hoisted(() => new Set<unknown>());
vi.mock("node:fs/promises", async (original) => {
  const fs = await original<typeof FileSystem>();
  const open: typeof fs.open = (path, ...more) => {
    opened.add(path);
    return fs.open(path, ...more);
  };
  return { ...fs, default: fs, open };
});
afterEach(() => opened.clear());

const none = ["--no-context"];

it("leaves keystores, root keys and the configuration alone in a folder, and says so", async () => {
  const env = await project();
  await env.run(["kms", "create", "--keystore", env.path("other.kms")]);
  writeFileSync(env.path("x"), "x");
  opened.clear();
  const { code, stdout } = await env.run(["encrypt", ...none, "-r", "--json", env.folder]);
  expect(code).toBe(0);
  const lines = stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const left = lines.filter(({ skipped }) => skipped !== undefined);
  const reasons = left.map(({ path, skipped }) => [path.slice(env.folder.length + 1), skipped]);
  expect(reasons).toEqual(
    expect.arrayContaining([
      ["dev.kms", "a keystore"],
      ["dev.kms.key", "a root key"],
      ["envelope.config.json", "the configuration"],
      ["other.kms", "a keystore"],
      ["other.kms.key", "a root key"],
    ]),
  );
  expect(lines.filter(({ input }) => input !== undefined)).toHaveLength(1);
  expect(readdirSync(env.folder).filter((name) => name.endsWith(".envelope"))).toEqual([
    "x.envelope",
  ]);
});

it.each(["encrypt", "decrypt", "verify", "cat", "rewrap"])(
  "%s does not open the keystore that it has a connection to as a file",
  async (command) => {
    const env = await project();
    linkSync(env.path("dev.kms"), env.path("hard.envelope"));
    for (const name of ["dev.kms", "dev.kms-wal", "hard.envelope"]) {
      if (!existsSync(env.path(name))) writeFileSync(env.path(name), "");
      opened.clear();
      const { code } = await env.run([command, ...none, env.path(name)]);
      expect({ name, code }).toEqual({ name, code: 2 });
      expect(opened).not.toContain(env.path(name));
    }
  },
);

it("knows a companion by the keystore beside it, and nothing else by its name", async () => {
  const env = await project();
  for (const name of ["dev.kms-journal", "notes.key", "notes-wal"]) {
    writeFileSync(env.path(name), "text");
  }
  expect(await keystoreFile(env.path("dev.kms"))).toBe("a keystore");
  expect(await keystoreFile(env.path("dev.kms-journal"))).toBe("a keystore");
  expect(await keystoreFile(env.path("dev.kms.key"))).toBe("a root key");
  expect(await keystoreFile(env.path("notes.key"))).toBeUndefined();
  expect(await keystoreFile(env.path("notes-wal"))).toBeUndefined();
});
