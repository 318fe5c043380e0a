import type { KMS } from "@aws-sdk/client-kms";
import { sdkClient, startAwsKmsServer, type AwsKmsServer } from "@env/test-servers/aws-kms";
import { onTestFinished } from "vitest";

/** A server that goes away with the test, and a client for it. */
export async function testEndpoint(): Promise<{ endpoint: AwsKmsServer; client: KMS }> {
  const endpoint = await startAwsKmsServer();
  const client = sdkClient(endpoint.url);
  onTestFinished(async () => {
    client.destroy();
    await endpoint.close();
  });
  return { endpoint, client };
}
