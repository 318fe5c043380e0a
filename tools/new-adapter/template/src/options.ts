/**
 * The options of a CMK in Acme KMS, and their checks. The checks call nothing, so a wrong configuration fails where
 * it is written and not at the first message.
 *
 * @module
 */
import type { OpenCmkOptions } from "@env/core";
import {
  checkSettings,
  list,
  milliseconds,
  misuse,
  text,
  type Checked,
  type Either,
  type Fault,
  type OptionTable,
} from "@env/core/driver";
import { clientMethods, type AcmeKmsClient } from "./client.ts";

/** The key, and how the adapter calls it. */
export interface AcmeKmsKey {
  /** The id of the key. */
  readonly key: string;
  /** Ids of further keys that may unwrap, for example after a move to another key. Default: none. */
  readonly alsoUnwrap?: readonly string[] | undefined;
  /** Milliseconds for one call. Default: 10 000. */
  readonly timeout?: number | undefined;
}

/** How the adapter makes its own client. */
export interface AcmeKmsConnection {
  /** Default: what the SDK finds. */
  readonly region?: string | undefined;
}

/** Either a client of your own, which you close, or a connection for a client that the adapter makes. */
export type AcmeKmsOptions = AcmeKmsKey &
  Either<{ readonly client: AcmeKmsClient }, AcmeKmsConnection>;

export interface OpenAcmeKmsOptions
  extends OpenCmkOptions, Pick<AcmeKmsKey, "alsoUnwrap" | "timeout"> {
  readonly client?: AcmeKmsClient;
}

const MAX_TIMEOUT_MS = 2 ** 30; // Half of what setTimeout takes.
const KEY_ID = /^[\w/-]{1,256}$/;

/** What the options must be, what a URI gives (`uri`), and what the opener accepts beside it (`opener`). */
export const table: OptionTable<AcmeKmsKey, AcmeKmsConnection, AcmeKmsClient, OpenAcmeKmsOptions> =
  {
    connection: { region: { ...text(/^[a-z0-9-]{1,63}$/, "the name of a region"), uri: true } },
    key: {
      key: text(KEY_ID, "the id of a key"),
      alsoUnwrap: {
        ...list((id) => KEY_ID.test(id), "key ids"),
        default: [],
        uri: true,
        opener: true,
      },
      timeout: { ...milliseconds(MAX_TIMEOUT_MS), default: 10_000, opener: true },
    },
    client: {
      methods: clientMethods,
      must: "have the methods of AcmeKmsClient",
      has: "region",
      opener: true,
    },
  };

/** Checked options. */
export type Settings = Checked<AcmeKmsKey, AcmeKmsConnection, AcmeKmsClient>;

/**
 * Checks options and takes a copy.
 *
 * @param fault - Creates the error for a problem. A problem never repeats a value.
 */
export function checkOptions(options: AcmeKmsOptions, fault: Fault = misuse): Settings {
  return checkSettings(options, table, fault);
}
