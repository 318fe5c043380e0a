/**
 * What can go wrong with a call.
 *
 * @module
 */

/** A call that the server refused, by AWS's name of the error. */
export class CallError extends Error {
  override readonly name: string;
  readonly status: number;

  constructor(name: string, message: string, status: number) {
    super(message === "" ? (silent[name] ?? name) : message);
    this.name = name;
    this.status = status;
  }

  /** Whether the caller's policies are the reason. */
  get isDenied(): boolean {
    return this.name === "AccessDeniedException" || this.name === "AccessDenied";
  }

  /** Whether the credentials are: expired, revoked, or those of a principal that was deleted. */
  get isSessionOver(): boolean {
    return sessionErrors.has(this.name);
  }
}

/** The server does not answer. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";

  constructor() {
    super("The server does not answer.");
  }
}

const sessionErrors: ReadonlySet<string> = new Set([
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidClientTokenId",
  "NoSession",
  "UnrecognizedClientException",
]);

/** AWS says nothing beyond the name of these. */
const silent: Readonly<Record<string, string>> = {
  InvalidCiphertextException:
    "The ciphertext is malformed or altered, or was made with another key or encryption context.",
  KMSInvalidMacException: "The MAC does not verify.",
  KMSInvalidSignatureException: "The signature does not verify.",
  KMSInternalException: "The server could not do it. Its log says why.",
  ServiceFailure: "The server could not do it. Its log says why.",
};
