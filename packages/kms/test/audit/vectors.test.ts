/** Logs that were made from the specification by other code: what it says of them has to be found. */
import { createSecretKey } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { AuditLog } from "../../src/audit/log.ts";
import type { AuditAnchor } from "../../src/audit/verify.ts";
import { canonicalJson } from "../../src/audit/canonical.ts";
import { Chain } from "../../src/audit/chain.ts";
import { Database } from "../../src/store/database.ts";
import { Store } from "../../src/store/store.ts";
import { tempFolder } from "./support/log.ts";

interface Vector {
  readonly rootKey: string;
  readonly keystoreId: string;
  readonly head: string | null;
  readonly rows: readonly {
    readonly seq: number;
    readonly time: number;
    readonly sealed: string;
  }[];
  readonly anchor?: AuditAnchor;
  readonly records: Readonly<Record<string, string>>;
  readonly problems: readonly (readonly [string, number, number])[];
  readonly expectAnchor?: string;
}

const folder = join(import.meta.dirname, "../../../../spec/vectors/audit");
const hex = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "hex"));

it.each(readdirSync(folder))("%s", async (name) => {
  const vector: Vector = JSON.parse(readFileSync(join(folder, name), "utf8"));
  const { keystoreId, rows, anchor } = vector;
  const root = createSecretKey(hex(vector.rootKey));
  const path = join(tempFolder(), "test.kms");
  Database.create(path, { busyTimeout: 0 }, (database) => {
    database.prepare("INSERT INTO descriptor (id, facts, root) VALUES (1, '', x'')").run();
    new Store(database, root, keystoreId).create("descriptor");
    const insert = database.prepare("INSERT INTO audit (seq, time, sealed) VALUES (?, ?, ?)");
    for (const { seq, time, sealed } of rows) insert.run(seq, time, hex(sealed));
  });
  const database = await Database.open(path, { busyTimeout: 0 });
  onTestFinished(() => database.close());
  const store = new Store(database, root, keystoreId);
  const { head } = vector;
  if (head !== null) await store.write(() => store.setHead("audit", hex(head)));

  const log = new AuditLog(store, root, { keystoreId, accountId: "111122223333", region: "local" });
  const report = await log.verify(anchor === undefined ? {} : { anchor });
  expect(report.problems.map(({ kind, first, last }) => [kind, first, last])).toEqual(
    vector.problems,
  );
  expect(report.intact).toBe(vector.problems.length === 0);
  expect(report.anchor).toBe(vector.expectAnchor);

  const chain = new Chain(root, keystoreId);
  const found = rows.flatMap(({ seq, time, sealed }) => {
    const opened = chain.open({ sequence: seq, time, sealed: hex(sealed) });
    return typeof opened === "object" ? [[seq, Buffer.from(opened.record).toString()]] : [];
  });
  // A record whose link is wrong is readable, but is none that the vector vouches for.
  expect(Object.fromEntries(found)).toMatchObject(vector.records);
  for (const text of Object.values(vector.records))
    expect(canonicalJson(JSON.parse(text))).toBe(text);
});
