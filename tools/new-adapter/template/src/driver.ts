/**
 * A key in Acme KMS as a CMK. Acme KMS makes no data keys, so `Cmk` makes them and this driver encrypts them.
 *
 * @module
 */
import type { CmkDriver } from "@env/core/driver";
import type { Calls } from "./calls.ts";
import { classify } from "./errors.ts";
import type { Settings } from "./options.ts";

export function driverOf({ key }: Settings, calls: Calls): CmkDriver {
  return {
    provider: "acme-kms",
    keyId: key,

    async wrap({ plaintext, context, signal }) {
      const answer = await calls.call("Encrypt", signal, (client, options) =>
        client.encrypt({ key, plaintext, context: context.bytes }, options),
      );
      return { wrapped: answer.ciphertext, keyId: answer.key };
    },

    // The key that was asked for, which core has compared with the configuration; never one in the message.
    unwrap({ wrapped, keyId, context, signal }) {
      return calls.call("Decrypt", signal, (client, options) =>
        client.decrypt({ key: keyId, ciphertext: wrapped, context: context.bytes }, options),
      );
    },

    classify,
  };
}
