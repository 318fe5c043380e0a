/**
 * The calls that the console makes beyond the protocols of AWS: types alone, for both of its sides.
 *
 * Calls are `POST /` in the protocol of AWS KMS (JSON 1.1, SigV4 for the service `kms`), with the header `X-Amz-Target:
 * EnvelopeConsole.<name>`: {@link ConsoleCalls} has the names. As everywhere in that protocol, a Date is sent as seconds since 1970.
 * Each call is decided by the caller's policies and recorded in the audit log under the caller's name; a refused one is an
 * `AccessDeniedException` that says which permission is missing.
 *
 * Everything else that the console does is an operation of KMS, IAM or STS.
 *
 * @module
 */
import type {
  AuditEntry,
  AuditReport,
  Decision,
  EffectiveAccessRequest,
  EffectiveAccessResponse,
  Explanation,
  ExplainRequest,
  KeySummariesResponse,
  Page,
  PageRequest,
  PolicyFinding,
} from "@env/kms";

export type {
  AllowedAction,
  EffectiveAccessRequest,
  EffectiveAccessResponse,
  KeySummariesResponse,
  KeySummary,
  PrincipalAccess,
} from "@env/kms";

/** The calls by the name after `EnvelopeConsole.`: what each takes and answers. */
export interface ConsoleCalls {
  readonly Explain: readonly [ExplainCallRequest, ExplainCallResponse];
  /** Needs `kms:GetKeyPolicy` on the key, and `iam:SimulatePrincipalPolicy` on `*`. */
  readonly EffectiveAccess: readonly [EffectiveAccessRequest, EffectiveAccessResponse];
  readonly QueryAudit: readonly [QueryAuditRequest, QueryAuditResponse];
  readonly CountAudit: readonly [CountAuditRequest, CountAuditResponse];
  readonly VerifyAudit: readonly [VerifyAuditRequest, VerifyAuditResponse];
  readonly LintKeyPolicy: readonly [LintKeyPolicyRequest, LintKeyPolicyResponse];
  /** Needs `kms:ListKeys`, and for each member of a key the permission that is named there. */
  readonly KeySummaries: readonly [PageRequest, KeySummariesResponse];
}

/** Asks what would be decided. Whatever it is, nothing is done. */
export interface ExplainCallRequest {
  /**
   * 1 to 64 questions. A question without a principal is about the caller, with the caller's session. One about another principal
   * needs `iam:SimulatePrincipalPolicy` on that principal.
   */
  readonly Requests: readonly ExplainRequest[];
}

export interface ExplainCallResponse {
  /** One answer to each question, in their order. */
  readonly Answers: readonly ExplainAnswer[];
}

/** Either a decision, or the error that the question ended in, such as a key that does not exist. */
export type ExplainAnswer =
  | {
      readonly Decision: Decision;
      /**
       * Absent unless the caller may see policies: `iam:SimulatePrincipalPolicy` on the principal, and `kms:GetKeyPolicy` on the key
       * or `iam:GetRole` on the role in question.
       */
      readonly Explanation?: Explanation;
    }
  | { readonly Error: { readonly Code: string; readonly Message: string } };

/** Which records are meant. A record must match everything that is given. */
export interface AuditFilter {
  /** `eventTime` at or after. */
  readonly From?: Date;
  /** `eventTime` before. */
  readonly To?: Date;
  readonly Operations?: readonly string[];
  /** ARN, or the name of a service. */
  readonly Principal?: string;
  /** ARN of a key or alias. */
  readonly Resource?: string;
  readonly Outcome?: "succeeded" | "refused";
  readonly ErrorCode?: string;
}

/**
 * Reads records, the newest first unless `First` says otherwise: needs `envelope:QueryAudit`. A page may have fewer records than
 * `Limit`, even none, and still not be the last. Records that do not verify are left out, and VerifyAudit names them.
 */
export interface QueryAuditRequest extends AuditFilter, PageRequest {
  readonly First?: "oldest" | "newest";
}

export interface QueryAuditResponse extends Page {
  readonly Entries: readonly AuditEntry[];
}

/** Counts the newest records in groups: calls per day, per principal and key, and so on. Needs `envelope:QueryAudit`. */
export interface CountAuditRequest extends AuditFilter {
  /** What the records of a group have in common. At most 4. */
  readonly GroupBy: readonly CountedMember[];
}

/**
 * `day` is `2026-11-30` in UTC, `resource` is the ARN of the first key among the resources, or empty, and `outcome` is `succeeded` or
 * `refused`.
 */
export type CountedMember = "day" | "operation" | "principal" | "resource" | "outcome";

export interface CountAuditResponse {
  /** The largest groups, at most 10,000. */
  readonly Groups: readonly CountedGroup[];
  /** Whether there are more groups, or more records than were counted. */
  readonly Truncated: boolean;
}

export interface CountedGroup {
  /** The values in the order of `GroupBy`. */
  readonly Values: readonly string[];
  readonly Count: number;
}

/** A place in the log, which is noted elsewhere. */
export interface Anchor {
  readonly Sequence: number;
  /** 64 hexadecimal digits. */
  readonly Digest: string;
}

/** Verifies the log, from an anchor that was noted earlier where one is given: needs `envelope:VerifyAudit`. */
export interface VerifyAuditRequest {
  readonly Anchor?: Anchor;
}

export interface VerifyAuditResponse {
  readonly Report: AuditReport;
  /** What to note now, unless problems were found: it would vouch for an altered log. */
  readonly Anchor?: Anchor;
}

/** Looks through a policy without setting it: needs no permission. */
export interface LintKeyPolicyRequest {
  /** JSON text. */
  readonly Policy: string;
  /** Default: `key`. */
  readonly Kind?: "key" | "identity" | "trust";
}

export interface LintKeyPolicyResponse {
  readonly Findings: readonly PolicyFinding[];
}

/**
 * The paths of a session, under `/console/session`. `POST` begins one: the request is signed with the person's access key for the
 * service `sts`, so the secret key is not sent. `GET` is what a page asks that was loaded anew. `PUT` renews the session:
 * it takes the cookie and `X-Console-Token`, and changes both. `DELETE` ends the session, takes the same, and answers 204. Without a
 * session, 401; with attempts beyond the limit, 429; both with a {@link SessionRefusal}.
 *
 * The cookie is HttpOnly, SameSite=Strict, and Secure where TLS is used.
 */
export interface ConsoleSession {
  readonly principal: string;
  readonly accountId: string;
  readonly region: string;
  /** What `PUT` and `DELETE` have to send as `X-Console-Token`. */
  readonly token: string;
  /** Milliseconds without a `PUT` after which the session ends. */
  readonly idleTimeout: number;
  /** Milliseconds since 1970: when the session ends in any case. */
  readonly expires: number;
  /** Only in answers to `POST` and `PUT`. */
  readonly credentials?: SessionCredentials;
}

/** Temporary credentials, which the page keeps in memory alone. */
export interface SessionCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** Why there is no session: words for people. */
export interface SessionRefusal {
  readonly message: string;
}
