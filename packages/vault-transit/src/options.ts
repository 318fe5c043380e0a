/**
 * The options of a CMK in Transit, and their checks. The checks call nothing, so a wrong configuration
 * fails where it is written and not at the first message.
 *
 * @module
 */
import type { Awaitable, OpenCmkOptions } from "@env/core";
import {
  checkOrigin,
  checkSettings,
  flag,
  isPrivateOrigin,
  membersOf,
  milliseconds,
  misuse,
  oneOf,
  type Checked,
  type Either,
  type Fault,
  type OptionTable,
} from "@env/core/driver";
import { clientMethods, type VaultTransitClient } from "./client.ts";
import { hasLabel, isName, isPath, parseLabel, type KeyName } from "./key-name.ts";

/** How Transit binds the context: in the derivation of the key, or as additional authenticated data. */
export type VaultTransitMode = "derived" | "aad";

/** The key, and how the adapter calls it. */
export interface VaultTransitKey {
  /** The name of the key, without a path. */
  readonly key: string;
  /** Path of the Transit engine. Default: `transit`. */
  readonly mount?: string | undefined;
  /** Namespace of the key and of the login, such as `team/a`. Default: the root namespace. */
  readonly namespace?: string | undefined;
  /**
   * `derived` is for keys that were created with `derived=true`: Vault derives a key per context and rewraps
   * without giving out the data key. `aad` is for other keys: the context is `associated_data`, and a rewrap
   * passes the data key through this process. Default: `derived`.
   */
  readonly mode?: VaultTransitMode | undefined;
  /**
   * Labels of further keys that may unwrap, such as `transit/orders-old`, in the same namespace and mode.
   * A rewrap from one of them passes the data key through this process, because Vault rewraps only within
   * one key. Default: none.
   */
  readonly alsoUnwrap?: readonly string[] | undefined;
  /** Milliseconds for one operation, including logins. Default: 10 000. */
  readonly timeout?: number | undefined;
  /**
   * Allows plain HTTP to other machines, and an environment that turns off the verification of certificates.
   * Anybody on the way can then read data keys and tokens. Only for tests. Default: `false`.
   */
  readonly insecure?: boolean | undefined;
}

/** How this process authenticates to Vault. */
export type VaultAuth =
  /** A token, which is renewed on use if Vault allows it, or a function that is called before every call. */
  | { readonly token: string | (() => Awaitable<string>) }
  | {
      readonly appRole: {
        readonly roleId: string;
        /** A function is called at each login. */
        readonly secretId: string | (() => Awaitable<string>);
        /** Default: `approle`. */
        readonly mount?: string | undefined;
      };
    }
  | {
      readonly kubernetes: {
        readonly role: string;
        /** The file of the token, which is read at each login because it is replaced. Default: the service account's. */
        readonly jwtFile?: string | undefined;
        /** Default: `kubernetes`. */
        readonly mount?: string | undefined;
      };
    };

/** TLS settings. Certificates and keys are PEM. No environment variable changes them. */
export interface VaultTls {
  /** Authorities to trust instead of the system's. */
  readonly ca?: string | undefined;
  /** The certificate of this client; `key` is its private key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly passphrase?: string | undefined;
  /** The name that the server's certificate must have. Default: the host in the address. */
  readonly serverName?: string | undefined;
}

/** How the adapter makes its own client. */
export interface VaultTransitConnection {
  /** Origin of Vault: https, or http to this machine. Default: `VAULT_ADDR`. */
  readonly address?: string | undefined;
  /** Default: the token in `VAULT_TOKEN`. */
  readonly auth?: VaultAuth | undefined;
  readonly tls?: VaultTls | undefined;
  /** Origins that a standby may send callers to. Default: none, so that a redirect is an error. */
  readonly redirectTo?: readonly string[] | undefined;
}

/** Either a client of your own, which you close, or a connection for a client that the adapter makes and closes. */
export type VaultTransitOptions = VaultTransitKey &
  Either<
    {
      /** A client of `node-vault`, with its own address, namespace, token, TLS and redirects. */
      readonly client: VaultTransitClient;
    },
    VaultTransitConnection
  >;

export interface OpenVaultTransitOptions
  extends
    OpenCmkOptions,
    Pick<VaultTransitKey, "alsoUnwrap" | "timeout">,
    Pick<VaultTransitConnection, "auth" | "tls"> {}

const MAX_TIMEOUT_MS = 2 ** 31 - 1; // The limit of setTimeout.

export const table: OptionTable<
  VaultTransitKey,
  VaultTransitConnection,
  VaultTransitClient,
  OpenVaultTransitOptions
> = {
  connection: {
    address: {},
    auth: { opener: true },
    tls: { opener: true },
    redirectTo: {
      must: "be a list of origins",
      accepts: (value) => Array.isArray(value),
      kind: "list",
      uri: true,
    },
  },
  key: {
    key: {
      must: "be a name of letters, digits, _, and inside it . and -, without a path",
      accepts: isName,
    },
    mount: {
      must: "be the path of a Transit engine, like transit",
      accepts: isPath,
      default: "transit",
    },
    namespace: {
      must: "be names between slashes, like team/a",
      accepts: (value) => value === "" || isPath(value),
      default: "",
      uri: true,
    },
    mode: { ...oneOf("derived", "aad"), default: "derived", uri: true },
    insecure: { ...flag, default: false, uri: true },
    alsoUnwrap: { kind: "list", default: [], uri: true, opener: true },
    timeout: { ...milliseconds(MAX_TIMEOUT_MS), default: 10_000, opener: true },
  },
  client: {
    methods: clientMethods,
    must: "have the methods read and write",
    has: "address, token and TLS",
  },
};

type CheckedOptions = Checked<VaultTransitKey, VaultTransitConnection, VaultTransitClient>;

/** Checked options. */
export interface Settings extends Omit<CheckedOptions, "key" | "connection"> {
  readonly key: KeyName;
  readonly connection: CheckedConnection;
}

export interface CheckedConnection {
  readonly address: string;
  readonly namespace: string;
  readonly auth: VaultAuth | undefined;
  readonly tls: VaultTls;
  readonly redirectTo: readonly string[];
}

const tlsOptions = new Set(["ca", "cert", "key", "passphrase", "serverName"]);

/**
 * Checks options and takes a copy.
 *
 * @param fault - Creates the error for a problem. A problem never repeats a value.
 */
export function checkOptions(options: VaultTransitOptions, fault: Fault = misuse): Settings {
  const settings = checkSettings(options, table, fault);
  const { key: name, mount, namespace, alsoUnwrap, insecure, client } = settings;
  const key = { namespace, mount, name };
  if (!hasLabel(key)) throw fault("namespace, mount and key are too long together");
  if (
    !Array.isArray(alsoUnwrap) ||
    alsoUnwrap.some((label) => parseLabel(label, namespace) === undefined)
  ) {
    throw fault("alsoUnwrap must list labels of the same namespace, like transit/orders-old");
  }
  if (client !== undefined && !insecure) checkClient(client, fault);
  const connection =
    client === undefined
      ? checkConnection(settings.connection, namespace, insecure, fault)
      : noConnection;
  return { ...settings, key, connection };
}

const noConnection: CheckedConnection = {
  address: "",
  namespace: "",
  auth: undefined,
  tls: {},
  redirectTo: [],
};

function checkConnection(
  options: VaultTransitConnection,
  namespace: string,
  insecure: boolean,
  fault: Fault,
): CheckedConnection {
  const { address = process.env["VAULT_ADDR"], auth, tls = {}, redirectTo = [] } = options;
  if (address === undefined || address === "")
    throw fault("address is missing, and VAULT_ADDR is not set");
  const origin = checkAddress("address", address, insecure, fault);
  const targets = redirectTo.map((target) => checkAddress("redirectTo", target, insecure, fault));
  if (origin.startsWith("https:") && targets.some((target) => !target.startsWith("https:"))) {
    throw fault("redirectTo must be https where the address is");
  }
  checkTls(tls, origin, fault);
  return {
    address: origin,
    namespace,
    auth: auth === undefined ? undefined : checkAuth(auth, fault),
    tls: { ...tls },
    redirectTo: targets,
  };
}

function checkAddress(name: string, address: unknown, insecure: boolean, fault: Fault): string {
  const { origin, pathname } = checkOrigin(name, address, { insecure, fault, path: true });
  if (pathname !== "/") throw fault(`${name} must be an origin without a path`);
  return origin;
}

/** Checks where `node-vault` calls, and the variable that turns off its certificate checks. */
function checkClient(client: VaultTransitClient, fault: Fault): void {
  const endpoint: unknown = Reflect.get(client, "endpoint");
  if (typeof endpoint !== "string") return; // A fake.
  if (URL.canParse(endpoint) && !isPrivateOrigin(new URL(endpoint))) {
    throw fault(
      "the client speaks plain HTTP to another machine; use https, or pass insecure: true",
    );
  }
  if ((process.env["VAULT_SKIP_VERIFY"] ?? "") !== "") {
    throw fault(
      "VAULT_SKIP_VERIFY turns the client's certificate checks off; unset it, or pass insecure: true",
    );
  }
}

function checkTls(tls: VaultTls, origin: string, fault: Fault): void {
  if (typeof tls !== "object" || tls === null) throw fault("tls must be an object");
  for (const [name, value] of Object.entries(tls)) {
    if (!tlsOptions.has(name)) throw fault(`unknown option tls.${JSON.stringify(name)}`);
    if (value !== undefined && (typeof value !== "string" || value === "")) {
      throw fault(`tls.${name} must be text`);
    }
    if (value !== undefined && !origin.startsWith("https:")) {
      throw fault("tls is for an https address");
    }
  }
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw fault("tls.cert and tls.key go together");
  }
}

function checkAuth(auth: VaultAuth, fault: Fault): VaultAuth {
  const kinds = typeof auth === "object" && auth !== null ? Object.keys(auth) : [];
  if (kinds.length !== 1) throw fault("auth must be one of token, appRole and kubernetes");
  if ("token" in auth) {
    if (!isSecret(auth.token)) throw fault("auth.token must be text, or a function that gives it");
    return { token: auth.token };
  }
  if ("appRole" in auth) {
    const { roleId, secretId, mount = "approle", ...rest } = membersOf(auth.appRole);
    requireNone(rest, "auth.appRole", fault);
    if (typeof roleId !== "string" || roleId === "" || !isSecret(secretId)) {
      throw fault("auth.appRole must have roleId and secretId");
    }
    if (!isPath(mount)) throw fault("auth.appRole.mount must be the path of the auth method");
    return { appRole: { roleId, secretId, mount } };
  }
  if ("kubernetes" in auth) {
    const { role, jwtFile, mount = "kubernetes", ...rest } = membersOf(auth.kubernetes);
    requireNone(rest, "auth.kubernetes", fault);
    if (typeof role !== "string" || role === "") throw fault("auth.kubernetes must have a role");
    if (jwtFile !== undefined && (typeof jwtFile !== "string" || jwtFile === "")) {
      throw fault("auth.kubernetes.jwtFile must be a path");
    }
    if (!isPath(mount)) throw fault("auth.kubernetes.mount must be the path of the auth method");
    return { kubernetes: { role, jwtFile, mount } };
  }
  throw fault("auth must be one of token, appRole and kubernetes");
}

/** The error does not repeat the name, which is a secret if somebody swapped name and value. */
function requireNone(rest: object, of: string, fault: Fault): void {
  if (Object.keys(rest).length > 0) throw fault(`${of} has an unknown member`);
}

function isSecret(value: unknown): value is string | (() => Awaitable<string>) {
  return typeof value === "function" || (typeof value === "string" && value !== "");
}
