import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { linkSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import type * as fsPromises from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { tempFolder } from "@env/testkit/folder";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { interrupted } from "../src/errors.ts";
import {
  betweenFiles,
  readPieces,
  readSource,
  requireOtherFile,
  streamInto,
  walk,
  writeAll,
  writeOutput,
  type Found,
} from "../src/files.ts";
import { collect } from "./support/command.ts";

/** Folders that cannot be listed. */
const unreadable = vi.hoisted(() => new Set<unknown>());

vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof fsPromises>();
  const readdir = async (path: string): Promise<string[]> => {
    if (!unreadable.has(path)) return real.readdir(path);
    throw Object.assign(new Error("EACCES"), { code: "EACCES", syscall: "scandir" });
  };
  return { ...real, readdir };
});

let folder: string;
let target: string;
beforeEach(() => {
  folder = tempFolder();
  target = join(folder, "target");
});
afterEach(() => unreadable.clear());

describe("writeOutput", () => {
  const write = (file: fsPromises.FileHandle): Promise<void> =>
    writeAll(file, [Buffer.from("new")]);
  const refused = (problem: RegExp): object => ({
    code: "ERR_CLI_FILE",
    message: expect.stringMatching(problem),
  });

  it("writes a file that is whole or not there", async () => {
    await writeOutput(target, {}, async (file) => {
      await write(file);
      expect(existsSync(target)).toBe(false);
    });
    expect(readFileSync(target, "utf8")).toBe("new");
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["target"]);
  });

  it.each([
    ["an existing file", /: it already exists$/, (): void => writeFileSync(target, "old")],
    ["a symbolic link", /: it is a symbolic link$/, (): void => symlinkSync("nowhere", target)],
    ["a folder", /: it is a folder$/, (): void => mkdirSync(target)],
  ])("says of %s what it is", async (_, problem, make) => {
    make();
    await expect(writeOutput(target, {}, write)).rejects.toMatchObject(refused(problem));
    expect(readdirSync(folder)).toEqual(["target"]);
  });

  it("says that somebody else is writing", async () => {
    await writeOutput(target, {}, async () => {
      const second = writeOutput(target, {}, write);
      await expect(second).rejects.toMatchObject(
        refused(/target: something else is writing to it/),
      );
    });
  });

  it("names the target, not the temporary file, where the folder is missing or the name too long", async () => {
    const missing = join(folder, "no", "x");
    await expect(writeOutput(missing, {}, write)).rejects.toMatchObject({
      message: `${missing}: there is no such file or folder`,
    });
    const long = join(folder, "a".repeat(256));
    await expect(writeOutput(long, {}, write)).rejects.toMatchObject({
      message: `${long}: the name is too long`,
    });
  });

  it("rethrows errors that are not about files", async () => {
    const stopped = writeOutput(target, {}, () => Promise.reject(interrupted()));
    await expect(stopped).rejects.toMatchObject({ code: "ERR_CLI_INTERRUPTED" });
  });
});

describe("writeAll", () => {
  const bytes = Buffer.from("0123456789");
  const pieces = [
    bytes.subarray(0, 3),
    bytes.subarray(3, 3),
    bytes.subarray(3, 4),
    bytes.subarray(4),
  ];

  it.each([0, 1, 3, 4, 9, 10])("writes the rest where the system takes %i of 10", async (some) => {
    await writeOutput(target, {}, (file) =>
      writeAll(
        new Proxy(file, {
          get: (real, name) =>
            name === "writev"
              ? () => real.write(bytes, 0, some)
              : (piece: Uint8Array, at: number) => real.write(piece, at, 1),
        }),
        pieces,
      ),
    );
    expect(readFileSync(target, "utf8")).toBe("0123456789");
  });
});

describe("streamInto", () => {
  it("passes on together, in order, what arrived while it was busy, and rethrows errors", async () => {
    const batches: string[][] = [];
    const stream = streamInto(async (pieces) => {
      batches.push(pieces.map(String));
      await Promise.resolve();
    });
    for (const piece of ["a", "b", "c"]) stream.write(Buffer.from(piece));
    await finished(stream.end());
    expect(batches).toEqual([["a"], ["b", "c"]]);
    const failing = streamInto(() => Promise.reject(interrupted()));
    await expect(finished(failing.end("x"))).rejects.toMatchObject({ code: "ERR_CLI_INTERRUPTED" });
  });
});

describe("betweenFiles", () => {
  const failing = (path: string) => (): Promise<never> =>
    Promise.reject(Object.assign(new Error("EIO"), { code: "EIO", syscall: "read", path }));

  it("names the file that an error is about", async () => {
    for (const [about, named] of [
      ["in", "in"],
      ["out", "out"],
      [".out.envelope-part", "out"],
    ] as const) {
      await expect(betweenFiles("in", "out", failing(about))).rejects.toMatchObject({
        message: `${named}: the device reports an error`,
      });
    }
  });
});

describe("requireOtherFile", () => {
  it("refuses the input by any name, and nothing else", async () => {
    writeFileSync(target, "");
    linkSync(target, join(folder, "hard"));
    writeFileSync(join(folder, "other"), "");
    for (const name of ["target", "hard", "./target"]) {
      await expect(requireOtherFile(target, join(folder, name))).rejects.toMatchObject({
        code: "ERR_CLI_FILE",
        message: expect.stringMatching(/: it is the input$/),
      });
    }
    for (const name of ["other", "absent"]) await requireOtherFile(target, join(folder, name));
    await requireOtherFile(join(folder, "absent"), target);
  });
});

describe("readPieces", () => {
  const MIB = 2 ** 20;
  const pieces = (after?: () => void): Promise<number[]> =>
    readSource(target, async (source) => {
      const lengths: number[] = [];
      for await (const piece of readPieces(source)) {
        lengths.push(piece.length);
        if (lengths.length === 1) after?.();
      }
      return lengths;
    });

  it("reads pieces of 1 MiB", async () => {
    writeFileSync(target, Buffer.alloc(2 * MIB + 5));
    expect(await pieces()).toEqual([MIB, MIB, 5]);
  });

  it.each([
    ["grows", (): void => writeFileSync(target, Buffer.alloc(3 * MIB))],
    ["shrinks", (): void => writeFileSync(target, Buffer.alloc(MIB))],
    ["is written anew at the same size", (): void => utimesSync(target, 1, 1)],
  ])("fails where the file %s meanwhile", async (_, change) => {
    writeFileSync(target, Buffer.alloc(2 * MIB));
    await expect(pieces(change)).rejects.toMatchObject({
      code: "ERR_CLI_FILE",
      message: expect.stringMatching(/something else is writing/),
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
    for (const name of [
      ".a.envelope.envelope-part",
      ".a.envelope.envelope-lock",
      ".a.envelope.envelope-journal",
      ".a.envelope",
    ]) {
      writeFileSync(join(folder, name), name);
    }
    const sizes = (await found()).map(({ path, size }) => [path.slice(folder.length + 1), size]);
    expect(sizes).toEqual([
      [".a.envelope", 11],
      [".a.envelope.envelope-journal", undefined],
      [".a.envelope.envelope-lock", undefined],
      [".a.envelope.envelope-part", undefined],
      ["a", 1],
      ["b/2", 2],
      ["c", undefined],
    ]);
  });

  it("says of a name that is not UTF-8 what it is", async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/bad`), Buffer.of(0xff)]), "");
    const [bad] = await found();
    expect(bad?.error).toMatchObject({ message: expect.stringContaining("not valid UTF-8") });
  });

  it("goes on where one folder cannot be read", async () => {
    mkdirSync(join(folder, "b"));
    writeFileSync(join(folder, "c"), "1");
    unreadable.add(join(folder, "b"));
    expect(await found()).toMatchObject([{ error: { code: "ERR_CLI_FILE" } }, { size: 1 }]);
  });
});
