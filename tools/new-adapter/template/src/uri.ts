/**
 * `acme-kms:<key id>`: a key in Acme KMS in one line of configuration. A URI names things and never contains a secret.
 *
 * @module
 */
import { decodePart, readOptions, uriFault } from "@env/core/driver";
import { checkOptions, table, type AcmeKmsConnection, type AcmeKmsKey } from "./options.ts";

/** What a URI names: options for `acmeKms` and `doctor`. */
export type AcmeKmsUri = AcmeKmsKey & AcmeKmsConnection;

const fault = uriFault("acme-kms");

/**
 * Reads `acme-kms:<key id>` with the parameter `region` and any number of `alsoUnwrap`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseAcmeKmsUri(uri: string): AcmeKmsUri {
  const { where, named } = readOptions(uri, "acme-kms", table);
  const options = { ...named, key: decodePart(where, "key", fault) };
  checkOptions(options, fault);
  return options;
}
