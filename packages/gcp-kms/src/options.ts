/**
 * What a CMK in Cloud KMS is made of, and the checks of it. They call nothing, so a wrong
 * configuration fails where it is written and not at the first message.
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
