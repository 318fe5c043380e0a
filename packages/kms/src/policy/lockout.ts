/**
 * The lockout safety check: a key policy that its author could not change afterwards is refused, unless
 * the author insists.
 *
 * It asks the real question, whether this caller may then do kms:PutKeyPolicy, so a policy that only
 * delegates to the account passes for those whose own policies allow that.
 *
 * Source: BypassPolicyLockoutSafetyCheck in the AWS KMS API reference;
 * spec/authorization.md#lockout-safety-check
 *
 * @module
 */
import { KmsError } from "../catalogue/errors.ts";
import { decide } from "./decide.ts";
import type { AccessRequest, Decision, KeyFacts } from "./request.ts";

/** A request, be it for PutKeyPolicy or for CreateKey, with the key as it would be under the new policy. */
export type LockoutRequest = Omit<AccessRequest, "action" | "key"> & { readonly key: KeyFacts };

/** Whether the caller could change the key's policy again. */
export function afterwards(request: LockoutRequest): Decision {
  return decide({ ...request, action: "kms:PutKeyPolicy" });
}

/** @throws {@link KmsError} `MalformedPolicyDocumentException`, in AWS's words. */
export function requireNoLockout(request: LockoutRequest): void {
  if (afterwards(request).allowed) return;
  throw new KmsError(
    "MalformedPolicyDocumentException",
    "The new key policy will not allow you to update the key policy in the future.",
  );
}
