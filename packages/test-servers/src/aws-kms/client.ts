/** The real SDK, pointed at a server on this machine. */
import { KMS } from "@aws-sdk/client-kms";

/** Returns a client that attempts each call once: waiting between attempts proves nothing about a driver. */
export function sdkClient(url: string, region = "local"): KMS {
  return new KMS({
    endpoint: url,
    region,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
}
