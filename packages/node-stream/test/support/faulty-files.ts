/**
 * A file layer that stops before a given step: by an error, or by the death of the process. A step is
 * whatever changes the disk: making a file, a write, an fsync, a rename, a removal.
 */
import { constants } from "node:fs";
import type { open, FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import { nodeFileSystem, type FileSystem } from "../../src/file-system.ts";

/** Called before each step. Throws, kills, or lets it happen; "half": only the first half of a write. */
export type BeforeStep = (step: string) => "half" | undefined;

export function steppingFiles(before: BeforeStep): FileSystem {
  const opened = async (...args: Parameters<typeof open>): Promise<FileHandle> => {
    const [path, flags] = args;
    const name = basename(String(path));
    if (flags === "wx" || (typeof flags === "number" && flags & constants.O_CREAT)) {
      before(`create ${name}`);
    }
    return steppingHandle(await nodeFileSystem.open(...args), name, before);
  };
  return {
    ...nodeFileSystem,
    open: opened,
    async rename(from, to) {
      before("rename");
      await nodeFileSystem.rename(from, to);
    },
    async unlink(path) {
      before(`unlink ${basename(String(path))}`);
      await nodeFileSystem.unlink(path);
    },
  };
}

function steppingHandle(handle: FileHandle, name: string, before: BeforeStep): FileHandle {
  const steps = {
    async write(bytes: Uint8Array, offset: number, length: number, position: number | null) {
      const half = before(`write ${name}`) === "half";
      const some = half ? Math.ceil(length / 2) : length;
      const result = await handle.write(bytes, offset, some, position);
      if (half) before("half written");
      return result;
    },
    async sync() {
      before(`sync ${name}`);
      await handle.sync();
    },
  };
  return new Proxy(handle, {
    get(target, property) {
      if (property === "write" || property === "sync") return steps[property];
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
