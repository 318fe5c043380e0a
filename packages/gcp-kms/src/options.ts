/**
 * The options of a CMK in Cloud KMS, and their checks. The checks call nothing, so a wrong configuration
 * fails where it is written and not at the first message.
 *
 * @module
 */
import type { OpenCmkOptions } from "@env/core";
import {
  checkOrigin,
  checkSettings,
  flag,
  list,
  milliseconds,
  misuse,
  text,
  wholeNumber,
  type Checked,
  type Either,
  type Fault,
  type OptionTable,
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
export type GcpKmsOptions = GcpKmsKey &
  Either<
    {
      /** `new KeyManagementServiceClient()` of `@google-cloud/kms`. It brings its own credentials and endpoint. */
      readonly client: GcpKmsClient;
    },
    GcpKmsConnection
  >;

export interface OpenGcpKmsOptions
  extends OpenCmkOptions, Pick<GcpKmsKey, "alsoUnwrap" | "timeout" | "maxAttempts"> {}

const FORM = "projects/P/locations/L/keyRings/R/cryptoKeys/K";
const MAX_TIMEOUT_MS = 2 ** 30; // Half of what setTimeout takes.

export const table: OptionTable<GcpKmsKey, GcpKmsConnection, GcpKmsClient, OpenGcpKmsOptions> = {
  connection: {
    endpoint: { uri: true },
    universeDomain: {
      ...text(/^[a-z0-9.-]{1,253}$/, "a domain, like googleapis.com"),
      uri: true,
    },
  },
  key: {
    key: {},
    insecure: { ...flag, default: false, uri: true },
    alsoUnwrap: {
      ...list((name) => parseKeyName(name) !== undefined, `names of keys, ${FORM}`),
      default: [],
      uri: true,
      opener: true,
    },
    timeout: { ...milliseconds(MAX_TIMEOUT_MS), default: 10_000, opener: true },
    maxAttempts: {
      ...wholeNumber(Infinity, "a whole number, at least 1"),
      default: 3,
      opener: true,
    },
  },
  client: {
    methods: clientMethods,
    must: "be a KeyManagementServiceClient of @google-cloud/kms",
    has: "endpoint and universe",
  },
};

/** Checked options. */
export interface Settings extends Checked<GcpKmsKey, GcpKmsConnection, GcpKmsClient> {
  /** The parts of `key`. */
  readonly name: KeyName;
}

/**
 * Checks options and takes a copy.
 *
 * @param fault - Creates the error for a problem. A problem never repeats a value.
 */
export function checkOptions(options: GcpKmsOptions, fault: Fault = misuse): Settings {
  const settings = checkSettings(options, table, fault);
  const { key, insecure, connection } = settings;
  const name = typeof key === "string" ? parseKeyName(key) : undefined;
  if (name === undefined) {
    const isVersion = typeof key === "string" && parseVersionName(key) !== undefined;
    throw fault(
      isVersion
        ? "key must name a key and not one of its versions; the primary version wraps"
        : `key must be ${FORM}`,
    );
  }
  const { endpoint } = connection;
  if (endpoint !== undefined) checkOrigin("endpoint", endpoint, { insecure, fault, path: false });
  return { ...settings, name };
}
