/**
 * What the audit log learns of a call: CloudTrail's facts, and never plaintext, ciphertext or key material.
 *
 * Source: spec/audit-v1.md
 *
 * @module
 */
import type { Context } from "@env/core";

export interface AuditEvent {
  /** UUID. Default: a new one. */
  readonly eventId?: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** The service that was called. `envelope`: what AWS does not have. Default: `kms`. */
  readonly source?: "kms" | "iam" | "sts" | "envelope";
  /** Default: the keystore's own. */
  readonly region?: string;
  /** `Decrypt`, `CreateKey`, … */
  readonly operation: string;
  /** ARN of the caller, or a service's name. */
  readonly principal: string;
  /** The value of `aws:userid`. */
  readonly principalId?: string;
  readonly accountId: string;
  /** The subject of an identity provider's token, where `principal` is the provider. */
  readonly userName?: string;
  /** ARN of the role of a session. Default: the role without a path that the session's ARN names. */
  readonly roleArn?: string;
  /** `aws:SourceIdentity` of a session. */
  readonly sourceIdentity?: string;
  /** The service that called for the principal: `s3.amazonaws.com`. */
  readonly invokedBy?: string;
  readonly readOnly: boolean;
  /** ARNs of the keys and aliases in the request that were found. */
  readonly resources: readonly string[];
  /**
   * The request, by the names of the API. What members.ts lists for the operation is kept: names, ids, contexts and specs,
   * but never blobs and tokens. It is read before `append` returns.
   */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The answer, kept by the same rule. Absent for refusals. */
  readonly response?: Readonly<Record<string, unknown>>;
  readonly encryptionContext?: Context;
  /** What decided each question: `Decision.because` and `Decision.deciding`. */
  readonly decisions: readonly {
    readonly action: string;
    readonly resource: string;
    readonly allowed: boolean;
    readonly because: string;
    readonly deciding?: string;
  }[];
  /** Absent if the call succeeded. */
  readonly error?: { readonly code: string; readonly message: string };
  readonly dryRun?: boolean;
  /** The request of a server in front, and where it came from. */
  readonly requestId?: string;
  readonly sourceIp?: string;
  readonly userAgent?: string;
}

/** Where events go. */
export interface AuditSink {
  /**
   * Keeps the event. Inside a write transaction, it commits with the transaction. Settles once the event is as durable as
   * the log's options say.
   */
  append(event: AuditEvent): void | Promise<void>;
}
