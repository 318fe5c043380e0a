/** The program of the documentation, with a mail as SES stores it. */
import { execFile } from "node:child_process";
import { createCipheriv, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createKeystore } from "@env/kms";
import { createKmsServer } from "@env/kms-server";
import { startS3Server } from "@env/test-servers/s3";
import { rejection } from "@env/testkit/refusal";
import { afterAll, describe, expect, it } from "vitest";

const program = join(import.meta.dirname, "support/ses-mail.ts");
const documentation = join(import.meta.dirname, "../../README.md");
const messageId = "d6iitobk75ur44p8kdnnp7g2n800";
const account = "111122223333";
const mail = "Subject: Invoice\r\n\r\nZürich, 30 November\r\n";

const server = await startS3Server({ buckets: ["inbox"] });
const folder = mkdtempSync(join(tmpdir(), "ses-"));
const root = { keyFile: join(folder, "key") };
const keystore = await createKeystore(join(folder, "kms"), { root, region: "us-east-1" });
const kms = createKmsServer(keystore, { port: 0 });
const kmsUrl = await kms.listen();
const key = "alias/mail";
await receive();
afterAll(async () => {
  await server.close();
  await kms.close();
  keystore.close();
  rmSync(folder, { recursive: true });
});

/**
 * Stores a mail with the headers that SES gives it.
 *
 * Source: the headers of a stored mail in the tests of the Amazon S3 Encryption Client for .NET; AWS KMS Developer Guide,
 * "How Amazon SES uses AWS KMS"
 */
async function receive(): Promise<void> {
  const context = {
    "aws:ses:message-id": messageId,
    "aws:ses:rule-name": "encrypt-to-s3",
    "aws:ses:source-account": account,
    kms_cmk_id: `arn:aws:kms:us-east-1:${account}:alias/mail`,
  };
  const owner = keystore.as();
  const { KeyMetadata } = await owner.createKey();
  await owner.createAlias({ AliasName: key, TargetKeyId: KeyMetadata.KeyId });
  const made = await owner.generateDataKey({
    KeyId: key,
    KeySpec: "AES_256",
    EncryptionContext: context,
  });
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", made.Plaintext, iv);
  const body = Buffer.concat([cipher.update(mail), cipher.final(), cipher.getAuthTag()]);
  const metadata = {
    "x-amz-tag-len": "128",
    "x-amz-unencrypted-content-length": String(Buffer.byteLength(mail)),
    "x-amz-wrap-alg": "kms",
    "x-amz-matdesc": JSON.stringify(context),
    "x-amz-key-v2": Buffer.from(made.CiphertextBlob).toString("base64"),
    "x-amz-cek-alg": "AES/GCM/NoPadding",
    "x-amz-iv": iv.toString("base64"),
  };
  server.put("inbox", messageId, { body, metadata });
}

/** Runs the program with an empty configuration and the servers' addresses. */
async function run(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, ["--conditions=@env/source", program, ...args], {
    env: {
      PATH: process.env["PATH"],
      AWS_ENDPOINT_URL_S3: server.url,
      AWS_ENDPOINT_URL_KMS: kmsUrl,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    },
  });
}

describe("the program that prints a mail of SES", () => {
  it("is the one in the documentation", () => {
    const fence = `\`\`\`ts\n${readFileSync(program, "utf8")}\`\`\``;
    expect(readFileSync(documentation, "utf8")).toContain(fence);
  });

  it("prints the mail", async () => {
    const { stdout } = await run("inbox", messageId, account, key);
    expect(stdout).toBe(mail);
  });

  it("refuses a mail of another account", async () => {
    const failure = await rejection(run("inbox", messageId, "999999999999", key));
    const stderr: unknown = expect.stringContaining("ERR_ENVELOPE_DECRYPT");
    expect(failure).toMatchObject({ code: 1, stdout: "", stderr });
  });
});
