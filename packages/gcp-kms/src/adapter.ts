/**
 * The adapter for Cloud KMS.
 *
 * @module
 */
import type { Cmk } from "@env/core";
import { adapterOf, type Adapter, type CmkDriver, type Doctor } from "@env/core/driver";
import { Calls } from "./calls.ts";
import { loadSdk } from "./connection.ts";
import { driverOf } from "./driver.ts";
import { checkOptions, table, type GcpKmsOptions, type OpenGcpKmsOptions } from "./options.ts";
import { parseGcpKmsUri } from "./uri.ts";

const adapter: Adapter<GcpKmsOptions, OpenGcpKmsOptions> = adapterOf({
  scheme: "gcp-kms",
  options: table,
  check: checkOptions,
  parse: parseGcpKmsUri,
  callsOf: (settings) => new Calls(settings),
  driverOf,
  connect: loadSdk,
});

/**
 * Makes a {@link Cmk} from a key in Cloud KMS. Makes no call yet.
 *
 * @throws TypeError for options that are misspelt or contradict each other.
 *
 * @example
 * ```ts
 * const cmk = gcpKms({ client: new KeyManagementServiceClient(), key: "projects/…/cryptoKeys/orders" });
 * ```
 */
export const gcpKms: (options: GcpKmsOptions) => Cmk = adapter.create;

/** Makes the driver alone, for tests and for wrapping. */
export const gcpKmsDriver: (options: GcpKmsOptions) => CmkDriver = adapter.driver;

/** Probes a key with the credentials at hand. Changes nothing in Cloud KMS. */
export const doctor: Doctor<GcpKmsOptions> = adapter.doctor;

/**
 * Opens the key that a URI names. Closing the CMK closes the client made for it.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` for a malformed URI or a missing SDK. Whether the key
 * exists and the credentials are valid is known after the first call.
 *
 * @example
 * ```ts
 * await using cmk = await openGcpKms("gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k");
 * ```
 */
export const openGcpKms: (uri: string, options?: OpenGcpKmsOptions) => Promise<Cmk> = adapter.open;
