/**
 * The AWS KMS protocol over a keystore of `@env/kms`.
 *
 * @module
 */
export { SignatureVerifier } from "./verify-signature.ts";
export type { Credential, FindCredential, Verified, VerifierOptions } from "./verify-signature.ts";
export type { ReceivedRequest } from "./signed-request.ts";
export { WireError } from "./wire-error.ts";
