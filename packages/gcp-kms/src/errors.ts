/**
 * Turns what Cloud KMS and its SDK throw into errors that can be logged, and into core's codes.
 *
 * The SDK's own errors cannot be logged: over REST they contain the whole exchange, with the data key and
 * the access token. What is known to be harmless is copied out of them.
 *
 * Errors are recognized by number and text and not by `instanceof`, because a second copy of the SDK has other
 * classes. The number decides. The text, which may be reworded, only refines.
 *
 * Source: google.rpc.Code; errors of Cloud KMS as reported in public; google-gax, google-auth-library
 *
 * @module
 */
import {
  codesOf,
  failuresOf,
  KmsCallError,
  memberOf,
  networkCodes,
  textMatching,
  type Failures,
  type KmsCallFacts,
  type KmsFailureCode,
} from "@env/core/driver";

/** The code for each name of an error; README.md lists the same. */
export const codes: Readonly<Record<string, KmsFailureCode>> = codesOf({
  ERR_ENVELOPE_KMS_REJECTED: ["DecryptionFailed"],
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: ["NOT_FOUND"],
  ERR_ENVELOPE_KMS_KEY_STATE: ["FAILED_PRECONDITION", "WrongPurpose"],
  ERR_ENVELOPE_KMS_ACCESS_DENIED: ["PERMISSION_DENIED", "UNAUTHENTICATED", "CredentialsError"],
  ERR_ENVELOPE_KMS_THROTTLED: ["RESOURCE_EXHAUSTED"],
  ERR_ENVELOPE_KMS_UNAVAILABLE: [
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "UNKNOWN",
    "ABORTED",
    "CANCELLED", // Another signal than ours: after ours, this table is not consulted.
    "TimeoutError",
    "IntegrityMismatch",
    "UnreadableAnswer",
  ],
});

/** The names of gRPC statuses, in the order of their numbers. */
const statuses: readonly string[] = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

/** The statuses of HTTP's numbers, for an SDK that reports 403 and not gRPC's 7. */
const httpStatuses: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
};

/** States that end without intervention. */
const passingStates: ReadonlySet<unknown> = new Set(["PENDING_GENERATION", "PENDING_IMPORT"]);

const hints: Readonly<Record<string, string>> = {
  DecryptionFailed: "another key, altered bytes, or another context than at encryption",
  NOT_FOUND: "check project, location, key ring and key",
  WrongPurpose: "the key must have the purpose ENCRYPT_DECRYPT",
  UNAUTHENTICATED: "the credentials are missing or have expired; renew them",
  CredentialsError: "no usable application default credentials; set them up, or pass a client",
  IntegrityMismatch: "a checksum does not match: something on the way altered the bytes",
  UnreadableAnswer: "what answered is not Cloud KMS; look for a proxy or a wrong endpoint",
  UNAVAILABLE: "check the endpoint and the network, or try again",
  DEADLINE_EXCEEDED: "check the endpoint and the network, or try again",
};

/** The reasons that are repeated, with the next step. Source: google.api.ErrorReason */
const reasons: ReadonlyMap<string, string | undefined> = new Map([
  ["SERVICE_DISABLED", "enable the Cloud KMS API in the project"],
  ["USER_PROJECT_DENIED", "the credentials may not use their quota project"],
  ["BILLING_DISABLED", "enable billing in the project"],
  ["RATE_LIMIT_EXCEEDED", undefined],
  ["RESOURCE_QUOTA_EXCEEDED", undefined],
  ["IAM_PERMISSION_DENIED", undefined],
  ["CONSUMER_INVALID", undefined],
  ["CONSUMER_SUSPENDED", undefined],
  ["ACCESS_TOKEN_EXPIRED", undefined],
  ["ACCESS_TOKEN_SCOPE_INSUFFICIENT", undefined],
  ["ACCESS_TOKEN_TYPE_UNSUPPORTED", undefined],
  ["ACCOUNT_STATE_INVALID", undefined],
  ["CREDENTIALS_MISSING", undefined],
  ["LOCATION_POLICY_VIOLATED", undefined],
  ["SECURITY_POLICY_VIOLATED", undefined],
]);

/** Finds the state of a version in an error's text. Source: resources.proto, CryptoKeyVersionState */
const KEY_STATE =
  / current state is: (PENDING_GENERATION|ENABLED|DISABLED|DESTROYED|DESTROY_SCHEDULED|PENDING_IMPORT|IMPORT_FAILED|GENERATION_FAILED|PENDING_EXTERNAL_DESTRUCTION|EXTERNAL_DESTRUCTION_FAILED)\b/;

export interface GcpKmsErrorFacts extends KmsCallFacts {
  /** The reason in google.rpc.ErrorInfo, such as `SERVICE_DISABLED`. */
  readonly reason?: string | undefined;
  /** The version's state, if that is the problem, such as `DISABLED`. */
  readonly keyState?: string | undefined;
}

/**
 * Why a call failed: the cause in core's errors. `name` is the gRPC status (`PERMISSION_DENIED`) or something
 * more precise. Contains nothing of the request or the answer except its members.
 */
export class GcpKmsError extends KmsCallError<GcpKmsErrorFacts> {
  readonly reason: string | undefined;
  readonly keyState: string | undefined;

  constructor(name: string, facts: GcpKmsErrorFacts) {
    const { reason, keyState } = facts;
    super(name, facts, [reason, keyState && `the version is ${keyState}`]);
    this.reason = reason;
    this.keyState = keyState;
  }
}

export const failures: Failures<GcpKmsError> = failuresOf(GcpKmsError, "Cloud KMS");

/** Returns an error that may be logged for whatever the client threw. */
export function withoutSecrets(thrown: unknown, operation?: string): GcpKmsError {
  if (thrown instanceof GcpKmsError) return thrown.during(operation);
  const error = membersOf(thrown);
  const text = textOf(error);
  const name = nameOf(error, text, operation);
  const given = textMatching(error["reason"], WORD);
  const reason = given !== undefined && reasons.has(given) ? given : undefined;
  const keyState = KEY_STATE.exec(text)?.[1];
  return new GcpKmsError(name, {
    operation,
    httpStatus: httpStatusOf(error),
    reason,
    code: networkCodeIn(error["code"], text),
    keyState,
    hint: reasons.get(reason ?? "") ?? wordsOfGoogle(text) ?? hints[name],
  });
}

/** Implements D5 of the driver contract. Accepts the SDK's own errors as well. */
export function classify(error: unknown): KmsFailureCode {
  const { name, keyState } = withoutSecrets(error);
  if (passingStates.has(keyState)) return "ERR_ENVELOPE_KMS_UNAVAILABLE";
  return (Object.hasOwn(codes, name) && codes[name]) || "ERR_ENVELOPE_KMS_ERROR";
}

/** Returns a name that says more than the number alone. */
function nameOf(
  error: Readonly<Record<string, unknown>>,
  text: string,
  operation: string | undefined,
): string {
  // Over gRPC, the answer had no status or was too long. Over REST, it was not JSON.
  const unreadable =
    /Received HTTP status code|larger than max|could not be decoded: |<html|<!doctype|SyntaxError/i;
  if (unreadable.test(text)) return "UnreadableAnswer";
  const network = networkCodeIn(error["code"], text) !== undefined;
  const credentials =
    /Could not load the default credentials|Getting metadata from plugin failed|Could not refresh access token|invalid_grant|invalid_rapt/;
  if (credentials.test(text)) return network ? "UNAVAILABLE" : "CredentialsError";
  const status = statusOf(error, text);
  if (status === "INVALID_ARGUMENT") {
    if (/checksum|crc32c/i.test(text)) return "IntegrityMismatch";
    if (/\bpurpose\b/i.test(text)) return "WrongPurpose";
    // Names and sizes were checked before the call, so the ciphertext is wrong.
    if (operation === "Decrypt" || text.includes("Decryption failed")) return "DecryptionFailed";
  }
  if (status !== undefined) return status;
  // The decoders for REST throw this, with the answer in the text.
  if (error["name"] === "SyntaxError") return "UnreadableAnswer";
  if (network) return "UNAVAILABLE";
  return textMatching(error["name"], WORD) ?? "UnknownError";
}

/** Returns the name of a gRPC status. */
function statusOf(error: Readonly<Record<string, unknown>>, text: string): string | undefined {
  const { code } = error;
  // When the SDK gives up, it reports another status than that of the attempts.
  if (text.startsWith("Exceeded maximum number of retries")) return "UNAVAILABLE";
  if (typeof code !== "number") return undefined;
  if (code > 0 && code < statuses.length) return statuses[code];
  const named = /"status":\s*"([A-Z_]{2,40})"/.exec(text)?.[1];
  if (named !== undefined && statuses.includes(named)) return named;
  return httpStatuses[code] ?? (code >= 500 && code < 600 ? "UNAVAILABLE" : undefined);
}

/** Returns the members that matter, by name. */
function membersOf(value: unknown): Record<string, unknown> {
  const names = ["name", "code", "message", "details", "reason", "httpStatusCode", "status"];
  return Object.fromEntries(names.map((name) => [name, memberOf(value, name)]));
}

function textOf({ message, details }: Record<string, unknown>): string {
  return [message, details].filter((part) => typeof part === "string").join("\n");
}

function httpStatusOf({
  httpStatusCode,
  status,
  code,
}: Record<string, unknown>): number | undefined {
  return [httpStatusCode, status, code].find(
    (one): one is number => typeof one === "number" && one >= 100 && one < 600,
  );
}

const networkCode = new RegExp(String.raw`\b(${[...networkCodes].join("|")})\b`);

function networkCodeIn(code: unknown, text: string): string | undefined {
  return networkCode.exec(typeof code === "string" ? code : text)?.[1];
}

/** Matches an error's name or a reason, but no message, and no key in hex. */
const WORD = /^\w{1,63}$/;

/** Returns the missing permission that Google names, if the adapter uses it. */
function wordsOfGoogle(text: string): string | undefined {
  const denial =
    /Permission '(cloudkms\.cryptoKey(?:s\.get|Versions\.useTo(?:En|De)crypt))' denied on resource '/;
  const permission = denial.exec(text)?.[1];
  if (permission === undefined) return undefined;
  return `allow ${permission} on the key, or check that it exists`;
}
