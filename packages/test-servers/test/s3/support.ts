import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { rejection } from "@env/testkit/refusal";
import { onTestFinished } from "vitest";
import { startS3Server, type S3Server, type S3ServerOptions } from "../../src/s3/index.ts";

export const Bucket = "photos";

/** A server with one bucket and a client of it, both gone with the test. The client tries once. */
export async function testServer(
  options: S3ServerOptions = {},
  clientConfig: S3ClientConfig = {},
): Promise<{ server: S3Server; client: S3Client }> {
  const server = await startS3Server({ buckets: [Bucket], ...options });
  const client = new S3Client({ ...server.clientOptions, maxAttempts: 1, ...clientConfig });
  onTestFinished(async () => {
    client.destroy();
    await server.close();
  });
  return { server, client };
}

/** Status and code of a refusal. */
export async function refusal(
  answer: Promise<unknown>,
): Promise<readonly [number | undefined, string]> {
  const error = await rejection(answer);
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return [$metadata?.httpStatusCode, error.name];
}
