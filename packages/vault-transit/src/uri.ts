/**
 * `vault-transit:https://vault.internal:8200/transit/orders`: a key in Transit in one line of
 * configuration.
 *
 * A URI names things and never contains a secret: the token comes from `VAULT_TOKEN`, from the pod's service
 * account, or from code. No error repeats the URI, since somebody may have put a secret into it anyway.
 *
 * @module
 */
import { readOptions, uriFault } from "@env/core/driver";
import {
  checkOptions,
  table,
  type VaultTransitConnection,
  type VaultTransitKey,
} from "./options.ts";

/** What a URI names: options for `vaultTransit` and `doctor`. */
export type VaultTransitUri = VaultTransitKey & VaultTransitConnection;

const fault = uriFault("vault-transit");

/**
 * Reads `vault-transit:<address>/<mount>/<key>` with the parameters `mode` (`derived` or `aad`),
 * `namespace`, `insecure` (`true` or `false`), `kubernetes` (a role to log in with; `kubernetesMount` says
 * where) and any number of `alsoUnwrap` and `redirectTo`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseVaultTransitUri(uri: string): VaultTransitUri {
  const login = ["kubernetes", "kubernetesMount"] as const;
  const { where, named, further } = readOptions(uri, "vault-transit", table, login);
  const [, address, path] = /^(https?:\/\/[^/]+)\/(.*)$/s.exec(where) ?? [];
  if (address === undefined || path === undefined) {
    throw fault("write the address, the path of the engine and the key: https://host/transit/key");
  }
  const end = path.lastIndexOf("/");
  if (end === -1) throw fault("the path of the engine is missing: https://host/transit/key");
  const { kubernetes: role, kubernetesMount: mount } = further;
  if (mount !== undefined && role === undefined) {
    throw fault("kubernetesMount is given without kubernetes");
  }
  const options = {
    address,
    mount: path.slice(0, end),
    key: path.slice(end + 1),
    ...named,
    ...(role !== undefined && { auth: { kubernetes: { role, mount } } }),
  };
  checkOptions(options, fault);
  return options;
}
