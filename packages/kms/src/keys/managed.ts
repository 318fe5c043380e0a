/**
 * AWS managed keys: one per service, under `alias/aws/<service>`, made when it is first used or
 * described. Nobody can edit or delete them: their policy allows no one to.
 *
 * A service is simulated: the program that opens the keystore says that a call comes through one.
 *
 * Source: "AWS managed keys" in the AWS KMS developer guide
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { Realm } from "../arn.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { DAY_MS } from "../store/store.ts";
import { newVersion } from "./lifecycle.ts";
import { managedKeyPolicy } from "../policy/managed-policy.ts";

interface Service {
  /** What its policy calls it. */
  readonly title: string;
  /** What the key protects by default. */
  readonly objects: string;
  /** The service that calls, where it is not the alias's name. */
  readonly via?: string;
}

/** The services, keyed by the name in the alias. */
const services: Readonly<Record<string, Service>> = {
  acm: { title: "ACM", objects: "ACM private keys" },
  dynamodb: { title: "DynamoDB", objects: "DynamoDB tables" },
  ebs: { title: "EBS", objects: "EBS volumes", via: "ec2" },
  elasticfilesystem: { title: "EFS", objects: "EFS file systems" },
  es: { title: "OpenSearch Service", objects: "OpenSearch Service domains" },
  glue: { title: "Glue", objects: "Glue data" },
  kinesisvideo: { title: "Kinesis Video Streams", objects: "Kinesis video streams" },
  lambda: { title: "Lambda", objects: "Lambda functions" },
  rds: { title: "RDS", objects: "RDS databases" },
  redshift: { title: "Redshift", objects: "Redshift clusters" },
  s3: { title: "S3", objects: "S3 objects" },
  secretsmanager: { title: "Secrets Manager", objects: "secrets in Secrets Manager" },
  ssm: { title: "SSM", objects: "SSM parameters" },
  xray: { title: "X-Ray", objects: "X-Ray data" },
};

const PREFIX = "alias/aws/";
const ROTATION_DAYS = 365;

/** Sorted. They are listed from the start, though the keys are not there yet. */
export const managedAliases: readonly string[] = Object.keys(services)
  .toSorted()
  .map((name) => PREFIX + name);

export function isManagedAlias(alias: string): boolean {
  return alias.startsWith(PREFIX) && Object.hasOwn(services, alias.slice(PREFIX.length));
}

/** A managed key as it will be: with everything but material, so that a policy can be asked about it. */
export function draftManagedKey(alias: string, realm: Realm, now: number): KeyRecord {
  const name = alias.slice(PREFIX.length);
  const service = services[name];
  if (service === undefined) throw new RangeError(`${alias} is not the alias of a managed key`);
  const { title, objects, via = name } = service;
  return {
    keyId: randomUUID(),
    region: realm.region,
    regions: undefined,
    created: now,
    description: `Default key that protects my ${objects} when no other key is defined`,
    keySpec: "SYMMETRIC_DEFAULT",
    keyUsage: "ENCRYPT_DECRYPT",
    origin: "AWS_KMS",
    manager: "AWS",
    enabled: true,
    deletion: undefined,
    policy: managedKeyPolicy({ name, title, via: viaService(via, realm) }, realm.accountId),
    aliases: [{ name: alias, created: now, updated: now }],
    tags: new Map(),
    grants: [],
    rotation: { periodInDays: ROTATION_DAYS, next: now + ROTATION_DAYS * DAY_MS },
    versions: [],
    pending: undefined,
  };
}

/** The draft with material: to be inserted. */
export function bornManagedKey(draft: KeyRecord): KeyRecord {
  return { ...draft, versions: [newVersion(draft.created, undefined)] };
}

/** What `kms:ViaService` says of a service. */
export function viaService(service: string, realm: Realm): string {
  return `${service}.${realm.region}.amazonaws.com`;
}
