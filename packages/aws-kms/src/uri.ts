/**
 * `aws-kms:alias/app?region=eu-west-1`: a key in AWS KMS in one line of configuration.
 *
 * A URI names things and never contains a secret: credentials come from the SDK's default chain. No error
 * repeats the URI, since somebody may have put a secret into it anyway.
 *
 * @module
 */
import { decodePart, readUri, uriFault } from "@env/core/driver";
import { checkOptions, type AwsKmsConnection, type AwsKmsKey } from "./options.ts";

/** What a URI names: options for `awsKms` and `doctor`. */
export type AwsKmsUri = Pick<AwsKmsKey, "key" | "alsoUnwrap" | "insecure"> &
  Pick<
    AwsKmsConnection,
    "region" | "profile" | "endpoint" | "useFipsEndpoint" | "useDualstackEndpoint"
  >;

const syntax = {
  scheme: "aws-kms",
  parameters: {
    region: "text",
    profile: "text",
    endpoint: "text",
    fips: "flag",
    dualstack: "flag",
    insecure: "flag",
    alsoUnwrap: "list",
  },
} as const;

/**
 * Reads `aws-kms:<key>` with the parameters `region`, `profile`, `endpoint`, `fips`, `dualstack` and
 * `insecure` (`true` or `false`), and any number of `alsoUnwrap`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseAwsKmsUri(uri: string): AwsKmsUri {
  const fault = uriFault(syntax.scheme);
  const { where, parameters } = readUri(uri, syntax);
  if (where.startsWith("/")) throw fault("it starts with a slash; write aws-kms:alias/name");
  const key = decodePart(where, "key", fault);
  if (key === "") throw fault("the key is missing; write aws-kms:alias/name or its ARN");
  const { fips: useFipsEndpoint, dualstack: useDualstackEndpoint, ...rest } = parameters;
  const named = {
    key,
    ...rest,
    ...(useFipsEndpoint !== undefined && { useFipsEndpoint }),
    ...(useDualstackEndpoint !== undefined && { useDualstackEndpoint }),
  };
  checkOptions(named, fault);
  return named;
}
