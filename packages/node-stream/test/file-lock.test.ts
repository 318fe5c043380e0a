import { execFileSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs, { linkSync, renameSync, symlinkSync, type StatSyncOptions } from "node:fs";
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  symlink,
  writeFile,
} from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { tempFolder } from "@env/testkit/folder";
import { forked, program } from "@env/testkit/programs";
import { beforeEach, describe, expect, it } from "vitest";
import { lockPath, withFileLock } from "../src/file-lock.ts";

let folder = "";
let path = "";
let other = "";
beforeEach(() => {
  folder = tempFolder();
  path = join(folder, "data");
  other = join(folder, "other");
});

/** A module of its own: vite takes the query as part of the name. */
const copyOfTheModule = "../src/file-lock.ts?copy";

/** The next message of a process. */
async function said(child: ChildProcess): Promise<unknown> {
  const [message] = (await once(child, "message")) as [unknown];
  return message;
}

describe("the lock", () => {
  it("is held by one holder at a time, and released after errors", async () => {
    await withFileLock(path, async () => {
      await expect(withFileLock(path, async () => 1)).rejects.toMatchObject({
        code: "EBUSY",
        path,
      });
      expect(await withFileLock(join(folder, "other"), async () => 2)).toBe(2);
      expect(await readdir(folder)).toEqual([".data.envelope-lock"]);
      const { mode, size } = await lstat(lockPath(path));
      expect([mode & 0o777, size]).toEqual([0o600, 0]);
    });
    const failing = withFileLock(path, () => Promise.reject(new Error("inside")));
    await expect(failing).rejects.toThrow("inside");
    expect(await withFileLock(path, async () => 3)).toBe(3);
    expect(await readdir(folder)).toEqual([]);
  });

  it("never has two holders, however many try", async () => {
    let inside = 0;
    let most = 0;
    let entered = 0;
    const lane = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        await withFileLock(path, async () => {
          most = Math.max(most, ++inside);
          entered++;
          await new Promise((resolve) => setImmediate(resolve));
          inside--;
        }).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== "EBUSY") throw error;
          return new Promise((resolve) => setImmediate(resolve));
        });
      }
    };
    await Promise.all(Array.from({ length: 8 }, lane));
    expect(most).toBe(1);
    expect(entered).toBeGreaterThan(10);
  });

  it("never has two holders among threads of several processes, however often it changes hands", async () => {
    const children = Array.from({ length: 3 }, () => forked("locking-process", path, "40", "2"));
    await Promise.all(children.map(said));
    const reports = children.map(said);
    for (const child of children) child.send("go");
    expect(await Promise.all(reports)).toEqual([0, 0, 0]);
  });

  it("is not lost when another thread or another copy of the package is refused", async () => {
    await withFileLock(path, async () => {
      const thread = new Worker(program("trying-process"), { workerData: path });
      expect(await once(thread, "message")).toEqual(["EBUSY"]);
      await once(thread, "exit");
      expect(await said(forked("trying-process", path))).toBe("EBUSY");
      const copy = (await import(copyOfTheModule)) as { withFileLock: typeof withFileLock };
      expect(copy.withFileLock).not.toBe(withFileLock);
      const twice = copy.withFileLock(path, async () => 1);
      await expect(twice).rejects.toMatchObject({ code: "EBUSY", path });
      expect(await said(forked("trying-process", path))).toBe("EBUSY");
    });
    expect(await said(forked("trying-process", path))).toBe("locked");
  });

  it("holds against other processes, and ends with a process that is killed", async () => {
    const child = forked("holding-process", path);
    await said(child);
    await expect(withFileLock(path, async () => 1)).rejects.toMatchObject({ code: "EBUSY" });
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await readdir(folder)).toHaveLength(1);
    expect(await withFileLock(path, async () => 2)).toBe(2);
    expect(await readdir(folder)).toEqual([]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ["a file with something in it", () => writeFile(lockPath(path), "something")],
    ["a folder", () => mkdir(lockPath(path))],
    ["a pipe", async () => execFileSync("mkfifo", [lockPath(path)])],
    ["a symbolic link", () => symlink(other, lockPath(path))],
    ["a file with another name", () => link(other, lockPath(path))],
    [
      "a file that others may write",
      () => writeFile(lockPath(path), "").then(() => chmod(lockPath(path), 0o620)),
    ],
  ])("refuses %s in the place of its file", async (_, put) => {
    await writeFile(other, "");
    await put();
    const before = await lstat(lockPath(path));
    const call = withFileLock(path, async () => 1);
    await expect(call).rejects.toMatchObject({ code: "EEXIST", path: lockPath(path) });
    const { ino, size, mode } = await lstat(lockPath(path));
    expect({ ino, size, mode }).toEqual({ ino: before.ino, size: before.size, mode: before.mode });
  });

  it.skipIf(process.geteuid?.() !== 0)("does not use another user's file", async () => {
    await writeFile(lockPath(path), "", { mode: 0o600 });
    await chown(lockPath(path), 54_321, 54_321);
    const call = withFileLock(path, async () => 1);
    await expect(call).rejects.toMatchObject({ code: "EEXIST", path: lockPath(path) });
    await chown(folder, 54_321, 54_321); // Whose folder it is may remove it in any case.
    expect(await withFileLock(path, async () => 2)).toBe(2);
  });

  it.each([
    ["a symbolic link", symlinkSync, false],
    ["another name", linkSync, false],
    ["another name, for a moment", linkSync, true],
  ])(
    "does not change a database that gets its name by %s between two checks",
    async (_, put, back) => {
      const victim = new DatabaseSync(other);
      victim.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
      victim.close();
      const before = await readFile(other);
      const { fstatSync, lstatSync } = fs;
      const lock = lockPath(path);
      const aside = `${lock}-aside`;
      let exchanged = false;
      Object.assign(fs, {
        fstatSync(fd: number) {
          const stats = fstatSync(fd);
          if (!exchanged) {
            renameSync(lock, aside);
            put(other, lock);
          }
          exchanged = true;
          return stats;
        },
        lstatSync(name: string, options: StatSyncOptions) {
          if (exchanged && back && fs.existsSync(aside)) renameSync(aside, lock);
          return lstatSync(name, options);
        },
      });
      syncBuiltinESMExports();
      try {
        const call = withFileLock(path, async () => 1);
        await expect(call).rejects.toMatchObject({ code: "EEXIST", path: lock });
      } finally {
        Object.assign(fs, { fstatSync, lstatSync });
        syncBuiltinESMExports();
      }
      expect(exchanged).toBe(true);
      expect(await readFile(other)).toEqual(before);
    },
  );
});
