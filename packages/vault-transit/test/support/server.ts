/** A Transit server that goes away with the test, and tokens for it. */
import { startTransitServer, type TransitServer } from "@env/test-servers/transit";
import type { TransitPolicyRule, TransitServerOptions } from "@env/test-servers/transit";
import { onTestFinished, vi } from "vitest";

/** A server with the key `first`, derived unless told otherwise. */
export async function testServer(
  options: TransitServerOptions & { readonly derived?: boolean } = {},
): Promise<TransitServer> {
  const { derived = true, ...rest } = options;
  const server = await startTransitServer(rest);
  onTestFinished(() => server.close());
  server.createKey("first", { derived });
  return server;
}

let policies = 0;

/** A token with these rules alone. */
export function tokenFor(server: TransitServer, rules: readonly TransitPolicyRule[]): string {
  const name = `policy-${++policies}`;
  server.setPolicy(name, rules);
  return server.createToken({ policies: [name] });
}

/** What a client of Vault finds on this machine, kept away from tests; `vi.unstubAllEnvs()` ends it. */
export function withoutConfiguration(): void {
  for (const name of Object.keys(process.env)) {
    if (/^(?:VAULT|BAO)_/.test(name)) vi.stubEnv(name, undefined);
  }
}
