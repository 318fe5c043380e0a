/**
 * Builds the addon of `@env/native` and makes the package that holds it for one platform, as it is published:
 *
 *     node --conditions=@env/source tools/native/addon.ts [--target TRIPLE] [--zig] [--pack FOLDER]
 *
 * Where cargo is not installed, it says so and ends well: nobody needs the addon. With `--zig`, `cargo zigbuild`
 * compiles and links the parts in C, and a triple may end in the version of glibc to link for (`.2.28`).
 *
 * The same sources give the same bytes: dependencies are those of Cargo.lock, the names of folders on this machine
 * are replaced, and symbols are stripped. Compiler and linker must be of the same version.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { command, report } from "../command.ts";
import { readPackages, repositoryPage, root, type Manifest, type Package } from "../workspace.ts";
import { cargo, crates, whyNotBuilt } from "./cargo.ts";

/** The package whose addon it is. */
export const NATIVE = "@env/native";

/** What cargo calls the library, by operating system. */
const LIBRARIES: Readonly<Record<string, string>> = {
  darwin: "libenv_native.dylib",
  linux: "libenv_native.so",
  win32: "env_native.dll",
};

/** The name of the C library as npm has it, by the end of a platform's name. */
const LIBC: Readonly<Record<string, string>> = { gnu: "glibc", musl: "musl" };

/** The manifest of the package with the addon for a platform, such as `linux-x64-gnu`. */
export function platformManifest(native: Manifest, platform: string): Manifest & { main: string } {
  const { version = "", keywords = [], homepage, bugs, license, repository, engines } = native;
  const [os = "", cpu = "", environment = ""] = platform.split("-");
  const libc = LIBC[environment];
  return {
    name: `${native.name}-${platform}`,
    version,
    description: `The addon of ${native.name} for ${platform}.`,
    keywords,
    ...(homepage !== undefined && { homepage }),
    ...(bugs !== undefined && { bugs }),
    ...(license !== undefined && { license }),
    ...(repository !== undefined && { repository }),
    files: [addonFile(platform)],
    main: addonFile(platform),
    ...(engines !== undefined && { engines }),
    os: [os],
    cpu: [cpu],
    ...(libc !== undefined && { libc: [libc] }),
  };
}

/** Where the package of a platform is, once it was built. */
function platformFolder(platform: string): string {
  return join(crates, "target/npm", platform);
}

/** Packs a platform's package. Returns the tarball's path. */
function packPlatform(platform: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const args = ["pack", "--json", "--pack-destination", folder];
  const { status, stdout, stderr } = spawnSync("npm", args, {
    cwd: platformFolder(platform),
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error(`npm pack failed\n${stderr}`);
  const [packed] = JSON.parse(stdout) as { readonly filename: string }[];
  return resolve(folder, packed?.filename ?? "");
}

/** Packs what was built for this machine. Returns the package's name with its address for npm. */
export function packBuiltAddon(folder: string): Readonly<Record<string, string>> | undefined {
  const platform = platformOf(nativePackage().manifest, undefined);
  if (!existsSync(platformFolder(platform))) return undefined;
  return { [`${NATIVE}-${platform}`]: `file:${packPlatform(platform, folder)}` };
}

function nativePackage(): Package {
  const found = readPackages().find(({ manifest }) => manifest.name === NATIVE);
  if (found === undefined) throw new Error(`there is no ${NATIVE}`);
  return found;
}

/** The platform of a target of rustc; by default, that of this machine. */
export function platformOf(native: Manifest, target: string | undefined): string {
  const found = Object.entries(native.addons ?? {}).find(([platform, triple]) =>
    target === undefined ? isHere(platform) : triple === tripleOf(target),
  );
  if (found === undefined) {
    throw new Error(
      `${NATIVE} has no addon for ${target ?? `${process.platform}-${process.arch}`}`,
    );
  }
  return found[0];
}

function isHere(platform: string): boolean {
  const { header } = process.report.getReport() as { readonly header: object };
  const musl = process.platform === "linux" && !("glibcVersionRuntime" in header);
  return (
    platform.startsWith(`${process.platform}-${process.arch}`) && musl === platform.endsWith("musl")
  );
}

/** A target without the version of glibc that cargo zigbuild takes. */
function tripleOf(target: string): string {
  return target.replace(/\.[\d.]+$/, "");
}

function addonFile(platform: string): string {
  return `env-native.${platform}.node`;
}

/** Settings of the compilers, with which this machine's folders are not in the binary. */
function withoutFolders(platform: string): NodeJS.ProcessEnv {
  const names = [
    [crates, "native"],
    [process.env["CARGO_HOME"] ?? join(homedir(), ".cargo"), "cargo"],
    [process.env["RUSTUP_HOME"] ?? join(homedir(), ".rustup"), "rustup"],
  ].map((pair) => pair.join("="));
  const rust = names.map((pair) => `--remap-path-prefix=${pair}`);
  // A library for Node links the C library of the system that it is loaded on.
  if (platform.endsWith("musl")) rust.push("-Ctarget-feature=-crt-static");
  if (platform.endsWith("msvc")) return { RUSTFLAGS: [...rust, "-Clink-arg=/Brepro"].join(" ") };
  const c = names.map((pair) => `-ffile-prefix-map=${pair}`);
  return { RUSTFLAGS: rust.join(" "), CFLAGS: c.join(" ") };
}

/** Builds the addon and makes its package. Returns whether that worked. */
function build(
  native: Package,
  platform: string,
  target: string | undefined,
  zig: boolean,
): boolean {
  const [os = ""] = platform.split("-");
  const args = ["--release", "--locked", "-p", "env-native"];
  if (target !== undefined) args.push("--target", target);
  if (!cargo([zig ? "zigbuild" : "build", ...args], withoutFolders(platform))) return false;
  const folderOfTarget = target === undefined ? "" : tripleOf(target);
  const library = join(crates, "target", folderOfTarget, "release", LIBRARIES[os] ?? "");
  const folder = platformFolder(platform);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const manifest = platformManifest(native.manifest, platform);
  copyFileSync(library, join(folder, manifest.main));
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  const page = `${repositoryPage()}/tree/main/${native.dir}#readme`;
  writeFileSync(
    join(folder, "README.md"),
    `# ${manifest.name}\n\nThe addon of [\`${NATIVE}\`](${page}) for ${platform}. Installing that package installs this one.\n`,
  );
  return true;
}

await command(import.meta, (args) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      target: { type: "string" },
      zig: { type: "boolean", default: false },
      pack: { type: "string" },
    },
  });
  const problem = whyNotBuilt();
  // A release names its target, and needs all of them.
  if (problem !== undefined && values.target === undefined) {
    console.log(`addon: left out, because ${problem}; nothing else needs it`);
    return 0;
  }
  const native = nativePackage();
  const platform = platformOf(native.manifest, values.target);
  if (!build(native, platform, values.target, values.zig)) {
    return report("addon", ["cargo could not build it"], "");
  }
  if (values.pack !== undefined) console.log(packPlatform(platform, resolve(values.pack)));
  return report("addon", [], `built for ${platform}`);
});
