/**
 * The requests of the calls in api.ts, as they are read from what was sent.
 *
 * @module
 */
import type {
  AuditQuery,
  EffectiveAccessRequest,
  ExplainRequest,
  NewGrant,
  PageRequest,
} from "@env/kms";
import type {
  Anchor,
  AuditFilter,
  CountAuditRequest,
  ExplainCallRequest,
  LintKeyPolicyRequest,
  QueryAuditRequest,
  VerifyAuditRequest,
} from "./api.ts";
import {
  flag,
  integer,
  listOf,
  mapOf,
  matching,
  oneOf,
  required,
  structure,
  text,
  time,
  type Reader,
} from "./shape.ts";

const filterMembers = {
  From: time,
  To: time,
  Operations: listOf(text, 0, 100),
  Principal: text,
  Resource: text,
  Outcome: oneOf("succeeded", "refused"),
  ErrorCode: text,
};

export function queryOf({
  From,
  To,
  Operations,
  Principal,
  Resource,
  Outcome,
  ErrorCode,
}: AuditFilter): AuditQuery {
  return {
    ...(From === undefined ? {} : { from: From }),
    ...(To === undefined ? {} : { to: To }),
    ...(Operations === undefined ? {} : { operations: Operations }),
    ...(Principal === undefined ? {} : { principal: Principal }),
    ...(Resource === undefined ? {} : { resource: Resource }),
    ...(Outcome === undefined ? {} : { outcome: Outcome }),
    ...(ErrorCode === undefined ? {} : { errorCode: ErrorCode }),
    // One altered record must not hide the others.
    altered: "skip",
  };
}

const pageMembers = { Limit: integer(1, 1000), Marker: text };
export const pageRequest: Reader<PageRequest> = structure(pageMembers);
export const effectiveAccessRequest: Reader<Partial<EffectiveAccessRequest>> = structure({
  KeyId: text,
  ...pageMembers,
});
export const queryRequest: Reader<QueryAuditRequest> = structure({
  ...filterMembers,
  First: oneOf("oldest", "newest"),
  Limit: integer(1, 1000),
  Marker: matching(/^[0-9]{1,16}-[0-9]{1,16}$/),
});
export const countRequest: Reader<Partial<CountAuditRequest>> = structure({
  ...filterMembers,
  GroupBy: listOf(oneOf("day", "operation", "principal", "resource", "outcome"), 1, 4),
});
const anchorMembers = structure({
  Sequence: integer(0, Number.MAX_SAFE_INTEGER),
  Digest: matching(/^[0-9a-f]{64}$/),
});
const anchor: Reader<Anchor> = (value, place) => {
  const { Sequence, Digest } = anchorMembers(value, place);
  return {
    Sequence: required(Sequence, `${place}.Sequence`),
    Digest: required(Digest, `${place}.Digest`),
  };
};
export const verifyRequest: Reader<VerifyAuditRequest> = structure({ Anchor: anchor });
export const lintRequest: Reader<Partial<LintKeyPolicyRequest>> = structure({
  Policy: text,
  Kind: oneOf("key", "identity", "trust"),
});

const texts = listOf(text, 0, 100);
const pairs = mapOf(text);
const values: Reader<string | readonly string[]> = (value, place) =>
  typeof value === "string" ? value : texts(value, place);

const newGrantMembers = structure({
  operations: texts,
  grantee: text,
  granteeService: text,
  retiring: text,
  retiringService: text,
  constraints: structure({
    encryptionContextEquals: pairs,
    encryptionContextSubset: pairs,
    sourceArn: text,
  }),
});
const newGrant: Reader<NewGrant> = (value, place) => {
  const grant = newGrantMembers(value, place);
  return { ...grant, operations: required(grant.operations, `${place}.operations`) };
};

const questionMembers = structure({
  principal: text,
  session: structure({
    region: text,
    role: text,
    policies: texts,
    policyArns: texts,
    tags: pairs,
    viaService: text,
    sourceArn: text,
    sourceAccount: text,
    sourceIp: text,
    userAgent: text,
    secureTransport: flag,
    multiFactorAuth: flag,
    tokenIssued: time,
    federatedProvider: text,
    sourceIdentity: text,
  }),
  action: text,
  role: text,
  key: text,
  otherKey: text,
  alias: text,
  encryptionContext: pairs,
  grantTokens: texts,
  grantId: text,
  newGrant,
  conditions: mapOf(values),
});
const question: Reader<ExplainRequest> = (value, place) => {
  const members = questionMembers(value, place);
  return { ...members, action: required(members.action, `${place}.action`) };
};
export const explainRequest: Reader<Partial<ExplainCallRequest>> = structure({
  Requests: listOf(question, 1, 64),
});
