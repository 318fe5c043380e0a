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
    reads("RoleArn RoleSessionName DurationSeconds Policy Tags ExternalId", (call, form) => {
      const more = { tags: form.tags(), externalId: form.get("ExternalId") };
      return assumed(assumeRole(call, { ...sessionOf(form), ...more }));
    }),
  ],
  [
    WITH_TOKEN,
    reads("RoleArn RoleSessionName WebIdentityToken DurationSeconds Policy", (call, form) => {
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
  };
}

function assumed({ credentials, arn, assumedRoleId, packedPercent }: AssumedRole): Result {
  return {
    Credentials: credentialsOf(credentials),
    AssumedRoleUser: { AssumedRoleId: assumedRoleId, Arn: arn },
    PackedPolicySize: packedPercent === 0 ? undefined : packedPercent,
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
