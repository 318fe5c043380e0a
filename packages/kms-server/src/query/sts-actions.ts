/**
 * The actions of STS.
 *
 * @module
 */
import type { TemporaryCredentials } from "@env/kms";
import { assumeRole, sessionToken } from "@env/kms/server";
import { reads, type Action, type Result } from "./action.ts";

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
      const { credentials, arn, assumedRoleId, packedPercent } = assumeRole(call, {
        roleArn: form.required("RoleArn"),
        sessionName: form.required("RoleSessionName"),
        duration: form.integer("DurationSeconds"),
        policy: form.get("Policy"),
        tags: form.tags(),
        externalId: form.get("ExternalId"),
      });
      return {
        Credentials: credentialsOf(credentials),
        AssumedRoleUser: { AssumedRoleId: assumedRoleId, Arn: arn },
        PackedPolicySize: packedPercent === 0 ? undefined : packedPercent,
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

function credentialsOf(credentials: TemporaryCredentials): Result {
  return {
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    SessionToken: credentials.sessionToken,
    Expiration: credentials.expiration,
  };
}
