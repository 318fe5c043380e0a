/**
 * `aws-kms:alias/app?region=eu-west-1`: a key in AWS KMS in one line of configuration.
 *
 * A URI names things and never contains a secret: credentials come from the SDK's default chain. No error
 * repeats the URI, since somebody may have put a secret into it anyway.
 *
 * @module
 */
import { decodePart, readOptions, uriFault } from "@env/core/driver";
import { checkOptions, table, type AwsKmsConnection, type AwsKmsKey } from "./options.ts";

/** What a URI names: options for `awsKms` and `doctor`. */
export type AwsKmsUri = AwsKmsKey & AwsKmsConnection;

const fault = uriFault("aws-kms");

/**
 * Reads `aws-kms:<key>` with the parameters `region`, `profile`, `endpoint`, `fips`, `dualstack` and
 * `insecure` (`true` or `false`), and any number of `alsoUnwrap`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseAwsKmsUri(uri: string): AwsKmsUri {
  const { where, named } = readOptions(uri, "aws-kms", table);
  if (where.startsWith("/")) throw fault("it starts with a slash; write aws-kms:alias/name");
  const key = decodePart(where, "key", fault);
  if (key === "") throw fault("the key is missing; write aws-kms:alias/name or its ARN");
  const options = { key, ...named };
  checkOptions(options, fault);
  return options;
}
