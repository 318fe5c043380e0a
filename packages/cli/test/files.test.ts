import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
} from "node:fs";
import { symlinkSync, utimesSync, writeFileSync } from "node:fs";
import type * as fsPromises from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { interrupted } from "../src/errors.ts";
import {
  readPieces,
  readSource,
  walk,
  writeAll,
  writeFileWhole,
  type Found,
} from "../src/files.ts";
import { collect, temporaries, testFolder } from "./support/command.ts";

type Failing = "link" | "rename" | "sync" | "write" | "open" | "chown" | "readdir";

/** Which calls fail, with which error; `open` and `readdir` only for the given path. */
const faults = vi.hoisted(() => new Map<Failing, { code: string; path?: string }>());

vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof fsPromises>();
  const fail = (call: Failing, path?: unknown): void => {
    const fault = faults.get(call);
    if (fault === undefined || (fault.path !== undefined && fault.path !== path)) return;
    throw Object.assign(new Error(fault.code), { code: fault.code, syscall: call });
  };
  const wrap =
    <A extends unknown[], T>(call: Failing, fn: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      fail(call, args[0]);
      return fn(...args);
    };
  const open: typeof real.open = async (...args) => {
    fail("open", args[0]);
    const file = await real.open(...args);
    return Object.assign(file, {
      sync: wrap("sync", file.sync.bind(file)),
      write: wrap("write", file.write.bind(file) as never),
      chown: wrap("chown", file.chown.bind(file)),
    });
  };
  return {
    ...real,
    open,
    link: wrap("link", real.link),
    rename: wrap("rename", real.rename),
    readdir: wrap("readdir", real.readdir as never),
  };
});

let folder: string;
let target: string;
const bytes = Buffer.from("new");
const write = (file: fsPromises.FileHandle): Promise<void> => writeAll(file, bytes);

beforeEach(() => {
  folder = testFolder();
  target = join(folder, "target");
});
afterEach(() => faults.clear());

/** Nothing but what is listed: no temporary, no target. */
const expectFolder = (...names: string[]): void =>
  expect(readdirSync(folder).toSorted()).toEqual(names);

describe("writeFileWhole", () => {
  it("writes a file only its owner may read", async () => {
    await writeFileWhole(target, { overwrite: false }, write);
    expect(readFileSync(target)).toEqual(bytes);
    expect(statSync(target).mode & 0o7777).toBe(0o600);
    expectFolder("target");
  });

  it("takes permissions over from another file, without set-id bits", async () => {
    const other = join(folder, "other");
    writeFileSync(other, "");
    chmodSync(other, 0o4751);
    const like = statSync(other, { bigint: true });
    await writeFileWhole(target, { overwrite: false, like }, write);
    expect(statSync(target).mode & 0o7777).toBe(0o751);
  });

  it("shows nothing under the name before everything is written", async () => {
    await writeFileWhole(target, { overwrite: false }, async (file) => {
      await write(file);
      expect(existsSync(target)).toBe(false);
      const [temporary = ""] = temporaries(folder);
      expect(temporary).toMatch(/^\.target\.[0-9a-f]{16}\.tmp$/);
      expect(statSync(join(folder, temporary)).mode & 0o777).toBe(0o600);
    });
  });

  it("refuses an existing file, before it asks for the content", async () => {
    writeFileSync(target, "old");
    const content = vi.fn<typeof write>(write);
    const refused = writeFileWhole(target, { overwrite: false }, content);
    await expect(refused).rejects.toMatchObject({
      code: "ERR_CLI_FILE",
      message: expect.stringMatching(/exists already/),
    });
    expect(content).not.toHaveBeenCalled();
    expect(readFileSync(target, "utf8")).toBe("old");
  });

  it("refuses a file that came into being while it wrote", async () => {
    const refused = writeFileWhole(target, { overwrite: false }, async (file) => {
      await write(file);
      writeFileSync(target, "somebody else's");
    });
    await expect(refused).rejects.toMatchObject({
      code: "ERR_CLI_FILE",
      message: expect.stringMatching(/exists already/),
    });
    expect(readFileSync(target, "utf8")).toBe("somebody else's");
    expectFolder("target");
  });

  it("replaces one where it was told to", async () => {
    writeFileSync(target, "old");
    await writeFileWhole(target, { overwrite: true }, write);
    expect(readFileSync(target)).toEqual(bytes);
    expectFolder("target");
  });

  it("never replaces a symbolic link or a device", async () => {
    writeFileSync(join(folder, "victim"), "old");
    symlinkSync("victim", target);
    for (const path of [target, "/dev/null"]) {
      const refused = writeFileWhole(path, { overwrite: true }, write);
      await expect(refused).rejects.toMatchObject({
        code: "ERR_CLI_FILE",
        message: expect.stringMatching(/it exists and is/),
      });
    }
    expect(readFileSync(target, "utf8")).toBe("old");
  });

  describe("without hard links", () => {
    beforeEach(() => void faults.set("link", { code: "EPERM" }));

    it("still writes", async () => {
      await writeFileWhole(target, { overwrite: false }, write);
      expect(readFileSync(target)).toEqual(bytes);
      expectFolder("target");
    });

    it("still refuses a file that came into being while it wrote", async () => {
      const refused = writeFileWhole(target, { overwrite: false }, async (file) => {
        await write(file);
        writeFileSync(target, "somebody else's");
      });
      await expect(refused).rejects.toMatchObject({
        message: expect.stringMatching(/exists already/),
      });
      expect(readFileSync(target, "utf8")).toBe("somebody else's");
      expectFolder("target");
    });

    it("takes its placeholder away where the rename fails", async () => {
      faults.set("rename", { code: "EIO" });
      const failed = writeFileWhole(target, { overwrite: false }, write);
      await expect(failed).rejects.toMatchObject({ code: "ERR_CLI_FILE" });
      expectFolder();
    });
  });

  it.each([
    ["write", "ENOSPC", "no space"],
    ["sync", "EIO", "device"],
    ["link", "EIO", "device"],
  ] as const)("leaves nothing where %s fails", async (call, code, message) => {
    faults.set(call, { code });
    const failed = writeFileWhole(target, { overwrite: false }, write);
    await expect(failed).rejects.toMatchObject({
      code: "ERR_CLI_FILE",
      message: expect.stringContaining(message),
    });
    expectFolder();
  });

  it.each(["write", "sync", "rename"] as const)(
    "keeps the old file where %s fails",
    async (call) => {
      writeFileSync(target, "old");
      faults.set(call, { code: "ENOSPC" });
      const failed = writeFileWhole(target, { overwrite: true }, write);
      await expect(failed).rejects.toMatchObject({ code: "ERR_CLI_FILE" });
      expect(readFileSync(target, "utf8")).toBe("old");
      expectFolder("target");
    },
  );

  it("goes on where the owner cannot be given", async () => {
    faults.set("chown", { code: "EPERM" });
    const stats = statSync(folder, { bigint: true });
    const like = Object.assign(stats, { uid: stats.uid + 1n, mode: 0o640n });
    await writeFileWhole(target, { overwrite: false, like }, write);
    expect(statSync(target).mode & 0o777).toBe(0o640);
  });

  it("leaves nothing when it is interrupted, even after the last byte", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const stopped = writeFileWhole(target, { overwrite: false, signal }, async (file) => {
      await write(file);
      controller.abort(interrupted());
    });
    await expect(stopped).rejects.toMatchObject({ code: "ERR_CLI_INTERRUPTED" });
    expectFolder();
  });

  it("does not replace a file that somebody else has replaced", async () => {
    writeFileSync(target, "old");
    const replaces = statSync(target, { bigint: true });
    const refused = writeFileWhole(target, { overwrite: true, replaces }, async (file) => {
      await write(file);
      linkSync(target, join(folder, "keeps the inode"));
      writeFileSync(target, "newer");
    });
    await expect(refused).rejects.toMatchObject({
      code: "ERR_CLI_FILE",
      message: expect.stringMatching(/changed/),
    });
    expect(readFileSync(target, "utf8")).toBe("newer");
    expect(temporaries(folder)).toEqual([]);
  });

  it("takes names as long as the file system does", async () => {
    const long = join(folder, "ä".repeat(127));
    await writeFileWhole(long, { overwrite: false }, write);
    expect(readFileSync(long)).toEqual(bytes);
    const tooLong = writeFileWhole(join(folder, "a".repeat(256)), { overwrite: false }, write);
    await expect(tooLong).rejects.toMatchObject({
      code: "ERR_CLI_FILE",
      message: expect.stringMatching(/too long/),
    });
  });

  it("names the target where its folder is not there", async () => {
    const failed = writeFileWhole(join(folder, "no", "x"), { overwrite: false }, write);
    await expect(failed).rejects.toMatchObject({
      code: "ERR_CLI_FILE",
      message: expect.stringMatching(/no such/),
    });
  });
});

describe("readPieces", () => {
  const MIB = 2 ** 20;
  const pieces = (after?: () => void, start = 0): Promise<number[]> =>
    readSource(target, async (source) => {
      const lengths: number[] = [];
      for await (const piece of readPieces(source, { start })) {
        lengths.push(piece.length);
        if (lengths.length === 1) after?.();
      }
      return lengths;
    });

  it("reads from where it is told, in pieces of 1 MiB", async () => {
    writeFileSync(target, Buffer.alloc(2 * MIB + 5));
    expect(await pieces()).toEqual([MIB, MIB, 5]);
    expect(await pieces(undefined, MIB + 1)).toEqual([MIB, 4]);
  });

  it.each([
    ["grows", (): void => writeFileSync(target, Buffer.alloc(3 * MIB))],
    ["shrinks", (): void => writeFileSync(target, Buffer.alloc(MIB))],
    ["is written anew at the same size", (): void => utimesSync(target, 1, 1)],
  ])("fails where the file %s meanwhile", async (_, change) => {
    writeFileSync(target, Buffer.alloc(2 * MIB));
    await expect(pieces(change)).rejects.toMatchObject({
      code: "ERR_CLI_FILE",
      message: expect.stringMatching(/changed/),
    });
  });

  it("reads what has no size", async () => {
    target = "/dev/null";
    expect(await pieces()).toEqual([]);
  });

  it("says that a folder is one", async () => {
    target = folder;
    await expect(pieces()).rejects.toMatchObject({
      code: "ERR_CLI_FILE",
      message: expect.stringMatching(/folder/),
    });
  });
});

describe("walk", () => {
  const found = async (): Promise<Found[]> => collect(walk(folder));

  it("finds files by name, and tells what it leaves alone", async () => {
    mkdirSync(join(folder, "b"));
    writeFileSync(join(folder, "b", "2"), "12");
    writeFileSync(join(folder, "a"), "1");
    symlinkSync("/", join(folder, "c"));
    writeFileSync(join(folder, ".a.env.0123456789abcdef.tmp"), "ours");
    writeFileSync(join(folder, ".a.tmp"), "theirs");
    const sizes = (await found()).map(({ path, size }) => [path.slice(folder.length + 1), size]);
    expect(sizes).toEqual([
      [".a.env.0123456789abcdef.tmp", undefined],
      [".a.tmp", 6],
      ["a", 1],
      ["b/2", 2],
      ["c", undefined],
    ]);
  });

  it("goes on where one folder cannot be read", async () => {
    mkdirSync(join(folder, "b"));
    writeFileSync(join(folder, "c"), "1");
    faults.set("readdir", { code: "EACCES", path: join(folder, "b") });
    expect(await found()).toMatchObject([{ error: { code: "ERR_CLI_FILE" } }, { size: 1 }]);
  });
});
