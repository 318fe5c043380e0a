/** What the SDK finds on this machine, kept away from tests; `vi.unstubAllEnvs()` ends it. */
import { vi } from "vitest";

export function withoutConfiguration(): void {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
  }
  vi.stubEnv("AWS_CONFIG_FILE", "/dev/null");
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
}

export const secretAccessKey = "SECRET/wJalrXUtnFEMI/K7MDENG";

export function withCredentials(): void {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", secretAccessKey);
}
