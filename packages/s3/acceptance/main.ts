/**
 * Objects go both ways between this package and AWS's own encryption clients: those that are installed. What
 * they need is in `install.sh`, which a machine without them never has to run. S3 is that of
 * `@env/test-servers`, and the KMS our own server.
 *
 *     node --conditions=@env/source packages/s3/acceptance/main.ts           all
 *     node --conditions=@env/source packages/s3/acceptance/main.ts java      those with that in their names
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { KMS } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { awsKms } from "@env/aws-kms";
import { createKeystore } from "@env/kms";
import { createKmsServer } from "@env/kms-server";
import { startS3Server } from "@env/test-servers/s3";
import {
  aesKeyring,
  kmsKeyring,
  rsaKeyring,
  s3EncryptionClient,
  type S3EncryptionClient,
  type S3Keyring,
} from "../src/s3ec/index.ts";
import { clients, type Client } from "./clients.ts";
import { lineOf, plaintextOf, type Keyring, type ObjectKind } from "./objects.ts";

const Bucket = "objects";
const REGION = "us-east-1";
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const context = { app: "orders" };

/** The most failures of a client that are shown. */
const SHOWN = 30;

const wanted = process.argv[2]?.toLowerCase() ?? "";
const chosen = clients.filter(({ name }) => name.toLowerCase().includes(wanted));
if (chosen.length === 0) {
  console.error(
    `No client has such a name. There are: ${clients.map(({ name }) => name).join("; ")}`,
  );
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "s3-acceptance-"));
const root = { keyFile: join(folder, "kms.key") };
const keystore = await createKeystore(join(folder, "kms"), { root, region: REGION });
const kmsServer = createKmsServer(keystore, { port: 0 });
const kmsUrl = await kmsServer.listen();
const { KeyMetadata } = await keystore.as().createKey();
const keyArn = KeyMetadata.Arn;
const aesKey = createSecretKey(randomBytes(32));
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const publicKey = createPublicKey(privateKey);

let failed = 0;
for (const client of chosen) {
  const reason = client.missing();
  if (reason === undefined) await run(client);
  else console.log(`${client.name}: skipped, because ${reason}`);
}
process.exitCode = failed === 0 ? 0 : 1;
await kmsServer.close();
keystore.close();
rmSync(folder, { recursive: true });

/** Each client has a store of its own for what it writes, and one for what it reads. */
async function run(client: Client): Promise<void> {
  const started = Date.now();
  const { name, writes, reads } = client;
  const failures: string[] = [];
  {
    await using store = await startS3Server({ buckets: [Bucket] });
    using ours = ourClients(store.clientOptions);
    const written = await perform(
      client,
      store.url,
      writes.map((kind) => lineOf("write", kind)),
    );
    for (const kind of writes) {
      const problem = written.get(kind.key) ?? (await attempt(() => ours.read(kind)));
      if (problem !== "") failures.push(`written by it, ${kind.key}: ${problem}`);
    }
    // Its instruction files are replaced by ours, and it reads its objects all the same.
    const rewrapped = writes.filter(
      ({ placement, version }) =>
        placement === "instruction-file" && (version === "V2" || version === "V3"),
    );
    for (const kind of rewrapped) {
      const problem = await attempt(() => ours.rewrap(kind));
      if (problem !== "") failures.push(`rewrapped here, ${kind.key}: ${problem}`);
    }
    await readBack(client, store.url, rewrapped, "rewrapped here", failures);
  }
  {
    await using store = await startS3Server({ buckets: [Bucket] });
    using ours = ourClients(store.clientOptions);
    for (const kind of reads) {
      const problem = await attempt(() => ours.write(kind));
      if (problem !== "") failures.push(`written here, ${kind.key}: ${problem}`);
    }
    await readBack(client, store.url, reads, "written here", failures);
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const counts = `${writes.length} objects of its own, ${reads.length} of ours`;
  if (failures.length === 0) {
    console.log(`${name}: passed in ${seconds} s, ${counts}`);
    return;
  }
  failed++;
  const shown = failures.slice(0, SHOWN).join("\n");
  console.error(
    `${name}: FAILED after ${seconds} s, ${counts}, ${failures.length} failures:\n${shown}`,
  );
}

/** Has a client read objects, and adds what goes wrong to the failures. */
async function readBack(
  client: Client,
  s3Url: string,
  kinds: readonly ObjectKind[],
  origin: string,
  failures: string[],
): Promise<void> {
  const lines = kinds.map((kind) => lineOf("read", kind));
  for (const [key, problem] of await perform(client, s3Url, lines)) {
    failures.push(`${origin} and read by it, ${key}: ${problem}`);
  }
}

/** Our own reader and writer. */
function ourClients(options: ConstructorParameters<typeof S3Client>[0]) {
  const client = new S3Client(options ?? {});
  const cmk = awsKms({
    client: new KMS({ endpoint: kmsUrl, region: REGION, credentials }),
    key: keyArn,
  });
  const keyrings: Readonly<Record<Keyring, S3Keyring>> = {
    kms: kmsKeyring(cmk),
    aes: aesKeyring(aesKey),
    rsa: rsaKeyring({ publicKey, privateKey }),
  };
  const clientFor = ({ version, keyring }: ObjectKind): S3EncryptionClient =>
    s3EncryptionClient({
      client,
      keyring: keyrings[keyring],
      allowLegacy: true,
      commitmentPolicy:
        version === "V3" ? "REQUIRE_ENCRYPT_REQUIRE_DECRYPT" : "FORBID_ENCRYPT_ALLOW_DECRYPT",
    });
  const bound = ({ keyring }: ObjectKind) => (keyring === "kms" ? { context } : {});
  return {
    async read(kind: ObjectKind): Promise<void> {
      const { body } = await clientFor(kind).get({ Bucket, Key: kind.key }, bound(kind));
      if (Buffer.compare(body, plaintextOf(kind)) !== 0) throw new Error("another plaintext");
    },
    async write(kind: ObjectKind): Promise<void> {
      const bytes = plaintextOf(kind);
      const Body = kind.upload === "put" ? bytes : Readable.from([bytes]);
      const instructionFile = kind.placement === "instruction-file";
      await clientFor(kind).put(
        { Bucket, Key: kind.key, Body },
        { instructionFile, ...bound(kind) },
      );
    },
    async rewrap(kind: ObjectKind): Promise<void> {
      const { keyring } = kind;
      const to = {
        to: keyrings[keyring],
        ...(keyring === "kms" && { context, toContext: context }),
      };
      await clientFor(kind).rewrap({ Bucket, Key: kind.key }, to);
    },
    [Symbol.dispose]: () => client.destroy(),
  };
}

/** The text of the error; empty if there is none. */
async function attempt(call: () => Promise<void>): Promise<string> {
  try {
    await call();
    return "";
  } catch (error) {
    return String(error);
  }
}

/** Runs a client on some objects. Returns what it says of those that failed, by key. */
async function perform(
  { command: [program, ...args] }: Client,
  s3Url: string,
  lines: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const child = spawn(program, args, {
    env: {
      PATH: process.env["PATH"],
      S3_URL: s3Url,
      KMS_URL: kmsUrl,
      BUCKET: Bucket,
      KEY_ARN: keyArn,
      AES_KEY: aesKey.export().toString("base64"),
      RSA_PUBLIC_KEY: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
      RSA_PRIVATE_KEY: privateKey.export({ type: "pkcs8", format: "der" }).toString("base64"),
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_EC2_METADATA_DISABLED: "true",
    },
    stdio: ["pipe", "pipe", process.env["DEBUG"] === undefined ? "ignore" : "inherit"],
  });
  const failures = new Map(lines.map((line) => [line.split("\t")[1] ?? "", "no answer"]));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [outcome, key = "", text = ""] = line.split("\t");
    if (outcome === "ok") failures.delete(key);
    else if (outcome === "failed") failures.set(key, text);
  });
  child.stdin.on("error", () => undefined); // A client that ends early has not answered.
  child.stdin.end(lines.join(""));
  await once(child, "close");
  return failures;
}
