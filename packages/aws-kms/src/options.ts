/**
 * The options of a CMK in AWS KMS, and their checks. The checks call nothing, so a wrong configuration
 * fails where it is written and not at the first message.
 *
 * @module
 */
import type { Awaitable, OpenCmkOptions } from "@env/core";
import {
  checkOrigin,
  checkSettings,
  flag,
  list,
  milliseconds,
  misuse,
  oneOf,
  text,
  wholeNumber,
  type Checked,
  type Either,
  type Fault,
  type OptionTable,
} from "@env/core/driver";
import { isMultiRegion, parseKeyArn, parseKeyName, type KeyName } from "./arn.ts";
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
export type AwsKmsOptions = AwsKmsKey &
  Either<
    {
      /** `new KMS({ … })` of `@aws-sdk/client-kms`. It brings its own credentials, region and retries. */
      readonly client: AwsKmsClient;
    },
    AwsKmsConnection
  >;

export interface OpenAwsKmsOptions
  extends OpenCmkOptions, Pick<AwsKmsKey, "alsoUnwrap" | "grantTokens" | "timeout"> {}

const MAX_TIMEOUT_MS = 2 ** 31 - 1; // The limit of setTimeout.
/** The limits of one request. Source: AWS KMS API reference, GrantTokens */
const maxGrantTokens = { count: 10, characters: 8192 } as const;

export const table: OptionTable<AwsKmsKey, AwsKmsConnection, AwsKmsClient, OpenAwsKmsOptions> = {
  connection: {
    region: { ...text(/^[a-z0-9-]{1,63}$/, "the name of a region, like eu-west-1"), uri: true },
    profile: { ...text(/./s, "the name of a profile"), uri: true },
    endpoint: { uri: true },
    useFipsEndpoint: { ...flag, uri: "fips" },
    useDualstackEndpoint: { ...flag, uri: "dualstack" },
    maxAttempts: wholeNumber(Infinity, "a whole number, at least 1"),
    retryMode: oneOf("standard", "adaptive"),
  },
  key: {
    key: {},
    insecure: { ...flag, default: false, uri: true },
    alsoUnwrap: {
      ...list(
        (arn) => parseKeyArn(arn) !== undefined,
        "key ARNs: they are what entries are labelled with",
      ),
      default: [],
      uri: true,
      opener: true,
    },
    grantTokens: { default: [], opener: true },
    timeout: { ...milliseconds(MAX_TIMEOUT_MS), default: 20_000, opener: true },
  },
  client: {
    methods: clientMethods,
    must: "be a KMS of @aws-sdk/client-kms, with a method per operation; KMSClient has none",
    has: "region, endpoint and retries",
  },
};

/** Checked options. The connection includes the region of the key's ARN, if it has one. */
export interface Settings extends Checked<AwsKmsKey, AwsKmsConnection, AwsKmsClient> {
  /** The parts of `key`. */
  readonly name: KeyName;
}

/**
 * Checks options and takes a copy.
 *
 * @param fault - Creates the error for a problem. A problem never repeats a value.
 */
export function checkOptions(options: AwsKmsOptions, fault: Fault = misuse): Settings {
  const settings = checkSettings(options, table, fault);
  const { key, alsoUnwrap, grantTokens, insecure } = settings;
  const name = typeof key === "string" ? parseKeyName(key) : undefined;
  if (name === undefined) {
    throw fault("key must be a key ARN, a key id, alias/name or an alias ARN");
  }
  if (typeof grantTokens !== "function") checkGrantTokens(grantTokens, fault);
  const connection = { region: name.place?.region, ...settings.connection };
  const { region, endpoint, useFipsEndpoint, useDualstackEndpoint } = connection;
  if (name.place !== undefined && region !== name.place.region) {
    throw fault("region is not the one in the key's ARN; leave it out");
  }
  if (endpoint !== undefined) {
    checkOrigin("endpoint", endpoint, { insecure, fault, path: true });
    if (useFipsEndpoint === true || useDualstackEndpoint === true) {
      throw fault("endpoint says where to call; FIPS and dual-stack choose among AWS's endpoints");
    }
  }
  if (region !== undefined && !alsoUnwrap.every((arn) => isCallable(arn, region))) {
    throw fault("alsoUnwrap names a key of another region; make a CMK of its own for it");
  }
  return { ...settings, name, connection };
}

/** Whether a key can be called in a region. */
function isCallable(arn: string, region: string): boolean {
  const name = parseKeyArn(arn);
  return name !== undefined && (name.place.region === region || isMultiRegion(name));
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
