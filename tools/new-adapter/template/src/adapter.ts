/**
 * The adapter for Acme KMS.
 *
 * @module
 */
import type { Cmk } from "@env/core";
import { adapterOf, type Adapter, type CmkDriver, type Doctor } from "@env/core/driver";
import { Calls } from "./calls.ts";
import { driverOf } from "./driver.ts";
import { checkOptions, table, type AcmeKmsOptions, type OpenAcmeKmsOptions } from "./options.ts";
import { parseAcmeKmsUri } from "./uri.ts";

const adapter: Adapter<AcmeKmsOptions, OpenAcmeKmsOptions> = adapterOf({
  scheme: "acme-kms",
  options: table,
  check: checkOptions,
  parse: parseAcmeKmsUri,
  callsOf: (settings) => new Calls(settings),
  driverOf,
  connect: (calls) => calls.connect(),
});

/** Makes a {@link Cmk} from a key in Acme KMS. Makes no call yet. */
export const acmeKms: (options: AcmeKmsOptions) => Cmk = adapter.create;

/** Makes the driver alone, for tests and for wrapping. */
export const acmeKmsDriver: (options: AcmeKmsOptions) => CmkDriver = adapter.driver;

/** Probes a key with the credentials at hand. Changes nothing in the KMS. */
export const doctor: Doctor<AcmeKmsOptions> = adapter.doctor;

/** Opens the key that a URI names: `acme-kms:<key id>`. */
export const openAcmeKms: (uri: string, options?: OpenAcmeKmsOptions) => Promise<Cmk> =
  adapter.open;
