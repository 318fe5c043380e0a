/** Logs over files that go away with the test, and events to put into them. */
import { createSecretKey, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { tempFolder } from "@env/testkit/folder";
import { onTestFinished } from "vitest";
import type { AuditEvent } from "../../../src/audit/event.ts";
import { AuditLog, type AuditOptions } from "../../../src/audit/log.ts";
import { Database } from "../../../src/store/database.ts";
import { RecordStore } from "../../../src/store/record-store.ts";

export const FACTS = {
  keystoreId: "11111111-2222-4333-8444-555555555555",
  accountId: "111122223333",
  region: "local",
};
export const KEY = "arn:aws:kms:local:111122223333:key/0a0b0c0d-1111-4222-8333-444455556666";
export const ALICE = "arn:aws:iam::111122223333:user/alice";
export const NOON: number = Date.UTC(2030, 0, 2, 12);

export function rootKey(byte = 7): KeyObject {
  return createSecretKey(new Uint8Array(32).fill(byte));
}

export function event(members: Partial<AuditEvent> = {}): AuditEvent {
  return {
    time: NOON,
    operation: "Decrypt",
    principal: ALICE,
    accountId: "111122223333",
    readOnly: true,
    resources: [KEY],
    parameters: { KeyId: KEY, EncryptionAlgorithm: "SYMMETRIC_DEFAULT" },
    decisions: [{ action: "kms:Decrypt", resource: KEY, allowed: true, because: "key-policy" }],
    ...members,
  };
}

/** A log in a file of its own, and ways to look behind it. */
export interface TestLog {
  readonly path: string;
  readonly store: RecordStore;
  readonly log: AuditLog;
  /** What whoever can write the file does to it. */
  readonly attack: (sql: string) => void;
  /** Transactions so far. */
  readonly commits: () => number;
  /** Lets the file grow by so many pages, and no further: a full disk. */
  readonly setRoom: (pages: number) => void;
  /** Closes the log and the file. */
  readonly close: () => void;
}

export function tempLog(options: AuditOptions = {}): Promise<TestLog> {
  const path = join(tempFolder(), "test.kms");
  Database.create(path, { busyTimeout: 5000 }, (database) => {
    database.prepare("INSERT INTO descriptor (id, facts, root) VALUES (1, '', x'')").run();
    new RecordStore(database, rootKey(), FACTS.keystoreId).create("descriptor");
  });
  return openLog(path, options);
}

/** Another connection to the file, as another process has it. */
export async function openLog(
  path: string,
  options: AuditOptions = {},
  busyTimeout = 5000,
): Promise<TestLog> {
  const database = await Database.open(path, { busyTimeout });
  const store = new RecordStore(database, rootKey(), FACTS.keystoreId);
  const log = new AuditLog(store, rootKey(), FACTS, options);
  const close = (): void => {
    log.close();
    database.close();
  };
  onTestFinished(() => {
    try {
      log.close();
    } catch {
      // A test may leave a log that cannot be written.
    }
    database.close();
  });
  const number = (sql: string): number =>
    Number(Object.values(database.prepare(sql).get() ?? {})[0]);
  return {
    path,
    store,
    log,
    attack: (sql) => attackFile(path, sql),
    commits: () => number("SELECT revision FROM state"),
    setRoom: (pages) => {
      number(`PRAGMA max_page_count = ${number("PRAGMA page_count") + pages}`);
    },
    close,
  };
}

/** A log of records 1 to `count`, a second apart from noon on, opened after they were written. */
export async function filledLog(count: number, options: AuditOptions = {}): Promise<TestLog> {
  const { log, path, close } = await tempLog();
  await fill(log, count);
  close();
  return openLog(path, options);
}

export async function fill(log: AuditLog, count: number, from = 0): Promise<void> {
  const events = Array.from({ length: count }, (_, i) =>
    event({ time: NOON + (from + i) * 1000, operation: `Operation${from + i + 1}` }),
  );
  await Promise.all(appendAll(log, events));
}

/** Appends all of them at the same time. */
export function appendAll(log: AuditLog, events: readonly AuditEvent[]): readonly Promise<void>[] {
  return events.map(async (one) => log.append(one));
}

function attackFile(path: string, sql: string): void {
  const db = new DatabaseSync(path, { timeout: 5000 });
  db.exec(sql);
  db.close();
}
