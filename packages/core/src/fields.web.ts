/**
 * Replaces `fields.ts` on runtimes with asynchronous cryptography, so that a bundle for a browser does
 * not contain a cipher that cannot work there.
 *
 * @module
 */
import { EnvelopeError } from "./error.ts";
import type { Fields, FieldsOptions } from "./fields.ts";
import type { KeySource } from "./key-source.ts";

export async function openFields(source: KeySource, _options: FieldsOptions): Promise<Fields> {
  source.requireOpen();
  throw new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    "fields() needs synchronous cryptography: use encryptText() and decryptText()",
  );
}
