/**
 * The options of a CMK in AWS KMS, and their checks. The checks call nothing, so a wrong configuration
 * fails where it is written and not at the first message.
 *
 * @module
 */
import type { Awaitable } from "@env/core";
import {
  checkOrigin,
  checkSettings,
  flag,
  milliseconds,
  misuse,
  oneOf,
  text,
  wholeNumber,
  type Fault,
  type OptionRules,
} from "@env/core/driver";
import { isKeyArn, isMultiRegion, parseKeyName, type KeyName } from "./arn.ts";
import { clientMethods, type AwsKmsClient } from "./client.ts";

/** At most 10 tokens, or a function that returns them and is called before every request. */
export type GrantTokens = readonly string[] | (() => Awaitable<readonly string[]>);

/** The key, and how the adapter calls it. */
export interface AwsKmsKey {
  /** Key ARN, key id, `alias/name` or alias ARN. A key of another account needs an ARN. */
  readonly key: string;
  /**
   * ARNs of further keys that may unwrap, for example after an alias was moved. Entries carry these ARNs.
   * A multi-Region key is called in the region of `key`. Default: none.
   */
  readonly alsoUnwrap?: readonly string[] | undefined;
  /** Tokens of grants that have not reached all of KMS yet. Default: none. */
  readonly grantTokens?: GrantTokens | undefined;
  /** Milliseconds for one call, including retries. Default: 20 000. */
  readonly timeout?: number | undefined;
  /**
   * Allows plain HTTP to other machines and TLS without verified certificates, whatever configures them.
   * Anybody on the way can then read data keys. Only for tests. Default: `false`.
   */
  readonly insecure?: boolean | undefined;
}

/** How the adapter makes its own client. Credentials come from the SDK's default chain. */
export interface AwsKmsConnection {
  /** Default: the region in `key`, else what the SDK finds (`AWS_REGION`, the profile). */
  readonly region?: string | undefined;
  /** Profile of the shared configuration files. Default: as the SDK chooses. */
  readonly profile?: string | undefined;
  /** Origin to call instead of AWS's: https, or http to this machine. Default: none. */
  readonly endpoint?: string | undefined;
  /** Use the endpoint with FIPS 140 validated cryptography. Default: as the SDK is configured. */
  readonly useFipsEndpoint?: boolean | undefined;
  /** Use the endpoint that supports IPv4 and IPv6. Default: as the SDK is configured. */
  readonly useDualstackEndpoint?: boolean | undefined;
  /** Attempts per call, the first included. Default: as the SDK is configured, 3. */
  readonly maxAttempts?: number | undefined;
  /** `adaptive` slows down when KMS throttles, which suits bulk work. Default: as the SDK is configured. */
  readonly retryMode?: "standard" | "adaptive" | undefined;
}

/** Either a client of your own, which you close, or a connection for a client that the adapter makes and closes. */
export type AwsKmsOptions =
  | (AwsKmsKey & {
      /** `new KMS({ … })` of `@aws-sdk/client-kms`. It brings its own credentials, region and retries. */
      readonly client: AwsKmsClient;
    } & { readonly [K in keyof AwsKmsConnection]?: never })
  | (AwsKmsKey & AwsKmsConnection & { readonly client?: never });

const DEFAULT_TIMEOUT_MS = 20_000;
const MAX_TIMEOUT_MS = 2 ** 31 - 1; // The limit of setTimeout.
/** The limits of one request. Source: AWS KMS API reference, GrantTokens */
const maxGrantTokens = { count: 10, characters: 8192 } as const;

const rules = {
  key: {
    key: undefined,
    alsoUnwrap: undefined,
    grantTokens: undefined,
    timeout: milliseconds(MAX_TIMEOUT_MS),
    insecure: flag,
  },
  connection: {
    region: text(/^[a-z0-9-]{1,63}$/, "the name of a region, like eu-west-1"),
    profile: text(/./s, "the name of a profile"),
    endpoint: undefined,
    useFipsEndpoint: flag,
    useDualstackEndpoint: flag,
    maxAttempts: wholeNumber(Infinity, "a whole number, at least 1"),
    retryMode: oneOf("standard", "adaptive"),
  },
  client: {
    methods: clientMethods,
    must: "be a KMS of @aws-sdk/client-kms, with a method per operation; KMSClient has none",
    has: "region, endpoint and retries",
  },
} as const satisfies OptionRules & {
  readonly key: Record<keyof AwsKmsKey, unknown>;
  readonly connection: Record<keyof AwsKmsConnection, unknown>;
};

/** Checked options. */
export interface Settings {
  /** The key as the application named it. */
  readonly keyId: string;
  readonly key: KeyName;
  readonly alsoUnwrap: readonly string[];
  readonly grantTokens: GrantTokens | undefined;
  readonly timeout: number;
  readonly insecure: boolean;
  /** `undefined` if the adapter makes one for `connection`. */
  readonly client: AwsKmsClient | undefined;
  /** Includes the region of the key's ARN, if it has one. */
  readonly connection: AwsKmsConnection;
}

/**
 * Checks options and takes a copy.
 *
 * @param fault - Creates the error for a problem. A problem never repeats a value.
 */
export function checkOptions(options: AwsKmsOptions, fault: Fault = misuse): Settings {
  checkSettings(options, rules, fault);
  const { client, timeout = DEFAULT_TIMEOUT_MS, grantTokens, alsoUnwrap = [] } = options;
  const { insecure = false } = options;
  const key = typeof options.key === "string" ? parseKeyName(options.key) : undefined;
  if (key === undefined) {
    throw fault("key must be a key ARN, a key id, alias/name or an alias ARN");
  }
  if (grantTokens !== undefined && typeof grantTokens !== "function") {
    checkGrantTokens(grantTokens, fault);
  }
  const connection = checkConnection(options, key, insecure, fault);
  checkAlsoUnwrap(alsoUnwrap, connection.region, fault);
  return {
    keyId: options.key,
    key,
    alsoUnwrap: [...alsoUnwrap],
    grantTokens: Array.isArray(grantTokens) ? [...grantTokens] : grantTokens,
    timeout,
    insecure,
    client,
    connection,
  };
}

/** Copies grant tokens. Throws the fault for anything else. */
export function checkGrantTokens(tokens: unknown, fault: Fault): string[] {
  const { count, characters } = maxGrantTokens;
  if (
    !Array.isArray(tokens) ||
    tokens.length > count ||
    !tokens.every(
      (token): token is string =>
        typeof token === "string" && token.length > 0 && token.length <= characters,
    )
  ) {
    throw fault(`grant tokens are at most ${count} texts of 1 to ${characters} characters`);
  }
  return [...tokens];
}

function checkConnection(
  options: AwsKmsConnection,
  key: KeyName,
  insecure: boolean,
  fault: Fault,
): AwsKmsConnection {
  const { region = key.place?.region, profile, endpoint, maxAttempts, retryMode } = options;
  const { useFipsEndpoint, useDualstackEndpoint } = options;
  if (key.place !== undefined && region !== key.place.region) {
    throw fault("region is not the one in the key's ARN; leave it out");
  }
  if (endpoint !== undefined) {
    checkOrigin("endpoint", endpoint, { insecure, fault, path: true });
    if (useFipsEndpoint === true || useDualstackEndpoint === true) {
      throw fault("endpoint says where to call; FIPS and dual-stack choose among AWS's endpoints");
    }
  }
  return {
    region,
    profile,
    endpoint,
    useFipsEndpoint,
    useDualstackEndpoint,
    maxAttempts,
    retryMode,
  };
}

function checkAlsoUnwrap(
  alsoUnwrap: readonly string[],
  region: string | undefined,
  fault: Fault,
): void {
  const names = Array.isArray(alsoUnwrap)
    ? alsoUnwrap.map((arn) => (typeof arn === "string" ? parseKeyName(arn) : undefined))
    : [undefined];
  for (const name of names) {
    if (name === undefined || !isKeyArn(name)) {
      throw fault("alsoUnwrap must list key ARNs: they are what entries are labelled with");
    }
    if (region !== undefined && name.place.region !== region && !isMultiRegion(name)) {
      throw fault("alsoUnwrap names a key of another region; make a CMK of its own for it");
    }
  }
}
