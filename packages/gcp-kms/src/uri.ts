/**
 * `gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k`: a key in Cloud KMS in one line of
 * configuration.
 *
 * A URI names, it never holds a secret: credentials are the application default ones. No error repeats
 * the URI, for somebody may have put a secret there all the same.
 *
 * @module
 */
import type { Cmk, OpenCmkOptions } from "@env/core";
import {
  checkOptions as checkMembers,
  connectFirst,
  decodePart,
  readUri,
  uriFault,
} from "@env/core/driver";
import { Calls } from "./calls.ts";
import { loadSdk } from "./connection.ts";
import { cmkOf } from "./driver.ts";
import { checkOptions, type GcpKmsConnection, type GcpKmsKey } from "./options.ts";

export interface OpenGcpKmsOptions
  extends OpenCmkOptions, Pick<GcpKmsKey, "alsoUnwrap" | "timeout" | "maxAttempts"> {}

/** What a URI names: options for `gcpKms` and `doctor`. */
export type GcpKmsUri = Pick<GcpKmsKey, "key" | "alsoUnwrap" | "insecure"> & GcpKmsConnection;

const syntax = {
  scheme: "gcp-kms",
  parameters: { endpoint: "text", universeDomain: "text", insecure: "flag", alsoUnwrap: "list" },
} as const;
const openOptions = new Set(["baseDirectory", "alsoUnwrap", "timeout", "maxAttempts"]);

/**
 * Opens the key that a URI names. Closing the CMK closes the client made for it.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` for a malformed URI or a missing SDK. Whether the key
 * exists and the credentials are good shows at the first call.
 *
 * @example
 * ```ts
 * await using cmk = await openGcpKms("gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k");
 * ```
 */
export async function openGcpKms(uri: string, options: OpenGcpKmsOptions = {}): Promise<Cmk> {
  checkMembers(options, openOptions);
  const named = parseGcpKmsUri(uri);
  const { timeout, maxAttempts, alsoUnwrap = [] } = options;
  const settings = checkOptions({
    ...named,
    alsoUnwrap: [...(named.alsoUnwrap ?? []), ...alsoUnwrap],
    timeout,
    maxAttempts,
  });
  await connectFirst(syntax.scheme, loadSdk);
  return cmkOf(named.key, settings, new Calls(settings));
}

/**
 * Reads `gcp-kms:<key>` with the parameters `endpoint`, `universeDomain` and `insecure` (`true` or
 * `false`), and any number of `alsoUnwrap`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseGcpKmsUri(uri: string): GcpKmsUri {
  const fault = uriFault(syntax.scheme);
  const { where, parameters } = readUri(uri, syntax);
  if (where.startsWith("/")) throw fault("it starts with a slash; write gcp-kms:projects/…");
  const key = decodePart(where, "key", fault);
  if (key === "") throw fault("the key is missing; write gcp-kms:projects/…/cryptoKeys/name");
  const named = { key, ...parameters };
  checkOptions(named, fault);
  return named;
}
