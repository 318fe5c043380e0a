/**
 * What the audit log is told of a call: CloudTrail's facts, never plaintext, ciphertext or key material.
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
  /** `Decrypt`, `CreateKey`, … */
  readonly operation: string;
  /** ARN of the caller, or a service's name. */
  readonly principal: string;
  /** As in `aws:userid`. */
  readonly principalId?: string;
  readonly accountId: string;
  /** ARN of the role of a session. Default: the role without a path that the session's ARN names. */
  readonly roleArn?: string;
  /** The service that called for the principal: `s3.amazonaws.com`. */
  readonly invokedBy?: string;
  readonly readOnly: boolean;
  /** ARNs of the keys and aliases that were asked for, as far as they were found. */
  readonly resources: readonly string[];
  /**
   * The request, by the API's names. Kept of it is what members.ts lists for the operation: names, ids,
   * contexts, specs; never blobs and tokens. Read before `append` returns.
   */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The answer, kept by the same rule. Absent for refusals. */
  readonly response?: Readonly<Record<string, unknown>>;
  readonly encryptionContext?: Context;
  /** What decided, as in `Decision.because` and `Decision.deciding`, for each question that was asked. */
  readonly decisions: readonly {
    readonly action: string;
    readonly resource: string;
    readonly allowed: boolean;
    readonly because: string;
    readonly deciding?: string;
  }[];
  /** Absent where the call succeeded. */
  readonly error?: { readonly code: string; readonly message: string };
  readonly dryRun?: boolean;
  /** Where a server is in front: which request it was, and from where. */
  readonly requestId?: string;
  readonly sourceIp?: string;
  readonly userAgent?: string;
}

/** Where events go. */
export interface AuditSink {
  /**
   * Keeps the event. Inside a write transaction it commits with it. Settles once the event is as
   * durable as the log's setting promises.
   */
  append(event: AuditEvent): void | Promise<void>;
}
