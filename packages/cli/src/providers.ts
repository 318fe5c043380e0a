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
  isEnvelopeError,
  openCmk,
  type Cmk,
  type CmkOpener,
  type Observer,
} from "@env/core";
import { CONFIG_FILE, loadConfig, openCmks, type EnvelopeConfig } from "@env/core/config";
import type * as Gcp from "@env/gcp-kms";
import {
  inspectKeystore,
  isPostgresUrl,
  openKeystore,
  type Keystore,
  type RootKeyKind,
  type RootKeySource,
} from "@env/kms";
import {
  isKeystoreUri,
  keystoreOptions,
  keystorePath,
  openLocalFile,
  parseLocalFileUri,
} from "@env/local-file";
import type * as Vault from "@env/vault-transit";
import { CommandError, usageError } from "./errors.ts";
import { keyFileOf, OwnFiles } from "./own-files.ts";
import { readPassphrase } from "./passphrase.ts";
import type { GlobalOptions } from "./program.ts";
import type { Ui } from "./ui.ts";
import { WrappingWatch } from "./wrapping.ts";

/** The variable that holds a root key; the same as `openLocalFile`'s. */
export const rootKeyVariable = "ENVELOPE_ROOT_KEY";

/** What says which CMKs a command works with, and who calls them. */
export interface CmkSelection extends Pick<GlobalOptions, "config" | "environment" | "cmk"> {
  readonly as?: string | undefined;
}

/** What a command works with. */
export interface Opened {
  readonly envelope: Envelope;
  /** The CMKs to leave, of `--from`. */
  readonly from: readonly Cmk[];
  readonly own: OwnFiles;
  readonly wrapping: WrappingWatch;
}

/**
 * Opens the CMKs, runs `use` and closes them.
 *
 * @param from - URIs of further CMKs, which are not part of the envelope.
 */
export async function withEnvelope<T>(
  ui: Ui,
  selection: CmkSelection,
  use: (opened: Opened) => Promise<T>,
  from: readonly string[] = [],
): Promise<T> {
  for (const uri of from) await requireUri(ui, "--from", uri);
  const config = await configOf(ui, selection);
  const cmks = await openCmks(config, openers(ui));
  const further: Cmk[] = [];
  const wrapping = new WrappingWatch();
  try {
    const envelope = makeEnvelope(config, cmks, wrapping.observe);
    for (const uri of calledBy(from, selection.as)) further.push(await openCmk(uri, openers(ui)));
    const own = await OwnFiles.of(configFile(selection), [
      { uris: config.cmks, baseDirectory: config.baseDirectory },
      { uris: from, baseDirectory: process.cwd() },
    ]);
    return await use({ envelope, from: further, own, wrapping });
  } finally {
    wrapping.report(ui);
    await closeAll([...cmks, ...further]);
  }
}

/** Opens the keystore of `--keystore`, or that of the environment's first local-file CMK. */
export async function withKeystore<T>(
  ui: Ui,
  selection: Omit<CmkSelection, "as">,
  keystore: string | undefined,
  use: (keystore: Keystore) => Promise<T>,
): Promise<T> {
  const { path, options } = await namedKeystore(ui, selection, keystore);
  using opened = await openKeystore(path, { ...options, root: await rootOf(ui, path, options) });
  return await use(opened);
}

/** Where that keystore is, and how it is opened. */
export async function namedKeystore(
  ui: Ui,
  selection: Omit<CmkSelection, "as">,
  keystore: string | undefined,
): Promise<ReturnType<typeof keystoreOf>> {
  if (keystore === undefined) return configuredKeystore(ui, selection);
  return { path: keystorePath(keystore, process.cwd()), options: trust() };
}

/** The environment that the options name; with `--cmk` one of their own. */
export async function configOf(ui: Ui, selection: CmkSelection): Promise<EnvelopeConfig> {
  const { config: file, environment, cmk, as } = selection;
  if (cmk === undefined) {
    const config = await loadConfig({ file, environment });
    return { ...config, cmks: calledBy(config.cmks, as) };
  }
  if (file !== undefined || environment !== undefined) {
    throw usageError("--cmk replaces the configuration", "leave out --config and --environment");
  }
  for (const uri of cmk) await requireUri(ui, "--cmk", uri);
  return {
    environment: "command line",
    cmks: calledBy(cmk, as),
    baseDirectory: process.cwd(),
  };
}

/** The URIs, with the principal of `--as` in those of local keystores. */
function calledBy(uris: readonly string[], as: string | undefined): readonly string[] {
  if (as === undefined || uris.length === 0) return uris;
  if (!uris.some(isKeystoreUri)) {
    throw usageError(
      "--as is for local keystores, and none is configured",
      "other KMSs know the caller by its credentials",
    );
  }
  return uris.map((uri) => {
    if (!isKeystoreUri(uri)) return uri;
    const [path = "", query = ""] = uri.split("?", 2);
    const parameters = query.split("&").filter((one) => !one.startsWith("principal="));
    const called = `${path}?${[...parameters, `principal=${encodeURIComponent(as)}`].join("&")}`;
    return asUsageError("--as", () => (parseLocalFileUri(called), called));
  });
}

/** @throws CommandError `ERR_CLI_USAGE` for a malformed URI on the command line. */
async function requireUri(ui: Ui, option: string, uri: string): Promise<void> {
  try {
    const { adapter } = await adapterOf(ui, uri);
    await adapter.read(uri);
  } catch (error) {
    throw isEnvelopeError(error, "ERR_ENVELOPE_CONFIG")
      ? usageError(`${option}: ${error.message}`)
      : error;
  }
}

function asUsageError<T>(option: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw isEnvelopeError(error, "ERR_ENVELOPE_CONFIG")
      ? usageError(`${option}: ${error.message}`)
      : error;
  }
}

// Loaded when they are named, so that `envelope --help` does not wait for them.
const aws = (): Promise<typeof Aws> => import("@env/aws-kms");
const gcp = (): Promise<typeof Gcp> => import("@env/gcp-kms");
const vault = (): Promise<typeof Vault> => import("@env/vault-transit");

/** What the command asks of an adapter. */
export interface Adapter {
  readonly open: CmkOpener;
  /** What a URI names, which is not secret. Nothing is opened or called. */
  readonly read: (uri: string) => Promise<Readonly<Record<string, unknown>>>;
}

/**
 * The adapter of a URI, and what entries call its provider. Errors show nothing of a URI without a known scheme.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_CONFIG`
 */
export async function adapterOf(
  ui: Ui,
  uri: string,
): Promise<{ readonly provider: string; readonly adapter: Adapter }> {
  const scheme = uri.slice(0, Math.max(0, uri.indexOf(":")));
  const all = adapters(ui);
  const adapter = Object.hasOwn(all, scheme) ? all[scheme] : undefined;
  if (adapter !== undefined) {
    return { provider: isKeystoreUri(uri) ? "local-file" : scheme, adapter };
  }
  await openCmk(uri, openers(ui)); // Refuses, and says which there are.
  throw new TypeError("an opener without an adapter");
}

/** The adapters by the scheme of their URIs. */
function adapters(ui: Ui): Readonly<Record<string, Adapter>> {
  const local: Adapter = {
    async open(uri, options = {}) {
      const { path, options: opened } = keystoreOf(uri, options.baseDirectory ?? process.cwd());
      return openLocalFile(uri, { ...options, ...trust(), root: await rootOf(ui, path, opened) });
    },
    read: async (uri) => ({ ...parseLocalFileUri(uri) }),
  };
  return {
    "local-file": local,
    keystore: local,
    "aws-kms": {
      open: async (...call) => (await aws()).openAwsKms(...call),
      read: async (uri) => ({ ...(await aws()).parseAwsKmsUri(uri) }),
    },
    "gcp-kms": {
      open: async (...call) => (await gcp()).openGcpKms(...call),
      read: async (uri) => ({ ...(await gcp()).parseGcpKmsUri(uri) }),
    },
    "vault-transit": {
      open: async (...call) => (await vault()).openVaultTransit(...call),
      read: async (uri) => ({ ...(await vault()).parseVaultTransitUri(uri) }),
    },
  };
}

function openers(ui: Ui): Readonly<Record<string, CmkOpener>> {
  return Object.fromEntries(
    Object.entries(adapters(ui)).map(([scheme, { open }]) => [scheme, open]),
  );
}

/** The root key of the kind that the keystore names. A passphrase that is not in the environment is asked for. */
export async function rootOf(
  ui: Ui,
  path: string,
  options: KeystoreOptions,
): Promise<RootKeySource> {
  const { rootKind } = await inspectKeystore(path, options);
  return rootSource(ui, rootKind, path, "open");
}

/** Where to get a root key of this kind, or where to create it. */
export function rootSource(
  ui: Ui,
  kind: RootKeyKind,
  path: string,
  purpose: "open" | "create",
): RootKeySource {
  if (kind === "key-file" && isPostgresUrl(path)) {
    throw usageError(
      "no key file is beside a database, and every node needs the root key",
      "choose --root environment or --root passphrase for a keystore in PostgreSQL",
    );
  }
  if (kind === "key-file") return { keyFile: keyFileOf(path) };
  if (kind === "environment") return { environment: rootKeyVariable };
  if (kind === "passphrase") return { passphrase: () => readPassphrase(ui, path, purpose) };
  throw new EnvelopeError(
    "ERR_ENVELOPE_CONFIG",
    `keystore ${path}: its root key is wrapped by a CMK, which the command line has no way to name`,
  );
}

/** The file that {@link configOf} reads; `undefined` with `--cmk`. */
export function configFile({ config, cmk }: CmkSelection): string | undefined {
  return cmk === undefined ? resolve(config ?? CONFIG_FILE) : undefined;
}

/** @throws EnvelopeError `ERR_ENVELOPE_CONFIG` for settings that cannot work. */
export function makeEnvelope(
  { minWrapped, dataKeyCache }: EnvelopeConfig,
  cmks: readonly Cmk[],
  observer?: Observer,
): Envelope {
  try {
    return new Envelope({
      cmks,
      ...(observer === undefined ? {} : { observer }),
      ...(minWrapped === undefined ? {} : { minWrapped }),
      ...(dataKeyCache === undefined ? {} : { dataKeyCache }),
    });
  } catch (cause) {
    // In a program this is misuse, but here a person wrote the list of CMKs.
    if (!(cause instanceof TypeError) && !(cause instanceof RangeError)) throw cause;
    throw new EnvelopeError("ERR_ENVELOPE_CONFIG", cause.message, { cause });
  }
}

export async function closeAll(cmks: readonly Cmk[]): Promise<void> {
  await Promise.all(cmks.map((cmk) => cmk.close()));
}

async function configuredKeystore(
  ui: Ui,
  { config, environment: named, cmk }: CmkSelection,
): Promise<ReturnType<typeof keystoreOf>> {
  const selection = { config, environment: named, cmk };
  const { cmks, baseDirectory, environment } = await configOf(ui, selection);
  const uri = cmks.find(isKeystoreUri);
  if (uri === undefined) {
    throw new CommandError(
      "ERR_CLI_USAGE",
      `environment ${JSON.stringify(environment)} has no local-file CMK`,
      "name a keystore with --keystore; keys of other KMSs are managed with their own tools",
    );
  }
  return keystoreOf(uri, baseDirectory);
}

type KeystoreOptions = ReturnType<typeof keystoreOptions>;

/** Whoever knows that the SQLite of this machine is patched says so here, for all keystores. */
const patchedSqliteVariable = "ENVELOPE_PATCHED_SQLITE";

/** Options that the environment gives for every keystore. */
export function trust(): { patchedSqlite?: true } {
  return process.env[patchedSqliteVariable] === "1" ? { patchedSqlite: true } : {};
}

/** The keystore that a URI names, and how it is opened. */
function keystoreOf(
  uri: string,
  baseDirectory: string,
): { readonly path: string; readonly options: KeystoreOptions } {
  const parsed = parseLocalFileUri(uri);
  const options = { ...keystoreOptions(parsed, baseDirectory), ...trust() };
  return { path: keystorePath(parsed.path, baseDirectory), options };
}
