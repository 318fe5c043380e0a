/**
 * What goes wrong on the way, with a client of the adapter's own: each fault has its code, ends in
 * bounded time, shows no secret, and leaves nothing behind.
 */
import type { KmsFailureCode } from "@env/core/driver";
import { awsError, startEndpoint, type Endpoint, type Fault } from "./support/endpoint.ts";
import { secretAccessKey, withCredentials, withoutConfiguration } from "./support/environment.ts";
import {
  context,
  failing,
  operations,
  secretsOf,
  watchRejections,
  type Setup,
} from "@env/test-servers/failure";
import { rejection } from "@env/testkit/refusal";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { awsKms } from "../src/index.ts";

const html = "<html><body>SECRET blocked by proxy</body></html>";

beforeEach(() => {
  withoutConfiguration();
  withCredentials();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const arn = "arn:aws:kms:local:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const user = "User: arn:aws:iam::000000000000:user/app is not authorized to perform: kms:Decrypt";
const longAnswer = JSON.stringify({ Plaintext: "SECRET", Padding: "SECRET".repeat(200_000) });

const faults: readonly {
  readonly what: string;
  readonly fault: Fault;
  readonly code: KmsFailureCode;
  /** Of the cause. */
  readonly name: string;
  /** Requests that the SDK sends, one where it sees no use in another. Not told where time decides. */
  readonly requests?: number;
}[] = [
  {
    what: "throttled",
    fault: awsError("ThrottlingException", "SECRET rate exceeded"),
    code: "ERR_ENVELOPE_KMS_THROTTLED",
    name: "ThrottlingException",
    requests: 2,
  },
  {
    what: "an internal error of KMS",
    fault: awsError("KMSInternalException", "SECRET", 500),
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "KMSInternalException",
    requests: 2,
  },
  {
    what: "a key that cannot be reached",
    fault: awsError("KeyUnavailableException", "SECRET", 500),
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "KeyUnavailableException",
    requests: 2,
  },
  {
    what: "a timeout inside KMS",
    fault: awsError("DependencyTimeoutException", "SECRET", 503),
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "DependencyTimeoutException",
    requests: 2,
  },
  {
    what: "a bare 503",
    fault: { kind: "answer", status: 503, body: "" },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "Unknown",
    requests: 2,
  },
  {
    what: "a connection reset in the answer",
    fault: { kind: "reset" },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "Error",
    requests: 2,
  },
  {
    what: "no answer",
    fault: { kind: "stall" },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "TimeoutError",
  },
  {
    what: "half an answer",
    fault: { kind: "stall", midBody: true },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "TimeoutError",
  },
  {
    what: "expired credentials",
    fault: awsError("ExpiredTokenException", "SECRET token expired"),
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    name: "ExpiredTokenException",
    requests: 1,
  },
  {
    what: "credentials that nobody knows",
    fault: awsError("UnrecognizedClientException", "SECRET token is invalid"),
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    name: "UnrecognizedClientException",
    requests: 1,
  },
  {
    what: "a denied call",
    fault: awsError(
      "AccessDeniedException",
      `${user} on resource: ${arn} with an explicit deny in a resource-based policy`,
    ),
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    name: "AccessDeniedException",
    requests: 1,
  },
  {
    what: "a grant token that is none",
    fault: awsError("InvalidGrantTokenException", "SECRET"),
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    name: "InvalidGrantTokenException",
    requests: 1,
  },
  {
    what: "a disabled key",
    fault: awsError("DisabledException", `${arn} is disabled.`),
    code: "ERR_ENVELOPE_KMS_KEY_STATE",
    name: "DisabledException",
    requests: 1,
  },
  {
    what: "a key pending deletion",
    fault: awsError("KMSInvalidStateException", `${arn} is pending deletion.`),
    code: "ERR_ENVELOPE_KMS_KEY_STATE",
    name: "KMSInvalidStateException",
    requests: 1,
  },
  {
    what: "a key in the making",
    fault: awsError("KMSInvalidStateException", `${arn} is creating.`),
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "KMSInvalidStateException",
    requests: 1,
  },
  {
    what: "a key of another usage",
    fault: awsError(
      "InvalidKeyUsageException",
      `${arn} key usage is SIGN_VERIFY which is not valid for Encrypt.`,
    ),
    code: "ERR_ENVELOPE_KMS_KEY_STATE",
    name: "InvalidKeyUsageException",
    requests: 1,
  },
  {
    what: "a missing key",
    fault: awsError("NotFoundException", `Key '${arn}' does not exist`),
    code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    name: "NotFoundException",
    requests: 1,
  },
  {
    what: "altered bytes",
    fault: awsError("InvalidCiphertextException"),
    code: "ERR_ENVELOPE_KMS_REJECTED",
    name: "InvalidCiphertextException",
    requests: 1,
  },
  {
    what: "a request that is wrong",
    fault: awsError(
      "ValidationException",
      "1 validation error detected: Value 'SECRET' at 'encryptionContext' failed",
    ),
    code: "ERR_ENVELOPE_KMS_ERROR",
    name: "ValidationException",
    requests: 1,
  },
  {
    what: "a quota",
    fault: awsError("LimitExceededException", "SECRET"),
    code: "ERR_ENVELOPE_KMS_ERROR",
    name: "LimitExceededException",
    requests: 2,
  },
  {
    what: "an error nobody knows",
    fault: awsError("SurpriseException", "SECRET"),
    code: "ERR_ENVELOPE_KMS_ERROR",
    name: "UnknownError",
    requests: 1,
  },
  {
    what: "HTML from a proxy, as success",
    fault: { kind: "answer", status: 200, body: html, type: "text/html" },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "UnreadableAnswer",
    requests: 1,
  },
  {
    what: "HTML from a proxy, forbidden",
    fault: { kind: "answer", status: 403, body: html, type: "text/html" },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "UnreadableAnswer",
    requests: 1,
  },
  {
    what: "HTML from a load balancer",
    fault: { kind: "answer", status: 502, body: html, type: "text/html" },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "UnreadableAnswer",
    requests: 2,
  },
  {
    what: "a redirect, which is not followed",
    fault: { kind: "answer", status: 302, body: "{}" },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "Unknown",
    requests: 1,
  },
  {
    what: "JSON cut short",
    fault: { kind: "answer", status: 200, body: '{"Plaintext":"U0VDUkVU' },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "UnreadableAnswer",
    requests: 1,
  },
  {
    what: "bytes that are no base64",
    fault: {
      kind: "answer",
      status: 200,
      body: '{"Plaintext":"SECRET!","CiphertextBlob":"SECRET!"}',
    },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "UnreadableAnswer",
    requests: 1,
  },
  {
    what: "more than an answer has",
    fault: { kind: "answer", status: 200, body: longAnswer },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "UnreadableAnswer",
    requests: 1,
  },
  {
    what: "an answer without anything",
    fault: { kind: "answer", status: 200, body: "{}" },
    code: "ERR_ENVELOPE_KMS_ERROR",
    name: "InvalidAnswer",
    requests: 1,
  },
];

async function open(
  maxAttempts: number,
  timeout?: number,
): Promise<Setup & { readonly endpoint: Endpoint }> {
  const endpoint = await startEndpoint();
  const options = { key: await endpoint.newKey(), endpoint: endpoint.url, maxAttempts };
  await using writer = awsKms(options);
  const { dataKey, entry } = await writer.generateDataKey({ context });
  const cmk = awsKms({ ...options, timeout });
  onTestFinished(() => cmk.close());
  const hidden = ["SECRET", "U0VDUkVU", "AWS4-HMAC", secretAccessKey];
  return { endpoint, cmk, entry, secrets: [...hidden, ...secretsOf(dataKey, entry)] };
}

describe.each(faults)("$what", ({ fault, code, name, requests }) => {
  it.each(operations)(`is ${code}: %s`, async (operation) => {
    const unhandled = watchRejections();
    // Two attempts show what the SDK repeats; a call that throttles waits longer in between.
    const setup = await open(2, fault.kind === "stall" ? 300 : undefined);
    const { endpoint, cmk } = setup;
    endpoint.fail(fault);
    const sent = endpoint.requests.length;
    const error = await failing(setup, operation);
    expect(error).toMatchObject({ code, cause: { name } });
    if (requests !== undefined) expect(endpoint.requests.length - sent).toBe(requests);
    await cmk.close();
    await endpoint.disconnected();
    expect(unhandled).not.toHaveBeenCalled();
  });
});

it("refuses an answer whose data key has another length", async () => {
  const setup = await open(1);
  const Plaintext = Buffer.alloc(31).toString("base64");
  setup.endpoint.fail({ kind: "alter", alter: (answer) => ({ ...answer, Plaintext }) });
  expect(await failing(setup, "generate")).toMatchObject({
    code: "ERR_ENVELOPE_KMS_ERROR",
    cause: { name: "InvalidAnswer" },
  });
  // What was wrapped may be no data key: that is no fault of KMS.
  expect(await failing(setup, "unwrap")).toMatchObject({ code: "ERR_ENVELOPE_KMS_REJECTED" });
});

it("is refused a connection: unavailable, whatever is called", async () => {
  const setup = await open(2);
  await setup.endpoint.cut();
  for (const operation of operations) {
    const error = await failing(setup, operation);
    expect(error).toMatchObject({
      code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
      retryable: true,
      cause: { code: "ECONNREFUSED", attempts: 2 },
    });
  }
});

it("has no credentials: access denied, and nothing is sent", async () => {
  vi.unstubAllEnvs();
  withoutConfiguration();
  const endpoint = await startEndpoint();
  await using cmk = awsKms({ key: "alias/app", region: "local", endpoint: endpoint.url });
  expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    cause: {
      message:
        "GenerateDataKey: CredentialsProviderError; the SDK's default chain found no credentials",
    },
  });
  expect(endpoint.requests).toEqual([]);
});

it("leaves retrying to the SDK, which makes exactly three attempts", async () => {
  const setup = await open(3);
  setup.endpoint.fail(awsError("KMSInternalException", undefined, 500));
  const sent = setup.endpoint.requests.length;
  const error = await failing(setup, "generate");
  expect((error.cause as Error).message).toContain("3 attempts");
  expect(setup.endpoint.requests.length - sent).toBe(3);
});

it("is aborted: the signal's reason, and the connection is closed", async () => {
  const { endpoint, cmk, entry } = await open(1);
  endpoint.fail({ kind: "stall", midBody: true });
  const controller = new AbortController();
  const call = rejection(cmk.unwrapDataKey(entry, { context, signal: controller.signal }));
  await endpoint.nextRequest();
  const reason = new Error("the caller has left");
  controller.abort(reason);
  expect(await call).toBe(reason);
  await endpoint.disconnected();
});
