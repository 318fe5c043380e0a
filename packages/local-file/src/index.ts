/**
 * Keys in a local keystore file as customer master keys.
 *
 * @module
 */
export { localFile, localFileDriver } from "./driver.ts";
export type { LocalFileOptions } from "./driver.ts";
export type { LocalFileClient } from "./client.ts";
export { openLocalFile } from "./uri.ts";
export type { OpenLocalFileOptions } from "./uri.ts";
