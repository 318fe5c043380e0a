/**
 * The backend that does the cryptography of this process.
 *
 * @module
 */
import { backend as platform } from "#crypto";
import type { Awaitable } from "./awaitable.ts";
import type { CryptoBackend, HmacKey } from "./crypto-backend.ts";
import type { DataKey } from "./data-key.ts";
import { EnvelopeError } from "./error.ts";

let chosen: CryptoBackend = platform;
let isFixed = false;

/** Returns the backend at work. */
export function cryptoBackend(): CryptoBackend {
  return chosen;
}

/**
 * Chooses the backend for the whole process. Choosing the one at work again does nothing.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` once there is a data key, because another backend could
 * not use it; TypeError for anything but a backend.
 *
 * @example
 * ```ts
 * import { useCryptoBackend } from "@env/core/crypto";
 * import native from "@env/native";
 *
 * useCryptoBackend(native);
 * ```
 */
export function useCryptoBackend(backend: CryptoBackend): void {
  if (typeof backend?.sealChunks !== "function" || typeof backend.name !== "string") {
    throw new TypeError("a crypto backend is required, such as the default export of @env/native");
  }
  if (backend === chosen) return;
  if (isFixed) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_CONFIG",
      `the crypto backend ${chosen.name} already holds a data key: call useCryptoBackend before the first message`,
    );
  }
  chosen = backend;
}

/** Creates the key that messages are derived from. The backend can then no longer be replaced. */
export function toHmacKey(dataKey: DataKey): Awaitable<HmacKey> {
  isFixed = true;
  return dataKey.use((bytes) => chosen.hmacKey(bytes));
}
