import { once } from "node:events";
import {
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { tempFolder } from "@env/testkit/folder";
import { forked } from "@env/testkit/programs";
import { beforeEach, describe, expect, it } from "vitest";
import { withFileLock } from "../src/file-lock.ts";
import { nodeFileSystem, type FileSystem } from "../src/file-system.ts";
import { journalPath } from "../src/journal.ts";
import {
  removeTemporaries,
  writeFileWhole,
  writeFileWholeOn,
  type WriteFileOptions,
} from "../src/output.ts";
import { watchedFiles } from "./support/faults.ts";

let folder = "";
beforeEach(() => {
  folder = tempFolder();
});

const target = (): string => join(folder, "target");
const PART = ".target.envelope-part";
const LOCK = ".target.envelope-lock";

function write(
  text: string,
  options: WriteFileOptions = {},
  meanwhile: (file: FileHandle) => unknown = () => undefined,
  files: FileSystem = nodeFileSystem,
): Promise<string> {
  return writeFileWholeOn(files, target(), options, async (file) => {
    await file.write(Buffer.from(text), 0, text.length, 0);
    await meanwhile(file);
    return "written";
  });
}

const failing = (code: string): Promise<never> =>
  Promise.reject(Object.assign(new Error(code), { code }));

async function expectOnly(...names: readonly string[]): Promise<void> {
  expect((await readdir(folder)).toSorted()).toEqual(names);
}

describe("writeFileWhole", () => {
  it("has nothing under the name, and only this user's files beside it, until all is written", async () => {
    const done = await write("complete", {}, async () => {
      await expectOnly(LOCK, PART);
      for (const name of [LOCK, PART]) {
        expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
      }
    });
    expect(done).toBe("written");
    await expectOnly("target");
    expect(await readFile(target(), "utf8")).toBe("complete");
    expect((await stat(target())).mode & 0o777).toBe(0o600);
  });

  it("takes URLs, and what comes as a stream", async () => {
    await writeFileWhole(pathToFileURL(target()), {}, (file) =>
      file.writeFile(
        (async function* () {
          yield "a";
          yield "b";
        })(),
      ),
    );
    expect(await readFile(target(), "utf8")).toBe("ab");
  });

  it("gives the file the requested mode", async () => {
    await write("x", { mode: 0o644 });
    expect((await stat(target())).mode & 0o7777).toBe(0o644);
  });

  it("copies permissions from another file, without set-id bits", async () => {
    const other = join(folder, "other");
    await writeFile(other, "");
    await chmod(other, 0o4751);
    await write("x", { like: await stat(other) });
    expect((await stat(target())).mode & 0o7777).toBe(0o751);
  });

  it("copies the owner where it may, and continues where it may not", async () => {
    const stats = await stat(folder, { bigint: true });
    const like = Object.assign(stats, { uid: 12_345n, gid: 54_321n, mode: 0o640n });
    await write("x", { like });
    const root = process.geteuid?.() === 0;
    const { uid, gid, mode } = await stat(target());
    if (root) expect([uid, gid, mode & 0o777]).toEqual([12_345, 54_321, 0o640]);
    await write("y", { like, overwrite: true }, (file) => {
      file.chown = () => failing("EPERM");
    });
    expect(await readFile(target(), "utf8")).toBe("y");
    // What the other group might read is not for ours.
    expect((await stat(target())).mode & 0o777).toBe(0o600);
  });

  it("copies no more permissions than the umask allows, unless it replaces that very file", async () => {
    const other = join(folder, "other");
    await writeFile(other, "old");
    await chmod(other, 0o775);
    const like = await stat(other, { bigint: true });
    const modeOf = async (name: string): Promise<number> => (await stat(name)).mode & 0o777;
    const umask = process.umask(0o027);
    try {
      await write("x", { like });
      expect(await modeOf(target())).toBe(0o750);
      const options = { overwrite: true, like, replaces: like };
      await writeFileWhole(other, options, (file) => file.writeFile("new"));
      expect(await modeOf(other)).toBe(0o775);
    } finally {
      process.umask(umask);
    }
    await expectOnly("other", "target");
  });

  it("refuses an existing target at once, and one that appears meanwhile", async () => {
    await writeFile(target(), "precious");
    let asked = false;
    await expect(write("new", {}, () => (asked = true))).rejects.toMatchObject({
      code: "EEXIST",
      path: target(),
    });
    expect(asked).toBe(false);
    await rm(target());
    const appears = write("new", {}, () => writeFile(target(), "precious"));
    await expect(appears).rejects.toMatchObject({ code: "EEXIST", path: target() });
    expect(await readFile(target(), "utf8")).toBe("precious");
    await expectOnly("target");
  });

  it("replaces an existing file on request", async () => {
    await writeFile(target(), "old");
    await link(target(), join(folder, "other")); // A replaced file is another one.
    await write("new", { overwrite: true });
    expect(await readFile(target(), "utf8")).toBe("new");
    expect(await readFile(join(folder, "other"), "utf8")).toBe("old");
    await expectOnly("other", "target");
  });

  it("replaces nothing but a regular file", async () => {
    await writeFile(join(folder, "elsewhere"), "precious");
    await symlink("elsewhere", target());
    await expect(write("new", { overwrite: true })).rejects.toMatchObject({ code: "ELOOP" });
    expect((await lstat(target())).isSymbolicLink()).toBe(true);
    expect(await readFile(join(folder, "elsewhere"), "utf8")).toBe("precious");
    await rm(target());
    await mkdir(target());
    await expect(write("new", { overwrite: true })).rejects.toMatchObject({ code: "EISDIR" });
    const device = writeFileWhole("/dev/null", { overwrite: true }, () => Promise.resolve());
    await expect(device).rejects.toMatchObject({ code: "EINVAL", path: "/dev/null" });
    await expectOnly("elsewhere", "target");
  });

  it.each([
    ["replaced", (): Promise<void> => rm(target()).then(() => writeFile(target(), "newer"))],
    ["written at the same length", (): Promise<void> => utimes(target(), 1, 1)],
    [
      "made longer, with its old time",
      async (): Promise<void> => {
        await writeFile(target(), "longer");
        await utimes(target(), 2, 2);
      },
    ],
  ])("does not replace a file that was %s meanwhile", async (_, change) => {
    await writeFile(target(), "older");
    await utimes(target(), 2, 2);
    await link(target(), join(folder, "keeps the inode"));
    const replaces = await stat(target(), { bigint: true });
    const refused = write("new", { overwrite: true, replaces }, change);
    await expect(refused).rejects.toMatchObject({ code: "EBUSY", path: target() });
    expect(await readFile(target(), "utf8")).not.toBe("new");
    await expectOnly("keeps the inode", "target");
    const now = await stat(target(), { bigint: true });
    expect(await write("new", { overwrite: true, replaces: now })).toBe("written");
  });

  it("obeys its signal after the last byte", async () => {
    const abort = new AbortController();
    const reason = new Error("enough");
    const stopped = write("x", { signal: abort.signal }, () => abort.abort(reason));
    await expect(stopped).rejects.toBe(reason);
    await expectOnly();
  });

  it("takes a name as long as the file system allows", async () => {
    const name = "ü".repeat(127);
    await writeFileWhole(join(folder, name), {}, () => Promise.resolve());
    await expectOnly(name);
    const tooLong = writeFileWhole(join(folder, "a".repeat(256)), {}, () => Promise.resolve());
    await expect(tooLong).rejects.toMatchObject({ code: "ENAMETOOLONG" });
  });

  it.each([
    [false, ["link", "unlink"]],
    [true, ["rename"]],
  ])(
    "has all on the disk before it gives the name, and the name after (overwrite: %s)",
    async (overwrite, naming) => {
      const calls: string[] = [];
      const files = watchedFiles((_, name) => void calls.push(name));
      await write("x", { overwrite }, undefined, files);
      expect(calls.slice(calls.lastIndexOf("write"))).toEqual([
        "write",
        "sync",
        "stat",
        "lstat",
        "close",
        ...naming,
        "open", // The folder, from here on.
        "sync",
        "close",
      ]);
    },
  );

  it("names the file whose write failed", async () => {
    const error = Object.assign(new Error("ENOSPC: no space left on device, write"), {
      code: "ENOSPC",
      syscall: "write",
    });
    await expect(write("x", {}, () => Promise.reject(error))).rejects.toMatchObject({
      message: `ENOSPC: no space left on device, write '${target()}'`,
      path: target(),
    });
  });

  describe("where there are no hard links", () => {
    const files: FileSystem = { ...nodeFileSystem, link: () => failing("EPERM") };

    it("still writes", async () => {
      await write("new", {}, undefined, files);
      expect(await readFile(target(), "utf8")).toBe("new");
      await expectOnly("target");
    });

    it("still refuses a file that appears meanwhile", async () => {
      const appears = write("new", {}, () => writeFile(target(), "precious"), files);
      await expect(appears).rejects.toMatchObject({ code: "EEXIST" });
      expect(await readFile(target(), "utf8")).toBe("precious");
      await expectOnly("target");
    });

    it("removes the empty file if the whole one cannot replace it", async () => {
      const broken = { ...files, rename: () => failing("EIO") };
      await expect(write("new", {}, undefined, broken)).rejects.toMatchObject({ code: "EIO" });
      await expectOnly();
    });
  });

  it.each([false, true])(
    "is complete or as before where any one call fails (overwrite: %s)",
    async (overwrite) => {
      for (let failingCall = 0; ; failingCall++) {
        if (overwrite) await writeFile(target(), "old");
        let failed: string | undefined;
        const files = watchedFiles((call, name) => {
          if (call !== failingCall) return;
          failed = name;
          throw Object.assign(new Error("fails as told"), { code: "EIO" });
        });
        const outcome = await write("new", { overwrite }, undefined, files).catch(
          (error: unknown) => error,
        );
        if (failed === undefined) {
          expect(outcome).toBe("written");
          expect(failingCall).toBeGreaterThan(8);
          return;
        }
        // The unlink of a temporary file whose target is linked, and what makes names last, come after.
        expect(outcome, failed).toMatchObject({ code: "EIO" });
        const names = await readdir(folder);
        const there = names.includes("target") ? await readFile(target(), "utf8") : "absent";
        expect([overwrite ? "old" : "absent", "new"], failed).toContain(there);
        expect(
          names.filter((name) => name !== "target"),
          failed,
        ).toEqual([]);
        await rm(target(), { force: true });
      }
    },
  );
});

describe("of several writers of one target", () => {
  it("the second is refused while the first writes, by whatever name of the folder", async () => {
    await symlink(".", join(folder, "again"));
    await write("first", {}, async () => {
      await expect(write("second")).rejects.toMatchObject({ code: "EBUSY" });
      const other = writeFileWhole(join(folder, "again", "target"), {}, () => Promise.resolve());
      await expect(other).rejects.toMatchObject({ code: "EBUSY" });
      // To have looked at the lock by another name must not have let it go.
      const holder = forked("holding-process", target());
      const [outcome] = (await once(holder, "message")) as [string];
      expect(outcome).toBe("EBUSY");
    });
    expect(await readFile(target(), "utf8")).toBe("first");
    await expectOnly("again", "target");
  });

  it("nobody loses a file to one who uses the same temporary name in spite of the lock", async () => {
    const steal = async (): Promise<void> => {
      await rm(join(folder, PART));
      await writeFile(join(folder, PART), "another's, half");
    };
    await expect(write("new", {}, steal)).rejects.toMatchObject({ code: "EBUSY" });
    expect(await readFile(join(folder, PART), "utf8")).toBe("another's, half");
    await expectOnly(PART);
    await expect(write("new", {}, () => rm(join(folder, PART)))).rejects.toMatchObject({
      code: "EBUSY",
    });
    await expectOnly();
  });
});

describe("what a killed process has left", () => {
  it("is removed by the next writer of the target, once the process is gone", async () => {
    const holder = forked("holding-process", target());
    await once(holder, "message");
    await writeFile(join(folder, PART), "half of it");
    await expect(write("new")).rejects.toMatchObject({ code: "EBUSY" });
    expect(await readFile(join(folder, PART), "utf8")).toBe("half of it");
    holder.kill("SIGKILL");
    await once(holder, "exit");
    await expectOnly(LOCK, PART);
    await write("new");
    expect(await readFile(target(), "utf8")).toBe("new");
    await expectOnly("target");
  });

  it("stays where it cannot be removed, and does not keep others from writing", async () => {
    await writeFile(join(folder, PART), "half of it");
    const files: FileSystem = {
      ...nodeFileSystem,
      unlink: (path) => (String(path).endsWith(`/${PART}`) ? failing("EPERM") : rm(path)),
    };
    await write("new", {}, undefined, files);
    expect(await readFile(target(), "utf8")).toBe("new");
    expect(await readFile(join(folder, PART), "utf8")).toBe("half of it");
    await expectOnly(PART, "target");
  });

  it("stays if nothing can be locked, since its writer may be alive", async () => {
    await writeFile(join(folder, LOCK), "in the way");
    await writeFile(join(folder, PART), "half of it");
    await write("new", {}, async () => {
      expect(await readdir(folder)).toContainEqual(
        expect.stringMatching(/^\.target\.[0-9a-f]{16}\.envelope-part$/),
      );
    });
    expect(await readFile(join(folder, PART), "utf8")).toBe("half of it");
    await expectOnly(LOCK, PART, "target");
  });
});

describe("a journal beside the target", () => {
  const setAside = /^\.target\.[0-9a-f]{16}\.envelope-journal$/;

  it.each([
    ["of a file that is gone", undefined],
    ["that is damaged, as the header of the file is", "old"],
  ])("%s is set aside, since it may hold the only copy of a key", async (_, old) => {
    if (old !== undefined) await writeFile(target(), old);
    await writeFile(journalPath(target()), "a journal", { mode: 0o600 });
    expect(await write("new", { overwrite: true })).toBe("written");
    expect(await readFile(target(), "utf8")).toBe("new");
    const [aside = "", ...others] = (await readdir(folder)).toSorted();
    expect(others).toEqual(["target"]);
    expect(aside).toMatch(setAside);
    expect(await readFile(join(folder, aside), "utf8")).toBe("a journal");
  });

  it("that others may have written stays in place, and nobody believes it", async () => {
    await mkdir(journalPath(target()));
    expect(await write("new")).toBe("written");
    await expectOnly(".target.envelope-journal", "target");
  });
});

describe("removeTemporaries", () => {
  it("removes what is being written, which then fails and leaves nothing", async () => {
    const removed = write("x", {}, async () => {
      removeTemporaries();
      await expectOnly();
    });
    await expect(removed).rejects.toMatchObject({ code: "EBUSY" });
    await expectOnly();
  });

  it("leaves finished files, and the lock of a process that is not writing", async () => {
    await write("x");
    await withFileLock(target(), async () => {
      removeTemporaries();
      expect((await readdir(folder)).toSorted()).toEqual([LOCK, "target"]);
    });
  });

  it("is called when a process exits in the middle", async () => {
    const child = forked("exiting-process", target());
    const [names] = (await once(child, "message")) as [string[]];
    expect(names.toSorted()).toEqual([LOCK, PART]);
    await once(child, "exit");
    await expectOnly();
  });
});
