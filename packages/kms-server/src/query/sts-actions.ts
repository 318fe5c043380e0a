/**
 * The actions of STS.
 *
 * @module
 */
import type { TemporaryCredentials } from "@env/kms";
import {
  assumeRole,
  assumeRoleWithWebIdentity,
  sessionToken,
  type AssumedRole,
  type AssumeRoleInput,
} from "@env/kms/server";
import { reads, type Action, type Result } from "./action.ts";
import type { Form } from "./form.ts";

/** The action whose caller has a token of an identity provider, and does not sign. */
export const WITH_TOKEN = "AssumeRoleWithWebIdentity";

/** The parameters that say what a caller wants of a session. */
const SESSION = "RoleArn RoleSessionName DurationSeconds Policy PolicyArns";

export const stsActions: ReadonlyMap<string, Action> = new Map([
  [
    "GetCallerIdentity",
    // Nobody needs a permission for it, and nothing can deny it.
    reads("", ({ caller }) => ({
      Arn: caller.arn,
      UserId: caller.userId ?? caller.accountId,
      Account: caller.accountId,
    })),
  ],
  [
    "AssumeRole",
    reads(`${SESSION} Tags TransitiveTagKeys ExternalId SourceIdentity`, (call, form) => {
      const tags = { tags: form.tags(), transitiveTags: form.list("TransitiveTagKeys") };
      const others = {
        externalId: form.get("ExternalId"),
        sourceIdentity: form.get("SourceIdentity"),
      };
      return assumed(assumeRole(call, { ...sessionOf(form), ...tags, ...others }));
    }),
  ],
  [
    WITH_TOKEN,
    reads(`${SESSION} WebIdentityToken`, (call, form) => {
      const { provider, subject, audience } = call.federated ?? {};
      return {
        ...assumed(assumeRoleWithWebIdentity(call, sessionOf(form))),
        Provider: provider,
        SubjectFromWebIdentityToken: subject,
        Audience: audience,
      };
    }),
  ],
  [
    "GetSessionToken",
    reads("DurationSeconds", (call, form) => ({
      Credentials: credentialsOf(sessionToken(call, form.integer("DurationSeconds"))),
    })),
  ],
]);

/** What a caller wants of a session. */
function sessionOf(form: Form): AssumeRoleInput {
  return {
    roleArn: form.required("RoleArn"),
    sessionName: form.required("RoleSessionName"),
    duration: form.integer("DurationSeconds"),
    policy: form.get("Policy"),
    policyArns: form.list("PolicyArns", ".arn"),
  };
}

function assumed({
  credentials,
  arn,
  assumedRoleId,
  packedPercent,
  sourceIdentity,
}: AssumedRole): Result {
  return {
    Credentials: credentialsOf(credentials),
    AssumedRoleUser: { AssumedRoleId: assumedRoleId, Arn: arn },
    PackedPolicySize: packedPercent === 0 ? undefined : packedPercent,
    SourceIdentity: sourceIdentity,
  };
}

function credentialsOf(credentials: TemporaryCredentials): Result {
  return {
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    SessionToken: credentials.sessionToken,
    Expiration: credentials.expiration,
  };
}
