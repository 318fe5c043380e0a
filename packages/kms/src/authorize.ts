/**
 * May this principal do this? Asked once per operation and resource, before the key's state is
 * looked at: a state is nothing that an unauthorized caller may learn.
 *
 * An operation cannot skip the question: the functions that find a key for it ask.
 *
 * @module
 */
import type { Context } from "@env/core";
import { accountRoot } from "./arn.ts";
import { KmsError } from "./errors.ts";

/** All that a decision may depend on. */
export interface AuthorizationRequest {
  /** ARN of the caller. */
  readonly principal: string;
  /** `kms:Decrypt`, … ReEncrypt asks for `kms:ReEncryptFrom` and `kms:ReEncryptTo`. */
  readonly action: `kms:${string}`;
  /** ARN of a key or alias; `*` for operations on none. */
  readonly resource: string;
  /** The account that owns the resource. */
  readonly resourceAccount: string;
  /** The key's policy as JSON text. None: the resource is not a key. */
  readonly keyPolicy?: string;
  /** Names of the aliases that point at the key now, as `alias/app`. None: the resource is not a key. */
  readonly resourceAliases?: readonly string[];
  /** The alias that the request used, if it used one. */
  readonly requestAlias?: string;
  /** None for operations without one. */
  readonly encryptionContext?: Context;
}

export interface AuthorizationDecision {
  readonly allowed: boolean;
  /** Ends the sentence "User: … is not authorized to perform: … on resource: …". */
  readonly reason: string;
}

export type Authorize = (request: AuthorizationRequest) => AuthorizationDecision;

/**
 * What the default key policy gives by itself: the account's root principal may do everything, and
 * nobody else anything.
 */
export const authorizeAccountRoot: Authorize = ({ principal, action, resourceAccount }) => ({
  allowed: principal === accountRoot(resourceAccount),
  // The default key policy delegates to the account, so what is missing is an IAM policy. IAM alone
  // would never be enough; there is none yet.
  reason: `because no identity-based policy allows the ${action} action`,
});

/** @throws {@link KmsError} `AccessDeniedException` in AWS's words. */
export function requireAllowed(authorize: Authorize, request: AuthorizationRequest): void {
  const { allowed, reason } = authorize(request);
  if (allowed) return;
  const { principal, action, resource } = request;
  throw new KmsError(
    "AccessDeniedException",
    `User: ${principal} is not authorized to perform: ${action} on resource: ${resource} ${reason}`,
  );
}

/** The policy that CreateKey gives a key: the account decides. */
export function defaultKeyPolicy(accountId: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Id: "key-default-1",
    Statement: [
      {
        Sid: "Enable IAM User Permissions",
        Effect: "Allow",
        Principal: { AWS: accountRoot(accountId) },
        Action: "kms:*",
        Resource: "*",
      },
    ],
  });
}
