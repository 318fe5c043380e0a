/**
 * The options of a CMK in Acme KMS, and their checks. The checks call nothing, so a wrong configuration fails where
 * it is written and not at the first message.
 *
 * @module
 */
import {
  checkSettings,
  milliseconds,
  misuse,
  text,
  type Fault,
  type OptionRules,
} from "@env/core/driver";
import { clientMethods, type AcmeKmsClient } from "./client.ts";

export interface AcmeKmsOptions {
  /** The id of the key. */
  readonly key: string;
  /** Ids of further keys that may unwrap, for example after a move to another key. Default: none. */
  readonly alsoUnwrap?: readonly string[] | undefined;
  /** Milliseconds for one call. Default: 10 000. */
  readonly timeout?: number | undefined;
  /** A client of your own, which you close. Default: one that is made for the environment. */
  readonly client?: AcmeKmsClient | undefined;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 2 ** 30; // Half of what setTimeout takes.
const KEY_ID = /^[\w/-]{1,256}$/;

const rules = {
  key: {
    key: text(KEY_ID, "the id of a key"),
    alsoUnwrap: {
      be: "a list of key ids",
      accepts: (list) =>
        Array.isArray(list) && list.every((id) => typeof id === "string" && KEY_ID.test(id)),
    },
    timeout: milliseconds(MAX_TIMEOUT_MS),
  },
  connection: {},
  client: { methods: clientMethods, must: "have the methods of AcmeKmsClient", has: "endpoint" },
} as const satisfies OptionRules;

/** Checked options. */
export interface Settings {
  readonly key: string;
  readonly alsoUnwrap: readonly string[];
  readonly timeout: number;
  readonly client: AcmeKmsClient | undefined;
}

/**
 * Checks options and takes a copy.
 *
 * @param fault - Creates the error for a problem. A problem never repeats a value.
 */
export function checkOptions(options: AcmeKmsOptions, fault: Fault = misuse): Settings {
  checkSettings(options, rules, fault);
  const { key, alsoUnwrap = [], timeout = DEFAULT_TIMEOUT_MS, client } = options;
  if (key === undefined) throw fault("key must be the id of a key");
  return { key, alsoUnwrap: [...alsoUnwrap], timeout, client };
}
