import * as sdk from "@aws-sdk/client-kms";
import { startEndpoint } from "./support/endpoint.ts";
import { withCredentials, withoutConfiguration } from "./support/environment.ts";
import { rejection } from "@env/testkit/refusal";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { Calls } from "../src/calls.ts";
import { connect, newClient } from "../src/connection.ts";
import { awsKms } from "../src/index.ts";
import { checkOptions, type AwsKmsConnection } from "../src/options.ts";

beforeEach(withoutConfiguration);
afterEach(() => {
  vi.unstubAllEnvs();
});

/** Where a client for these options would send its requests. */
async function hostOf(options: AwsKmsConnection): Promise<string> {
  const client = newClient(sdk, options);
  let host = "";
  client.middlewareStack.add(
    () => async (args) => {
      host = (args.request as { hostname: string }).hostname;
      throw new Error("not sent");
    },
    { step: "finalizeRequest", priority: "low" },
  );
  expect((await rejection(client.listKeys({}))).message).toBe("not sent");
  client.destroy();
  return host;
}

describe("the endpoint", () => {
  beforeEach(withCredentials);

  it.each([
    ["AWS's", { region: "eu-west-1" }, "kms.eu-west-1.amazonaws.com"],
    ["FIPS", { region: "us-east-1", useFipsEndpoint: true }, "kms-fips.us-east-1.amazonaws.com"],
    ["dual-stack", { region: "eu-west-1", useDualstackEndpoint: true }, "kms.eu-west-1.api.aws"],
    [
      "FIPS and dual-stack",
      { region: "us-east-1", useFipsEndpoint: true, useDualstackEndpoint: true },
      "kms-fips.us-east-1.api.aws",
    ],
    ["China's", { region: "cn-north-1" }, "kms.cn-north-1.amazonaws.com.cn"],
    ["one's own", { region: "local", endpoint: "https://kms.example.org" }, "kms.example.org"],
  ])("is %s", async (_, options, host) => {
    expect(await hostOf(options)).toBe(host);
  });

  it("is the environment's where options say nothing", async () => {
    vi.stubEnv("AWS_REGION", "us-east-1");
    expect(await hostOf({})).toBe("kms.us-east-1.amazonaws.com");
    vi.stubEnv("AWS_USE_FIPS_ENDPOINT", "true");
    expect(await hostOf({})).toBe("kms-fips.us-east-1.amazonaws.com");
    expect(await hostOf({ useFipsEndpoint: false })).toBe("kms.us-east-1.amazonaws.com");
  });
});

it("passes attempts and retry mode on, and sets timeouts", async () => {
  const client = newClient(sdk, { region: "eu-west-1", maxAttempts: 7, retryMode: "adaptive" });
  expect(await client.config.maxAttempts()).toBe(7);
  const mode = client.config.retryMode;
  expect(typeof mode === "function" ? await mode() : mode).toBe("adaptive");
  const handler = await (client.config.requestHandler as { configProvider?: Promise<object> })
    .configProvider;
  expect(handler).toMatchObject({
    connectionTimeout: 3000,
    requestTimeout: 5000,
    socketTimeout: 5000,
    throwOnRequestTimeout: true,
  });
  client.destroy();
});

it("is made once, at the first call, and closed with the CMK", async () => {
  withCredentials();
  const endpoint = await startEndpoint();
  const cmk = awsKms({ key: await endpoint.newKey("alias/app"), endpoint: endpoint.url });
  const context = { tenant: "acme" };
  const { entry } = await cmk.generateDataKey({ context });
  (await cmk.unwrapDataKey(entry, { context }))[Symbol.dispose]();
  expect(endpoint.requests.map(({ operation }) => operation)).toEqual([
    "GenerateDataKey",
    "Decrypt",
  ]);
  expect(endpoint.requests[0]?.userAgent).toContain("env-aws-kms");
  expect(endpoint.connections()).toBe(1);
  const gone = endpoint.disconnected();
  await cmk.close();
  await gone;
  expect(endpoint.connections()).toBe(0);
});

it("reports a missing region, and uses one that is set later", async () => {
  withCredentials();
  const calls = new Calls(checkOptions({ key: "alias/app" }));
  const error = await rejection(calls.connect());
  expect(error.message).toBe(
    "RegionMissing; name the region, or the key by its ARN, or set AWS_REGION",
  );
  vi.stubEnv("AWS_REGION", "eu-west-1");
  await calls.connect();
  await calls.close();
});

it("says that the SDK is not installed", async () => {
  vi.doMock("@aws-sdk/client-kms", () => {
    throw new Error("Cannot find package");
  });
  onTestFinished(() => {
    vi.doUnmock("@aws-sdk/client-kms");
  });
  const error = await rejection(connect({ region: "eu-west-1" }));
  expect(error.message).toBe("SdkMissing; install @aws-sdk/client-kms");
});

describe("an answer", () => {
  beforeEach(withCredentials);

  it.each([
    ["of the limit is read", 64 * 1024, undefined],
    ["of one byte more is not", 64 * 1024 + 1, "UnreadableAnswer"],
  ])("%s", async (_, length, name) => {
    const endpoint = await startEndpoint();
    const key = await endpoint.newKey();
    endpoint.fail({
      kind: "alter",
      alter: (answer) => {
        const rest = length - JSON.stringify({ ...answer, Padding: "" }).length;
        return { ...answer, Padding: " ".repeat(rest) };
      },
    });
    await using cmk = awsKms({ key, endpoint: endpoint.url });
    const call = cmk.generateDataKey({ context: {} });
    if (name === undefined) expect((await call).entry.keyId).toBe(key);
    else {
      const error = await rejection(call);
      expect(error).toMatchObject({ code: "ERR_ENVELOPE_KMS_UNAVAILABLE", cause: { name } });
      expect(endpoint.requests).toHaveLength(1);
    }
  });
});
