/** The programs of the documentation that move objects of other formats into encrypted ones. */
import { execFile } from "node:child_process";
import { createCipheriv, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { KMS } from "@aws-sdk/client-kms";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { awsKms } from "@env/aws-kms";
import { Envelope } from "@env/core";
import { createKeystore } from "@env/kms";
import { createKmsServer } from "@env/kms-server";
import { startS3Server } from "@env/test-servers/s3";
import { pattern } from "@env/testkit/bytes";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { encryptedS3 } from "../src/index.ts";

const context = { app: "archive" };
const [from, to] = ["old", "new"];
const sizes = [0, 1, 100_000];
const keyOf = (size: number): string => `a folder/${size}`;

const server = await startS3Server();
const root = { keyFile: join(tempFolder(afterAll), "key") };
const keystore = await createKeystore(join(tempFolder(afterAll), "kms"), {
  root,
  region: "us-east-1",
});
const kmsServer = createKmsServer(keystore, { port: 0 });
const kmsUrl = await kmsServer.listen();
const owner = keystore.as();
for (const AliasName of ["alias/old", "alias/objects"]) {
  const { KeyMetadata } = await owner.createKey();
  await owner.createAlias({ AliasName, TargetKeyId: KeyMetadata.KeyId });
}
const { region, credentials } = server.clientOptions;
const client = new S3Client(server.clientOptions);
const kms = new KMS({ endpoint: kmsUrl, region, credentials });
afterAll(async () => {
  client.destroy();
  kms.destroy();
  await server.close();
  await kmsServer.close();
  keystore.close();
});
beforeEach(() => {
  for (const bucket of [from, to]) server.createBucket(bucket);
});

/** Runs a program with an empty configuration and the servers' addresses. */
async function run(program: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const path = join(import.meta.dirname, "support", program);
  const args = ["--conditions=@env/source", path, from, to];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: {
      PATH: process.env["PATH"],
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
      AWS_ENDPOINT_URL_S3: server.url,
      AWS_ENDPOINT_URL_KMS: kmsUrl,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      ...more,
    },
  });
  return stdout;
}

async function requireMigrated(): Promise<void> {
  const envelope = new Envelope({ cmks: [awsKms({ client: kms, key: "alias/objects" })] });
  const s3 = encryptedS3({ client, envelope, context });
  for (const size of sizes) {
    const object = await s3.get({ Bucket: to, Key: keyOf(size) });
    expect(object).toMatchObject({ ContentType: "text/x-old", Metadata: { mine: "1" } });
    expect(Buffer.compare(await object.bytes(), pattern(size))).toBe(0);
  }
}

const all = sizes.map((size) => `${keyOf(size)}\n`).join("");

it.each(["migrate-sse-c.ts", "migrate-own-format.ts"])("%s is in the documentation", (program) => {
  const text = readFileSync(join(import.meta.dirname, "support", program), "utf8");
  const documentation = readFileSync(join(import.meta.dirname, "../README.md"), "utf8");
  expect(documentation).toContain(`\`\`\`ts\n${text}\`\`\``);
});

describe("the program for SSE-C", () => {
  const CUSTOMER_KEY = randomBytes(32).toString("base64");

  it("copies every object once", async () => {
    for (const size of sizes) {
      await client.send(
        new PutObjectCommand({
          Bucket: from,
          Key: keyOf(size),
          Body: pattern(size),
          ContentType: "text/x-old",
          Metadata: { mine: "1" },
          SSECustomerAlgorithm: "AES256",
          SSECustomerKey: CUSTOMER_KEY,
        }),
      );
    }
    expect(await run("migrate-sse-c.ts", { CUSTOMER_KEY })).toBe(all);
    await requireMigrated();
    expect(await run("migrate-sse-c.ts", { CUSTOMER_KEY })).toBe("");
  });
});

describe("the program for a format of one's own", () => {
  async function put(size: number): Promise<void> {
    const made = await kms.generateDataKey({ KeyId: "alias/old", KeySpec: "AES_256" });
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", made.Plaintext ?? new Uint8Array(), nonce);
    const sealed = [cipher.update(pattern(size)), cipher.final()];
    const key = Buffer.from(made.CiphertextBlob ?? []).toString("base64");
    await client.send(
      new PutObjectCommand({
        Bucket: from,
        Key: keyOf(size),
        Body: Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]),
        ContentType: "text/x-old",
        Metadata: { mine: "1", key },
      }),
    );
  }

  it("copies every object once", async () => {
    for (const size of sizes) await put(size);
    expect(await run("migrate-own-format.ts")).toBe(all);
    await requireMigrated();
    expect(await run("migrate-own-format.ts")).toBe("");
  });

  it("stores nothing of an object that was altered", async () => {
    await put(100_000);
    const { body = Buffer.alloc(0) } = server.object(from, keyOf(100_000)) ?? {};
    const altered = Buffer.from(body);
    altered[50_000] = (altered[50_000] ?? 0) ^ 1;
    server.alter(from, keyOf(100_000), { body: altered });
    const failure = await rejection(run("migrate-own-format.ts"));
    expect(failure).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("unable to authenticate data"),
    });
    expect(server.keys(to)).toEqual([]);
    expect(server.uploads).toEqual([]);
  });
});
