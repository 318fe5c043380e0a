/**
 * Turns what AWS KMS and its SDK throw into errors that can be logged, and into core's codes.
 *
 * The SDK's own errors cannot be logged. They contain the HTTP exchange with the signature, and with the
 * data key if an answer could not be read. What is known to be harmless is copied out of them.
 *
 * Errors are recognized by `name` and not by `instanceof`: throttling, access denied and validation have no
 * class of their own in the SDK, and a second copy of the SDK has other classes.
 *
 * Source: the service model's errors of the operations; AWS KMS API reference, "Common Errors"; the
 * SDK's credential providers
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

/** The code for each name of an error; README.md lists the same. */
export const codes: Readonly<Record<string, KmsFailureCode>> = codesOf({
  ERR_ENVELOPE_KMS_REJECTED: ["InvalidCiphertextException", "IncorrectKeyException"],
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: ["NotFoundException", "InvalidArnException"],
  ERR_ENVELOPE_KMS_KEY_STATE: [
    "DisabledException",
    "KMSInvalidStateException",
    "InvalidKeyUsageException",
  ],
  ERR_ENVELOPE_KMS_ACCESS_DENIED: [
    "AccessDeniedException",
    "NotAuthorizedException",
    "InvalidGrantTokenException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
    "ExpiredTokenException",
    "ExpiredToken",
    "OptInRequired",
    "CredentialsProviderError",
    "TokenProviderError",
    "GrantTokensError",
  ],
  ERR_ENVELOPE_KMS_THROTTLED: [
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
  ],
  ERR_ENVELOPE_KMS_UNAVAILABLE: [
    "KMSInternalException",
    "KeyUnavailableException",
    "DependencyTimeoutException",
    "InternalFailure",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "RequestTimeout",
    "TimeoutError",
    "AbortError", // Another signal than ours: after ours, this table is not consulted.
    "UnreadableAnswer",
  ],
});

/** Whether Node, or the `fetch` that the SDK may use in its place, could not reach anybody. */
function isNetworkCode(code: unknown): boolean {
  return networkCodes.has(code) || code === "UND_ERR_SOCKET";
}

/** States that end without intervention. */
const passingStates: ReadonlySet<unknown> = new Set(["creating", "updating"]);

const hints: Readonly<Record<string, string>> = {
  InvalidCiphertextException: "altered bytes, or another context than at encryption",
  CredentialsProviderError: "the SDK's default chain found no credentials",
  ExpiredTokenException: "the credentials have expired; renew them",
  UnrecognizedClientException: "the credentials are not known to this region",
  InvalidSignatureException: "the secret key is wrong, or this machine's clock",
  NotFoundException: "check region and account",
  UnreadableAnswer: "what answered is not AWS KMS; look for a proxy or a wrong endpoint",
  TimeoutError: "check the endpoint, the region and the network, or try again",
};
const UNREACHABLE = "check the endpoint, the region and the network, or try again";
const TLS = "the certificate is not accepted; check the endpoint, and NODE_EXTRA_CA_CERTS";

/** Names without a code that an answer may contain. No other name is repeated. */
const furtherNames: ReadonlySet<string> = new Set([
  "DryRunOperationException",
  "ValidationException",
  "LimitExceededException",
  "UnsupportedOperationException",
  "SerializationException",
  "UnknownOperationException",
  "NotAuthorized",
  "RequestExpired",
  "SignatureDoesNotMatch",
  "InvalidParameterValue",
  "Unknown",
]);

export interface AwsKmsErrorFacts extends KmsCallFacts {
  /** The id that AWS support asks for. */
  readonly requestId?: string | undefined;
  /** How many requests were sent, including the SDK's retries. */
  readonly attempts?: number | undefined;
  /** The key's state, if that is the problem, such as `pending deletion`. */
  readonly keyState?: string | undefined;
}

/**
 * Why a call failed: the cause in core's errors. `name` is AWS's (`ThrottlingException`). Contains nothing of
 * the request or the answer except its members.
 */
export class AwsKmsError extends KmsCallError<AwsKmsErrorFacts> {
  readonly requestId: string | undefined;
  readonly attempts: number | undefined;
  readonly keyState: string | undefined;

  constructor(name: string, facts: AwsKmsErrorFacts) {
    const { requestId, attempts, keyState } = facts;
    super(name, facts, [
      requestId && `request ${requestId}`,
      attempts === undefined || attempts < 2 ? undefined : `${attempts} attempts`,
      keyState && `the key is ${keyState}`,
    ]);
    this.requestId = requestId;
    this.attempts = attempts;
    this.keyState = keyState;
  }
}

export const failures: Failures<AwsKmsError> = failuresOf(AwsKmsError, "AWS KMS");

/** Returns an error that may be logged for whatever the client threw. */
export function withoutSecrets(thrown: unknown, operation: string): AwsKmsError {
  if (thrown instanceof AwsKmsError) return thrown.during(operation);
  const [thrownName, message] = [memberOf(thrown, "name"), memberOf(thrown, "message")];
  const metadata = memberOf(thrown, "$metadata");
  const httpStatusCode = memberOf(metadata, "httpStatusCode");
  const attempts = memberOf(metadata, "attempts");
  const httpStatus = typeof httpStatusCode === "number" ? httpStatusCode : undefined;
  // The SDK's parsers throw these, with the answer in the message.
  const unreadable = ["SyntaxError", "TypeError", "RangeError"].includes(String(thrownName));
  const name =
    unreadable && httpStatus !== undefined
      ? "UnreadableAnswer"
      : nameOf(thrownName, httpStatus !== undefined);
  // The SDK copies members of the answer onto the error. With a status, only Node's code for a connection that broke
  // during the answer is therefore repeated.
  const given = textMatching(memberOf(thrown, "code"), WORD);
  const code = httpStatus === undefined || isNetworkCode(given) ? given : undefined;
  return new AwsKmsError(name, {
    operation,
    httpStatus,
    requestId: textMatching(memberOf(metadata, "requestId"), UUID),
    attempts: typeof attempts === "number" ? attempts : undefined,
    code,
    keyState: keyStateIn(message),
    hint: wordsOfAws(message) ?? hints[name] ?? hintOf(code),
  });
}

/** Implements D5 of the driver contract. Accepts the SDK's own errors as well. */
export function classify(error: unknown): KmsFailureCode {
  const [name, message] = [memberOf(error, "name"), memberOf(error, "message")];
  const keyState = memberOf(error, "keyState") ?? keyStateIn(message);
  const status =
    memberOf(error, "httpStatus") ?? memberOf(memberOf(error, "$metadata"), "httpStatusCode");
  if (typeof name === "string" && Object.hasOwn(codes, name)) {
    if (isForeign(message)) return "ERR_ENVELOPE_KMS_REJECTED";
    if (passingStates.has(keyState)) return "ERR_ENVELOPE_KMS_UNAVAILABLE";
    return codes[name] ?? "ERR_ENVELOPE_KMS_ERROR";
  }
  if (isNetworkCode(memberOf(error, "code"))) return "ERR_ENVELOPE_KMS_UNAVAILABLE";
  if (status === 429) return "ERR_ENVELOPE_KMS_THROTTLED";
  // KMS names its errors, so a redirect or a bare 5xx comes from something in front of it.
  if (typeof status === "number" && (status >= 500 || (status >= 300 && status < 400))) {
    return "ERR_ENVELOPE_KMS_UNAVAILABLE";
  }
  return "ERR_ENVELOPE_KMS_ERROR";
}

/** @param answered - Whether the name came in an answer. It is then the server's text, and only a known name is repeated. */
function nameOf(name: unknown, answered: boolean): string {
  const text = textMatching(name, WORD);
  const known = text !== undefined && (Object.hasOwn(codes, text) || furtherNames.has(text));
  return text !== undefined && (known || !answered) ? text : "UnknownError";
}

/** Matches an error's name or a code, but no message, and no key in hex. */
const WORD = /^[\w.:-]{1,63}$/;
/** Matches a request's id; AWS support cannot use anything else. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function hintOf(code: string | undefined): string | undefined {
  if (isNetworkCode(code)) return UNREACHABLE;
  return code !== undefined && isTlsCode(code) ? TLS : undefined;
}

/** Returns the state in a message such as `<key ARN> is pending deletion.` Source: recorded answers of AWS KMS */
function keyStateIn(message: unknown): string | undefined {
  if (typeof message !== "string") return undefined;
  return / is (pending deletion|pending import|unavailable|creating|updating)\.$/.exec(
    message,
  )?.[1];
}

/**
 * The message of an AccessDenied that is about the bytes: they name no key that the caller may use, although
 * the request names one. If the caller may not use the key in the request, AWS KMS answers with another message.
 *
 * Source: recorded answers of AWS KMS to Decrypt and ReEncrypt
 */
const FOREIGN =
  "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.";

function isForeign(message: unknown): boolean {
  return typeof message === "string" && message.endsWith(FOREIGN);
}

/**
 * Returns AWS's own words about who may not do what, and which kind of policy says so, if the message is
 * exactly of that form. The resource is left out, since it is the key that was requested.
 */
function wordsOfAws(message: unknown): string | undefined {
  if (message === FOREIGN) return FOREIGN;
  if (typeof message !== "string" || message.length > 1024) return undefined;
  const [, words, reason] = DENIAL.exec(message) ?? [];
  return words === undefined || reason === undefined ? undefined : `${words} ${reason}`;
}

const POLICY =
  "(?:identity-based policy|resource-based policy|permissions boundary|session policy|service control policy|resource control policy|VPC endpoint policy)";
/** The ARN of a principal, with names of at most 64 characters, IAM's limit. */
const PRINCIPAL = String.raw`arn:aws[a-z-]{0,32}:(?:iam|sts)::[0-9]{12}:(?:root|(?:user|role|assumed-role|federated-user)(?:/[\w+=,.@-]{1,64}){1,3})`;
const DENIAL = new RegExp(
  String.raw`^(User: ${PRINCIPAL} is not authorized to perform: kms:[A-Za-z]{1,40}) on (?:resource: [\w:/-]{1,300}|this resource) ` +
    `(because no ${POLICY} allows the kms:[A-Za-z]{1,40} action` +
    `|because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access` +
    `|with an explicit deny in an? ${POLICY})` +
    String.raw`(?:: arn:[\w+=,.@:/-]{1,300})?$`,
);
