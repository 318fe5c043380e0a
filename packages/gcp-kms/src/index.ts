/**
 * Keys in Google Cloud KMS as customer master keys.
 *
 * Loading this module loads no SDK: that waits for the first call, and happens only where no client
 * was given.
 *
 * @module
 */
export { doctor, gcpKms, gcpKmsDriver } from "./driver.ts";
export type { GcpKmsConnection, GcpKmsKey, GcpKmsOptions } from "./options.ts";
export type { GcpKmsClient } from "./client.ts";
export type { DoctorCheck, DoctorOptions, DoctorProblem, DoctorReport } from "@env/core/driver";
export { GcpKmsError } from "./errors.ts";
export { openGcpKms, parseGcpKmsUri } from "./uri.ts";
export type { GcpKmsUri, OpenGcpKmsOptions } from "./uri.ts";
