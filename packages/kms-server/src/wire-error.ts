/**
 * A refusal as AWS answers it: a type, a status and a message.
 *
 * @module
 */

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
