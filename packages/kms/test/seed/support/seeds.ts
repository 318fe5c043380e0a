/** Seeds, and what comes of them. */
import { parseSeed, type Keystore, type SeedDocument, type SeedPlan } from "../../../src/index.ts";

export const KEY = "00000000-0000-4000-8000-000000000001";
export const OTHER = "00000000-0000-4000-8000-000000000002";
export const MULTI = `mrk-${"0".repeat(31)}3`;
export const ALICE = "arn:aws:iam::000000000000:user/alice";
export const ROLE = "arn:aws:iam::000000000000:role/app";
export const GROUP = "arn:aws:iam::000000000000:group/developers";

/** A policy of a key that lets one principal do one thing. */
export function keyPolicy(action: string, principal = ALICE): object {
  return {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { AWS: principal }, Action: action, Resource: "*" }],
  };
}

export function identityPolicy(action: string): object {
  return {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: action, Resource: "*" }],
  };
}

export function arnIn(region: string, keyId: string): string {
  return `arn:aws:kms:${region}:000000000000:key/${keyId}`;
}

/** Something of everything. */
export const EVERYTHING: SeedDocument = {
  version: 1,
  keys: [
    {
      keyId: KEY,
      description: "orders",
      rotation: { periodInDays: 90 },
      policy: keyPolicy("kms:Decrypt"),
      tags: { team: "a", stage: "test" },
      aliases: ["alias/orders", "alias/orders-old"],
    },
    {
      keyId: MULTI,
      multiRegion: true,
      enabled: false,
      replicas: [{ region: "eu-1", description: "there", aliases: ["alias/orders"] }],
    },
    { keyId: OTHER, keySpec: "HMAC_256", keyUsage: "GENERATE_VERIFY_MAC", aliases: ["alias/mac"] },
    { keyId: "00000000-0000-4000-8000-000000000004", origin: "EXTERNAL" },
  ],
  principals: [
    {
      arn: ALICE,
      tags: { level: "7" },
      policies: { read: identityPolicy("kms:Decrypt") },
      boundary: { name: "limit", policy: identityPolicy("kms:*") },
      groups: [GROUP],
    },
    { arn: GROUP, policies: { all: identityPolicy("kms:*") } },
    { arn: ROLE },
  ],
};

export function seedOf(
  keys: SeedDocument["keys"],
  principals?: SeedDocument["principals"],
): unknown {
  return { version: 1, keys, ...(principals === undefined ? {} : { principals }) };
}

export async function apply(keystore: Keystore, seed: unknown, prune = false): Promise<SeedPlan> {
  return keystore.seeding.apply(await keystore.seeding.plan(parseSeed(seed), { prune }));
}

/** `update 0000…` for each step that is one. */
export function actions({ steps }: SeedPlan): string[] {
  return steps.map(({ action, record }) => `${action} ${record}`);
}
