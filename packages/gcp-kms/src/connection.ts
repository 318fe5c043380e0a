/**
 * The adapter's own client. It is made at the first call, because the SDK takes a third of a second to load.
 *
 * It speaks gRPC, since over REST the SDK does not limit answers. Credentials are the application
 * default ones, but none are asked for or sent to an http endpoint.
 *
 * @module
 */
import { createRequire } from "node:module";
import type * as Sdk from "@google-cloud/kms";
import { GcpKmsError } from "./errors.ts";
import type { GcpKmsConnection } from "./options.ts";

/** The largest honest answer is a key's description, some hundred bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

type SdkClient = Sdk.KeyManagementServiceClient;
type SdkOptions = NonNullable<ConstructorParameters<typeof Sdk.KeyManagementServiceClient>[0]>;

/** @throws {@link GcpKmsError} `SdkMissing` */
export async function loadSdk(): Promise<typeof Sdk> {
  try {
    return await import("@google-cloud/kms");
  } catch {
    throw new GcpKmsError("SdkMissing", { hint: "install @google-cloud/kms" });
  }
}

/**
 * Makes the client.
 *
 * @throws {@link GcpKmsError} `SdkMissing`, and what the SDK throws about credentials.
 */
export async function connect(options: GcpKmsConnection): Promise<SdkClient> {
  const { KeyManagementServiceClient } = await loadSdk();
  const client = new KeyManagementServiceClient(sdkOptions(options));
  await client.initialize();
  return client;
}

/** Returns the SDK's options for these. */
export function sdkOptions({ endpoint, universeDomain }: GcpKmsConnection): SdkOptions {
  const options = {
    libName: "env-gcp-kms",
    "grpc.max_receive_message_length": MAX_ANSWER_BYTES,
    ...(universeDomain !== undefined && { universeDomain }),
  };
  if (endpoint === undefined) return options;
  const { protocol, hostname, port } = new URL(endpoint);
  const plain = protocol === "http:";
  return {
    ...options,
    apiEndpoint: hostname,
    port: Number(port === "" ? (plain ? 80 : 443) : port),
    // A proxy would see the data keys: where there is TLS, it passes on what it cannot read.
    ...(plain && { ...withoutCredentials(), "grpc.enable_http_proxy": 0 }),
  };
}

/** Takes these from the SDK's own copies, since a channel accepts no other. */
function withoutCredentials(): SdkOptions {
  const sdk = createRequire(import.meta.url).resolve("@google-cloud/kms");
  const gax = createRequire(sdk).resolve("google-gax");
  const { grpc } = createRequire(sdk)("google-gax");
  const { PassThroughClient } = createRequire(gax)("google-auth-library");
  return { sslCreds: grpc.credentials.createInsecure(), authClient: new PassThroughClient() };
}
