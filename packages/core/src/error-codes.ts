/**
 * The table of error codes with the next step for each, for documentation, tools and the command line.
 *
 * It is a separate module because nothing in this package needs it: a bundle that does not import
 * {@link errorCodes} does not contain its texts.
 *
 * @module
 */
import { factsOf, type DescribedCode, type EnvelopeErrorCode, type ErrorFacts } from "./error.ts";

/** What a code means, what to do next, and whether the same call may succeed later. */
export interface ErrorCodeRow extends ErrorFacts {
  readonly next: string;
}

type Rows = {
  readonly [Code in EnvelopeErrorCode]: Code extends DescribedCode
    ? Pick<ErrorCodeRow, "next">
    : Pick<ErrorCodeRow, "meaning" | "next">;
};

/** A row without a meaning has it in `error.ts`. */
const rows: Rows = {
  ERR_ENVELOPE_FORMAT: {
    meaning: "The bytes are not an envelope message, or break a rule of the format.",
    next: "Check that the whole message was stored and read back as bytes, unchanged.",
  },
  ERR_ENVELOPE_UNSUPPORTED: {
    meaning:
      "A version, suite or flag this build does not read, or a call this runtime cannot serve.",
    next: "Update the package; the message names the unsupported part.",
  },
  ERR_ENVELOPE_TRUNCATED: {
    meaning: "The message is truncated, or its length is impossible.",
    next: "Fetch the message again; part of it is missing or something was appended.",
  },
  ERR_ENVELOPE_NO_KEY: {
    meaning:
      "No entry of the key block names a CMK that was configured, or the key block was not passed.",
    next: "Configure one of the CMKs that the error lists, or name a moved key in `alsoUnwrap`.",
  },
  ERR_ENVELOPE_DECRYPT: {
    next: "Check context and aad first; `attempts` says what each CMK answered.",
  },
  ERR_ENVELOPE_KEY_UNUSABLE: {
    next: "Enable the key or cancel its deletion; `attempts` says which it is. A deleted key opens nothing again.",
  },
  ERR_ENVELOPE_INVALID_CONTEXT: {
    meaning: "The context breaks a rule of the format, or none was given.",
    next: "Pass strings to strings, within the limits; write `{}` if no context is meant.",
  },
  ERR_ENVELOPE_LIMIT: {
    meaning: "More data than the format or a given limit allows.",
    next: "Split the data, or raise the limit that the message names.",
  },
  ERR_ENVELOPE_NOT_HELD: {
    meaning: "A synchronous call needs a data key that is not held.",
    next: "Await `prepare()` with the values, or `refresh()` before encrypting.",
  },
  ERR_ENVELOPE_SHREDDED: {
    meaning: "The data was shredded: its data key was destroyed on purpose.",
    next: "Treat it as deleted. The receipt of its shredding says when that was.",
  },
  ERR_ENVELOPE_KMS_REJECTED: { next: "Check that the context equals the one used to encrypt." },
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: { next: "Check the key's name, region and account." },
  ERR_ENVELOPE_KMS_KEY_STATE: { next: "Enable the key, or cancel its deletion." },
  ERR_ENVELOPE_KMS_ACCESS_DENIED: {
    next: "Check the key policy for this principal and the credentials.",
  },
  ERR_ENVELOPE_KMS_THROTTLED: {
    next: "Try again later; a data-key cache lowers the number of calls.",
  },
  ERR_ENVELOPE_KMS_UNAVAILABLE: { next: "Try again; `attempts` says what each CMK answered." },
  ERR_ENVELOPE_KMS_ERROR: { next: "Look at `cause`." },
  ERR_ENVELOPE_DRIVER: { next: "Report it to the driver's author; the message names the clause." },
  ERR_ENVELOPE_CLOSED: {
    meaning: "A call after `close()`, or use of a disposed data key.",
    next: "Keep the object open for as long as it is used.",
  },
  ERR_ENVELOPE_CONFIG: {
    meaning:
      "A CMK URI or a configuration file is malformed, or names something that does not exist.",
    next: "Correct the configuration; the message names the place.",
  },
  ERR_ENVELOPE_KEYSTORE_FORMAT: {
    meaning: "The file is not a keystore, has another version, or was altered.",
    next: "Check the path, or restore the keystore from a backup.",
  },
  ERR_ENVELOPE_KEYSTORE_ROOT_KEY: {
    meaning: "The keystore's root key is missing, or is not the one it was created with.",
    next: "Provide the key file, environment variable, passphrase or CMK it was created with.",
  },
  ERR_ENVELOPE_KEYSTORE_BUSY: {
    next: "Try again; if it persists, find the process that holds the file.",
  },
  ERR_ENVELOPE_KEYSTORE_IO: {
    meaning:
      "The keystore cannot be read or written: missing, a folder, read-only, or a full disk.",
    next: "Check the path, its permissions and the free space. Nothing was changed.",
  },
  ERR_ENVELOPE_KEYSTORE_UNKNOWN_OUTCOME: {
    meaning:
      "The connection to PostgreSQL was cut while it committed a change, and it could not be asked in time whether it did.",
    next: "Look at what the change was about before you try again: it was made as a whole, or not at all.",
  },
  ERR_ENVELOPE_KEYSTORE_MOVED: {
    meaning: "The keystore was moved to another place, or is on its way there.",
    next: "Open it at the place that the message names, or complete or cancel the move.",
  },
  ERR_ENVELOPE_KEYSTORE_SQLITE: {
    meaning:
      "This version of SQLite can lose committed changes when several processes use one keystore.",
    next: "Use Node 22.22.3, 24.15.0, 25.9.0 or later; set `patchedSqlite` if your SQLite has the fix under an older version number.",
  },
};

/** All error codes, in the order of `docs/errors.md`. */
export const errorCodes: Readonly<Record<EnvelopeErrorCode, ErrorCodeRow>> = /* @__PURE__ */ join();

function join(): Record<EnvelopeErrorCode, ErrorCodeRow> {
  const joined = Object.entries(rows).map(([code, row]) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key of `rows`
    return [code, { ...factsOf(code as EnvelopeErrorCode), ...row }];
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one row for each of those keys
  return Object.fromEntries(joined) as Record<EnvelopeErrorCode, ErrorCodeRow>;
}
