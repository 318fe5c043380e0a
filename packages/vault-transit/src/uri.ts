/**
 * `vault-transit:https://vault.internal:8200/transit/orders`: a key in Transit in one line of
 * configuration.
 *
 * A URI names, it never holds a secret: the token comes from `VAULT_TOKEN`, from the pod's service
 * account, or from code. No error repeats the URI, for somebody may have put a secret there all the same.
 *
 * @module
 */
import type { Cmk, OpenCmkOptions } from "@env/core";
import { checkOptions as checkMembers, connectFirst, readUri, uriFault } from "@env/core/driver";
import { Calls } from "./calls.ts";
import { cmkOf } from "./driver.ts";
import {
  checkOptions,
  type VaultTransitConnection,
  type VaultTransitKey,
  type VaultTransitMode,
} from "./options.ts";

export interface OpenVaultTransitOptions
  extends
    OpenCmkOptions,
    Pick<VaultTransitKey, "alsoUnwrap" | "timeout">,
    Pick<VaultTransitConnection, "auth" | "tls"> {}

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
const openOptions = new Set(["baseDirectory", "alsoUnwrap", "timeout", "auth", "tls"]);

/**
 * Opens the key that a URI names. Closing the CMK closes the connections made for it.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` for a malformed URI or a missing client. Whether the key
 * exists and the token is good shows at the first call.
 *
 * @example
 * ```ts
 * await using cmk = await openVaultTransit("vault-transit:https://vault.internal:8200/transit/orders");
 * ```
 */
export async function openVaultTransit(
  uri: string,
  options: OpenVaultTransitOptions = {},
): Promise<Cmk> {
  checkMembers(options, openOptions);
  const named = parseVaultTransitUri(uri);
  const { auth = named.auth, tls, timeout, alsoUnwrap = [] } = options;
  const settings = checkOptions({
    ...named,
    auth,
    tls,
    timeout,
    alsoUnwrap: [...(named.alsoUnwrap ?? []), ...alsoUnwrap],
  });
  const calls = new Calls(settings);
  await connectFirst(syntax.scheme, () => calls.connect());
  return cmkOf(settings, calls);
}

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
