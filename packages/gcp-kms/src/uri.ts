/**
 * `gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k`: a key in Cloud KMS in one line of
 * configuration.
 *
 * A URI names things and never contains a secret: credentials are the application default ones. No error
 * repeats the URI, since somebody may have put a secret into it anyway.
 *
 * @module
 */
import { decodePart, readOptions, uriFault } from "@env/core/driver";
import { checkOptions, table, type GcpKmsConnection, type GcpKmsKey } from "./options.ts";

/** What a URI names: options for `gcpKms` and `doctor`. */
export type GcpKmsUri = GcpKmsKey & GcpKmsConnection;

const fault = uriFault("gcp-kms");

/**
 * Reads `gcp-kms:<key>` with the parameters `endpoint`, `universeDomain` and `insecure` (`true` or
 * `false`), and any number of `alsoUnwrap`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseGcpKmsUri(uri: string): GcpKmsUri {
  const { where, named } = readOptions(uri, "gcp-kms", table);
  if (where.startsWith("/")) throw fault("it starts with a slash; write gcp-kms:projects/…");
  const key = decodePart(where, "key", fault);
  if (key === "") throw fault("the key is missing; write gcp-kms:projects/…/cryptoKeys/name");
  const options = { key, ...named };
  checkOptions(options, fault);
  return options;
}
