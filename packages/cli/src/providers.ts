/**
 * The CMKs and the keystore that a command works with: from the configuration, or from the command line.
 *
 * @module
 */
import { resolve } from "node:path";
import { Envelope, EnvelopeError, openCmk, type Cmk, type CmkOpener } from "@env/core";
import { loadConfig, openCmks, type EnvelopeConfig } from "@env/core/config";
import {
  inspectKeystore,
  openKeystore,
  type Keystore,
  type RootKeyKind,
  type RootKeySource,
} from "@env/kms";
import { openLocalFile, parseLocalFileUri } from "@env/local-file";
import { CommandError, usageError } from "./errors.ts";
import { readPassphrase } from "./passphrase.ts";
import type { Ui } from "./ui.ts";

/** Options of every command. */
// A type and not an interface: commander wants an index signature.
export type GlobalOptions = {
  readonly config?: string | undefined;
  readonly environment?: string | undefined;
  readonly cmk?: string[] | undefined;
  readonly json?: true | undefined;
  readonly quiet?: true | undefined;
};

/** Where the root key of a keystore is, by convention; the same as `openLocalFile`'s. */
export const rootKeyVariable = "ENVELOPE_ROOT_KEY";
export function keyFileOf(keystore: string): string {
  return `${keystore}.key`;
}

/** Opens the CMKs, runs `use` and closes them. */
export async function withEnvelope<T>(
  ui: Ui,
  globals: GlobalOptions,
  use: (envelope: Envelope) => Promise<T>,
): Promise<T> {
  const config = await configOf(globals);
  const cmks = await openCmks(config, openers(ui));
  try {
    return await use(makeEnvelope(config, cmks));
  } finally {
    await closeAll(cmks);
  }
}

/** Opens further CMKs by URI, runs `use` and closes them. */
export async function withCmks<T>(
  ui: Ui,
  uris: readonly string[],
  use: (cmks: readonly Cmk[]) => Promise<T>,
): Promise<T> {
  const cmks: Cmk[] = [];
  try {
    for (const uri of uris) cmks.push(await openCmk(uri, openers(ui)));
    return await use(cmks);
  } finally {
    await closeAll(cmks);
  }
}

/** Opens the keystore of `--keystore`, or that of the environment's first local-file CMK. */
export async function withKeystore<T>(
  ui: Ui,
  globals: GlobalOptions,
  keystore: string | undefined,
  use: (keystore: Keystore) => Promise<T>,
): Promise<T> {
  const path = keystore === undefined ? await configuredKeystore(globals) : resolve(keystore);
  using opened = await openKeystore(path, { root: await rootOf(ui, path) });
  return await use(opened);
}

async function configOf(globals: GlobalOptions): Promise<EnvelopeConfig> {
  const { config: file, environment, cmk } = globals;
  if (cmk === undefined) return loadConfig({ file, environment });
  if (file !== undefined || environment !== undefined) {
    throw usageError("--cmk is instead of a configuration: leave out --config and --environment");
  }
  return { environment: "command line", cmks: cmk, baseDirectory: process.cwd() };
}

function openers(ui: Ui): Readonly<Record<string, CmkOpener>> {
  return {
    "local-file": async (uri, options = {}) => {
      const path = resolve(options.baseDirectory ?? process.cwd(), parseLocalFileUri(uri).path);
      return openLocalFile(uri, { ...options, root: await rootOf(ui, path) });
    },
    // Loaded where they are named: none of them is a reason to wait for `envelope --help`.
    "aws-kms": async (...call) => (await import("@env/aws-kms")).openAwsKms(...call),
    "gcp-kms": async (...call) => (await import("@env/gcp-kms")).openGcpKms(...call),
    "vault-transit": async (...call) =>
      (await import("@env/vault-transit")).openVaultTransit(...call),
  };
}

/** By what the keystore says of itself. A passphrase that is not in the environment is asked for. */
async function rootOf(ui: Ui, path: string): Promise<RootKeySource> {
  const { rootKind } = await inspectKeystore(path);
  return rootSource(ui, rootKind, path, "open");
}

/** Where to get, or to make, a root key of this kind. */
export function rootSource(
  ui: Ui,
  kind: RootKeyKind,
  path: string,
  purpose: "open" | "create",
): RootKeySource {
  if (kind === "key-file") return { keyFile: keyFileOf(path) };
  if (kind === "environment") return { environment: rootKeyVariable };
  if (kind === "passphrase") return { passphrase: () => readPassphrase(ui, path, purpose) };
  throw new EnvelopeError(
    "ERR_ENV_CONFIG",
    `keystore ${path}: its root key is wrapped by a CMK, which the command line has no way to name`,
  );
}

function makeEnvelope({ minWrapped, dataKeyCache }: EnvelopeConfig, cmks: Cmk[]): Envelope {
  try {
    return new Envelope({
      cmks,
      ...(minWrapped === undefined ? {} : { minWrapped }),
      ...(dataKeyCache === undefined ? {} : { dataKeyCache }),
    });
  } catch (cause) {
    // Misuse by a program, but here it was a person who wrote the list of CMKs.
    if (!(cause instanceof TypeError) && !(cause instanceof RangeError)) throw cause;
    throw new EnvelopeError("ERR_ENV_CONFIG", cause.message, { cause });
  }
}

async function closeAll(cmks: readonly Cmk[]): Promise<void> {
  await Promise.all(cmks.map((cmk) => cmk.close()));
}

async function configuredKeystore(globals: GlobalOptions): Promise<string> {
  const { cmks, baseDirectory, environment } = await configOf(globals);
  const uri = cmks.find((one) => one.startsWith("local-file:"));
  if (uri === undefined) {
    throw new CommandError(
      "ERR_CLI_USAGE",
      `environment ${JSON.stringify(environment)} has no local-file CMK`,
      "keys of other KMSs are managed with their own tools; name a keystore with --keystore",
    );
  }
  return resolve(baseDirectory, parseLocalFileUri(uri).path);
}
