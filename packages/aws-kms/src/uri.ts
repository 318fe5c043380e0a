/**
 * `aws-kms:alias/app?region=eu-west-1`: a key in AWS KMS in one line of configuration.
 *
 * A URI names, it never holds a secret: credentials come from the SDK's default chain. No error repeats
 * the URI, for somebody may have put a secret there all the same.
 *
 * @module
 */
import { EnvelopeError, type Cmk, type OpenCmkOptions } from "@env/core";
import { checkOptions as checkMembers } from "@env/core/driver";
import { Calls } from "./calls.ts";
import { cmkOf } from "./driver.ts";
import { AwsKmsError } from "./errors.ts";
import { checkOptions, type AwsKmsConnection, type AwsKmsKey } from "./options.ts";

export interface OpenAwsKmsOptions
  extends OpenCmkOptions, Pick<AwsKmsKey, "alsoUnwrap" | "grantTokens" | "timeout"> {}

/** What a URI names: options for `awsKms` and `doctor`. */
export type AwsKmsUri = Pick<AwsKmsKey, "key" | "alsoUnwrap" | "insecure"> &
  Pick<
    AwsKmsConnection,
    "region" | "profile" | "endpoint" | "useFipsEndpoint" | "useDualstackEndpoint"
  >;

const SCHEME = "aws-kms:";
const openOptions = new Set(["baseDirectory", "alsoUnwrap", "grantTokens", "timeout"]);

/**
 * Opens the key that a URI names. Closing the CMK closes the client made for it.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` for a malformed URI, a missing SDK or an unknown region.
 * Whether the key exists and the credentials are good shows at the first call.
 *
 * @example
 * ```ts
 * await using cmk = await openAwsKms("aws-kms:alias/app?region=eu-west-1");
 * ```
 */
export async function openAwsKms(uri: string, options: OpenAwsKmsOptions = {}): Promise<Cmk> {
  checkMembers(options, openOptions);
  const named = parseAwsKmsUri(uri);
  const { grantTokens, timeout, alsoUnwrap = [] } = options;
  const settings = checkOptions({
    ...named,
    alsoUnwrap: [...(named.alsoUnwrap ?? []), ...alsoUnwrap],
    grantTokens,
    timeout,
  });
  const calls = new Calls(settings);
  try {
    await calls.connect();
  } catch (error) {
    if (error instanceof AwsKmsError) throw config(`it cannot be opened; ${error.hint}`);
    throw error;
  }
  return cmkOf(named.key, settings, calls);
}

/**
 * Reads `aws-kms:<key>` with the parameters `region`, `profile`, `endpoint`, `fips`, `dualstack` and
 * `insecure` (`true` or `false`), and any number of `alsoUnwrap`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseAwsKmsUri(uri: string): AwsKmsUri {
  if (typeof uri !== "string" || !uri.startsWith(SCHEME)) {
    throw config(`it must start with ${SCHEME}`);
  }
  const [written = "", query, ...more] = uri.slice(SCHEME.length).split("?");
  if (more.length > 0) throw config("it has more than one question mark");
  if (uri.includes("#")) throw config("it has a fragment");
  if (written.startsWith("/")) throw config("it starts with a slash; write aws-kms:alias/name");
  const key = decode(written, "key");
  if (key === "") throw config("the key is missing; write aws-kms:alias/name or its ARN");

  const found: { -readonly [K in keyof AwsKmsUri]: AwsKmsUri[K] } = { key };
  const alsoUnwrap: string[] = [];
  for (const parameter of query === undefined ? [] : query.split("&")) {
    const [name = "", text = ""] = parameter.split(/=(.*)/s);
    // Neither a name nor a value is repeated: a secret could stand in either.
    const option = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (option === undefined) {
      throw config(`it has an unknown parameter; known are ${Object.keys(parameters).join(", ")}`);
    }
    const value = decode(text, name);
    if (option === "alsoUnwrap") alsoUnwrap.push(value);
    else if (Object.hasOwn(found, option)) throw config(`${name} is given twice`);
    else if (isFlag(option)) {
      if (value !== "true" && value !== "false") throw config(`${name} must be true or false`);
      found[option] = value === "true";
    } else {
      if (value === "") throw config(`${name} is empty`);
      found[option] = value;
    }
  }
  if (alsoUnwrap.length > 0) found.alsoUnwrap = alsoUnwrap;
  checkOptions(found, config);
  return found;
}

function isFlag(
  option: keyof AwsKmsUri,
): option is "useFipsEndpoint" | "useDualstackEndpoint" | "insecure" {
  return ["useFipsEndpoint", "useDualstackEndpoint", "insecure"].includes(option);
}

const parameters: Readonly<Record<string, Exclude<keyof AwsKmsUri, "key">>> = {
  region: "region",
  profile: "profile",
  endpoint: "endpoint",
  fips: "useFipsEndpoint",
  dualstack: "useDualstackEndpoint",
  insecure: "insecure",
  alsoUnwrap: "alsoUnwrap",
};

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw config(`the ${what} has a malformed percent-encoding`);
  }
}

function config(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_CONFIG", `aws-kms URI: ${problem}`);
}
