/**
 * Paths of files from the names of objects. Whoever can write to a bucket chooses names, so what would leave the
 * folder, or be another file elsewhere than here, is refused on every system.
 *
 * Source: Microsoft, "Naming Files, Paths, and Namespaces"
 *
 * @module
 */
import { lstat, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, fileError } from "./errors.ts";
import { isTemporary } from "./files.ts";

/** Windows takes these for devices in any folder, whatever follows the first point. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/**
 * The segments of a path below a folder.
 *
 * @param name - The name of an object without the prefix that the folder stands for.
 * @throws CommandError `ERR_CLI_FILE` for a name that is not such a path.
 */
export function segmentsOf(name: string): readonly string[] {
  const segments = name.split("/");
  const problem = segments.map((segment) => problemOf(segment)).find((each) => each !== undefined);
  if (problem === undefined) return segments;
  throw new CommandError(
    "ERR_CLI_FILE",
    `${JSON.stringify(name)} is not the path of a file: it has ${problem}`,
    "copy this object by itself, under another name",
  );
}

function problemOf(segment: string): string | undefined {
  if (segment === "") return "an empty part";
  if (segment === "." || segment === "..") return `a part ${segment}`;
  if (/[\\:\0]/.test(segment)) return "a backslash, a colon or a null character";
  if (/[. ]$/.test(segment)) return "a part that ends with a point or a space";
  if (DEVICE.test(segment)) return `the name of a device, ${segment}`;
  return isTemporary(segment) ? "the name of a temporary file of this command" : undefined;
}

/**
 * Makes the folders of a file below `root`.
 *
 * @returns The path of the file.
 * @throws CommandError `ERR_CLI_FILE` where a symbolic link is in the place of one of them: it may lead elsewhere.
 */
export async function makeFoldersOf(root: string, segments: readonly string[]): Promise<string> {
  let folder = root;
  for (const segment of segments.slice(0, -1)) {
    folder = join(folder, segment);
    try {
      await mkdir(folder).catch((error: unknown) => {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      });
      const stats = await lstat(folder);
      if (stats.isDirectory()) continue;
    } catch (error) {
      throw fileError(folder, error);
    }
    throw new CommandError("ERR_CLI_FILE", `${folder}: it is not a folder`, "move it away");
  }
  return join(folder, segments.at(-1) ?? "");
}
