/** The real SDK, pointed at the test server. */
import { startGcpKmsServer, type GcpKmsServer } from "@env/test-servers/gcp-kms";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { PassThroughClient } from "google-auth-library";
import { grpc } from "google-gax";
import { onTestFinished } from "vitest";

export function grpcClient(port: number): KeyManagementServiceClient {
  return new KeyManagementServiceClient({
    apiEndpoint: "127.0.0.1",
    port,
    sslCreds: grpc.credentials.createInsecure(),
    authClient: new PassThroughClient(),
  });
}

export function restClient(port: number): KeyManagementServiceClient {
  return new KeyManagementServiceClient({
    fallback: true,
    protocol: "http",
    apiEndpoint: "127.0.0.1",
    port,
    authClient: new PassThroughClient(),
  });
}

/** A server that goes away with the test, and a client for it. */
export async function testServer(
  transport: "grpc" | "rest" = "grpc",
): Promise<{ server: GcpKmsServer; client: KeyManagementServiceClient }> {
  const server = await startGcpKmsServer({ projects: { "111122223333": "test-project" } });
  const client = transport === "grpc" ? grpcClient(server.port) : restClient(server.restPort);
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  return { server, client };
}
