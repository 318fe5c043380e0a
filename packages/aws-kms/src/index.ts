/**
 * Keys in AWS KMS as customer master keys.
 *
 * Loading this module loads no AWS SDK: that waits for the first call, and happens only where no
 * client was given.
 *
 * @module
 */
export { awsKms, awsKmsDriver, doctor, openAwsKms } from "./adapter.ts";
export type {
  AwsKmsConnection,
  AwsKmsKey,
  AwsKmsOptions,
  GrantTokens,
  OpenAwsKmsOptions,
} from "./options.ts";
export type { AwsKmsClient } from "./client.ts";
export type { DoctorCheck, DoctorOptions, DoctorProblem, DoctorReport } from "@env/core/driver";
export { AwsKmsError } from "./errors.ts";
export { parseAwsKmsUri } from "./uri.ts";
export type { AwsKmsUri } from "./uri.ts";
