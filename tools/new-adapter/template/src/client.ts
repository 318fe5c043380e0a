/**
 * What the adapter calls: a structural type with only these methods, so that the user's own client fits and a fake
 * is short.
 *
 * @module
 */

import type { Bytes } from "@env/core";

/** The client of Acme KMS, as far as the adapter calls it. */
export interface AcmeKmsClient {
  /** Encrypts up to 4096 bytes. `context` is authenticated: decrypting needs the same bytes. */
  encrypt(
    request: { key: string; plaintext: Uint8Array; context: Uint8Array },
    options: { signal: AbortSignal },
  ): Promise<{ key: string; ciphertext: Bytes }>;
  decrypt(
    request: { key: string; ciphertext: Uint8Array; context: Uint8Array },
    options: { signal: AbortSignal },
  ): Promise<{ plaintext: Bytes }>;
}

export const clientMethods = ["encrypt", "decrypt"] as const satisfies (keyof AcmeKmsClient)[];
