/**
 * All that a decision may depend on, and what it answers: values only, so that a decision can be
 * made, repeated and explained anywhere.
 *
 * Source: spec/authorization.md#input
 *
 * @module
 */
import type { Context } from "@env/core";

/** Who asks, with everything that IAM knows of them. */
export interface Caller {
  /**
   * `arn:aws:iam::111122223333:root`, `…:user/alice`, `…:role/app`,
   * `arn:aws:sts::111122223333:assumed-role/app/session`, `arn:aws:sts::…:federated-user/name`, or a
   * service's name, `s3.amazonaws.com`.
   */
  readonly arn: string;
  /** Twelve digits; for a service, those of the account it acts for. */
  readonly accountId: string;
  readonly type: "root" | "user" | "role" | "session" | "federated" | "service";
  /** ARN of the role that a session has. */
  readonly roleArn?: string;
  /** The value of `aws:userid`. */
  readonly userId?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Identity policies, those of groups among them: allowed is what any of them allows. */
  readonly policies?: readonly NamedPolicy[];
  /** Bounds what the identity policies may allow. */
  readonly boundary?: NamedPolicy;
  /** A session may do what any of them allows, within what its role may. */
  readonly sessionPolicies?: readonly NamedPolicy[];
}

/** A policy document and what to call it in an explanation. */
export interface NamedPolicy {
  readonly name: string;
  /** JSON. */
  readonly text: string;
}

/**
 * Values of condition keys by name in lower case: `kms:keyspec`, `kms:encryptioncontext:tenant`,
 * `aws:sourceip`. A key with several values has a list; an absent key is absent.
 */
export type ConditionValues = ReadonlyMap<string, string | readonly string[]>;

/** The services beside the KMS. */
export type ServiceOfOthers = "iam" | "sts" | "envelope";

export interface AccessRequest {
  readonly caller: Caller;
  /**
   * `kms:Decrypt`, … ReEncrypt asks for `kms:ReEncryptFrom` and `kms:ReEncryptTo`. Also `iam:…` and `sts:…`, and `envelope:…`
   * for what AWS does not have.
   */
  readonly action: `${"kms" | ServiceOfOthers}:${string}`;
  /** ARN of a key, alias, role or other record of IAM; `*` for operations on none. */
  readonly resource: string;
  /** The account that owns the resource. */
  readonly resourceAccount: string;
  /** None: the resource is not a key, and only IAM decides. */
  readonly key?: KeyFacts;
  /** The trust policy of the role that is to be assumed: JSON. */
  readonly trust?: string;
  /** Tags of a resource that is not a key. */
  readonly resourceTags?: Readonly<Record<string, string>>;
  /** Absent for operations without one, which is not the same as empty. */
  readonly encryptionContext?: Context;
  /** Tokens of grants that are to count before they have become effective everywhere. */
  readonly grantTokens?: readonly string[];
  /**
   * What CreateGrant is to grant. A grant that allows CreateGrant allows no more than it has
   * itself, so without this no grant allows CreateGrant.
   */
  readonly newGrant?: Pick<Grant, "operations" | "constraints">;
  /**
   * What the operation and the environment say: all condition keys but those that follow from
   * `caller`, `key` and `encryptionContext`, which the decision derives itself.
   */
  readonly conditions?: ConditionValues;
  /**
   * Whether conditions are supposed: those of what allows are met, those of what denies are not, and so are the constraints of
   * grants. For who may do something under some circumstances.
   */
  readonly supposed?: true;
  /** Milliseconds since 1970: `aws:CurrentTime`, `aws:EpochTime`, and whether a grant is effective. */
  readonly now: number;
}

/** What of a key matters to a decision. */
export interface KeyFacts {
  /** JSON. */
  readonly policy: string;
  /** Names of the aliases that point at the key now, as `alias/app`. */
  readonly aliases: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  /** All grants of the key; for RetireGrant only the one that is to be retired, which says who may. */
  readonly grants: readonly Grant[];
  readonly keySpec: string;
  readonly keyUsage: string;
  readonly origin: string;
  /** `PRIMARY` or `REPLICA`; absent for single-Region keys. */
  readonly multiRegionKeyType?: "PRIMARY" | "REPLICA";
}

/** A grant as it is kept in a key's record. */
export interface Grant {
  /** 64 hex digits. */
  readonly grantId: string;
  readonly name?: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** The time from which it counts without its token, in milliseconds since 1970. */
  readonly effective: number;
  readonly grantee: string;
  /** Set if the grantee was named by `GranteeServicePrincipal`. */
  readonly granteeIsService?: true;
  readonly retiring?: string;
  readonly retiringIsService?: true;
  /** ARN of the root of the account that issued it. */
  readonly issuingAccount: string;
  /** The operations as the API names them, without `kms:`. */
  readonly operations: readonly string[];
  /** At most one of the two encryption contexts. */
  readonly constraints?: {
    readonly encryptionContextEquals?: Context;
    readonly encryptionContextSubset?: Context;
    /** The resource that the caller must act for. */
    readonly sourceArn?: string;
  };
  /** SHA-256 of each token given out, hex: all of them are as good. */
  readonly tokenHashes: readonly string[];
}

/** Which mechanism decided. */
export type Because =
  | "explicit-deny"
  | "key-policy"
  | "key-policy-and-iam"
  | "trust-policy"
  | "trust-policy-and-iam"
  | "account-root"
  | "grant"
  | "iam"
  | "no-key-policy-allows"
  | "no-trust-policy-allows"
  | "no-identity-policy-allows"
  | "no-boundary-allows"
  | "no-session-policy-allows"
  | "cross-account-not-possible"
  | "too-many-steps";

export interface Decision {
  readonly allowed: boolean;
  readonly because: Because;
  /**
   * What decided: `key policy, statement "Allow use of the key"`, `identity policy "app", statement 2`,
   * `grant 0f3a…`. Absent where nothing matched.
   */
  readonly deciding?: string;
  /** Ends the sentence "User: … is not authorized to perform: … on resource: …". Empty where allowed. */
  readonly reason: string;
}
