/**
 * A refusal as AWS answers it: a type, a status and a message.
 *
 * @module
 */
import { isEnvelopeError } from "@env/core";

/** The reason why a request is refused before the KMS hears of it. */
export class WireError extends Error {
  /** AWS's name, such as `InvalidSignatureException`. */
  readonly type: string;
  /** The HTTP status: 400 for the client's faults, except where AWS answers otherwise. */
  readonly status: number;

  constructor(type: string, message: string, status = 400) {
    super(message);
    this.type = type;
    this.status = status;
  }
}

/**
 * What a client is told of a failure that is not its own: 503 while the keystore takes no calls, otherwise 500. Of what is not for
 * a client to know, such as a full disk, it is told nothing.
 */
export function faultOf(error: unknown): {
  readonly status: 500 | 503;
  readonly message: string;
} {
  if (isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_BUSY")) {
    return { status: 503, message: "The keystore is busy. Try again." };
  }
  if (isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_MOVED")) {
    return {
      status: 503,
      message: "The keystore is being moved, or has moved. Try again, or ask who runs this server.",
    };
  }
  const message = isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_UNKNOWN_OUTCOME")
    ? "The call succeeded, or not: the answer of the database was lost. Look before you repeat it."
    : "";
  return { status: 500, message };
}
