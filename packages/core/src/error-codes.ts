/**
 * The table of error codes with the next step of each, for documentation, tools and the command line.
 *
 * It is a module of its own because nothing in this package needs it: a bundle that does not import
 * {@link errorCodes} does not carry its texts.
 *
 * @module
 */
import { errorFacts, type EnvelopeErrorCode, type ErrorFacts } from "./error.ts";

/** What a code means, what to do next, and whether the same call may succeed later. */
export interface ErrorCodeRow extends ErrorFacts {
  readonly next: string;
}

const nextSteps: Readonly<Record<EnvelopeErrorCode, string>> = {
  ERR_ENVELOPE_FORMAT: "Check that the whole message was stored and read back as bytes, unchanged.",
  ERR_ENVELOPE_UNSUPPORTED: "Update the package; the message names what it met.",
  ERR_ENVELOPE_TRUNCATED:
    "Fetch the message again; part of it is missing or something was appended.",
  ERR_ENVELOPE_NO_KEY:
    "Configure one of the CMKs that the error lists, or name a moved key in `alsoUnwrap`.",
  ERR_ENVELOPE_DECRYPT: "Check context and aad first; `attempts` says what each CMK answered.",
  ERR_ENVELOPE_KEY_UNUSABLE:
    "Enable the key or cancel its deletion; `attempts` says which it is. A deleted key opens nothing again.",
  ERR_ENVELOPE_INVALID_CONTEXT:
    "Pass strings to strings, within the limits; write `{}` if no context is meant.",
  ERR_ENVELOPE_LIMIT: "Split the data, or raise the limit that the message names.",
  ERR_ENVELOPE_NOT_HELD: "Await `prepare()` with the values, or `refresh()` before encrypting.",
  ERR_ENVELOPE_KMS_REJECTED: "Check that the context equals the one used to encrypt.",
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: "Check the key's name, region and account.",
  ERR_ENVELOPE_KMS_KEY_STATE: "Enable the key, or cancel its deletion.",
  ERR_ENVELOPE_KMS_ACCESS_DENIED: "Check the key policy for this principal and the credentials.",
  ERR_ENVELOPE_KMS_THROTTLED: "Try again later; a data-key cache lowers the number of calls.",
  ERR_ENVELOPE_KMS_UNAVAILABLE: "Try again; `attempts` says what each CMK answered.",
  ERR_ENVELOPE_KMS_ERROR: "Look at `cause`.",
  ERR_ENVELOPE_DRIVER: "Report it to the driver's author; the message names the clause.",
  ERR_ENVELOPE_CLOSED: "Keep the object open for as long as it is used.",
  ERR_ENVELOPE_CONFIG: "Correct the configuration; the message names the place.",
  ERR_ENVELOPE_KEYSTORE_FORMAT: "Check the path, or restore the keystore from a backup.",
  ERR_ENVELOPE_KEYSTORE_ROOT_KEY:
    "Provide the key file, environment variable, passphrase or CMK it was created with.",
  ERR_ENVELOPE_KEYSTORE_BUSY: "Try again; if it stays, find the process that holds the file.",
  ERR_ENVELOPE_KEYSTORE_IO:
    "Check the path, its permissions and the free space. Nothing was changed.",
  ERR_ENVELOPE_KEYSTORE_SQLITE:
    "Use Node 22.22.3, 24.15.0, 25.9.0 or later; set `patchedSqlite` if your SQLite has the fix under an older version number.",
};

/** The table of codes, in the order in which `docs/errors.md` lists them. */
export const errorCodes: Readonly<Record<EnvelopeErrorCode, ErrorCodeRow>> = /* @__PURE__ */ join();

function join(): Record<EnvelopeErrorCode, ErrorCodeRow> {
  const rows = Object.entries(nextSteps).map(([code, next]) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key of `nextSteps`
    return [code, { ...errorFacts[code as EnvelopeErrorCode], next }];
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one row for each of those keys
  return Object.fromEntries(rows) as Record<EnvelopeErrorCode, ErrorCodeRow>;
}
