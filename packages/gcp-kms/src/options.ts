/**
 * The options of a CMK in Cloud KMS, and their checks. The checks call nothing, so a wrong configuration
 * fails where it is written and not at the first message.
 *
 * @module
 */
import {
  checkOrigin,
  checkSettings,
  flag,
  milliseconds,
  misuse,
  text,
  wholeNumber,
  type Fault,
  type OptionRules,
} from "@env/core/driver";
import { clientMethods, type GcpKmsClient } from "./client.ts";
import { parseKeyName, parseVersionName, type KeyName } from "./name.ts";

/** The key, and how the adapter calls it. */
export interface GcpKmsKey {
  /** `projects/P/locations/L/keyRings/R/cryptoKeys/K`. A key, not one of its versions. */
  readonly key: string;
  /** Names of further keys that may unwrap, for example after a move to another key. Default: none. */
  readonly alsoUnwrap?: readonly string[] | undefined;
  /** Milliseconds for one call, including retries. Default: 10 000. */
  readonly timeout?: number | undefined;
  /** Attempts per call, including the first, while the service is unavailable. Default: 3. */
  readonly maxAttempts?: number | undefined;
  /**
   * Allows plain HTTP to other machines and TLS without verified certificates, whatever configures them.
   * Anybody on the way can then read data keys. Only for tests. Default: `false`.
   */
  readonly insecure?: boolean | undefined;
}

/** How the adapter makes its own client. It uses the application default credentials. */
export interface GcpKmsConnection {
  /** Origin to call instead of Google's: https, or http to this machine, without credentials. Default: none. */
  readonly endpoint?: string | undefined;
  /** Default: the domain of the credentials, usually `googleapis.com`. */
  readonly universeDomain?: string | undefined;
}

/** Either a client of your own, which you close, or a connection for a client that the adapter makes and closes. */
export type GcpKmsOptions =
  | (GcpKmsKey & {
      /** `new KeyManagementServiceClient()` of `@google-cloud/kms`. It brings its own credentials and endpoint. */
      readonly client: GcpKmsClient;
    } & { readonly [K in keyof GcpKmsConnection]?: never })
  | (GcpKmsKey & GcpKmsConnection & { readonly client?: never });

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 2 ** 30; // Half of what setTimeout takes.
const DEFAULT_MAX_ATTEMPTS = 3;

const rules = {
  key: {
    key: undefined,
    alsoUnwrap: undefined,
    timeout: milliseconds(MAX_TIMEOUT_MS),
    maxAttempts: wholeNumber(Infinity, "a whole number, at least 1"),
    insecure: flag,
  },
  connection: {
    endpoint: undefined,
    universeDomain: text(/^[a-z0-9.-]{1,253}$/, "a domain, like googleapis.com"),
  },
  client: {
    methods: clientMethods,
    must: "be a KeyManagementServiceClient of @google-cloud/kms",
    has: "endpoint and universe",
  },
} as const satisfies OptionRules & {
  readonly key: Record<keyof GcpKmsKey, unknown>;
  readonly connection: Record<keyof GcpKmsConnection, unknown>;
};

/** Checked options. */
export interface Settings {
  /** The key as the application named it. */
  readonly keyId: string;
  readonly key: KeyName;
  readonly alsoUnwrap: readonly string[];
  readonly timeout: number;
  readonly maxAttempts: number;
  readonly insecure: boolean;
  /** `undefined` if the adapter makes one for `connection`. */
  readonly client: GcpKmsClient | undefined;
  readonly connection: GcpKmsConnection;
}

/**
 * Checks options and takes a copy.
 *
 * @param fault - Creates the error for a problem. A problem never repeats a value.
 */
export function checkOptions(options: GcpKmsOptions, fault: Fault = misuse): Settings {
  checkSettings(options, rules, fault);
  const { client, alsoUnwrap = [], insecure = false, endpoint, universeDomain } = options;
  const { timeout = DEFAULT_TIMEOUT_MS, maxAttempts = DEFAULT_MAX_ATTEMPTS } = options;
  const key = checkKey(options.key, fault);
  if (!Array.isArray(alsoUnwrap) || alsoUnwrap.some((name) => !isKeyName(name))) {
    throw fault(`alsoUnwrap must list names of keys, ${FORM}`);
  }
  if (endpoint !== undefined) checkOrigin("endpoint", endpoint, { insecure, fault, path: false });
  const connection = { endpoint, universeDomain };
  return {
    keyId: options.key,
    key,
    alsoUnwrap: [...alsoUnwrap],
    timeout,
    maxAttempts,
    insecure,
    client,
    connection,
  };
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
