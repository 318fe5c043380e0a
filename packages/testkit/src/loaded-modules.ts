/**
 * What a program loads: an SDK costs a second and a hundred megabytes, so adapters load it late.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/**
 * Runs a module in a process of its own, with nothing in its environment.
 *
 * @param folder - Packages are found from here.
 * @returns the addresses of all modules that it loaded.
 */
export async function loadedModules(folder: string, code: string): Promise<readonly string[]> {
  const program = `
    import { registerHooks } from "node:module";
    const urls = [];
    registerHooks({
      resolve(specifier, context, next) {
        const found = next(specifier, context);
        urls.push(found.url);
        return found;
      },
    });
    ${code}
    console.log(JSON.stringify(urls));
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@env/source", "--input-type=module", "--eval", program],
    { cwd: folder, env: { PATH: "", AWS_EC2_METADATA_DISABLED: "true" } },
  );
  return JSON.parse(stdout) as readonly string[];
}
