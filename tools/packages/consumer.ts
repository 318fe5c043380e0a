/**
 * A project of someone who installed the packages: an empty folder outside of this workspace, filled
 * by npm.
 *
 * The mistake it avoids: a check that works because the workspace is near. No program here inherits
 * conditions, a search path or a package manager's settings from the process that runs the check.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { readRoot, root, type Names } from "../workspace.ts";

export interface Ran {
  /** `null` where the program could not be started or did not end by itself. */
  readonly status: number | null;
  readonly stdout: string;
  /** Both streams, for a message about a failure. */
  readonly output: string;
}

/** Only programs that hang take longer. */
const TIMEOUT_MS = 600_000;

export class Consumer {
  readonly folder: string;

  readonly #registry: string | undefined;

  /**
   * @param folder - Empty, or not there yet.
   * @param registry - Where packages are installed from, if not from where npm gets them here.
   */
  constructor(folder: string, registry?: string) {
    this.folder = folder;
    this.#registry = registry;
    mkdirSync(folder, { recursive: true });
    // npm takes the variable below before a file, and pnpm knows only the file.
    if (registry !== undefined) this.write(".npmrc", `registry=${registry}\n`);
  }

  write(name: string, text: string): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /**
   * Installs dependencies.
   *
   * @param dependencies - Versions, aliases or `file:` addresses by name.
   * @param overrides - Versions of what dependencies depend on.
   */
  install(
    dependencies: Names,
    {
      packageManager = "npm",
      overrides = {},
    }: { packageManager?: "npm" | "pnpm"; overrides?: Names } = {},
  ): void {
    const manifest = { private: true, type: "module", dependencies, overrides };
    this.write("package.json", JSON.stringify(manifest));
    // npm waits five minutes for a connection that hangs, which is all the time that it has here.
    const network = ["--fetch-timeout=60000", "--fetch-retries=4", "--prefer-offline"];
    const npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", ...network];
    const { packageManager: pnpm = "pnpm" } = readRoot();
    // What was published a moment ago is younger than pnpm allows by itself.
    const fresh = ["--config.minimumReleaseAge=0", "--ignore-scripts"];
    const [file = "", ...args] =
      packageManager === "npm" ? npm : ["npx", "-y", "--prefer-offline", pnpm, "install", ...fresh];
    const { status, output } = this.run(file, args);
    if (status !== 0) throw new Error(`${packageManager} install failed\n${output}`);
  }

  /** The folder of an installed package. */
  installed(name: string): string {
    return join(this.folder, "node_modules", name);
  }

  /**
   * Runs a program in the folder.
   *
   * @param node - The Node.js that scripts are started with; otherwise the one on the path.
   */
  run(file: string, args: readonly string[], { node, cwd = this.folder }: RunOptions = {}): Ran {
    const installed = join(this.folder, "node_modules/.bin");
    const first = [...(node === undefined ? [] : [dirname(node)]), installed];
    const env = environment(first, this.#registry);
    const options = { cwd, env, encoding: "utf8", timeout: TIMEOUT_MS } as const;
    const { status, stdout, stderr, error } = spawnSync(file, args, options);
    const output = [error?.message, stdout, stderr].filter(Boolean).join("\n");
    return { status, stdout: stdout ?? "", output };
  }
}

export interface RunOptions {
  readonly node?: string;
  readonly cwd?: string;
}

/** This process's environment without the workspace, the package manager and Node's own options. */
function environment(first: readonly string[], ours: string | undefined): NodeJS.ProcessEnv {
  const path = (process.env["PATH"] ?? "").split(delimiter);
  const outside = path.filter((folder) => !folder.startsWith(root));
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|pnpm_|NODE_)/i.test(name));
  const registry = ours ?? process.env["NPM_CONFIG_REGISTRY"] ?? process.env["npm_config_registry"];
  return {
    ...Object.fromEntries(kept),
    ...(registry !== undefined && { NPM_CONFIG_REGISTRY: registry }),
    PATH: [...first, ...outside].join(delimiter),
  };
}
