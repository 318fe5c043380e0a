/**
 * Who may use a key: key policies and grants.
 *
 * @module
 */
import type {
  DryRun,
  EncryptionContext,
  KeyRequest,
  Page,
  PageRequest,
  WithGrantTokens,
} from "./common-shapes.ts";

/** Operations on key policies and grants. */
export interface PermissionOperations {
  getKeyPolicy(request: GetKeyPolicyRequest): Promise<GetKeyPolicyResponse>;

  putKeyPolicy(request: PutKeyPolicyRequest): Promise<void>;

  listKeyPolicies(request: ListKeyPoliciesRequest): Promise<ListKeyPoliciesResponse>;

  createGrant(request: CreateGrantRequest): Promise<CreateGrantResponse>;

  listGrants(request: ListGrantsRequest): Promise<ListGrantsResponse>;

  listRetirableGrants(request: ListRetirableGrantsRequest): Promise<ListGrantsResponse>;

  retireGrant(request: RetireGrantRequest): Promise<void>;

  revokeGrant(request: RevokeGrantRequest): Promise<void>;
}

export interface GetKeyPolicyRequest extends KeyRequest {
  /** Only `default` exists. */
  readonly PolicyName?: string | undefined;
}

export interface GetKeyPolicyResponse {
  /** JSON text. */
  readonly Policy: string;
  readonly PolicyName: "default";
}

export interface PutKeyPolicyRequest extends GetKeyPolicyRequest {
  /** JSON, at most 32,768 bytes. */
  readonly Policy: string | undefined;
  /** Sets even a policy under which the caller could not set another. Default: false. */
  readonly BypassPolicyLockoutSafetyCheck?: boolean | undefined;
}

export interface ListKeyPoliciesRequest extends KeyRequest, PageRequest {}

export interface ListKeyPoliciesResponse extends Page {
  readonly PolicyNames: string[];
}

/** What a request must meet; at most one of the two encryption contexts. */
export interface GrantConstraints {
  /** All pairs of the request's encryption context. */
  readonly EncryptionContextEquals?: EncryptionContext | undefined;
  /** Pairs that the request's encryption context has. */
  readonly EncryptionContextSubset?: EncryptionContext | undefined;
  /** ARN of the resource for which the request is made: `aws:SourceArn`. */
  readonly SourceArn?: string | undefined;
}

export interface CreateGrantRequest extends KeyRequest, WithGrantTokens, DryRun {
  /** ARN of the principal that gets the permissions, or a service's name. */
  readonly GranteePrincipal?: string | undefined;
  /** A service's name, in place of `GranteePrincipal`. Needs `SourceArn`, and somebody who may retire the grant. */
  readonly GranteeServicePrincipal?: string | undefined;
  /** Who may retire the grant. */
  readonly RetiringPrincipal?: string | undefined;
  /** A service's name, in place of `RetiringPrincipal`. */
  readonly RetiringServicePrincipal?: string | undefined;
  /** `Decrypt`, `GenerateDataKey`, … */
  readonly Operations: readonly string[] | undefined;
  readonly Constraints?: GrantConstraints | undefined;
  /** Makes the call idempotent: the same request gets the same grant. */
  readonly Name?: string | undefined;
}

export interface CreateGrantResponse {
  readonly GrantId: string;
  /** Makes the grant count before it has become effective everywhere. Not a secret, and shown once. */
  readonly GrantToken: string;
}

export interface ListGrantsRequest extends KeyRequest, PageRequest {
  readonly GrantId?: string | undefined;
  readonly GranteePrincipal?: string | undefined;
  readonly GranteeServicePrincipal?: string | undefined;
}

export interface ListRetirableGrantsRequest extends PageRequest {
  readonly RetiringPrincipal?: string | undefined;
  /** The caller's own name, which must be a service's, in place of `RetiringPrincipal`. */
  readonly RetiringServicePrincipal?: string | undefined;
}

export interface GrantListEntry {
  readonly KeyId: string;
  readonly GrantId: string;
  /** Empty: none. */
  readonly Name: string;
  readonly CreationDate: Date;
  readonly GranteePrincipal?: string;
  readonly GranteeServicePrincipal?: string;
  readonly RetiringPrincipal?: string;
  readonly RetiringServicePrincipal?: string;
  readonly IssuingAccount: string;
  readonly Operations: string[];
  readonly Constraints?: GrantConstraints;
}

export interface ListGrantsResponse extends Page {
  readonly Grants: GrantListEntry[];
}

/** Either the token, or key and grant. */
export interface RetireGrantRequest extends DryRun {
  readonly GrantToken?: string | undefined;
  /** A key ARN. */
  readonly KeyId?: string | undefined;
  readonly GrantId?: string | undefined;
}

export interface RevokeGrantRequest extends KeyRequest, DryRun {
  readonly GrantId: string | undefined;
}
