/**
 * The key policy of a key that was created without one: the account decides, by policies of IAM.
 *
 * Source: the default key policy in the AWS KMS developer guide; spec/authorization.md#default-key-policy
 *
 * @module
 */

/** @param accountId - Twelve digits. */
export function defaultKeyPolicy(accountId: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Id: "key-default-1",
    Statement: [
      {
        Sid: "Enable IAM User Permissions",
        Effect: "Allow",
        Principal: { AWS: `arn:aws:iam::${accountId}:root` },
        Action: "kms:*",
        Resource: "*",
      },
    ],
  });
}
