import { startGcpKmsServer } from "@env/test-servers/gcp-kms";
import { rejection } from "@env/testkit/refusal";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";
import { connect, sdkOptions } from "../src/connection.ts";
import { gcpKms } from "../src/index.ts";

const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
const limit = { libName: "env-gcp-kms", "grpc.max_receive_message_length": 65_536 };

afterEach(() => {
  vi.unstubAllEnvs();
});

it.each([
  [{}, {}],
  [{ universeDomain: "example.goog" }, { universeDomain: "example.goog" }],
  [{ endpoint: "https://kms.example" }, { apiEndpoint: "kms.example", port: 443 }],
  [{ endpoint: "https://kms.example:8443" }, { apiEndpoint: "kms.example", port: 8443 }],
])("tells the SDK of %o", (options, expected) => {
  expect(sdkOptions(options)).toEqual({ ...limit, ...expected });
});

it("sends no credentials to this machine, and asks for none", () => {
  const options = sdkOptions({ endpoint: "http://127.0.0.1:8080" });
  expect(options).toMatchObject({ ...limit, apiEndpoint: "127.0.0.1", port: 8080 });
  // What makes it plain shows in the calls: the test server has no certificate.
  expect(options).toHaveProperty("sslCreds");
  expect(options.authClient?.constructor.name).toBe("PassThroughClient");
});

it("is made once, at the first call, and closed with the CMK", async () => {
  await using server = await startGcpKmsServer();
  const cmk = gcpKms({ key: server.createKey(), endpoint: server.endpoint });
  const context = { tenant: "acme" };
  const { entry } = await cmk.generateDataKey({ context });
  (await cmk.unwrapDataKey(entry, { context }))[Symbol.dispose]();
  expect(server.connections).toBe(1);
  await cmk.close();
  await server.disconnected();
  expect(server.connections).toBe(0);
});

it("says that the SDK is not installed, and looks again the next time", async () => {
  vi.doMock("@google-cloud/kms", () => {
    throw new Error("Cannot find package");
  });
  onTestFinished(() => {
    vi.doUnmock("@google-cloud/kms");
  });
  const connection = { endpoint: "http://127.0.0.1:1" };
  const error = await rejection(connect(connection));
  expect(error.message).toBe("SdkMissing; install @google-cloud/kms");
  vi.doUnmock("@google-cloud/kms");
  const client = await connect(connection);
  expect(client).toHaveProperty("encrypt");
  await client.close();
});

it("without application default credentials says so: access denied, and nothing is sent", async () => {
  vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", undefined);
  vi.stubEnv("HOME", "/nonexistent");
  vi.stubEnv("CLOUDSDK_CONFIG", "/nonexistent");
  vi.stubEnv("METADATA_SERVER_DETECTION", "none");
  const unhandled = vi.fn<() => void>();
  process.on("unhandledRejection", unhandled);
  onTestFinished(() => void process.off("unhandledRejection", unhandled));
  const client = new KeyManagementServiceClient();
  for (const options of [{ endpoint: "https://127.0.0.1:1" }, { client }]) {
    await using cmk = gcpKms({ key, ...options });
    for (let i = 0; i < 2; i++) {
      expect(await rejection(cmk.generateDataKey({ context: {} }))).toMatchObject({
        code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
        cause: {
          message:
            "Encrypt: CredentialsError; no usable application default credentials; set them up, or pass a client",
        },
      });
    }
  }
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(unhandled).not.toHaveBeenCalled();
});
