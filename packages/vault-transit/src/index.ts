/**
 * Keys in the Transit engine of Vault and OpenBao as customer master keys.
 *
 * Loading this module loads no client of Vault: that waits for the first call, and happens only where
 * none was given.
 *
 * @module
 */
export { vaultTransit, vaultTransitDriver, doctor, openVaultTransit } from "./adapter.ts";
export type {
  OpenVaultTransitOptions,
  VaultAuth,
  VaultTls,
  VaultTransitConnection,
  VaultTransitKey,
  VaultTransitMode,
  VaultTransitOptions,
} from "./options.ts";
export type { VaultTransitClient } from "./client.ts";
export type { DoctorCheck, DoctorOptions, DoctorProblem, DoctorReport } from "@env/core/driver";
export { VaultTransitError } from "./errors.ts";
export { parseVaultTransitUri } from "./uri.ts";
export type { VaultTransitUri } from "./uri.ts";
