/**
 * The cryptography under the message format: which backend does it, and what a backend is.
 *
 * @module
 */
export { cryptoBackend, useCryptoBackend } from "./backend.ts";
export { DrawnInAdvance } from "./drawn-in-advance.ts";
export { OTHER_KEY, VERIFIED } from "./crypto-backend.ts";
export type { ChunkKeys, CryptoBackend, HmacKey, MessageKeys } from "./crypto-backend.ts";
