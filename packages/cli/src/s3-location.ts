/**
 * S3 on the command line: locations, the client that reaches them, and its errors.
 *
 * Where S3 is and who calls it is said as for AWS's own tools: by the environment and `~/.aws`. Loading this module
 * loads no SDK.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import type * as Sdk from "@aws-sdk/client-s3";
import type { Envelope } from "@env/core";
import type * as Package from "@env/s3";
import { CommandError, usageError } from "./errors.ts";

/** An object, or, with a key that is a prefix, several. */
export interface S3Location {
  readonly Bucket: string;
  /** May be empty. */
  readonly Key: string;
  /** The location as it was typed. */
  readonly text: string;
}

/** The options that say where S3 is. */
export type S3Options = {
  readonly endpointUrl?: string | undefined;
  readonly region?: string | undefined;
};

export interface OpenedS3 {
  readonly s3: Package.EncryptedS3;
  /** The objects below a prefix, without sidecars. Nothing but their names is looked at. */
  readonly names: (input: { readonly Bucket: string; readonly Prefix: string }) => AsyncIterable<{
    readonly Key: string;
    readonly Size: number | undefined;
  }>;
  readonly rewrapBucket: typeof Package.rewrapBucket;
  readonly reportBucket: typeof Package.reportBucket;
}

export function endpointOption(): Option<"--endpoint-url <url>"> {
  return new Option("--endpoint-url <url>", "a store other than AWS, also by AWS_ENDPOINT_URL");
}

export function regionOption(): Option<"--region <region>"> {
  return new Option("--region <region>", "another region than the configured one");
}

export function concurrencyOption(
  what: string,
  usual: number,
): Option<"--concurrency <n>", undefined, undefined, number> {
  return new Option("--concurrency <n>", `${what}. Default: ${usual}`).argParser((text: string) => {
    const number = Number(text);
    if (/^[1-9][0-9]{0,3}$/.test(text) && number <= 1024) return number;
    throw usageError(`${JSON.stringify(text)} is not a whole number from 1 to 1024`);
  });
}

const FORM = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s;

export function isLocation(text: string): boolean {
  return text.startsWith("s3://");
}

/** @throws CommandError `ERR_CLI_USAGE` for what is not a location. */
export function parseLocation(text: string): S3Location {
  const [, Bucket, Key = ""] = FORM.exec(text) ?? [];
  if (Bucket !== undefined) return { Bucket, Key, text };
  throw usageError(`${JSON.stringify(text)} is not a location in S3`, "write s3://bucket/key");
}

/** @throws CommandError `ERR_CLI_USAGE` for what is not a location, or only that of a bucket or a folder. */
export function parseObject(text: string): S3Location {
  const location = parseLocation(text);
  if (location.Key !== "" && !location.Key.endsWith("/")) return location;
  throw usageError(`${text}: the name of the object is missing`, "write s3://bucket/key");
}

/**
 * Opens S3 for a command, and closes it.
 *
 * @param about - The location that errors of S3 name.
 * @throws CommandError `ERR_CLI_USAGE` where the SDK is not installed; `ERR_CLI_S3` for what S3 answers.
 */
export async function withS3<T>(
  envelope: Envelope,
  { endpointUrl, region }: S3Options,
  about: string,
  use: (opened: OpenedS3) => Promise<T>,
): Promise<T> {
  const { S3Client, paginateListObjectsV2, ...own } = await load();
  const { encryptedS3, rewrapBucket, reportBucket, ownerOfSidecar } = own;
  const elsewhere =
    endpointUrl ?? process.env["AWS_ENDPOINT_URL_S3"] ?? process.env["AWS_ENDPOINT_URL"];
  const client = new S3Client({
    ...(region !== undefined && { region }),
    ...(endpointUrl !== undefined && { endpoint: endpointUrl }),
    // Other stores tend to have neither a host for each bucket nor checksums in trailers.
    ...(elsewhere !== undefined && {
      forcePathStyle: true,
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    }),
  });
  try {
    // Each call gives its own context.
    const s3 = encryptedS3({ client, envelope, context: {} });
    async function* names(input: { readonly Bucket: string; readonly Prefix: string }) {
      for await (const { Contents = [] } of paginateListObjectsV2({ client }, input)) {
        for (const { Key, Size } of Contents) {
          if (Key !== undefined && ownerOfSidecar(Key) === undefined) yield { Key, Size };
        }
      }
    }
    return await use({ s3, names, rewrapBucket, reportBucket });
  } catch (error) {
    throw s3Error(about, error);
  } finally {
    client.destroy();
  }
}

async function load(): Promise<
  Pick<typeof Sdk, "S3Client" | "paginateListObjectsV2"> & typeof Package
> {
  try {
    const [sdk, own] = await Promise.all([import("@aws-sdk/client-s3"), import("@env/s3")]);
    const { S3Client, paginateListObjectsV2 } = sdk;
    return { S3Client, paginateListObjectsV2, ...own };
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")) {
      throw error;
    }
    const hint = "npm install @aws-sdk/client-s3 @aws-sdk/lib-storage";
    throw new CommandError("ERR_CLI_USAGE", "the AWS SDK for S3 is not installed", hint, error);
  }
}

/** What S3 answers with, by the SDK's name for it. */
const problems: Readonly<Record<string, readonly [problem: string, hint?: string]>> = {
  NoSuchKey: ["there is no such object"],
  NotFound: ["there is no such object"],
  NoSuchBucket: ["there is no such bucket"],
  AccessDenied: ["S3 denies access", "check the credentials and the bucket's policy"],
  Forbidden: ["S3 denies access", "check the credentials and the bucket's policy"],
  PreconditionFailed: ["the object was changed meanwhile", "try again"],
  PermanentRedirect: ["the bucket is in another region", "name it with --region"],
  CredentialsProviderError: ["there are no AWS credentials", "set them as for the aws command"],
};

/** An error of the SDK in the words of the command. Other errors are returned as they are. */
export function s3Error(location: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const known = problems[error.name];
  if (known === undefined && !("$metadata" in error)) {
    if (error.message !== "Region is missing") return error;
    return new CommandError("ERR_CLI_USAGE", "the AWS region is missing", "add --region", error);
  }
  const [problem, hint] = known ?? [`S3 answers ${error.name}: ${error.message}`, "try again"];
  return new CommandError("ERR_CLI_S3", `${location}: ${problem}`, hint, error);
}
