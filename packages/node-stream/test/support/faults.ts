/** A file layer that counts every call, and lets a test act before each: fail it, or kill the process. */
import type { FileHandle } from "node:fs/promises";
import { nodeFileSystem, type FileSystem } from "../../src/file-system.ts";

/** @param before - Told the number of the call, from 0, and its name. What it throws is what the call throws. */
export function watchedFiles(before: (call: number, name: string) => void): FileSystem {
  let calls = 0;
  const watch = <T extends object>(target: T, names: readonly string[]): T =>
    new Proxy(target, {
      get(_, property) {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== "function") return value;
        const name = String(property);
        if (!names.includes(name)) return value.bind(target);
        return async (...args: unknown[]) => {
          try {
            before(calls++, name);
          } catch (error) {
            if (name === "close") await (target as FileHandle).close(); // A failing close closes, too.
            throw error;
          }
          const result: unknown = await Reflect.apply(value, target, args);
          return name === "open"
            ? watch(result as FileHandle, ["stat", "read", "write", "sync", "close"])
            : result;
        };
      },
    });
  return watch({ ...nodeFileSystem }, ["open", "link", "lstat", "rename", "unlink"]);
}
