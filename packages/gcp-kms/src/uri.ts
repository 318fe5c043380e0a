/**
 * `gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k`: a key in Cloud KMS in one line of
 * configuration.
 *
 * A URI names, it never holds a secret: credentials are the application default ones. No error repeats
 * the URI, for somebody may have put a secret there all the same.
 *
 * @module
 */
import { EnvelopeError, type Cmk, type OpenCmkOptions } from "@env/core";
import { checkOptions as checkMembers } from "@env/core/driver";
import { Calls } from "./calls.ts";
import { loadSdk } from "./connection.ts";
import { cmkOf } from "./driver.ts";
import { GcpKmsError } from "./errors.ts";
import { checkOptions, type GcpKmsConnection, type GcpKmsKey } from "./options.ts";

export interface OpenGcpKmsOptions
  extends OpenCmkOptions, Pick<GcpKmsKey, "alsoUnwrap" | "timeout" | "maxAttempts"> {}

/** What a URI names: options for `gcpKms` and `doctor`. */
export type GcpKmsUri = Pick<GcpKmsKey, "key" | "alsoUnwrap" | "insecure"> & GcpKmsConnection;

const SCHEME = "gcp-kms:";
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
  try {
    await loadSdk();
  } catch (error) {
    if (error instanceof GcpKmsError) throw config(`it cannot be opened; ${error.hint}`);
    throw error;
  }
  return cmkOf(named.key, settings, new Calls(settings));
}

/**
 * Reads `gcp-kms:<key>` with the parameters `endpoint`, `universeDomain` and `insecure` (`true` or
 * `false`), and any number of `alsoUnwrap`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseGcpKmsUri(uri: string): GcpKmsUri {
  if (typeof uri !== "string" || !uri.startsWith(SCHEME)) {
    throw config(`it must start with ${SCHEME}`);
  }
  const [written = "", query, ...more] = uri.slice(SCHEME.length).split("?");
  if (more.length > 0) throw config("it has more than one question mark");
  if (uri.includes("#")) throw config("it has a fragment");
  if (written.startsWith("/")) throw config("it starts with a slash; write gcp-kms:projects/…");
  const key = decode(written, "key");
  if (key === "") throw config("the key is missing; write gcp-kms:projects/…/cryptoKeys/name");

  const found: { -readonly [K in keyof GcpKmsUri]: GcpKmsUri[K] } = { key };
  const alsoUnwrap: string[] = [];
  for (const parameter of query === undefined ? [] : query.split("&")) {
    const [name = "", text = ""] = parameter.split(/=(.*)/s);
    // Neither a name nor a value is repeated: a secret could stand in either.
    if (!isParameter(name)) {
      throw config(`it has an unknown parameter; known are ${parameters.join(", ")}`);
    }
    const value = decode(text, name);
    if (value === "") throw config(`${name} is empty`);
    if (name === "alsoUnwrap") alsoUnwrap.push(value);
    else if (found[name] !== undefined) throw config(`${name} is given twice`);
    else if (name === "insecure") {
      if (value !== "true" && value !== "false") throw config("insecure must be true or false");
      found.insecure = value === "true";
    } else found[name] = value;
  }
  if (alsoUnwrap.length > 0) found.alsoUnwrap = alsoUnwrap;
  checkOptions(found, config);
  return found;
}

const parameters = ["endpoint", "universeDomain", "insecure", "alsoUnwrap"] as const;

function isParameter(name: string): name is (typeof parameters)[number] {
  return parameters.some((known) => known === name);
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw config(`the ${what} has a malformed percent-encoding`);
  }
}

function config(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_CONFIG", `gcp-kms URI: ${problem}`);
}
