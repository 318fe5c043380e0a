/** That nothing is sent where others can read it, wherever the setting comes from. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { startGcpKmsServer, type GcpKmsServer } from "@env/test-servers/gcp-kms";
import { rejection } from "@env/testkit/refusal";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { PassThroughClient } from "google-auth-library";
import { grpc } from "google-gax";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { gcpKms, openGcpKms, type GcpKmsOptions } from "../src/index.ts";
import { grpcClient } from "./support/sdk.ts";

const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
const context = {};
const proxies = ["grpc_proxy", "https_proxy", "http_proxy"];

beforeEach(() => {
  for (const name of [...proxies, "no_grpc_proxy", "no_proxy"]) vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

async function testServer(): Promise<GcpKmsServer> {
  const server = await startGcpKmsServer();
  onTestFinished(() => server.close());
  return server;
}

/** A proxy that notes that somebody came, and hangs up. */
async function proxy(): Promise<{ url: string; came: () => number }> {
  let came = 0;
  const server = createServer((socket) => {
    came++;
    socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, came: () => came };
}

async function refuses(options: GcpKmsOptions): Promise<void> {
  await using cmk = gcpKms(options);
  expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
    code: "ERR_ENVELOPE_KMS_ERROR",
    retryable: false,
    cause: { name: "InsecureTransport", hint: expect.stringContaining("or pass insecure: true") },
  });
}

describe.each(proxies)("with %s", (variable) => {
  it("plain HTTP goes to this machine and to no proxy", async () => {
    const server = await testServer();
    const { url, came } = await proxy();
    vi.stubEnv(variable, url);
    await using cmk = gcpKms({ key: server.createKey(), endpoint: server.endpoint });
    await expect(cmk.generateDataKey({ context })).resolves.toBeDefined();
    expect(came()).toBe(0);
  });

  it("a client that would go through it in clear is refused, unless it would not", async () => {
    const server = await testServer();
    const { url, came } = await proxy();
    vi.stubEnv(variable, url);
    const client = grpcClient(server.port);
    onTestFinished(() => client.close());
    const own = server.createKey();
    await refuses({ key: own, client });
    const direct = new KeyManagementServiceClient({
      apiEndpoint: "127.0.0.1",
      port: server.port,
      sslCreds: grpc.credentials.createInsecure(),
      authClient: new PassThroughClient(),
      "grpc.enable_http_proxy": 0,
    });
    onTestFinished(() => direct.close());
    const cmk = gcpKms({ key: own, client: direct });
    await expect(cmk.generateDataKey({ context })).resolves.toBeDefined();
    vi.stubEnv("no_proxy", "localhost,127.0.0.1");
    const listed = gcpKms({ key: own, client });
    await expect(listed.generateDataKey({ context })).resolves.toBeDefined();
    expect(came()).toBe(0);
  });
});

it.each([
  ["gRPC", { sslCreds: grpc.credentials.createInsecure() }],
  ["REST", { fallback: true, protocol: "http" }],
])("refuses a client of plain HTTP to another machine: %s", async (_, options) => {
  const client = new KeyManagementServiceClient({
    ...options,
    apiEndpoint: "192.0.2.2",
    port: 1,
    authClient: new PassThroughClient(),
  });
  onTestFinished(() => client.close());
  await refuses({ key, client });
});

it("refuses to call while certificates are not verified, whoever made the client", async () => {
  const server = await testServer();
  const client = grpcClient(server.port);
  onTestFinished(() => client.close());
  const own = server.createKey();
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  await refuses({ key: own, endpoint: server.endpoint });
  await refuses({ key: own, client });
  expect(server.calls).toEqual([]);
  await using cmk = await openGcpKms(`gcp-kms:${own}?endpoint=${server.endpoint}&insecure=true`);
  await expect(cmk.generateDataKey({ context })).resolves.toBeDefined();
});
