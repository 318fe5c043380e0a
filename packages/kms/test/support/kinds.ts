/** CMKs of every kind, and policies that turn on one condition key. */
import type { KmsClient } from "../../src/index.ts";
import { refusal } from "./keystore.ts";

export const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill);

export async function keyOf(
  client: KmsClient,
  KeySpec: string,
  KeyUsage: string,
  Policy?: string,
): Promise<string> {
  const { KeyMetadata } = await client.createKey({ KeySpec, KeyUsage, Policy });
  return KeyMetadata.KeyId;
}

/** The account may do everything, but nobody `action` where a condition key has that value. */
export function denying(action: string, key: string, value: string): string {
  const Resource = "*";
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { AWS: "arn:aws:iam::000000000000:root" },
        Action: "kms:*",
        Resource,
      },
      {
        Sid: "no",
        Effect: "Deny",
        Principal: "*",
        Action: `kms:${action}`,
        Resource,
        Condition: { StringEquals: { [key]: value } },
      },
    ],
  });
}

/** What a call says about a key in each state that is not Enabled. */
export async function refusalsByState(
  client: KmsClient,
  KeyId: string,
  call: () => Promise<unknown>,
): Promise<readonly string[]> {
  await client.disableKey({ KeyId });
  const disabled = await refusal(call());
  await client.enableKey({ KeyId });
  await client.scheduleKeyDeletion({ KeyId });
  const pending = await refusal(call());
  await client.cancelKeyDeletion({ KeyId });
  await client.enableKey({ KeyId });
  return [disabled, pending];
}
