/**
 * Why calls of a client would not be private: plain HTTP to another machine, or certificates that are
 * not verified. The SDK takes endpoints from the environment and from shared configuration files, so what
 * counts is where a client calls and not how it was configured.
 *
 * @module
 */
import { isPrivateOrigin, memberOf } from "@env/core/driver";
import type { AwsKmsClient } from "./client.ts";
import { failures } from "./errors.ts";

/**
 * Looks at a client that was passed in, as far as it shows itself: a fake does not.
 *
 * @throws {@link AwsKmsError} `InsecureTransport`
 */
export async function requirePrivate(client: AwsKmsClient): Promise<void> {
  failures.requireVerifiedTls();
  const config: unknown = Reflect.get(client, "config");
  // The one that was given, else the one that the environment and the shared configuration name.
  const given = await call(config, "endpoint");
  const endpoint = given ?? (await call(config, "serviceConfiguredEndpoint"));
  requirePrivateEndpoint(typeof endpoint === "string" ? new URL(endpoint) : endpoint);
  const handler = memberOf(config, "requestHandler");
  const settings: unknown = await memberOf(handler, "configProvider");
  if (
    memberOf(memberOf(memberOf(settings, "httpsAgent"), "options"), "rejectUnauthorized") === false
  ) {
    throw failures.insecure("the client's httpsAgent does not verify certificates");
  }
}

/** @throws {@link AwsKmsError} `InsecureTransport` for a request or an endpoint of the SDK's. */
export function requirePrivateEndpoint(to: unknown): void {
  const [protocol, hostname] = [memberOf(to, "protocol"), memberOf(to, "hostname")];
  if (typeof protocol !== "string" || typeof hostname !== "string") return;
  if (isPrivateOrigin({ protocol, hostname })) return;
  throw failures.insecure(
    "the endpoint is plain HTTP to another machine; look at AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_KMS and endpoint_url",
  );
}

async function call(value: unknown, name: string): Promise<unknown> {
  const method = memberOf(value, name);
  return typeof method === "function" ? await Reflect.apply(method, value, []) : undefined;
}
