/**
 * A KMS in one SQLite file: keys with versions and aliases, key policies, IAM, grants and an audit log,
 * with the names and semantics of AWS KMS.
 *
 * @module
 */
export { createKeystore, inspectKeystore, Keystore, openKeystore } from "./keystore.ts";
export type { CreateKeystoreOptions, KeystoreFacts, OpenKeystoreOptions } from "./keystore.ts";
export { cancelKeystoreMove, moveKeystore } from "./move-keystore.ts";
export type { MoveKeystoreOptions } from "./move-keystore.ts";
export type { MoveProgress, MoveReport } from "./store/move.ts";
export type { Finding as KeystoreFinding } from "./store/verify.ts";
export { isPostgresUrl } from "./store/keystore-database.ts";
export { keystoreUri } from "./store/keystore-uri.ts";
export { canLoseWrites, sqliteVersion } from "./store/sqlite-version.ts";
export { generateRootKey } from "./store/root-key.ts";
export type { RootKeyKind, RootKeySource } from "./store/root-key.ts";

export { KmsClient } from "./client.ts";
export type * from "./requests/shapes.ts";
export { isKmsError, KmsError, kmsErrors } from "./catalogue/errors.ts";
export type { KmsErrorName } from "./catalogue/errors.ts";
export { kmsLimits } from "./keys/key.ts";
export { awsQuotas } from "./access/quotas.ts";
export type { QuotaName, QuotaOptions } from "./access/quotas.ts";
export { describeCiphertextBlob } from "./keys/blob.ts";
export type { CiphertextBlobFacts } from "./keys/blob.ts";

export { Iam } from "./access/iam.ts";
export type { Principal, PrincipalPage } from "./access/iam.ts";
export type { PrincipalInput, RoleInput } from "./access/principal-input.ts";
export { AccessKeys } from "./access/access-keys.ts";
export type { AccessKey, NewAccessKey } from "./access/access-keys.ts";
export type { IamAccess } from "./access/iam-access.ts";
export type { TemporaryCredentials } from "./access/temporary.ts";
export type { AwsCredential } from "./access/credential.ts";
export { parsePrincipal, principalArn } from "./arn.ts";
export type { ParsedPrincipal } from "./arn.ts";
export type { SessionOptions } from "./access/session.ts";
export { Seeding } from "./seed/seeding.ts";
export type { ApplySeedOptions, PlanSeedOptions } from "./seed/seeding.ts";
export { parseSeed } from "./seed/parse.ts";
export { SeedError } from "./seed/place.ts";
export type { ParseSeedOptions, Seed, SeedKey } from "./seed/parse.ts";
export type { SeedChange, SeedPlan, SeedStep } from "./seed/plan.ts";
export type {
  KeySettings,
  PolicyValue,
  SeedDocument,
  SeedDocumentKey,
  SeedDocumentPrincipal,
  SeedDocumentReplica,
} from "./seed/seed-document.ts";
export { defaultKeyPolicy } from "./policy/default-policy.ts";
export { lintPolicy } from "./policy/lint.ts";
export type { Finding as PolicyFinding, FindingCode } from "./policy/lint.ts";
export type { Severity } from "./policy/find.ts";
export type { Decision, NamedPolicy } from "./policy/request.ts";
export type {
  AllowedAction,
  EffectiveAccessRequest,
  EffectiveAccessResponse,
  PrincipalAccess,
} from "./access/effective-access.ts";
export type { KeySummariesResponse, KeySummary } from "./operations/key-summaries.ts";
export type { ExplainRequest, NewGrant } from "./access/explain-request.ts";
export type { Addition, Suggestion } from "./policy/additions.ts";
export type {
  Check,
  ExplainedCondition,
  ExplainedGrant,
  ExplainedPolicy,
  ExplainedStatement,
  Explanation,
} from "./policy/explain.ts";
export type { Hint, HintCode } from "./policy/hints.ts";

export { AuditLog } from "./audit/log.ts";
export type { ArchiveReport } from "./audit/archive.ts";
export type { AuditEvent, AuditSink } from "./audit/event.ts";
export type { AuditFacts, AuditOptions, AuditRecordSink } from "./audit/log.ts";
export type { AuditDurability, AuditFailure } from "./audit/pending.ts";
export type { AuditRetention, RetentionReport } from "./audit/retention.ts";
export type { AuditEntry, AuditPage, AuditPageQuery, AuditQuery } from "./audit/query.ts";
export type { AuditRecord, UserIdentity } from "./audit/record.ts";
export type { AuditTailOptions } from "./audit/tail.ts";
export { CHAIN_NUMBERS, chainOf } from "./store/store.ts";
export type { UnusedKey } from "./keys/survey.ts";
export type {
  AuditAnchor,
  AuditProblem,
  AuditProgress,
  AuditReport,
  AuditVerifyOptions,
} from "./audit/verify.ts";
