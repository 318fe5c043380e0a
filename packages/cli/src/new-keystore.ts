/**
 * Making a keystore: for `envelope init`, which names it in a configuration, and for `envelope kms create`.
 *
 * @module
 */
import { unlink } from "node:fs/promises";
import { Option } from "@commander-js/extra-typings";
import {
  createKeystore,
  type CreateKeystoreOptions,
  type Keystore,
  type RootKeyKind,
  type RootKeySource,
} from "@env/kms";
import { usageError } from "./errors.ts";
import { companions, keyFileOf } from "./own-files.ts";
import { passphraseVariable } from "./passphrase.ts";
import { rootKeyVariable, rootSource, trust } from "./providers.ts";
import type { Ui } from "./ui.ts";

/** The root keys that the command can make. */
export type Root = Exclude<RootKeyKind, "cmk">;

export function rootOption(): Option<
  "--root <kind>",
  undefined,
  "key-file",
  undefined,
  false,
  Root
> {
  return new Option("--root <kind>", "where the keystore's root key is kept")
    .choices(["key-file", "environment", "passphrase"] as const)
    .default("key-file" as const);
}

/**
 * Makes a keystore and its key file, and overwrites neither.
 *
 * @throws CommandError `ERR_CLI_USAGE`; what `createKeystore` throws. Then nothing is left behind.
 */
export async function newKeystore(
  ui: Ui,
  path: string,
  root: Root,
  options: Omit<CreateKeystoreOptions, "root"> = {},
): Promise<Keystore> {
  return createKeystore(path, { ...trust(), ...options, root: newRoot(ui, root, path) });
}

/** @throws CommandError `ERR_CLI_USAGE` for a root key that is not there, or cannot be at this place. */
export function newRoot(ui: Ui, root: Root, path: string): RootKeySource {
  if (root === "environment" && (process.env[rootKeyVariable] ?? "") === "") {
    throw usageError(
      `--root environment needs the root key in ${rootKeyVariable}`,
      `create it: export ${rootKeyVariable}="env-root-1.$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=')", and keep it safe`,
    );
  }
  return rootSource(ui, root, path, "create");
}

/** Removes a keystore that this command has made and that is of no use. */
export async function removeKeystore(path: string, root: Root): Promise<void> {
  const files = [path, ...companions.map((suffix) => path + suffix)];
  if (root === "key-file") files.push(keyFileOf(path));
  for (const file of files) await unlink(file).catch(() => undefined);
}

/** Where the root key is, for people. */
export function describeRoot(path: string, root: RootKeyKind): string {
  return {
    "key-file": keyFileOf(path),
    environment: `in ${rootKeyVariable}`,
    passphrase: `derived from a passphrase, which is asked for or in ${passphraseVariable}`,
    cmk: "wrapped by a CMK",
  }[root];
}
