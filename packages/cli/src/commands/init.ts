/**
 * `envelope init`: a keystore with one CMK, and a configuration that names it. All of it or nothing.
 *
 * @module
 */
import { lstat, unlink } from "node:fs/promises";
import { basename, dirname, relative, resolve, sep } from "node:path";
import { CONFIG_FILE } from "@env/core/config";
import { createKeystore, type RootKeyKind } from "@env/kms";
import { Option } from "@commander-js/extra-typings";
import { CommandError, usageError } from "../errors.ts";
import { writeOutput } from "../files.ts";
import { passphraseVariable } from "../passphrase.ts";
import type { Program } from "../program.ts";
import { keyFileOf, rootKeyVariable, rootSource } from "../providers.ts";
import type { Ui } from "../ui.ts";

/** SQLite's own files beside a database. */
const COMPANIONS = ["-wal", "-shm", "-journal"];

export function addInit(program: Program, ui: Ui): void {
  program
    .command("init")
    .description(
      "Make a local keystore with one CMK, and envelope.config.json. Overwrites nothing.",
    )
    .option("--keystore <path>", "the keystore file", "./dev.kms")
    .option("--alias <name>", "the CMK's alias", "alias/app")
    .addOption(
      new Option("--root <kind>", "where the keystore's root key is kept")
        .choices(["key-file", "environment", "passphrase"])
        .default("key-file" as const),
    )
    .action(async ({ keystore, alias, root }, command) => {
      const globals = command.optsWithGlobals();
      if (globals.cmk !== undefined) throw usageError("init makes a CMK; --cmk has no place here");
      const config = resolve(globals.config ?? CONFIG_FILE);
      const environment = globals.environment ?? "development";
      const path = resolve(keystore);
      const made = root === "key-file" ? [path, keyFileOf(path)] : [path];
      for (const file of [config, ...made]) await requireAbsent(file);
      if (root === "environment") requireRootKeyVariable();

      const keyId = await makeKeystore(ui, path, alias, root);
      const uri = `local-file:${relativePath(dirname(config), path)}?key=${alias}`;
      const text = `${JSON.stringify({ environments: { [environment]: { cmks: [uri] } } }, null, 2)}\n`;
      const shared = { mode: 0o644, signal: ui.host.signal };
      try {
        await writeOutput(config, shared, (file) => file.writeFile(text));
      } catch (error) {
        await remove(path, root);
        throw error;
      }
      const data = { config, environment, keystore: path, root, alias, keyId, uri };
      await ui.result(nextSteps(data), data);
    });
}

async function makeKeystore(ui: Ui, path: string, alias: string, root: Root): Promise<string> {
  // Leaves nothing behind where it fails.
  using keystore = await createKeystore(path, { root: rootSource(ui, root, path, "create") });
  try {
    ui.host.signal.throwIfAborted();
    const client = keystore.as();
    const { KeyMetadata } = await client.createKey({ Description: "made by envelope init" });
    await client.createAlias({ AliasName: alias, TargetKeyId: KeyMetadata.KeyId });
    return KeyMetadata.KeyId;
  } catch (error) {
    keystore.close();
    await remove(path, root);
    throw error;
  }
}

type Root = Exclude<RootKeyKind, "cmk">;

/** Only what this run has made: nothing was there before. */
async function remove(path: string, root: Root): Promise<void> {
  const files = [path, ...COMPANIONS.map((suffix) => path + suffix)];
  if (root === "key-file") files.push(keyFileOf(path));
  for (const file of files) await unlink(file).catch(() => undefined);
}

async function requireAbsent(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  throw new CommandError(
    "ERR_CLI_FILE",
    `${path}: it exists already, and init overwrites nothing`,
    "nothing was made; choose other names with --keystore and --config",
  );
}

function requireRootKeyVariable(): void {
  if ((process.env[rootKeyVariable] ?? "") !== "") return;
  throw usageError(
    `--root environment needs the root key in ${rootKeyVariable}`,
    `make one: export ${rootKeyVariable}="env-root-1.$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=')", and keep it safe`,
  );
}

/** As it stands in a URI: with slashes, relative to the configuration, percent-encoded. */
function relativePath(from: string, to: string): string {
  const steps = relative(from, to).split(sep).map(encodeURIComponent).join("/");
  return steps.startsWith("..") || /^[A-Za-z]%3A/.test(steps) ? steps : `./${steps}`;
}

function nextSteps(data: {
  config: string;
  environment: string;
  keystore: string;
  root: Root;
  alias: string;
  keyId: string;
}): string {
  const name = basename(data.keystore);
  const rootKey = {
    "key-file": `root key   ${keyFileOf(data.keystore)}`,
    environment: `root key   in ${rootKeyVariable}`,
    passphrase: `root key   from a passphrase, asked for or in ${passphraseVariable}`,
  }[data.root];
  const secret =
    data.root === "key-file"
      ? `Do not commit ${name}.key: whoever has it and ${name} can decrypt.`
      : "";
  return [
    `keystore   ${data.keystore}`,
    rootKey,
    `CMK        ${data.keyId} (${data.alias})`,
    `config     ${data.config} (environment ${data.environment})`,
    "",
    ...(secret === "" ? [] : [secret]),
    `  echo '${name}*' >> .gitignore`,
    `Keep a backup of ${data.root === "key-file" ? "both" : "the keystore and the root key"}: without them what you encrypt is lost.`,
    "Next:",
    "  envelope encrypt --context purpose=try README.md",
    "  envelope inspect README.md.envelope",
  ].join("\n");
}
