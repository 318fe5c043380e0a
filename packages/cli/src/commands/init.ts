/**
 * `envelope init`: a keystore with one CMK, and an environment of the configuration that names it.
 *
 * Nothing is overwritten. The configuration comes last, so a run that was killed leaves at most a complete keystore
 * without one, and the next run uses it.
 *
 * @module
 */
import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, relative, resolve, sep } from "node:path";
import { EnvelopeError } from "@env/core";
import { CONFIG_FILE, jsonErrorPosition } from "@env/core/config";
import {
  inspectKeystore,
  isKmsError,
  isPostgresUrl,
  keystoreUri,
  type Keystore,
  type KmsClient,
} from "@env/kms";
import { keystorePath } from "@env/local-file";
import { CommandError, usageError } from "../errors.ts";
import { identityOf, readSource, writeOutput, readPieces } from "../files.ts";
import { gather } from "../inputs.ts";
import {
  describeRoot,
  newKeystore,
  removeKeystore,
  rootOption,
  type Root,
} from "../new-keystore.ts";
import { examples, type Program } from "../program.ts";
import { trust, withKeystore } from "../providers.ts";
import type { Ui } from "../ui.ts";

const MAX_CONFIG_BYTES = 2 ** 20;

export function addInit(program: Program, ui: Ui): void {
  program
    .command("init")
    .summary("Create a local keystore with one CMK, and a configuration for it.")
    .description(
      "Create a local keystore with one CMK, and envelope.config.json with an environment that names it. If the configuration exists, the environment is added to it. Overwrites nothing; an interrupted run is completed by running the command again.",
    )
    .option("--keystore <path>", "the keystore: a path, or a URL of PostgreSQL", "./dev.kms")
    .option("--alias <name>", "the alias of the CMK", "alias/app")
    .addOption(rootOption())
    .addHelpText(
      "after",
      examples(
        "envelope init",
        "envelope init --environment test --keystore ci.kms",
        "envelope init --root passphrase --keystore vault.kms --environment production",
      ),
    )
    .action(async ({ keystore, alias, root }, command) => {
      const globals = command.optsWithGlobals();
      if (globals.cmk !== undefined) throw usageError("init creates a CMK and does not take --cmk");
      const file = resolve(globals.config ?? CONFIG_FILE);
      const environment = globals.environment ?? "development";
      const path = keystorePath(keystore, process.cwd());
      const uri = isPostgresUrl(path)
        ? keystoreUri(path, alias)
        : `local-file:${relativePath(dirname(file), path)}?key=${alias}`;
      const config = await readConfig(file);
      if (config !== undefined && Object.hasOwn(config.environments, environment)) {
        throw new CommandError(
          "ERR_CLI_FILE",
          `${file}: environment ${JSON.stringify(environment)} is already there`,
          "nothing was created; add another one with --environment and --keystore",
        );
      }

      const existing = !isPostgresUrl(path) && (await identityOf(path)) !== undefined;
      const chosen = command.getOptionValueSource("root") === "cli" ? root : undefined;
      const made = existing
        ? await existingKeystore(ui, path, alias, chosen)
        : await freshKeystore(ui, path, alias, root);
      try {
        await writeConfig(ui, file, config, environment, uri);
      } catch (error) {
        if (!existing && !(await isConfigured(file, environment))) {
          await removeKeystore(path, made.root);
        }
        throw error;
      }
      const data = { config: file, environment, keystore: path, ...made, alias, uri };
      await ui.result(nextSteps(data), data);
    });
}

interface Made {
  readonly root: Root;
  readonly keyId: string;
  /** Whether the keystore was there before. */
  readonly existing: boolean;
}

async function freshKeystore(ui: Ui, path: string, alias: string, root: Root): Promise<Made> {
  let keyId = "";
  // Before the file has its name: a keystore that is there has its CMK.
  const prepare = async (keystore: Keystore): Promise<void> => {
    ui.host.signal.throwIfAborted();
    keyId = await newKey(keystore.as(), alias);
  };
  (await newKeystore(ui, path, root, { prepare })).close();
  return { root, keyId, existing: false };
}

/** A keystore of a run that did not get to its configuration, or one that somebody wants a configuration for. */
async function existingKeystore(
  ui: Ui,
  path: string,
  alias: string,
  chosen: Root | undefined,
): Promise<Made> {
  const { rootKind } = await inspectKeystore(path, trust());
  if (rootKind === "cmk" || (chosen !== undefined && chosen !== rootKind)) {
    throw usageError(
      `${path}: the keystore exists, and its root key is of kind ${rootKind}`,
      "choose another name with --keystore",
    );
  }
  let keyId = "";
  await withKeystore(ui, {}, path, async (keystore) => {
    const client = keystore.as();
    keyId = (await keyOf(client, alias)) ?? (await newKey(client, alias));
  });
  return { root: rootKind, keyId, existing: true };
}

async function keyOf(client: KmsClient, alias: string): Promise<string | undefined> {
  try {
    return (await client.describeKey({ KeyId: alias })).KeyMetadata.KeyId;
  } catch (error) {
    if (isKmsError(error) && error.name === "NotFoundException") return undefined;
    throw error;
  }
}

async function newKey(client: KmsClient, alias: string): Promise<string> {
  const { KeyMetadata } = await client.createKey({ Description: "made by envelope init" });
  await client.createAlias({ AliasName: alias, TargetKeyId: KeyMetadata.KeyId });
  return KeyMetadata.KeyId;
}

interface Config {
  readonly document: object;
  readonly environments: object;
  readonly stats: BigIntStats;
}

/** @throws EnvelopeError `ERR_ENVELOPE_CONFIG` for a file that cannot be added to. */
async function readConfig(file: string): Promise<Config | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  return readSource(file, async (source) => {
    const bytes = await gather(readPieces(source), MAX_CONFIG_BYTES);
    if (bytes === undefined)
      throw configError(`${file}: it is larger than ${MAX_CONFIG_BYTES} bytes`);
    const document = parseJson(file, Buffer.from(bytes).toString());
    if (!isObject(document)) throw configError(`${file}: expected a JSON object`);
    const environments = "environments" in document ? document.environments : undefined;
    if (!isObject(environments)) throw configError(`${file}: expected an object in "environments"`);
    return { document, environments, stats: source.stats };
  });
}

/**
 * Whether a configuration names an environment, and so needs its keystore: writing it can fail when it already has its
 * name, and is only not known to be on the disk. What cannot be read may name it.
 */
async function isConfigured(file: string, environment: string): Promise<boolean> {
  try {
    const config = await readConfig(file);
    return config !== undefined && Object.hasOwn(config.environments, environment);
  } catch {
    return true;
  }
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const { line, column } = jsonErrorPosition(text);
    throw configError(`${file}:${line}:${column}: it is not valid JSON`);
  }
}

function configError(problem: string): EnvelopeError {
  const next = "nothing was created; correct the file, or choose another one with --config";
  return new EnvelopeError("ERR_ENVELOPE_CONFIG", `${problem}; ${next}`);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function writeConfig(
  ui: Ui,
  file: string,
  config: Config | undefined,
  environment: string,
  uri: string,
): Promise<void> {
  const environments = { ...config?.environments, [environment]: { cmks: [uri] } };
  const text = `${JSON.stringify({ ...config?.document, environments }, null, 2)}\n`;
  const { signal } = ui.host;
  const target =
    config === undefined
      ? { mode: 0o644, signal }
      : { overwrite: true, like: config.stats, replaces: config.stats, signal };
  await writeOutput(file, target, (handle) => handle.writeFile(text));
}

/** A path as it is written in a URI: with slashes, relative to the configuration, percent-encoded. */
function relativePath(from: string, to: string): string {
  const steps = relative(from, to).split(sep).map(encodeURIComponent).join("/");
  return steps.startsWith("..") || /^[A-Za-z]%3A/.test(steps) ? steps : `./${steps}`;
}

function nextSteps(data: {
  readonly config: string;
  readonly environment: string;
  readonly keystore: string;
  readonly existing: boolean;
  readonly root: Root;
  readonly alias: string;
  readonly keyId: string;
}): string {
  const { config, environment, keystore, existing, root, alias, keyId } = data;
  const name = basename(keystore);
  const keyFile = root === "key-file";
  return [
    `keystore   ${keystore}${existing ? " (already there, kept as it was)" : ""}`,
    `root key   ${describeRoot(keystore, root)}`,
    `CMK        ${keyId} (${alias})`,
    `config     ${config} (environment ${environment})`,
    "",
    ...(keyFile ? [`Do not commit ${name}.key: anyone who has it and ${name} can decrypt.`] : []),
    ...(isPostgresUrl(keystore) ? [] : [`  echo '${name}*' >> .gitignore`]),
    `Keep a backup of ${keyFile ? "both" : "the keystore and the root key"}: without them, what you encrypt is lost.`,
    "Next:",
    "  envelope encrypt --context purpose=try README.md",
    "  envelope inspect README.md.envelope",
  ].join("\n");
}
