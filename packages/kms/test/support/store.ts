/** The store of a keystore on a connection of its own, and an attacker's connection to the same file. */
import { randomUUID, type KeyObject } from "node:crypto";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { onTestFinished } from "vitest";
import { Database } from "../../src/store/database.ts";
import { openDescriptor } from "../../src/store/descriptor.ts";
import { createKeystore } from "../../src/index.ts";
import type { KeyRecord } from "../../src/store/key-record.ts";
import { sourceKey } from "../../src/store/root-key.ts";
import { random, secretKey } from "../../src/material/seal.ts";
import { RecordStore } from "../../src/store/record-store.ts";
import { tempPath } from "./keystore.ts";

export interface OpenStore {
  readonly path: string;
  readonly database: Database;
  readonly store: RecordStore;
  readonly root: KeyObject;
  readonly keystoreId: string;
}

/** A store over a new file. */
export async function tempStore(): Promise<OpenStore> {
  const path = tempPath();
  const keystore = await createKeystore(path, { root: { keyFile: `${path}.key` } });
  keystore.close();
  return openStore(path);
}

/** Another connection to a keystore whose key file lies beside it. */
export async function openStore(path: string): Promise<OpenStore> {
  const database = await Database.open(path, { busyTimeout: 10_000 });
  onTestFinished(() => database.close());
  const row = database.prepare("SELECT facts, root FROM descriptor").get();
  const facts = String(row?.["facts"]);
  const { keystoreId } = JSON.parse(facts) as { keystoreId: string };
  const source = await sourceKey({ keyFile: `${path}.key` }, { kind: "key-file" }, keystoreId);
  const root = openDescriptor({ facts, root: new Uint8Array(bytesOf(row?.["root"])) }, source);
  if (root === undefined) throw new Error("the root key does not open");
  return { path, database, root, keystoreId, store: new RecordStore(database, root, keystoreId) };
}

export function keyRecord(change: Partial<KeyRecord> = {}): KeyRecord {
  return {
    keyId: randomUUID(),
    region: "local",
    regions: undefined,
    created: 1,
    description: "",
    keySpec: "SYMMETRIC_DEFAULT",
    keyUsage: "ENCRYPT_DECRYPT",
    origin: "AWS_KMS",
    manager: "CUSTOMER",
    enabled: true,
    deletion: undefined,
    policy: "{}",
    aliases: [],
    tags: new Map(),
    grants: [],
    rotation: undefined,
    versions: [
      { created: 1, rotation: undefined, material: secretKey(random(32)), imported: undefined },
    ],
    pending: undefined,
    ...change,
  };
}

export function withAliases(...names: readonly string[]): Pick<KeyRecord, "aliases"> {
  return { aliases: names.map((name) => ({ name, created: 1, updated: 1 })) };
}

/** Runs SQL as another program would, past our code and past the constraints of the tables. */
export function attack(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA ignore_check_constraints = ON; ${sql}`);
  } finally {
    db.close();
  }
}

type Rows = readonly Record<string, SQLOutputValue>[];

/** Copies of tables, to be put back later. */
export function copyOf(path: string, ...tables: readonly string[]): ReadonlyMap<string, Rows> {
  const db = new DatabaseSync(path);
  try {
    return new Map(tables.map((table) => [table, db.prepare(`SELECT * FROM ${table}`).all()]));
  } finally {
    db.close();
  }
}

/** Puts a copy's rows back in the place of those that are there; only those that `wanted` picks. */
export function putBack(
  path: string,
  copy: ReadonlyMap<string, Rows>,
  wanted: (table: string, row: Record<string, SQLOutputValue>) => boolean = () => true,
): void {
  const db = new DatabaseSync(path);
  try {
    db.exec("BEGIN");
    for (const [table, rows] of copy) {
      for (const row of rows.filter((one) => wanted(table, one))) {
        const columns = Object.keys(row);
        db.prepare(
          `INSERT OR REPLACE INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
        ).run(...Object.values(row));
      }
    }
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}

/** SQL's way to write a key's id. */
export function uuid(keyId: string): string {
  return `x'${keyId.replaceAll("-", "")}'`;
}

function bytesOf(value: SQLOutputValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError("the column holds no bytes");
}
