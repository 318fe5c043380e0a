/** The real SDK, pointed at a server of ours. */
import { KMS } from "@aws-sdk/client-kms";
import { onTestFinished } from "vitest";
import { openEndpoint, type Endpoint } from "./endpoint.ts";

/** A client with one attempt, since waiting between attempts proves nothing about a driver. */
export function sdkClient(url: string, region = "local"): KMS {
  return new KMS({
    endpoint: url,
    region,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
}

/** An endpoint that goes away with the test, and a client for it. */
export async function testEndpoint(): Promise<{ endpoint: Endpoint; client: KMS }> {
  const endpoint = await openEndpoint();
  const client = sdkClient(endpoint.url);
  onTestFinished(async () => {
    client.destroy();
    await endpoint.close();
  });
  return { endpoint, client };
}

/** What a promise was rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const outcome: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof Error) return outcome;
  throw new Error("the promise was not rejected with an error");
}
