/**
 * A refusal of IAM or STS that has no name among the errors of the KMS.
 *
 * @module
 */

/** What an action of IAM or STS answers instead of a result: the call is recorded with it. */
export class IamError extends Error {
  /** The HTTP status. */
  readonly status: number;

  /** @param code - AWS's name, such as `NoSuchEntity`; also the error's `name`. */
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = code;
    this.status = status;
  }
}
