/** Keystores in folders that go away with the test. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { inject, onTestFinished } from "vitest";
import type { AuditRecord } from "../../src/audit/record.ts";
import { openFile } from "../../src/store/keystore-file.ts";
import type { OpenKeystore } from "../../src/store/open-keystore.ts";
import { isPostgresUrl } from "../../src/store/postgres/address.ts";
import { openInPostgres } from "../../src/store/keystore-database.ts";
import {
  createKeystore,
  type CreateKeystoreOptions,
  type Keystore,
  type KmsClient,
} from "../../src/index.ts";

export const PASSPHRASE = { passphrase: "correct horse", scryptN: 2 ** 15 };
export const ROOT = "arn:aws:iam::000000000000:root";
export const NOWHERE = "00000000-0000-4000-8000-000000000000";

/** Where a keystore is, and its root key. */
export interface Place {
  readonly path: string;
  readonly root: { readonly keyFile: string };
}

/** Whether keystores are files in this run: some tests look into them, or change them past the store. */
export const onFiles: boolean = inject("keystoreDatabase") === undefined;

/** The store of a keystore, past its operations. */
export function openPlace({ path, root }: Place): Promise<OpenKeystore> {
  return isPostgresUrl(path) ? openInPostgres(path, { root }) : openFile(path, { root });
}

/** Where a new keystore goes: a file, or PostgreSQL in the project whose tests are about that. */
export function tempPlace(): Place {
  const path = tempPath();
  const root = { keyFile: `${path}.key` };
  const url = inject("keystoreDatabase");
  if (url === undefined) return { path, root };
  return { path: `${url}?schema=test_${randomUUID().replaceAll("-", "")}`, root };
}

export function tempPath(): string {
  return join(tempFolder(), "test.kms");
}

/** A new keystore with a key file beside it, closed after the test. */
export async function tempKeystore(
  options: Partial<CreateKeystoreOptions> = {},
): Promise<{ path: string; keystore: Keystore; client: KmsClient; root: { keyFile: string } }> {
  const { path, root } = tempPlace();
  const keystore = await createKeystore(path, { root, ...options });
  onTestFinished(() => keystore.close());
  return { path, keystore, client: keystore.as(), root };
}

export async function newKey(client: KmsClient, alias?: string): Promise<string> {
  const { KeyMetadata } = await client.createKey();
  if (alias !== undefined) {
    await client.createAlias({ AliasName: alias, TargetKeyId: KeyMetadata.KeyId });
  }
  return KeyMetadata.KeyId;
}

/** `name: message` of a rejection. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  const { name, message } = await rejection(promise);
  return `${name}: ${message}`;
}

export function arn(keyId: string): string {
  return `arn:aws:kms:local:000000000000:key/${keyId}`;
}

/** One statement of a policy of IAM. */
export function allow(
  actions: string | readonly string[],
  more: { readonly Resource?: string; readonly Condition?: object } = {},
): object {
  return { Effect: "Allow", Action: actions, Resource: "*", ...more };
}

/** A policy document of these statements. */
export function document(...statements: readonly object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

/** A new user with one policy of these statements, and a client that acts as it. */
export async function newUser(
  keystore: Keystore,
  name: string,
  ...statements: readonly object[]
): Promise<KmsClient> {
  const user = `arn:aws:iam::000000000000:user/${name}`;
  const policies = statements.length === 0 ? [] : [{ name: "test", text: document(...statements) }];
  await keystore.iam.put({ arn: user, policies });
  return keystore.as(user);
}

/** The records of the audit log, oldest first. */
export async function auditRecords(keystore: Keystore): Promise<AuditRecord[]> {
  await keystore.audit.flush();
  const records: AuditRecord[] = [];
  for await (const { record } of keystore.audit.query()) records.push(record);
  return records;
}
