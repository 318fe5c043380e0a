/**
 * Turns what Vault, OpenBao and their client answer and throw into errors that can be logged, and into core's
 * codes.
 *
 * Vault's errors have a status and a text but no name, so they get names here. The texts are searched for
 * known beginnings and endings, and nothing of them is repeated: an error of the client may contain the token
 * and the data key.
 *
 * Source: OpenBao sdk/helper/keysutil, builtin/logical/transit, http/handler.go
 *
 * @module
 */
import {
  codesOf,
  failuresOf,
  isTlsCode,
  KmsCallError,
  memberOf,
  networkCodes,
  textMatching,
  type Failures,
  type KmsCallFacts,
  type KmsFailureCode,
} from "@env/core/driver";

/** The code for each name; README.md lists the same. */
const table = {
  ERR_ENVELOPE_KMS_REJECTED: ["InvalidCiphertext", "KeyVersionUnknown"],
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: ["KeyNotFound", "MountNotFound", "NamespaceNotFound"],
  ERR_ENVELOPE_KMS_KEY_STATE: [
    "KeyDisabled",
    "KeyVersionRetired",
    "KeyUnsuitable",
    "ContextRequired",
  ],
  ERR_ENVELOPE_KMS_ACCESS_DENIED: ["AccessDenied", "LoginFailed", "TokenMissing"],
  ERR_ENVELOPE_KMS_THROTTLED: ["Throttled"],
  ERR_ENVELOPE_KMS_UNAVAILABLE: [
    "Sealed",
    "Locked",
    "Redirected",
    "Inconsistent",
    "Unavailable",
    "Unreachable",
    "UnreadableAnswer",
    "Timeout",
  ],
  ERR_ENVELOPE_KMS_ERROR: [
    "InvalidRequest",
    "InvalidAnswer",
    "IgnoredParameters",
    "TlsFailure",
    "InsecureTransport",
    "ClientMissing",
    "UnknownError",
  ],
} as const;

/** What went wrong. */
export type ErrorName = (typeof table)[keyof typeof table][number];

export const codes: Readonly<Record<ErrorName, KmsFailureCode>> = codesOf(table);

const hints: Readonly<Partial<Record<ErrorName, string>>> = {
  InvalidCiphertext: "altered bytes, another key, or another context than at encryption",
  KeyVersionUnknown: "altered bytes, or a standby that has not seen the rotation yet",
  KeyNotFound: "check key, mount and namespace",
  MountNotFound: "no Transit engine is mounted there; check mount and namespace",
  NamespaceNotFound: "check namespace",
  KeyDisabled: "the key is soft-deleted; restore it",
  KeyVersionRetired: "the version is below min_decryption_version; lower that, and rewrap",
  ContextRequired: "the key derives keys from a context; use mode derived",
  AccessDenied: "the policies of the token do not allow it, or the token has expired",
  LoginFailed: "check role and secret of the login",
  Sealed: "an operator has to unseal it",
  Locked: "an administrator locked the namespace and has to unlock it",
  Redirected: "a standby sends callers to an origin that redirectTo does not list",
  Inconsistent: "the node has not caught up yet",
  Unreachable: "check the address and the network, or try again",
  UnreadableAnswer: "what answered is not Vault; look for a proxy or a wrong address",
  TlsFailure:
    "no TLS at that port, or its certificate is not accepted; check the address and tls.ca",
};

/** `operation` is one of `encrypt`, `decrypt`, `rewrap`, `datakey`, `read`, `login`. */
export type VaultTransitErrorFacts = KmsCallFacts;

/**
 * Why a call failed: the cause in core's errors. Contains nothing of the request or the answer except its
 * members.
 */
export class VaultTransitError extends KmsCallError<VaultTransitErrorFacts, ErrorName> {
  /** @param facts - The default of `hint` is the one for this name. */
  constructor(name: ErrorName, facts: VaultTransitErrorFacts = {}) {
    super(name, { ...facts, hint: facts.hint ?? hints[name] });
  }
}

export const failures: Failures<VaultTransitError> = failuresOf(VaultTransitError, "Transit");

/** Returns an error that may be logged for whatever the client threw. */
export function withoutSecrets(thrown: unknown, operation: string): VaultTransitError {
  if (thrown instanceof VaultTransitError) return thrown.during(operation);
  const code = textMatching(memberOf(thrown, "code"), CODE);
  const response = memberOf(thrown, "response");
  const status = memberOf(response, "statusCode") ?? memberOf(response, "status");
  if (typeof status === "number") {
    const body = memberOf(response, "body") ?? memberOf(response, "data");
    return new VaultTransitError(nameOf(status, body), { operation, httpStatus: status });
  }
  if (code === undefined) return new VaultTransitError("UnknownError", { operation });
  if (networkCodes.has(code)) return new VaultTransitError("Unreachable", { operation, code });
  const name = isTlsCode(code) ? "TlsFailure" : "UnknownError";
  return new VaultTransitError(name, { operation, code });
}

/** Implements D5 of the driver contract. Accepts the client's own errors as well. */
export function classify(error: unknown): KmsFailureCode {
  return codes[withoutSecrets(error, "").name];
}

/** Matches a code of Node or OpenSSL, but no message. */
const CODE = /^[A-Z][A-Z0-9_]{1,63}$/;

const texts: readonly (readonly [RegExp, ErrorName])[] = [
  [/: message authentication failed$/, "InvalidCiphertext"],
  [/^invalid ciphertext: version is too new$/, "KeyVersionUnknown"],
  [/^invalid ciphertext/, "InvalidCiphertext"],
  [/disallowed by policy \(too old\)$/, "KeyVersionRetired"],
  [/^missing 'context' for key derivation/, "ContextRequired"],
  [/^encryption key not found$|^key not found$|^no existing key named /, "KeyNotFound"],
  [/^unknown key type /, "KeyNotFound"], // See `existingKey` in key-check.ts.
  [/^namespace not found$/, "NamespaceNotFound"],
  [/^API access to this namespace has been locked /, "Locked"],
  [/refusing to use soft-deleted key/, "KeyDisabled"],
  [/^message (?:en|de)cryption not supported for key type /, "KeyUnsuitable"],
  // A batch of one item names the item.
  [/^'(?:\[0\]\.)?associated_data' provided for non-AEAD cipher suite /, "KeyUnsuitable"],
  [/failed to RSA decrypt the ciphertext: /, "KeyUnsuitable"],
  [/illegal base64 data|failed to parse batch input/, "InvalidRequest"],
];

/** @param body - The body of the answer with this status. */
export function nameOf(status: number, body: unknown): ErrorName {
  if (status === 429) return "Throttled";
  if (status >= 300 && status < 400) return "Redirected";
  const errors = memberOf(body, "errors");
  const text = Array.isArray(errors) ? errors[0] : undefined;
  if (typeof text === "string") {
    const known = texts.find(([pattern]) => pattern.test(text));
    if (known !== undefined) return known[1];
  }
  if (status === 412) return "Inconsistent";
  if (status === 503 && typeof text === "string" && text.endsWith("is sealed")) return "Sealed";
  if (status >= 500 || status === 472 || status === 473) return "Unavailable";
  if (!Array.isArray(errors)) {
    // Another engine answers so, and says in a warning that it has no such path.
    const isVaults = status === 404 && typeof memberOf(body, "request_id") === "string";
    return isVaults ? "MountNotFound" : "UnreadableAnswer";
  }
  if (status === 403) return "AccessDenied";
  if (status === 404 && errors.length === 0) return "KeyNotFound";
  if (status === 404 && typeof text === "string" && text.startsWith("no handler for route")) {
    return "MountNotFound";
  }
  return "InvalidRequest";
}
