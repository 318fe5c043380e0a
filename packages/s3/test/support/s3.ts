/** A bucket, and what encrypts into it. */
import { S3Client } from "@aws-sdk/client-s3";
import { Cmk, Envelope, isEnvelopeError } from "@env/core";
import { MemoryKms } from "@env/core/testing";
import { startS3Server, type S3Server, type S3ServerOptions } from "@env/test-servers/s3";
import { refusing } from "@env/testkit/refusal";
import { onTestFinished } from "vitest";
import { encryptedS3, type EncryptedS3, type EncryptedS3Options } from "../../src/index.ts";

export const Bucket = "bucket";
export const context: { readonly tenant: string } = { tenant: "acme" };
export const refuses = refusing(isEnvelopeError);

export interface Setup {
  readonly server: S3Server;
  readonly client: S3Client;
  /** Each call makes another CMK in one KMS. */
  readonly newCmk: () => Cmk;
  readonly cmk: Cmk;
  readonly s3: EncryptedS3;
  /** Options of `s3` with some others. */
  readonly with: (options: Partial<EncryptedS3Options>) => EncryptedS3;
}

export async function setUp(options: S3ServerOptions = {}): Promise<Setup> {
  const server = await startS3Server({ buckets: [Bucket], ...options });
  const client = new S3Client({ ...server.clientOptions, maxAttempts: 2 });
  onTestFinished(async () => {
    client.destroy();
    await server.close();
  });
  const kms = new MemoryKms();
  const newCmk = (): Cmk => new Cmk(kms.driver(kms.createKey()));
  const cmk = newCmk();
  const usual = { client, envelope: new Envelope({ cmks: [cmk] }), context };
  const withOptions = (more: Partial<EncryptedS3Options>): EncryptedS3 =>
    encryptedS3({ ...usual, ...more });
  return { server, client, newCmk, cmk, s3: encryptedS3(usual), with: withOptions };
}
