/**
 * A process that appends to a log until it is killed: `appender.ts <path> <archive folder> <mode>`.
 * Prints the id of every record that it was answered for, once it is as safe as the mode promises.
 */
import { createSecretKey, randomUUID } from "node:crypto";
import { writeSync } from "node:fs";
import { AuditLog, type AuditOptions } from "../../../src/audit/log.ts";
import { Database } from "../../../src/store/database.ts";
import { RecordStore } from "../../../src/store/record-store.ts";

const [path = "", archive = "", mode = ""] = process.argv.slice(2);
const facts = {
  keystoreId: "11111111-2222-4333-8444-555555555555",
  accountId: "111122223333",
  region: "local",
};
const options: AuditOptions = {
  retention: { maxRecords: 300, archive },
  ...(mode === "batched" ? { durability: { maxDelayMs: 5, maxEvents: 50 } } : {}),
};
const root = createSecretKey(new Uint8Array(32).fill(7));
const database = await Database.open(path, { busyTimeout: 30_000 });
const store = new RecordStore(database, root, facts.keystoreId);
const log = new AuditLog(store, root, facts, options);

/** At once, and not when the event loop comes to it: what was acknowledged must be heard of. */
const acknowledge = (ids: readonly string[]): void => {
  for (const id of ids) writeSync(1, `${id}\n`);
};

async function append(change: boolean): Promise<string> {
  const eventId = randomUUID();
  const event = {
    eventId,
    time: Date.now(),
    operation: "Encrypt",
    principal: "arn:aws:iam::111122223333:root",
    accountId: facts.accountId,
    readOnly: !change,
    resources: [],
    parameters: { KeyId: "alias/app", EncryptionContext: { padding: "x".repeat(500) } },
    decisions: [],
  };
  if (change) await store.write(() => log.append(event));
  else await log.append(event);
  return eventId;
}

for (;;) {
  // Calls that share a transaction, some of which are changes.
  const ids = await Promise.all(Array.from({ length: 7 }, (_, i) => append(i % 3 === 0)));
  if (mode === "batched") await log.flush();
  acknowledge(ids);
}
