/**
 * The CMKs and the keystore that a command works with: from the configuration, or from the command line.
 *
 * @module
 */
import { resolve } from "node:path";
import type * as Aws from "@env/aws-kms";
import {
  Envelope,
  EnvelopeError,
  openCmk,
  type Cmk,
  type CmkOpener,
  type Context,
  type DoctorReport,
} from "@env/core";
import { CONFIG_FILE, loadConfig, openCmks, type EnvelopeConfig } from "@env/core/config";
import type * as Gcp from "@env/gcp-kms";
import {
  inspectKeystore,
  openKeystore,
  type Keystore,
  type RootKeyKind,
  type RootKeySource,
} from "@env/kms";
import {
  doctor as localFileDoctor,
  keystoreOptions,
  openLocalFile,
  parseLocalFileUri,
} from "@env/local-file";
import type * as Vault from "@env/vault-transit";
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
  const { path, options } =
    keystore === undefined
      ? await configuredKeystore(globals)
      : { path: resolve(keystore), options: {} };
  using opened = await openKeystore(path, { ...options, root: await rootOf(ui, path, options) });
  return await use(opened);
}

/** The environment that the options name; with `--cmk` one of their own. */
export async function configOf(globals: GlobalOptions): Promise<EnvelopeConfig> {
  const { config: file, environment, cmk } = globals;
  if (cmk === undefined) return loadConfig({ file, environment });
  if (file !== undefined || environment !== undefined) {
    throw usageError("--cmk is instead of a configuration: leave out --config and --environment");
  }
  return { environment: "command line", cmks: cmk, baseDirectory: process.cwd() };
}

// Loaded where they are named: none of them is a reason to wait for `envelope --help`.
const aws = (): Promise<typeof Aws> => import("@env/aws-kms");
const gcp = (): Promise<typeof Gcp> => import("@env/gcp-kms");
const vault = (): Promise<typeof Vault> => import("@env/vault-transit");

/** What the command asks of an adapter. */
export interface Adapter {
  /** The package to install beside it. */
  readonly sdk?: string;
  readonly open: CmkOpener;
  /** What a URI names: nothing secret. Opens and calls nothing. */
  readonly read: (uri: string) => Promise<Readonly<Record<string, unknown>>>;
  readonly doctor: (uri: string, options: DoctorCall) => Promise<DoctorReport>;
}

interface DoctorCall {
  readonly context: Context;
  readonly baseDirectory: string;
  /** For one call to the KMS, in ms. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/**
 * The adapter of a URI, and its scheme. Of a URI that has none nothing is shown.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_CONFIG`
 */
export async function adapterOf(
  ui: Ui,
  uri: string,
): Promise<{ readonly provider: string; readonly adapter: Adapter }> {
  const provider = uri.slice(0, Math.max(0, uri.indexOf(":")));
  const all = adapters(ui);
  const adapter = Object.hasOwn(all, provider) ? all[provider] : undefined;
  if (adapter !== undefined) return { provider, adapter };
  await openCmk(uri, openers(ui)); // Refuses, and says which there are.
  throw new TypeError("an opener without an adapter");
}

/** By the scheme of their URIs. */
function adapters(ui: Ui): Readonly<Record<string, Adapter>> {
  return {
    "local-file": {
      async open(uri, options = {}) {
        const { path, options: opened } = keystoreOf(uri, options.baseDirectory ?? process.cwd());
        return openLocalFile(uri, { ...options, root: await rootOf(ui, path, opened) });
      },
      read: async (uri) => ({ ...parseLocalFileUri(uri) }),
      async doctor(uri, { baseDirectory, context, signal }) {
        const { key, principal } = parseLocalFileUri(uri);
        const { path, options } = keystoreOf(uri, baseDirectory);
        const root = await rootOf(ui, path, options);
        using keystore = await openKeystore(path, { ...options, root });
        return await localFileDoctor({ client: keystore.as(principal), key }, { context, signal });
      },
    },
    "aws-kms": {
      sdk: "@aws-sdk/client-kms",
      open: async (...call) => (await aws()).openAwsKms(...call),
      read: async (uri) => ({ ...(await aws()).parseAwsKmsUri(uri) }),
      async doctor(uri, { context, timeout, signal }) {
        const { doctor, parseAwsKmsUri } = await aws();
        return doctor({ ...parseAwsKmsUri(uri), timeout }, { context, signal });
      },
    },
    "gcp-kms": {
      sdk: "@google-cloud/kms",
      open: async (...call) => (await gcp()).openGcpKms(...call),
      read: async (uri) => ({ ...(await gcp()).parseGcpKmsUri(uri) }),
      async doctor(uri, { context, timeout, signal }) {
        const { doctor, parseGcpKmsUri } = await gcp();
        return doctor({ ...parseGcpKmsUri(uri), timeout }, { context, signal });
      },
    },
    "vault-transit": {
      sdk: "node-vault",
      open: async (...call) => (await vault()).openVaultTransit(...call),
      read: async (uri) => ({ ...(await vault()).parseVaultTransitUri(uri) }),
      async doctor(uri, { context, timeout, signal }) {
        const { doctor, parseVaultTransitUri } = await vault();
        return doctor({ ...parseVaultTransitUri(uri), timeout }, { context, signal });
      },
    },
  };
}

function openers(ui: Ui): Readonly<Record<string, CmkOpener>> {
  return Object.fromEntries(
    Object.entries(adapters(ui)).map(([scheme, { open }]) => [scheme, open]),
  );
}

/** By what the keystore says of itself. A passphrase that is not in the environment is asked for. */
async function rootOf(
  ui: Ui,
  path: string,
  options: ReturnType<typeof keystoreOptions>,
): Promise<RootKeySource> {
  const { rootKind } = await inspectKeystore(path, options);
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
    "ERR_ENVELOPE_CONFIG",
    `keystore ${path}: its root key is wrapped by a CMK, which the command line has no way to name`,
  );
}

/** The file that {@link configOf} reads; `undefined` with `--cmk`. */
export function configFile({ config, cmk }: GlobalOptions): string | undefined {
  return cmk === undefined ? resolve(config ?? CONFIG_FILE) : undefined;
}

/** @throws EnvelopeError `ERR_ENVELOPE_CONFIG` for settings that cannot work. */
export function makeEnvelope(
  { minWrapped, dataKeyCache }: EnvelopeConfig,
  cmks: readonly Cmk[],
): Envelope {
  try {
    return new Envelope({
      cmks,
      ...(minWrapped === undefined ? {} : { minWrapped }),
      ...(dataKeyCache === undefined ? {} : { dataKeyCache }),
    });
  } catch (cause) {
    // Misuse by a program, but here it was a person who wrote the list of CMKs.
    if (!(cause instanceof TypeError) && !(cause instanceof RangeError)) throw cause;
    throw new EnvelopeError("ERR_ENVELOPE_CONFIG", cause.message, { cause });
  }
}

export async function closeAll(cmks: readonly Cmk[]): Promise<void> {
  await Promise.all(cmks.map((cmk) => cmk.close()));
}

async function configuredKeystore(globals: GlobalOptions): Promise<ReturnType<typeof keystoreOf>> {
  const { cmks, baseDirectory, environment } = await configOf(globals);
  const uri = cmks.find((one) => one.startsWith("local-file:"));
  if (uri === undefined) {
    throw new CommandError(
      "ERR_CLI_USAGE",
      `environment ${JSON.stringify(environment)} has no local-file CMK`,
      "keys of other KMSs are managed with their own tools; name a keystore with --keystore",
    );
  }
  return keystoreOf(uri, baseDirectory);
}

/** The keystore that a URI names, and how it is opened. */
function keystoreOf(
  uri: string,
  baseDirectory: string,
): { readonly path: string; readonly options: ReturnType<typeof keystoreOptions> } {
  const parsed = parseLocalFileUri(uri);
  const options = keystoreOptions(parsed, baseDirectory);
  return { path: resolve(baseDirectory, parsed.path), options };
}
