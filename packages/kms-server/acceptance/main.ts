/**
 * Runs programs of others against a server with a new keystore: those that are installed. What they need is in
 * `install.sh`, which a machine without them never has to run.
 *
 *     node --conditions=@env/source packages/kms-server/acceptance/main.ts            all
 *     node --conditions=@env/source packages/kms-server/acceptance/main.ts sops boto3      by the beginnings of their names
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKeystore } from "@env/kms";
import { createKmsServer } from "../src/index.ts";
import { clients, path, pluginFolder, type Client } from "./clients.ts";

/** The exit code of a script that finds out by itself that it cannot run; its last line says why. */
const SKIPPED = 77;

const REGION = "eu-central-1";
const folder = mkdtempSync(join(tmpdir(), "kms-acceptance-"));
const wanted = process.argv.slice(2).map((name) => name.toLowerCase());
const chosen = clients.filter(
  ({ name }) => wanted.length === 0 || wanted.some((each) => name.toLowerCase().startsWith(each)),
);
if (chosen.length === 0) {
  console.error(
    `No client has such a name. There are: ${clients.map(({ name }) => name).join("; ")}`,
  );
  process.exit(2);
}

let failed = 0;
try {
  for (const client of chosen) {
    const reason = skipped(client);
    if (reason === undefined) await run(client);
    else skip(client, reason);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;

function skip({ name }: Client, reason: string): void {
  console.log(`${name}: skipped, because ${reason}`);
}

function skipped(client: Client): string | undefined {
  try {
    client.version();
  } catch {
    return "it is not installed";
  }
  return client.missing?.();
}

/** Each client has a keystore of its own. */
async function run(client: Client): Promise<void> {
  const file = join(folder, `${clients.indexOf(client)}.kms`);
  using keystore = await createKeystore(file, { root: { keyFile: `${file}.key` }, region: REGION });
  const { accessKeyId, secretAccessKey } = await keystore.iam.accessKeys.create("root");
  const owner = keystore.as("root");
  const [key, second, signer] = await Promise.all([
    owner.createKey({ Description: "first" }),
    owner.createKey({ Description: "second" }),
    owner.createKey({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" }),
  ]);
  await owner.createAlias({ AliasName: "alias/sign", TargetKeyId: signer.KeyMetadata.KeyId });

  await using server = createKmsServer(keystore, { port: 0, auth: "strict" });
  const url = await server.listen();
  const started = Date.now();
  const { code, text } = await execute(client.command, {
    PATH: path,
    HOME: folder,
    TMPDIR: folder,
    AWS_ENDPOINT_URL: url,
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_KMS_ENDPOINT: url,
    KEY_ARN: key.KeyMetadata.Arn,
    SECOND_KEY_ARN: second.KeyMetadata.Arn,
    SIGN_ALIAS: "alias/sign",
    TF_PLUGINS: pluginFolder(),
    BAO: process.env["BAO"],
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  if (code === SKIPPED) {
    skip(client, text.trim().split("\n").at(-1) ?? "");
    return;
  }
  if (code === 0) {
    console.log(`${client.name} ${client.version()}: passed in ${seconds} s`);
    return;
  }
  failed++;
  console.error(
    `${client.name} ${client.version()}: FAILED with ${code} after ${seconds} s\n${text}`,
  );
}

/** Runs a command to its end. The text is everything that it has printed. */
async function execute(
  [command, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly code: number | string; readonly text: string }> {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"], timeout: 600_000 });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
  }
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code: code ?? signal ?? "unknown", text };
}
