/**
 * `vault-transit:https://vault.internal:8200/transit/orders`: a key in Transit in one line of
 * configuration.
 *
 * A URI names, it never holds a secret: the token comes from `VAULT_TOKEN`, from the pod's service
 * account, or from code. No error repeats the URI, for somebody may have put a secret there all the same.
 *
 * @module
 */
import { EnvelopeError, type Cmk, type OpenCmkOptions } from "@env/core";
import { checkOptions as checkMembers } from "@env/core/driver";
import { Calls } from "./calls.ts";
import { cmkOf } from "./driver.ts";
import { VaultTransitError } from "./errors.ts";
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

const SCHEME = "vault-transit:";
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
  try {
    await calls.connect();
  } catch (error) {
    if (error instanceof VaultTransitError) throw config(`it cannot be opened; ${error.hint}`);
    throw error;
  }
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
  if (typeof uri !== "string" || !uri.startsWith(SCHEME)) {
    throw config(`it must start with ${SCHEME}`);
  }
  if (uri.includes("#")) throw config("it has a fragment");
  const [where = "", query, ...more] = uri.slice(SCHEME.length).split("?");
  if (more.length > 0) throw config("it has more than one question mark");
  const [, address, path] = /^(https?:\/\/[^/]+)\/(.*)$/s.exec(where) ?? [];
  if (address === undefined || path === undefined) {
    throw config("write the address, the path of the engine and the key: https://host/transit/key");
  }
  const end = path.lastIndexOf("/");
  if (end === -1) throw config("the path of the engine is missing: https://host/transit/key");
  const given = parametersOf(query);
  const { kubernetes, kubernetesMount } = given.single;
  if (kubernetesMount !== undefined && kubernetes === undefined) {
    throw config("kubernetesMount is given without kubernetes");
  }
  const { mode, namespace, insecure } = given.single;
  if (insecure !== undefined && insecure !== "true" && insecure !== "false") {
    throw config("insecure must be true or false");
  }
  if (mode !== undefined && !isMode(mode)) throw config("mode must be derived or aad");
  const named: VaultTransitUri = {
    address,
    mount: path.slice(0, end),
    key: path.slice(end + 1),
    ...(mode !== undefined && { mode }),
    ...(namespace !== undefined && { namespace }),
    ...(insecure !== undefined && { insecure: insecure === "true" }),
    ...(kubernetes !== undefined && {
      auth: { kubernetes: { role: kubernetes, mount: kubernetesMount } },
    }),
    ...given.lists,
  };
  checkOptions(named, config);
  return named;
}

const singles = ["mode", "namespace", "kubernetes", "kubernetesMount", "insecure"] as const;
const lists = ["alsoUnwrap", "redirectTo"] as const;

interface Parameters {
  readonly single: Partial<Record<(typeof singles)[number], string>>;
  readonly lists: Partial<Record<(typeof lists)[number], string[]>>;
}

function parametersOf(query: string | undefined): Parameters {
  const found: Parameters = { single: {}, lists: {} };
  for (const parameter of query === undefined ? [] : query.split("&")) {
    const [written = "", text = ""] = parameter.split(/=(.*)/s);
    // Neither a name nor a value is repeated: a secret could stand in either.
    const single = singles.find((name) => name === written);
    const list = lists.find((name) => name === written);
    if (list !== undefined) {
      (found.lists[list] ??= []).push(decode(text, list));
    } else if (single === undefined) {
      throw config(`it has an unknown parameter; known are ${[...singles, ...lists].join(", ")}`);
    } else {
      if (found.single[single] !== undefined) throw config(`${single} is given twice`);
      found.single[single] = decode(text, single);
    }
  }
  return found;
}

function isMode(text: string): text is VaultTransitMode {
  return text === "derived" || text === "aad";
}

function decode(text: string, what: string): string {
  let value: string;
  try {
    value = decodeURIComponent(text);
  } catch {
    throw config(`the ${what} has a malformed percent-encoding`);
  }
  if (value === "") throw config(`${what} is empty`);
  return value;
}

function config(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_CONFIG", `vault-transit URI: ${problem}`);
}
