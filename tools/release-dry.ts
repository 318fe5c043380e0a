/**
 * The mistake it stops: a release that cannot be published, or that differs from what was tested. It does
 * everything that a release does, to a registry on this machine:
 *
 *     pnpm release:dry
 *
 * In two clones of the last commit, in different folders: `changeset version`, a build, the tarballs, which must be
 * the same bytes. Then they are published to a registry on loopback, and `check-packages` installs them from
 * there with npm and pnpm. It ends with what the changelog of this release says. With `--build` it ends once the tarballs
 * were compared.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { command, report } from "./command.ts";
import { startRegistry } from "./release/registry.ts";
import { SUMS } from "./tarballs.ts";
import { readRoot, root, type Manifest } from "./workspace.ts";

/** The package whose changelog is shown: all packages share one version. */
const SHOWN = "packages/core";

await command(import.meta, async (args) => {
  const { values } = parseArgs({ args, options: { build: { type: "boolean", default: false } } });
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "env-release-")));
  try {
    const clones = [join(folder, "one"), join(folder, "in/another/folder")] as const;
    const differences = buildBoth(clones);
    if (values.build || differences.length > 0) {
      const count = sums(clones[0]).trim().split("\n").length;
      return report("release-dry", differences, `two clones gave the same ${count} files`);
    }
    await publish(folder, clones[0]);
    return report("release-dry", [], "this commit can be released");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Builds the last commit twice. Returns the checksums of both where they differ. */
function buildBoth(clones: readonly [string, string]): string[] {
  for (const clone of clones) {
    mkdirSync(clone, { recursive: true });
    say(`building in ${clone}`);
    build(clone);
  }
  const [first, second] = clones.map(sums);
  if (first === second) return [];
  return ["the same commit gave other tarballs in another folder", `${first}`, `${second}`];
}

/** Publishes the tarballs of a clone, and installs them from the registry. */
async function publish(folder: string, clone: string): Promise<void> {
  say("both clones gave the same tarballs; publishing them");
  await using registry = await startRegistry(join(folder, "registry"));
  for (const line of sums(clone).trim().split("\n")) {
    registry.publish(join(clone, "tarballs", line.split("  ")[1] ?? ""));
  }
  say(`published to ${registry.url}; installing from there`);
  const tool = ["--conditions=@env/source", "tools/check-packages.ts", "--registry", registry.url];
  run(clone, process.execPath, tool);
  console.log(`\n${changelog(clone)}`);
}

/** Clones the last commit, gives it its next version and packs it, as a release does. */
function build(clone: string): void {
  run(root, "git", ["clone", "--quiet", "--no-hardlinks", root, clone]);
  pnpm(clone, ["install", "--frozen-lockfile", "--prefer-offline"]);
  pnpm(clone, ["exec", "changeset", "version"]);
  pnpm(clone, ["tarballs", "--tag", `v${versionOf(clone)}`, "tarballs"]);
}

function sums(clone: string): string {
  return readFileSync(join(clone, "tarballs", SUMS), "utf8");
}

function versionOf(clone: string): string {
  const manifest = readFileSync(join(clone, SHOWN, "package.json"), "utf8");
  return (JSON.parse(manifest) as Manifest).version ?? "";
}

/** The part of a changelog about the version that is released. */
function changelog(clone: string): string {
  const [, ...parts] = readFileSync(join(clone, SHOWN, "CHANGELOG.md"), "utf8").split(/^(?=## )/m);
  return parts[0] ?? "";
}

function pnpm(cwd: string, args: readonly string[]): void {
  const { packageManager = "" } = readRoot();
  run(cwd, "npx", ["-y", "--prefer-offline", packageManager, ...args]);
}

/** Runs a program and shows what it prints. */
function run(cwd: string, file: string, args: readonly string[]): void {
  // What this process was started with must not reach the clones: they are somebody else's machine.
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|pnpm_|NODE_)/.test(name));
  const env = { ...Object.fromEntries(kept), NX_DAEMON: "false" };
  const { status, error } = spawnSync(file, args, {
    cwd,
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) throw new Error(`${file} ${args.join(" ")} failed ${error?.message ?? ""}`);
}

function say(text: string): void {
  console.log(`\n=== ${text}`);
}
