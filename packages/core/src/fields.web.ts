/**
 * Replaces `fields.ts` on runtimes with asynchronous cryptography, so that a bundle for a browser does
 * not contain a cipher that cannot work there.
 *
 * @module
 */
import { EnvelopeError } from "./error.ts";
import type { Fields, FieldsOptions } from "./fields.ts";
import type { Messages } from "./messages.ts";

export async function openFields(messages: Messages, _options: FieldsOptions): Promise<Fields> {
  messages.requireOpen();
  throw new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    "fields() needs synchronous cryptography: use encryptText() and decryptText()",
  );
}
