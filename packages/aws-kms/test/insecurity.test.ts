/** That nothing is sent where others can read it, wherever the endpoint or the setting comes from. */
import { writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";
import * as sdk from "@aws-sdk/client-kms";
import { startEndpoint } from "./support/endpoint.ts";
import { withCredentials, withoutConfiguration } from "./support/environment.ts";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { newClient } from "../src/connection.ts";
import { awsKms, type AwsKmsOptions } from "../src/index.ts";

const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const region = "eu-west-1";
const elsewhere = "http://192.0.2.2:1";
const context = {};

beforeEach(() => {
  withoutConfiguration();
  withCredentials();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** Shared configuration with this endpoint. */
function configFile(lines: string): void {
  const file = join(tempFolder(), "config");
  writeFileSync(file, lines);
  vi.stubEnv("AWS_CONFIG_FILE", file);
}

const sources: readonly [string, () => void][] = [
  ["AWS_ENDPOINT_URL", () => vi.stubEnv("AWS_ENDPOINT_URL", elsewhere)],
  ["AWS_ENDPOINT_URL_KMS", () => vi.stubEnv("AWS_ENDPOINT_URL_KMS", elsewhere)],
  ["endpoint_url", () => configFile(`[default]\nendpoint_url = ${elsewhere}\n`)],
  [
    "services",
    () =>
      configFile(
        `[default]\nservices = local\n[services local]\nkms =\n  endpoint_url = ${elsewhere}\n`,
      ),
  ],
];

/** A client that sends nothing, and what it would have sent to. */
function watched(client: sdk.KMS): string[] {
  const sent: string[] = [];
  onTestFinished(() => client.destroy());
  client.middlewareStack.add(
    () => async (args) => {
      sent.push((args.request as { hostname: string }).hostname);
      throw new Error("not sent");
    },
    { step: "deserialize", priority: "low" },
  );
  return sent;
}

async function refused(options: AwsKmsOptions): Promise<void> {
  await using cmk = awsKms(options);
  expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
    code: "ERR_ENVELOPE_KMS_ERROR",
    retryable: false,
    cause: { name: "InsecureTransport", hint: expect.stringContaining("or pass insecure: true") },
  });
}

describe.each(sources)("plain HTTP to another machine by %s", (_, configure) => {
  it("is refused before anything is sent", async () => {
    configure();
    await refused({ key });
    const client = newClient(sdk, { region });
    const sent = watched(client);
    expect((await rejection(client.listKeys({}))).name).toBe("InsecureTransport");
    expect(sent).toEqual([]);
  });

  it("is refused of a client that was passed in", async () => {
    configure();
    const client = new sdk.KMS({ region });
    const sent = watched(client);
    await refused({ key, client });
    expect(sent).toEqual([]);
  });

  it("is what insecure: true allows", async () => {
    configure();
    const client = new sdk.KMS({ region });
    const sent = watched(client);
    await using cmk = awsKms({ key, client, insecure: true });
    await rejection(cmk.generateDataKey({ context }));
    expect(sent).toEqual(["192.0.2.2"]);
    const own = newClient(sdk, { region }, true);
    const sentByOwn = watched(own);
    expect((await rejection(own.listKeys({}))).message).toBe("not sent");
    expect(sentByOwn).toEqual(["192.0.2.2"]);
  });
});

it("refuses a client that was made for plain HTTP to another machine", async () => {
  const client = new sdk.KMS({ region, endpoint: elsewhere });
  const sent = watched(client);
  await refused({ key, client });
  expect(sent).toEqual([]);
});

it("refuses a client whose agent does not verify certificates", async () => {
  const httpsAgent = new Agent({ rejectUnauthorized: false });
  const client = new sdk.KMS({ region, requestHandler: { httpsAgent } });
  const sent = watched(client);
  await refused({ key, client });
  expect(sent).toEqual([]);
});

it("refuses to call while certificates are not verified, whoever made the client", async () => {
  const endpoint = await startEndpoint();
  const local = { key: await endpoint.newKey(), endpoint: endpoint.url };
  const client = new sdk.KMS({ region: "local", endpoint: endpoint.url });
  onTestFinished(() => client.destroy());
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  await refused(local);
  await refused({ key: local.key, client });
  expect(endpoint.requests).toEqual([]);
  await using allowed = awsKms({ ...local, insecure: true });
  await expect(allowed.generateDataKey({ context })).resolves.toBeDefined();
});

it("takes plain HTTP to this machine, wherever it comes from", async () => {
  const endpoint = await startEndpoint();
  vi.stubEnv("AWS_ENDPOINT_URL", endpoint.url);
  const own = await endpoint.newKey();
  await using cmk = awsKms({ key: own });
  await expect(cmk.generateDataKey({ context })).resolves.toBeDefined();
  const client = new sdk.KMS({ region: "local" });
  onTestFinished(() => client.destroy());
  await expect(awsKms({ key: own, client }).generateDataKey({ context })).resolves.toBeDefined();
});
