/**
 * Opens CMKs by URI: one line of configuration per environment.
 *
 * A URI names a key and contains no credentials. Even so, errors never repeat it, since people paste
 * credentials where they do not belong.
 *
 * @module
 */
import type { Cmk } from "./cmk.ts";
import { EnvelopeError } from "./error.ts";

export interface OpenCmkOptions {
  /** The folder that relative paths in a URI start from. Default: the process's working directory. */
  readonly baseDirectory?: string | undefined;
  /**
   * Milliseconds for one call to the KMS, retries included. Default: the adapter's. A keystore file ignores it.
   */
  readonly timeout?: number | undefined;
}

/** Opens the CMK that a URI names. Each adapter has one for its scheme: `openLocalFile`, `openAwsKms`, … */
export type CmkOpener = (uri: string, options?: OpenCmkOptions) => Promise<Cmk>;

/**
 * Opens a CMK.
 *
 * @param uri - `local-file:./dev.kms?key=alias/app`, `aws-kms:alias/app?region=eu-west-1`, …
 * @param openers - The openers of the adapters that the application installed, by scheme.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`, and whatever the adapter throws.
 */
export async function openCmk(
  uri: string,
  openers: Readonly<Record<string, CmkOpener>>,
  options: OpenCmkOptions = {},
): Promise<Cmk> {
  if (typeof uri !== "string") throw new TypeError("uri must be a string");
  const scheme = uri.slice(0, Math.max(0, uri.indexOf(":")));
  const opener = Object.hasOwn(openers, scheme) ? openers[scheme] : undefined;
  if (opener === undefined) {
    const known = Object.keys(openers).join(", ") || "none";
    throw new EnvelopeError(
      "ERR_ENVELOPE_CONFIG",
      `a CMK URI must start with the scheme of an adapter and a colon; adapters given: ${known}`,
    );
  }
  return opener(uri, options);
}
