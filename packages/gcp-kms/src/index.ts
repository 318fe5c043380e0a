/**
 * Keys in Google Cloud KMS as customer master keys.
 *
 * Loading this module loads no SDK: that waits for the first call, and happens only where no client
 * was given.
 *
 * @module
 */
export { gcpKms, gcpKmsDriver, doctor, openGcpKms } from "./adapter.ts";

export type { GcpKmsConnection, GcpKmsKey, GcpKmsOptions, OpenGcpKmsOptions } from "./options.ts";
export type { GcpKmsClient } from "./client.ts";
export type { DoctorCheck, DoctorOptions, DoctorProblem, DoctorReport } from "@env/core/driver";
export { GcpKmsError } from "./errors.ts";
export { parseGcpKmsUri } from "./uri.ts";
export type { GcpKmsUri } from "./uri.ts";
