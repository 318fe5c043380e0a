/** What clients find on this machine, kept away from tests; `vi.unstubAllEnvs()` ends it. */
import {
  withCredentials,
  withoutConfiguration as withoutAwsConfiguration,
} from "../../../../packages/aws-kms/test/support/environment.ts";
import { vi } from "vitest";
import type { Backend } from "./backends.ts";

export function withoutConfiguration(): void {
  withoutAwsConfiguration();
  for (const name of Object.keys(process.env)) {
    if (/^(?:VAULT|BAO|ENVELOPE|GOOGLE|GRPC)_/.test(name)) vi.stubEnv(name, undefined);
  }
}

/** Credentials for these, where clients look for them. */
export function withCredentialsFor(backends: readonly Backend[]): void {
  withCredentials();
  for (const { provider, credential } of backends) {
    if (provider === "vault-transit") vi.stubEnv("VAULT_TOKEN", credential);
  }
}
