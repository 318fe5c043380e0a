/**
 * The adapter for the Transit engine of Vault and OpenBao.
 *
 * @module
 */
import type { Cmk } from "@env/core";
import { adapterOf, type Adapter, type CmkDriver, type Doctor } from "@env/core/driver";
import { Calls } from "./calls.ts";
import { driverOf } from "./driver.ts";
import {
  checkOptions,
  table,
  type OpenVaultTransitOptions,
  type VaultTransitOptions,
} from "./options.ts";
import { parseVaultTransitUri } from "./uri.ts";

const adapter: Adapter<VaultTransitOptions, OpenVaultTransitOptions> = adapterOf({
  scheme: "vault-transit",
  options: table,
  check: checkOptions,
  parse: parseVaultTransitUri,
  callsOf: (settings) => new Calls(settings),
  driverOf,
  connect: (calls) => calls.connect(),
});

/**
 * Makes a {@link Cmk} from a key in Transit. Makes no call yet.
 *
 * @throws TypeError for options that are misspelt or contradict each other.
 *
 * @example
 * ```ts
 * const cmk = vaultTransit({ address: "https://vault.internal:8200", key: "orders" });
 * ```
 */
export const vaultTransit: (options: VaultTransitOptions) => Cmk = adapter.create;

/** Makes the driver alone, for tests and for wrapping. */
export const vaultTransitDriver: (options: VaultTransitOptions) => CmkDriver = adapter.driver;

/** Probes a key with the token at hand. Changes nothing in Vault, and creates no key. */
export const doctor: Doctor<VaultTransitOptions> = adapter.doctor;

/**
 * Opens the key that a URI names. Closing the CMK closes the connections made for it.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` for a malformed URI or a missing client. Whether the key
 * exists and the token is valid is known after the first call.
 *
 * @example
 * ```ts
 * await using cmk = await openVaultTransit("vault-transit:https://vault.internal:8200/transit/orders");
 * ```
 */
export const openVaultTransit: (uri: string, options?: OpenVaultTransitOptions) => Promise<Cmk> =
  adapter.open;
