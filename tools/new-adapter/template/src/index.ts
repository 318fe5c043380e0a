/**
 * Keys in Acme KMS as customer master keys.
 *
 * @module
 */
export { acmeKms, acmeKmsDriver, doctor, openAcmeKms } from "./adapter.ts";
export type { AcmeKmsClient } from "./client.ts";
export type { DoctorCheck, DoctorOptions, DoctorProblem, DoctorReport } from "@env/core/driver";
export { AcmeKmsError } from "./errors.ts";
export type {
  AcmeKmsConnection,
  AcmeKmsKey,
  AcmeKmsOptions,
  OpenAcmeKmsOptions,
} from "./options.ts";
export { parseAcmeKmsUri } from "./uri.ts";
export type { AcmeKmsUri } from "./uri.ts";
