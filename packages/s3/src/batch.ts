/**
 * Rewraps by S3 Batch Operations: AWS reads a manifest of any length, calls a Lambda function for each object, tries
 * again where it may, and writes a completion report. This module is that function, and the manifest.
 *
 * Source: Amazon S3 User Guide, "Invoke AWS Lambda function" (invocation schema 1.0 and 2.0), "Specifying a manifest"
 *
 * @module
 */
import { S3ServiceException } from "@aws-sdk/client-s3";
import { isEnvelopeError } from "@env/core";
import type { EncryptedS3 } from "./encrypted-s3.ts";
import type { ObjectRewrapOptions } from "./options.ts";
import { ownerOfSidecar } from "./layout.ts";
import { NotEncrypted, type ObjectName } from "./object-front.ts";

/** What S3 Batch Operations calls a function with. */
export interface BatchEvent {
  readonly invocationSchemaVersion: "1.0" | "2.0";
  readonly invocationId: string;
  readonly job: { readonly id: string };
  readonly tasks: readonly BatchTask[];
}

export interface BatchTask {
  readonly taskId: string;
  /** The key as in a URL: `+` is a space. */
  readonly s3Key: string;
  readonly s3VersionId?: string | null | undefined;
  /** Schema 1.0. */
  readonly s3BucketArn?: string | undefined;
  /** Schema 2.0. */
  readonly s3Bucket?: string | undefined;
}

/** What it wants as the answer. */
export interface BatchResult {
  readonly invocationSchemaVersion: string;
  readonly treatMissingKeysAs: "PermanentFailure";
  readonly invocationId: string;
  readonly results: readonly {
    readonly taskId: string;
    readonly resultCode: "Succeeded" | "TemporaryFailure" | "PermanentFailure";
    /** What the completion report says. */
    readonly resultString: string;
  }[];
}

/**
 * The handler of a Lambda function that rewraps the objects of a job.
 *
 * @example
 * ```ts
 * export const handler = rewrapHandler(encryptedS3({ client: new S3Client(), envelope, context }));
 * ```
 */
export function rewrapHandler(
  s3: EncryptedS3,
  options: Pick<ObjectRewrapOptions, "context" | "from" | "dryRun"> = {},
): (event: BatchEvent) => Promise<BatchResult> {
  return async ({ invocationSchemaVersion, invocationId, tasks }) => ({
    invocationSchemaVersion,
    treatMissingKeysAs: "PermanentFailure",
    invocationId,
    results: await Promise.all(
      tasks.map(async (task) => ({
        taskId: task.taskId,
        ...(await rewrapTask(s3, task, options)),
      })),
    ),
  });
}

/**
 * Writes the lines of a manifest in CSV, for the fields `Bucket` and `Key`. Sidecars are left out: their objects
 * stand for them.
 *
 * @yields Lines, each with its line feed.
 */
export async function* manifest(
  names: AsyncIterable<ObjectName> | Iterable<ObjectName>,
): AsyncGenerator<string, void> {
  for await (const { Bucket, Key } of names) {
    if (ownerOfSidecar(Key) === undefined) yield `${Bucket},${encodeURIComponent(Key)}\n`;
  }
}

type Outcome = Omit<BatchResult["results"][number], "taskId">;

async function rewrapTask(
  s3: EncryptedS3,
  { s3Key, s3VersionId, s3BucketArn, s3Bucket }: BatchTask,
  options: ObjectRewrapOptions,
): Promise<Outcome> {
  const Bucket = s3Bucket ?? s3BucketArn?.split(":").at(-1) ?? "";
  const version = s3VersionId ? { VersionId: s3VersionId } : {};
  try {
    const Key = decodeURIComponent(s3Key.replaceAll("+", " "));
    const { changed } = await s3.rewrap({ Bucket, Key, ...version }, options);
    return { resultCode: "Succeeded", resultString: changed ? "rewrapped" : "current" };
  } catch (error) {
    if (error instanceof NotEncrypted)
      return { resultCode: "Succeeded", resultString: "not encrypted" };
    const resultCode = mayPass(error) ? "TemporaryFailure" : "PermanentFailure";
    return { resultCode, resultString: nameOf(error) };
  }
}

/** Whether another attempt may succeed. */
function mayPass(error: unknown): boolean {
  if (isEnvelopeError(error)) return error.retryable;
  if (error instanceof S3ServiceException) return (error.$metadata.httpStatusCode ?? 500) >= 500;
  return error instanceof Error && "$metadata" in error; // The SDK had no answer.
}

/** Codes and names only: messages of others are not for a report. */
function nameOf(error: unknown): string {
  if (isEnvelopeError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.name : "unknown";
}
