/**
 * The AWS KMS protocol over a keystore of `@env/kms`.
 *
 * @module
 */
export { createKmsServer, KmsServer } from "./server.ts";
export type { KmsServerOptions, LogEntry, ServerLimits, TlsFiles } from "./options.ts";
export { localCertificate } from "./local-authority.ts";
export type { LocalCertificate } from "./local-authority.ts";
export type * from "./console/api.ts";
export type { ConsoleOptions } from "./console/console.ts";
