/**
 * What Vault, OpenBao and their client answer and throw, as an error that can be logged, and as core's
 * codes.
 *
 * Vault gives its errors no names, only a status and a text, so they get names here. Of the texts,
 * known beginnings and endings are looked for, and nothing of them is shown: an error of the client may
 * hold the token and the data key.
 *
 * Source: OpenBao sdk/helper/keysutil, builtin/logical/transit, http/handler.go
 *
 * @module
 */
import type { KmsFailureCode } from "@env/core/driver";

/** What went wrong. */
export type ErrorName =
  | "InvalidCiphertext"
  | "KeyVersionUnknown"
  | "KeyNotFound"
  | "MountNotFound"
  | "NamespaceNotFound"
  | "KeyDisabled"
  | "KeyVersionRetired"
  | "KeyUnsuitable"
  | "ContextRequired"
  | "AccessDenied"
  | "LoginFailed"
  | "TokenMissing"
  | "Throttled"
  | "Sealed"
  | "Locked"
  | "Redirected"
  | "Inconsistent"
  | "Unavailable"
  | "Unreachable"
  | "UnreadableAnswer"
  | "Timeout"
  | "InvalidRequest"
  | "InvalidAnswer"
  | "IgnoredParameters"
  | "TlsFailure"
  | "InsecureTransport"
  | "ClientMissing"
  | "UnknownError";

/** The code for each name; README.md lists the same. */
export const codes: Readonly<Record<ErrorName, KmsFailureCode>> = {
  InvalidCiphertext: "ERR_ENVELOPE_KMS_REJECTED",
  KeyVersionUnknown: "ERR_ENVELOPE_KMS_REJECTED",

  KeyNotFound: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  MountNotFound: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  NamespaceNotFound: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",

  KeyDisabled: "ERR_ENVELOPE_KMS_KEY_STATE",
  KeyVersionRetired: "ERR_ENVELOPE_KMS_KEY_STATE",
  KeyUnsuitable: "ERR_ENVELOPE_KMS_KEY_STATE",
  ContextRequired: "ERR_ENVELOPE_KMS_KEY_STATE",

  AccessDenied: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  LoginFailed: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  TokenMissing: "ERR_ENVELOPE_KMS_ACCESS_DENIED",

  Throttled: "ERR_ENVELOPE_KMS_THROTTLED",

  Sealed: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  Locked: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  Redirected: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  Inconsistent: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  Unavailable: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  Unreachable: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  UnreadableAnswer: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  Timeout: "ERR_ENVELOPE_KMS_UNAVAILABLE",

  InvalidRequest: "ERR_ENVELOPE_KMS_ERROR",
  InvalidAnswer: "ERR_ENVELOPE_KMS_ERROR",
  IgnoredParameters: "ERR_ENVELOPE_KMS_ERROR",
  TlsFailure: "ERR_ENVELOPE_KMS_ERROR",
  InsecureTransport: "ERR_ENVELOPE_KMS_ERROR",
  ClientMissing: "ERR_ENVELOPE_KMS_ERROR",
  UnknownError: "ERR_ENVELOPE_KMS_ERROR",
};

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

export interface VaultTransitErrorFacts {
  /** `encrypt`, `decrypt`, `rewrap`, `datakey`, `read`, `login`. */
  readonly operation?: string | undefined;
  readonly httpStatus?: number | undefined;
  /** Node's code, such as `ECONNREFUSED`. */
  readonly code?: string | undefined;
  /** The next step. Default: the one for this name. */
  readonly hint?: string | undefined;
}

/**
 * Why a call failed: the cause in core's errors. Holds nothing of the request or the answer except
 * what is listed here.
 */
export class VaultTransitError extends Error {
  override readonly name: ErrorName;
  readonly operation: string | undefined;
  readonly httpStatus: number | undefined;
  readonly code: string | undefined;
  readonly hint: string | undefined;

  constructor(name: ErrorName, facts: VaultTransitErrorFacts = {}) {
    const { operation, httpStatus, code, hint = hints[name] } = facts;
    super(describe(name, { operation, httpStatus, code, hint }));
    this.name = name;
    this.operation = operation;
    this.httpStatus = httpStatus;
    this.code = code;
    this.hint = hint;
  }

  /** The same error of another operation, or with another name. */
  with({
    name = this.name,
    ...facts
  }: VaultTransitErrorFacts & { name?: ErrorName }): VaultTransitError {
    const { operation, httpStatus, code } = this;
    const hint = name === this.name ? this.hint : undefined;
    return new VaultTransitError(name, { operation, httpStatus, code, hint, ...facts });
  }
}

/** Makes an error that may be logged out of whatever the client threw. */
export function withoutSecrets(thrown: unknown, operation: string): VaultTransitError {
  if (thrown instanceof VaultTransitError) {
    return thrown.operation === undefined ? thrown.with({ operation }) : thrown;
  }
  const code = word(member(thrown, "code"));
  const response = member(thrown, "response");
  const status = member(response, "statusCode") ?? member(response, "status");
  if (typeof status === "number") {
    const body = member(response, "body") ?? member(response, "data");
    return new VaultTransitError(nameOf(status, body), { operation, httpStatus: status });
  }
  if (code === undefined) return new VaultTransitError("UnknownError", { operation });
  if (networkCodes.has(code)) return new VaultTransitError("Unreachable", { operation, code });
  // EPROTO: what answered speaks no TLS.
  const name = /CERT|SSL|TLS|ISSUER|VERIFY|^EPROTO$/.test(code) ? "TlsFailure" : "UnknownError";
  return new VaultTransitError(name, { operation, code });
}

/** Implements D5 of the driver contract. Accepts the client's own errors as well. */
export function classify(error: unknown): KmsFailureCode {
  return codes[withoutSecrets(error, "").name];
}

const networkCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

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
  // The item is named in a request of one too.
  [/^'(?:\[0\]\.)?associated_data' provided for non-AEAD cipher suite /, "KeyUnsuitable"],
  [/failed to RSA decrypt the ciphertext: /, "KeyUnsuitable"],
  [/illegal base64 data|failed to parse batch input/, "InvalidRequest"],
];

/** @param body - What an answer of this status came with. */
export function nameOf(status: number, body: unknown): ErrorName {
  if (status === 429) return "Throttled";
  if (status >= 300 && status < 400) return "Redirected";
  const errors = member(body, "errors");
  const text = Array.isArray(errors) ? errors[0] : undefined;
  if (typeof text === "string") {
    const known = texts.find(([pattern]) => pattern.test(text));
    if (known !== undefined) return known[1];
  }
  if (status === 412) return "Inconsistent";
  if (status === 503 && typeof text === "string" && text.endsWith("is sealed")) return "Sealed";
  if (status >= 500 || status === 472 || status === 473) return "Unavailable";
  if (!Array.isArray(errors)) {
    // Of another engine, which says in a warning that it has no such path.
    const isVaults = status === 404 && typeof member(body, "request_id") === "string";
    return isVaults ? "MountNotFound" : "UnreadableAnswer";
  }
  if (status === 403) return "AccessDenied";
  if (status === 404 && errors.length === 0) return "KeyNotFound";
  if (status === 404 && typeof text === "string" && text.startsWith("no handler for route")) {
    return "MountNotFound";
  }
  return "InvalidRequest";
}

function describe(name: string, facts: VaultTransitErrorFacts): string {
  const { operation, httpStatus, code, hint } = facts;
  const details = [code, httpStatus === undefined ? undefined : `HTTP ${httpStatus}`].filter(
    (detail) => detail !== undefined,
  );
  const subject = operation === undefined ? name : `${operation}: ${name}`;
  const bracket = details.length === 0 ? "" : ` (${details.join(", ")})`;
  return `${subject}${bracket}${hint === undefined ? "" : `; ${hint}`}`;
}

function member(value: unknown, name: string): unknown {
  // By name: an error's own members are not all enumerable, and some are inherited.
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** A code of Node or OpenSSL: nothing that could be a message. */
function word(value: unknown): string | undefined {
  return typeof value === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(value) ? value : undefined;
}
