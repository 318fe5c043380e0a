/**
 * The keys of one message in several threads.
 *
 * @module
 */
import { cryptoBackend } from "./backend.ts";
import type { CryptoBackend } from "./crypto-backend.ts";
import { PayloadCodec } from "./payload.ts";

/** The keys of one message, in a form that can be sent to a thread. As secret as the plaintext. */
export interface SharedKeys {
  /** The module with the crypto backend of these keys, unless every thread has it. */
  readonly module: string | undefined;
  readonly keys: unknown;
}

/**
 * Returns the keys of a codec for another thread. They work there as long as the codec is reachable here.
 *
 * @throws TypeError if the crypto backend works in one thread.
 */
export function shareKeys(codec: PayloadCodec): SharedKeys {
  const backend = cryptoBackend();
  if (backend.share === undefined) throw worksInOneThread(backend);
  return { module: backend.module, keys: backend.share(codec.keys) };
}

/**
 * Returns a codec for keys that another thread shared. This thread must have chosen the same crypto backend.
 *
 * @throws like {@link shareKeys}.
 */
export function adoptKeys({ keys }: SharedKeys): PayloadCodec {
  const backend = cryptoBackend();
  if (backend.adopt === undefined) throw worksInOneThread(backend);
  return new PayloadCodec(backend.adopt(keys));
}

function worksInOneThread({ name }: CryptoBackend): TypeError {
  return new TypeError(`the crypto backend ${name} works in one thread`);
}
