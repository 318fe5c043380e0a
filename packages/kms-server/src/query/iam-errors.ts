/**
 * Errors as STS and IAM answer them: other names and statuses than those of the KMS.
 *
 * @module
 */
import { isKmsError } from "@env/kms";
import { IamError } from "@env/kms/server";
import { faultOf, WireError } from "../wire-error.ts";

/** What errors of the engine and of signatures are called here. */
const names: Readonly<Record<string, readonly [code: string, status: number]>> = {
  AccessDeniedException: ["AccessDenied", 403],
  AlreadyExistsException: ["EntityAlreadyExists", 409],
  ExpiredTokenException: ["ExpiredToken", 403],
  IncompleteSignatureException: ["IncompleteSignature", 400],
  InvalidArnException: ["MalformedPolicyDocument", 400],
  InvalidSignatureException: ["SignatureDoesNotMatch", 403],
  LimitExceededException: ["LimitExceeded", 409],
  MalformedPolicyDocumentException: ["MalformedPolicyDocument", 400],
  MissingAuthenticationTokenException: ["MissingAuthenticationToken", 403],
  NotFoundException: ["NoSuchEntity", 404],
  TagException: ["InvalidInput", 400],
  ThrottlingException: ["Throttling", 400],
  UnrecognizedClientException: ["InvalidClientTokenId", 403],
  ValidationException: ["ValidationError", 400],
};

/** Anything that was thrown, as the client is told of it. */
export function toIamError(error: unknown): IamError {
  if (error instanceof IamError) return error;
  const name = isKmsError(error) ? error.name : error instanceof WireError ? error.type : "";
  const known = names[name];
  if (known !== undefined && error instanceof Error) {
    const [code, status] = known;
    return new IamError(code, error.message, status);
  }
  const { status, message } = faultOf(error);
  return new IamError(status === 503 ? "ServiceUnavailable" : "ServiceFailure", message, status);
}
