/**
 * The adapter for AWS KMS.
 *
 * @module
 */
import type { Cmk } from "@env/core";
import { adapterOf, type Adapter, type CmkDriver, type Doctor } from "@env/core/driver";
import { Calls } from "./calls.ts";
import { driverOf } from "./driver.ts";
import { checkOptions, table, type AwsKmsOptions, type OpenAwsKmsOptions } from "./options.ts";
import { parseAwsKmsUri } from "./uri.ts";

const adapter: Adapter<AwsKmsOptions, OpenAwsKmsOptions> = adapterOf({
  scheme: "aws-kms",
  options: table,
  check: checkOptions,
  parse: parseAwsKmsUri,
  callsOf: (settings) => new Calls(settings),
  driverOf,
  connect: (calls) => calls.connect(),
});

/**
 * Makes a {@link Cmk} from a key in AWS KMS. Makes no call yet.
 *
 * @throws TypeError for options that are misspelt or contradict each other.
 *
 * @example
 * ```ts
 * const cmk = awsKms({ client: new KMS({}), key: "alias/orders" });
 * ```
 */
export const awsKms: (options: AwsKmsOptions) => Cmk = adapter.create;

/** Makes the driver alone, for tests and for wrapping. */
export const awsKmsDriver: (options: AwsKmsOptions) => CmkDriver = adapter.driver;

/** Probes a key with the credentials at hand. Changes nothing in AWS KMS, since all probes are dry runs. */
export const doctor: Doctor<AwsKmsOptions> = adapter.doctor;

/**
 * Opens the key that a URI names. Closing the CMK closes the client made for it.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` for a malformed URI, a missing SDK or an unknown region.
 * Whether the key exists and the credentials are valid is known after the first call.
 *
 * @example
 * ```ts
 * await using cmk = await openAwsKms("aws-kms:alias/app?region=eu-west-1");
 * ```
 */
export const openAwsKms: (uri: string, options?: OpenAwsKmsOptions) => Promise<Cmk> = adapter.open;
