/**
 * Keys in a local keystore file as customer master keys.
 *
 * @module
 */
export { doctor, localFile, localFileDriver } from "./driver.ts";
export type { LocalFileDoctorReport, LocalFileOptions } from "./driver.ts";
export type { LocalFileClient } from "./client.ts";
export type { DoctorCheck, DoctorOptions, DoctorProblem, DoctorReport } from "@env/core/driver";
export {
  isKeystoreUri,
  keystoreOptions,
  keystorePath,
  openLocalFile,
  parseLocalFileUri,
} from "./uri.ts";
export type { LocalFileUri, OpenLocalFileOptions } from "./uri.ts";
