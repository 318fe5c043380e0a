/**
 * Why calls of a client would not be private: plain HTTP to another machine or through a proxy, or
 * certificates that are not verified.
 *
 * @module
 */
import { isLoopback, memberOf } from "@env/core/driver";
import type { GcpKmsClient } from "./client.ts";
import { failures } from "./errors.ts";

/**
 * Looks at a client that was passed in, as far as it shows itself: a fake does not.
 *
 * @throws {@link GcpKmsError} `InsecureTransport`
 */
export function requirePrivate(client: GcpKmsClient | undefined): void {
  failures.requireVerifiedTls();
  if (client === undefined) return; // The endpoint of the adapter's own client was checked.
  const options: unknown = Reflect.get(client, "_opts");
  const overGrpc = isPlain(memberOf(options, "sslCreds"));
  if (!overGrpc && memberOf(options, "protocol") !== "http") return;
  const host = memberOf(options, "servicePath") ?? memberOf(options, "apiEndpoint");
  if (typeof host !== "string" || !isLoopback(host)) {
    throw failures.insecure("the client speaks plain HTTP to another machine");
  }
  const { env } = process;
  const proxy = proxies.find((name) => (env[name] ?? "") !== "");
  const direct = (env["no_grpc_proxy"] ?? env["no_proxy"] ?? "").split(",").includes(host);
  const proxied = overGrpc && memberOf(options, "grpc.enable_http_proxy") !== 0 && !direct;
  if (proxied && proxy !== undefined) {
    throw failures.insecure(
      `the client speaks plain HTTP through the proxy of ${proxy}; make it with "grpc.enable_http_proxy": 0`,
    );
  }
}

/** What gRPC looks at. Source: grpc-js, http_proxy.ts */
const proxies = ["grpc_proxy", "https_proxy", "http_proxy"] as const;

function isPlain(credentials: unknown): boolean {
  const isSecure = memberOf(credentials, "_isSecure");
  return typeof isSecure === "function" && Reflect.apply(isSecure, credentials, []) === false;
}
