/**
 * What a CMK in Cloud KMS is made of, and the checks of it. They call nothing, so a wrong
 * configuration fails where it is written and not at the first message.
 *
 * @module
 */
import { isPrivateOrigin } from "@env/core/driver";
import { clientMethods, type GcpKmsClient } from "./client.ts";
import { parseKeyName, parseVersionName, type KeyName } from "./name.ts";

/** The key, and how it is called. */
export interface GcpKmsKey {
  /** `projects/P/locations/L/keyRings/R/cryptoKeys/K`. A key, not one of its versions. */
  readonly key: string;
  /** Names of further keys that may unwrap, as after a move to another key. Default: none. */
  readonly alsoUnwrap?: readonly string[] | undefined;
  /** Milliseconds for one call, retries included. Default: 10 000. */
  readonly timeout?: number | undefined;
  /** Attempts per call, the first included, where the service is unavailable. Default: 3. */
  readonly maxAttempts?: number | undefined;
  /**
   * Allows plain HTTP to other machines, and TLS whose certificates are not verified, wherever either
   * comes from: whoever is on the way can then read data keys. For tests alone. Default: `false`.
   */
  readonly insecure?: boolean | undefined;
}

/** How the adapter makes its own client. Credentials are the application default ones. */
export interface GcpKmsConnection {
  /** Origin to call instead of Google's: https, or http to this machine, without credentials. Default: none. */
  readonly endpoint?: string | undefined;
  /** Default: as the credentials say, `googleapis.com`. */
  readonly universeDomain?: string | undefined;
}

/** A client of your own, which stays yours to close, or a connection for one that is made here. */
export type GcpKmsOptions =
  | (GcpKmsKey & {
      /** `new KeyManagementServiceClient()` of `@google-cloud/kms`. Credentials and endpoint are its business. */
      readonly client: GcpKmsClient;
    } & { readonly [K in keyof GcpKmsConnection]?: never })
  | (GcpKmsKey & GcpKmsConnection & { readonly client?: never });

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 2 ** 30; // Half of what setTimeout takes.
const DEFAULT_MAX_ATTEMPTS = 3;

const connectionOptions = [
  "endpoint",
  "universeDomain",
] as const satisfies readonly (keyof GcpKmsConnection)[];
const knownOptions = new Set<string>([
  "key",
  "alsoUnwrap",
  "timeout",
  "maxAttempts",
  "insecure",
  "client",
  ...connectionOptions,
]);

/** Makes the error of a problem: a RangeError for a number out of range, else a TypeError. */
type Fault = (problem: string, Kind?: typeof RangeError) => Error;

/** Checked options. */
export interface Settings {
  readonly key: KeyName;
  readonly alsoUnwrap: readonly string[];
  readonly timeout: number;
  readonly maxAttempts: number;
  readonly insecure: boolean;
  /** `undefined`: one is to be made for `connection`. */
  readonly client: GcpKmsClient | undefined;
  readonly connection: GcpKmsConnection;
}

/**
 * Checks options and takes a copy.
 *
 * @param fault - Makes the error of a problem. Problems repeat no value.
 */
export function checkOptions(
  options: GcpKmsOptions,
  fault: Fault = (problem, Kind: ErrorConstructor = TypeError) => new Kind(problem),
): Settings {
  if (typeof options !== "object" || options === null) throw fault("options are required");
  const unknown = Object.keys(options).find((name) => !knownOptions.has(name));
  if (unknown !== undefined) throw fault(`unknown option ${JSON.stringify(unknown)}`);
  const { client, alsoUnwrap = [] } = options;
  const { timeout = DEFAULT_TIMEOUT_MS, maxAttempts = DEFAULT_MAX_ATTEMPTS } = options;
  const { insecure = false } = options;
  if (typeof insecure !== "boolean") throw fault("insecure must be a boolean");
  const key = checkKey(options.key, fault);
  if (!Array.isArray(alsoUnwrap) || alsoUnwrap.some((name) => !isKeyName(name))) {
    throw fault(`alsoUnwrap must list names of keys, ${FORM}`);
  }
  const timeoutProblem = `timeout must be a whole number of milliseconds, 1 to ${MAX_TIMEOUT_MS}`;
  if (typeof timeout !== "number") throw fault(timeoutProblem);
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > MAX_TIMEOUT_MS) {
    throw fault(timeoutProblem, RangeError);
  }
  const attemptsProblem = "maxAttempts must be a whole number, at least 1";
  if (typeof maxAttempts !== "number") throw fault(attemptsProblem);
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1) throw fault(attemptsProblem, RangeError);
  if (client !== undefined) {
    if (connectionOptions.some((name) => options[name] !== undefined)) {
      throw fault("a client has its own endpoint and universe; pass either, not both");
    }
    if (!isClient(client)) {
      throw fault("client must be a KeyManagementServiceClient of @google-cloud/kms");
    }
  }
  const connection = checkConnection(options, insecure, fault);
  return { key, alsoUnwrap: [...alsoUnwrap], timeout, maxAttempts, insecure, client, connection };
}

const FORM = "projects/P/locations/L/keyRings/R/cryptoKeys/K";

function checkKey(key: unknown, fault: Fault): KeyName {
  const name = typeof key === "string" ? parseKeyName(key) : undefined;
  if (name !== undefined) return name;
  if (typeof key === "string" && parseVersionName(key) !== undefined) {
    throw fault("key must name a key and not one of its versions; the primary version wraps");
  }
  throw fault(`key must be ${FORM}`);
}

function isKeyName(name: unknown): boolean {
  return typeof name === "string" && parseKeyName(name) !== undefined;
}

function checkConnection(
  { endpoint, universeDomain }: GcpKmsConnection,
  insecure: boolean,
  fault: Fault,
): GcpKmsConnection {
  if (universeDomain !== undefined && !/^[a-z0-9.-]{1,253}$/.test(universeDomain)) {
    throw fault("universeDomain must be a domain, like googleapis.com");
  }
  if (endpoint !== undefined) checkEndpoint(endpoint, insecure, fault);
  return { endpoint, universeDomain };
}

/** Data keys travel in the answers: without TLS they must not leave the machine. */
function checkEndpoint(endpoint: string, insecure: boolean, fault: Fault): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined) throw fault("endpoint must be a URL");
  if (!isPrivateOrigin(url) && !(insecure && url.protocol === "http:")) {
    throw fault("endpoint must be https, or http to this machine; insecure: true allows any http");
  }
  const rest = [url.username, url.password, url.search, url.hash, url.pathname.slice(1)];
  if (rest.some((part) => part !== "")) {
    throw fault("endpoint must be an origin without credentials, path, query or fragment");
  }
}

function isClient(client: unknown): client is GcpKmsClient {
  if (typeof client !== "object" || client === null) return false;
  return clientMethods.every((name) => typeof Reflect.get(client, name) === "function");
}
