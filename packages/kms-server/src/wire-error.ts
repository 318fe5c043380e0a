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

/** What a client is told with the status 503 while the keystore takes no calls. `undefined`: the error is about something else. */
export function unavailability(error: unknown): string | undefined {
  if (isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_BUSY"))
    return "The keystore is busy. Try again.";
  if (isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_MOVED")) {
    return "The keystore is being moved, or has moved. Try again, or ask who runs this server.";
  }
  return undefined;
}
