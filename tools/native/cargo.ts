/**
 * Rust, where it is installed. Nothing else in the repository needs it, so that what does is left out elsewhere.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { root } from "../workspace.ts";

/** The crates: a workspace of cargo. */
export const crates: string = join(root, "packages/native");

/** Where rustup installs, which is often not in the path of a process that a shell did not start. */
const env: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: [process.env["PATH"], join(homedir(), ".cargo/bin")].join(delimiter),
};

/** Whether a command of cargo is there, such as `fmt` or `deny`. */
export function hasCargo(subcommand?: string): boolean {
  const args = subcommand === undefined ? ["--version"] : [subcommand, "--version"];
  return spawnSync("cargo", args, { env, stdio: "ignore" }).status === 0;
}

/** The target of this machine, if a nightly toolchain is there. */
export function nightlyTarget(): string | undefined {
  const { stdout } = spawnSync("cargo", ["+nightly", "-vV"], { env, encoding: "utf8" });
  return /^host: (.+)$/m.exec(stdout ?? "")?.[1];
}

/** Why the crates cannot be built here, if they cannot. */
export function whyNotBuilt(): string | undefined {
  if (!hasCargo()) return "cargo is not installed";
  const { status } = spawnSync("cargo", ["fetch", "--locked"], {
    cwd: crates,
    env,
    stdio: "ignore",
  });
  return status === 0 ? undefined : "cargo cannot fetch the crates that they depend on";
}

interface Crate {
  readonly name: string;
  /** SPDX */
  readonly license: string | null;
  /** Absent for our own. */
  readonly source: string | null;
}

/** All crates of Cargo.lock. */
export function lockedCrates(): readonly Crate[] {
  const args = ["metadata", "--locked", "--format-version=1"];
  const { status, stdout, stderr } = spawnSync("cargo", args, {
    cwd: crates,
    env,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(`cargo metadata failed\n${stderr}`);
  return (JSON.parse(stdout) as { readonly packages: readonly Crate[] }).packages;
}

/**
 * Runs cargo in the workspace of the crates, and shows what it prints.
 *
 * @returns Whether it ended well.
 */
export function cargo(args: readonly string[], variables: NodeJS.ProcessEnv = {}): boolean {
  const { status } = spawnSync("cargo", args, {
    cwd: crates,
    env: { ...env, ...variables },
    stdio: ["ignore", "inherit", "inherit"],
  });
  return status === 0;
}
