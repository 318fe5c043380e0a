/**
 * `acme-kms:<key id>`: a key in Acme KMS in one line of configuration. A URI names things and never contains a secret.
 *
 * @module
 */
import { decodePart, readUri, uriFault } from "@env/core/driver";
import { checkOptions, type AcmeKmsOptions } from "./options.ts";

/** What a URI names: options for `acmeKms` and `doctor`. */
export type AcmeKmsUri = Pick<AcmeKmsOptions, "key" | "alsoUnwrap">;

const syntax = { scheme: "acme-kms", parameters: { alsoUnwrap: "list" } } as const;

/**
 * Reads `acme-kms:<key id>` with any number of parameters `alsoUnwrap`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseAcmeKmsUri(uri: string): AcmeKmsUri {
  const fault = uriFault(syntax.scheme);
  const { where, parameters } = readUri(uri, syntax);
  const named = { key: decodePart(where, "key", fault), ...parameters };
  checkOptions(named, fault);
  return named;
}
