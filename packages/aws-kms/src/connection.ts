/**
 * The adapter's own client. It is made at the first call, because the SDK takes a tenth of a second to load.
 *
 * Retries, credentials and endpoints are the SDK's. Added are timeouts, so that one attempt that hangs
 * leaves time for the next, a limit for answers, and a check of where a request goes before it is signed.
 *
 * @module
 */
import { Readable } from "node:stream";
import type * as Sdk from "@aws-sdk/client-kms";
import { memberOf, readAnswer } from "@env/core/driver";
import { AwsKmsError, failures } from "./errors.ts";
import { requirePrivateEndpoint } from "./insecurity.ts";
import type { AwsKmsConnection } from "./options.ts";

const CONNECT_TIMEOUT_MS = 3000;
const ATTEMPT_TIMEOUT_MS = 5000;
/** The largest honest answer is a ciphertext blob of 6144 bytes in base64 and a few names. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Makes the client.
 *
 * @throws {@link AwsKmsError} `SdkMissing`, `RegionMissing`
 */
export async function connect(options: AwsKmsConnection, insecure = false): Promise<Sdk.KMS> {
  let sdk: typeof Sdk;
  try {
    sdk = await import("@aws-sdk/client-kms");
  } catch {
    throw new AwsKmsError("SdkMissing", { hint: "install @aws-sdk/client-kms" });
  }
  const client = newClient(sdk, options, insecure);
  try {
    await client.config.region();
  } catch {
    client.destroy();
    throw new AwsKmsError("RegionMissing", {
      hint: "name the region, or the key by its ARN, or set AWS_REGION",
    });
  }
  return client;
}

/** Makes a client of the SDK for these options. */
export function newClient(
  { KMS }: typeof Sdk,
  options: AwsKmsConnection,
  insecure = false,
): Sdk.KMS {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const client = new KMS({
    ...Object.fromEntries(given),
    customUserAgent: [["env-aws-kms"]],
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: ATTEMPT_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: ATTEMPT_TIMEOUT_MS,
    },
  });
  if (!insecure) {
    client.middlewareStack.add(
      (next) => async (args) => {
        failures.requireVerifiedTls();
        requirePrivateEndpoint(args.request);
        return next(args);
      },
      // The endpoint is known by then, and nothing is signed.
      { step: "build", priority: "high", name: "envPrivateEndpoint" },
    );
  }
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response: unknown = result.response;
      if (hasBody(response) && response.body instanceof Readable) {
        response.body = await readAnswer(response.body, MAX_ANSWER_BYTES, tooLong);
      }
      return result;
    },
    // Next to the HTTP handler, before anything is parsed.
    { step: "deserialize", priority: "low", name: "envAnswerLimit" },
  );
  return client;
}

function hasBody(response: unknown): response is { body: unknown } {
  return memberOf(response, "body") !== undefined;
}

function tooLong(): AwsKmsError {
  const hint = `more than ${MAX_ANSWER_BYTES} bytes: what answered is not AWS KMS`;
  return new AwsKmsError("UnreadableAnswer", { hint });
}
