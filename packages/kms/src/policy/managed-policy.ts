/**
 * The key policy of an AWS managed key: principals of the account use the key through the service it
 * belongs to, and look at it directly. Nobody may change it.
 *
 * Source: "AWS managed keys" in the AWS KMS developer guide; the second statement is worded after those
 * of several services. spec/authorization.md#managed-key-policies
 *
 * @module
 */

export interface ManagedService {
  /** The service's name in `alias/aws/<name>`. */
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  /** What `kms:ViaService` says when the service calls: `s3.eu-west-1.amazonaws.com`. */
  readonly via: string;
}

/** @param accountId - Twelve digits. */
export function managedKeyPolicy({ name, title, via }: ManagedService, accountId: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Id: `auto-${name}-1`,
    Statement: [
      {
        Sid: `Allow access through ${title} for all principals in the account that are authorized to use ${title}`,
        Effect: "Allow",
        Principal: { AWS: "*" },
        Action: [
          "kms:Encrypt",
          "kms:Decrypt",
          "kms:ReEncrypt*",
          "kms:GenerateDataKey*",
          "kms:CreateGrant",
          "kms:DescribeKey",
        ],
        Resource: "*",
        Condition: { StringEquals: { "kms:CallerAccount": accountId, "kms:ViaService": via } },
      },
      {
        Sid: "Allow direct access to key metadata to the account",
        Effect: "Allow",
        Principal: { AWS: `arn:aws:iam::${accountId}:root` },
        Action: ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
        Resource: "*",
      },
    ],
  });
}
