/**
 * The adapter for Acme KMS.
 *
 * @module
 */
import type { Cmk, OpenCmkOptions } from "@env/core";
import { adapterOf, type Adapter, type CmkDriver, type Doctor } from "@env/core/driver";
import { Calls } from "./calls.ts";
import { driverOf } from "./driver.ts";
import { checkOptions, type AcmeKmsOptions } from "./options.ts";
import { parseAcmeKmsUri } from "./uri.ts";

export interface OpenAcmeKmsOptions
  extends OpenCmkOptions, Pick<AcmeKmsOptions, "alsoUnwrap" | "timeout" | "client"> {}

const adapter: Adapter<AcmeKmsOptions, OpenAcmeKmsOptions> = adapterOf({
  scheme: "acme-kms",
  check: checkOptions,
  parse: parseAcmeKmsUri,
  openOptions: ["client"],
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
