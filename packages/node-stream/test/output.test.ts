import { link, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodeFileSystem, OutputFile, type FileSystem } from "../src/output.ts";
import { watchedFiles } from "./support/faults.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "env-output-"));
});
afterEach(() => rm(folder, { recursive: true }));

const target = (): string => join(folder, "target");

async function write(
  files: FileSystem,
  text: string,
  overwrite: boolean,
  beforeCommit: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const output = await OutputFile.create(files, target(), overwrite);
  try {
    await output.handle.write(Buffer.from(text), 0, text.length, 0);
    await beforeCommit();
    await output.commit();
  } catch (error) {
    await output.abandon();
    throw error;
  }
}

describe("OutputFile", () => {
  it("has nothing under the final name, and only this user's file beside it, until it is committed", async () => {
    await write(nodeFileSystem, "complete", false, async () => {
      const names = await readdir(folder);
      expect(names).toHaveLength(1);
      expect(names[0]).toMatch(/^\.target\.[0-9a-f]{16}\.tmp$/u);
      expect((await stat(join(folder, names[0] ?? ""))).mode & 0o777).toBe(0o600);
    });
    expect(await readdir(folder)).toEqual(["target"]);
    expect(await readFile(target(), "utf8")).toBe("complete");
    expect((await stat(target())).mode & 0o777).toBe(0o600);
  });

  it("leaves nothing when it is abandoned, however often", async () => {
    const output = await OutputFile.create(nodeFileSystem, target(), false);
    await output.abandon();
    await output.abandon();
    expect(await readdir(folder)).toEqual([]);
  });

  it("refuses an existing target at once, and one that appears meanwhile", async () => {
    await writeFile(target(), "precious");
    await expect(write(nodeFileSystem, "new", false)).rejects.toMatchObject({
      code: "EEXIST",
      path: target(),
    });
    await rm(target());
    const appears = write(nodeFileSystem, "new", false, () => writeFile(target(), "precious"));
    await expect(appears).rejects.toMatchObject({ code: "EEXIST", path: target() });
    expect(await readFile(target(), "utf8")).toBe("precious");
    expect(await readdir(folder)).toEqual(["target"]);
  });

  it("replaces an existing target where that is wanted", async () => {
    await writeFile(target(), "old");
    await link(target(), join(folder, "other")); // A replaced file is another one.
    await write(nodeFileSystem, "new", true);
    expect(await readFile(target(), "utf8")).toBe("new");
    expect(await readFile(join(folder, "other"), "utf8")).toBe("old");
    expect(await readdir(folder)).toHaveLength(2);
  });

  it("does not replace a folder", async () => {
    await mkdir(target());
    await expect(write(nodeFileSystem, "new", true)).rejects.toMatchObject({ code: "EISDIR" });
    expect(await readdir(folder)).toEqual(["target"]);
  });

  it("says what to do where the file system has no hard links", async () => {
    const files: FileSystem = {
      ...nodeFileSystem,
      link: () => Promise.reject(Object.assign(new Error("EPERM"), { code: "EPERM" })),
    };
    await expect(write(files, "new", false)).rejects.toMatchObject({
      code: "ENOTSUP",
      message: expect.stringContaining("overwrite"),
    });
    expect(await readdir(folder)).toEqual([]);
    await write(files, "new", true);
  });

  it("takes a name as long as the file system allows", async () => {
    const name = "ü".repeat(127);
    const output = await OutputFile.create(nodeFileSystem, join(folder, name), false);
    await output.commit();
    expect(await readdir(folder)).toEqual([name]);
  });

  it.each([false, true])(
    "is complete or as before where any one call fails (overwrite: %s)",
    async (overwrite) => {
      for (let failing = 0; ; failing++) {
        if (overwrite) await writeFile(target(), "old");
        let failed: string | undefined;
        const files = watchedFiles((call, name) => {
          if (call !== failing) return;
          failed = name;
          throw Object.assign(new Error("fails as told"), { code: "EIO" });
        });
        const outcome = await write(files, "new", overwrite).catch((error: unknown) => error);
        if (failed === undefined) {
          expect(outcome).toBeUndefined();
          expect(failing).toBeGreaterThan(6);
          return;
        }
        // The unlink of a temporary file whose target is linked, and what makes names last, come after.
        expect(outcome, failed).toMatchObject({ code: "EIO" });
        const names = await readdir(folder);
        const there = names.includes("target") ? await readFile(target(), "utf8") : "absent";
        expect([overwrite ? "old" : "absent", "new"], failed).toContain(there);
        expect(
          names.filter((name) => name.endsWith(".tmp")),
          failed,
        ).toEqual([]);
        await rm(target(), { force: true });
      }
    },
  );
});
