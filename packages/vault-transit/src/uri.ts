/**
 * `vault-transit:https://vault.internal:8200/transit/orders`: a key in Transit in one line of
 * configuration.
 *
 * A URI names things and never contains a secret: the token comes from `VAULT_TOKEN`, from the pod's service
 * account, or from code. No error repeats the URI, since somebody may have put a secret into it anyway.
 *
 * @module
 */
import { readUri, uriFault } from "@env/core/driver";
import {
  checkOptions,
  type VaultTransitConnection,
  type VaultTransitKey,
  type VaultTransitMode,
} from "./options.ts";

/** What a URI names: options for `vaultTransit` and `doctor`. */
export type VaultTransitUri = Pick<
  VaultTransitKey,
  "key" | "mount" | "namespace" | "mode" | "alsoUnwrap" | "insecure"
> &
  Pick<VaultTransitConnection, "address" | "auth" | "redirectTo">;

const syntax = {
  scheme: "vault-transit",
  parameters: {
    mode: "text",
    namespace: "text",
    kubernetes: "text",
    kubernetesMount: "text",
    insecure: "flag",
    alsoUnwrap: "list",
    redirectTo: "list",
  },
} as const;

/**
 * Reads `vault-transit:<address>/<mount>/<key>` with the parameters `mode` (`derived` or `aad`),
 * `namespace`, `insecure` (`true` or `false`), `kubernetes` (a role to log in with; `kubernetesMount` says
 * where) and any number of `alsoUnwrap` and `redirectTo`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseVaultTransitUri(uri: string): VaultTransitUri {
  const fault = uriFault(syntax.scheme);
  const { where, parameters } = readUri(uri, syntax);
  const [, address, path] = /^(https?:\/\/[^/]+)\/(.*)$/s.exec(where) ?? [];
  if (address === undefined || path === undefined) {
    throw fault("write the address, the path of the engine and the key: https://host/transit/key");
  }
  const end = path.lastIndexOf("/");
  if (end === -1) throw fault("the path of the engine is missing: https://host/transit/key");
  const { kubernetes: role, kubernetesMount: mount, mode, ...rest } = parameters;
  if (mount !== undefined && role === undefined) {
    throw fault("kubernetesMount is given without kubernetes");
  }
  if (mode !== undefined && !isMode(mode)) throw fault("mode must be derived or aad");
  const named: VaultTransitUri = {
    address,
    mount: path.slice(0, end),
    key: path.slice(end + 1),
    ...rest,
    ...(mode !== undefined && { mode }),
    ...(role !== undefined && { auth: { kubernetes: { role, mount } } }),
  };
  checkOptions(named, fault);
  return named;
}

function isMode(text: string): text is VaultTransitMode {
  return text === "derived" || text === "aad";
}
