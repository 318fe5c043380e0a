/**
 * Logs that somebody has tampered with, and what a verifier has to find in each. The expectations are stated
 * by hand, and the logs are made from the specification by other code.
 */
import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { expect, it, onTestFinished } from "vitest";
import { canonicalJson } from "../../src/audit/canonical.ts";
import { Chain } from "../../src/audit/chain.ts";
import { AuditLog } from "../../src/audit/log.ts";
import { Database } from "../../src/store/database.ts";
import { RecordStore } from "../../src/store/record-store.ts";
import {
  head,
  KEYSTORE,
  log,
  ROOT,
  seal,
  textOf,
  ZERO,
  type Link,
  type Log,
  type Row,
} from "./support/sealing.ts";

const six = log(ZERO, 6);
const three = log(ZERO, 3);
/** The same history up to record 3, and another one after it. */
const fork = log(ZERO, 6, (seq) => (seq > 3 ? "Encrypt" : "Decrypt"));
const cut = log(three.last, 6);
const row = (seq: number, of: Log = six): Row => {
  const found = of.rows.find((one) => one.seq === seq);
  if (found === undefined) throw new Error(`there is no row ${seq}`);
  return found;
};
/** Rows 1 to 6 with some of them replaced; `undefined` removes one. */
const altered = (changed: Readonly<Record<string, Row | undefined>>): readonly Row[] =>
  six.rows.flatMap((one) => (one.seq in changed ? (changed[one.seq] ?? []) : [one]));
const flip = (hex: string, at: number): string => {
  const bytes = Buffer.from(hex, "hex");
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  return bytes.toString("hex");
};

interface Case {
  readonly comment: string;
  /** The log that was attacked; if absent, the one of six records. */
  readonly log?: Log;
  /** Hex, in place of the log's own; `null`: there is none. */
  readonly head?: string | null;
  /** Rows in place of the log's own. */
  readonly rows?: readonly Row[];
  readonly anchor?: Link;
  readonly expectAnchor?: string;
  /** What a verifier has to find; if absent, nothing. */
  readonly problems?: readonly (readonly [kind: string, first: number, last: number])[];
}

const cases: Readonly<Record<string, Case>> = {
  intact: { comment: "six records that nobody has touched" },
  empty: { comment: "a log with neither head nor rows is empty", head: null, rows: [] },
  "empty-with-rows": {
    comment: "there are rows but no head",
    head: null,
    rows: three.rows,
    problems: [["unexpected", 1, 3]],
  },
  "cut-by-retention": { comment: "the log begins after record 3", log: cut },
  "cut-away-all": {
    comment: "retention has removed every record",
    head: head({ base: six.last, last: six.last }),
    rows: [],
  },
  "removed-first": {
    comment: "row 1 is missing",
    rows: altered({ 1: undefined }),
    problems: [["missing", 1, 1]],
  },
  "removed-middle": {
    comment: "rows 3 and 4 are missing",
    rows: altered({ 3: undefined, 4: undefined }),
    problems: [["missing", 3, 4]],
  },
  "removed-tail": {
    comment: "rows 5 and 6 are missing, and the head includes them",
    rows: altered({ 5: undefined, 6: undefined }),
    problems: [["missing", 5, 6]],
  },
  "removed-behind-cut": {
    comment: "the log begins after record 3, and row 4 is missing",
    log: cut,
    rows: cut.rows.slice(1),
    problems: [["missing", 4, 4]],
  },
  "flipped-salt": {
    comment: "one bit of the salt of row 3 is flipped",
    rows: altered({ 3: { ...row(3), sealed: flip(row(3).sealed, 5) } }),
    problems: [["altered", 3, 3]],
  },
  "flipped-record": {
    comment: "one bit of the record in row 3 is flipped",
    rows: altered({ 3: { ...row(3), sealed: flip(row(3).sealed, 120) } }),
    problems: [["altered", 3, 3]],
  },
  "flipped-tag": {
    comment: "one bit of the tag of row 3 is flipped",
    rows: altered({ 3: { ...row(3), sealed: flip(row(3).sealed, -1) } }),
    problems: [["altered", 3, 3]],
  },
  "version-2": {
    comment: "row 3 says that its version is 2",
    rows: altered({ 3: { ...row(3), sealed: `02${row(3).sealed.slice(2)}` } }),
    problems: [["altered", 3, 3]],
  },
  "time-altered": {
    comment: "the unencrypted time of row 3 is a millisecond later",
    rows: altered({ 3: { ...row(3), time: row(3).time + 1 } }),
    problems: [["altered", 3, 3]],
  },
  "another-root-key": {
    comment: "row 3 is sealed under another root key",
    rows: altered({
      3: {
        ...row(3),
        sealed: seal(
          3,
          row(3).time,
          log(ZERO, 2).last.digest,
          textOf(3, "Decrypt"),
          Buffer.alloc(32, 1),
        ),
      },
    }),
    problems: [["altered", 3, 3]],
  },
  exchanged: {
    comment: "rows 2 and 5 have swapped places",
    rows: altered({ 2: { ...row(5), seq: 2 }, 5: { ...row(2), seq: 5 } }),
    problems: [
      ["moved", 2, 2],
      ["moved", 5, 5],
    ],
  },
  doubled: {
    comment: "row 3 repeats record 2",
    rows: altered({ 3: { ...row(2), seq: 3 } }),
    problems: [["moved", 3, 3]],
  },
  "moved-down": {
    comment: "record 4 is missing, and the later records have moved down",
    rows: altered({ 4: { ...row(5), seq: 4 }, 5: { ...row(6), seq: 5 }, 6: undefined }),
    problems: [
      ["moved", 4, 5],
      ["missing", 6, 6],
    ],
  },
  "replaced-middle": {
    comment: "record 4 comes from another history, so record 5 does not follow it",
    rows: altered({ 4: row(4, fork) }),
    problems: [["replaced", 4, 5]],
  },
  "replaced-last": {
    comment:
      "record 6 comes from another history: it opens, but follows neither record 5 nor agrees with the head",
    rows: altered({ 6: row(6, fork) }),
    problems: [["replaced", 5, 6]],
  },
  "replaced-tail": {
    comment: "records 4 to 6 come from another history, which only the head shows",
    rows: altered({ 4: row(4, fork), 5: row(5, fork), 6: row(6, fork) }),
    problems: [["replaced", 6, 6]],
  },
  "replaced-first-behind-cut": {
    comment: "record 4, the first that retention kept, follows another record 3",
    log: cut,
    rows: [
      { ...row(4, cut), sealed: seal(4, row(4, cut).time, "11".repeat(32), textOf(4, "Decrypt")) },
      ...cut.rows.slice(1),
    ],
    problems: [["replaced", 4, 5]],
  },
  "added-behind": {
    comment: "row 7 is sealed correctly, but the head does not include it",
    rows: [...six.rows, row(7, log(ZERO, 7))],
    problems: [["unexpected", 7, 7]],
  },
  "put-back-before-cut": {
    comment: "rows 2 and 3, which retention removed, are back",
    log: cut,
    rows: [row(2), row(3), ...cut.rows],
    problems: [["unexpected", 2, 3]],
  },
  "anchor-confirmed": {
    comment: "the anchor is record 4",
    anchor: log(ZERO, 4).last,
    expectAnchor: "confirmed",
  },
  "anchor-at-cut": {
    comment: "the anchor is the last record that retention removed",
    log: cut,
    anchor: three.last,
    expectAnchor: "confirmed",
  },
  "anchor-cut-off": {
    comment: "the anchor is record 2, which retention removed",
    log: cut,
    anchor: log(ZERO, 2).last,
    expectAnchor: "cut off",
  },
  "anchor-of-another-history": {
    comment: "an older copy of the file was restored, and continued from record 3",
    log: fork,
    anchor: log(ZERO, 5).last,
    expectAnchor: "contradicted",
    problems: [["anchor", 5, 5]],
  },
  "anchor-behind-the-end": {
    comment: "a copy of the file with three records was restored",
    log: three,
    anchor: log(ZERO, 5).last,
    expectAnchor: "contradicted",
    problems: [["anchor", 5, 5]],
  },
};

const hex = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "hex"));
const root = createSecretKey(ROOT);
const facts = { keystoreId: KEYSTORE, accountId: "111122223333", region: "local" };

/** A log over a file that holds these rows and this head. */
async function open(rows: readonly Row[], end: string | null): Promise<AuditLog> {
  const path = join(tempFolder(), "test.kms");
  Database.create(path, { busyTimeout: 0 }, (database) => {
    database.prepare("INSERT INTO descriptor (id, facts, root) VALUES (1, '', x'')").run();
    new RecordStore(database, root, KEYSTORE).create("descriptor");
    const insert = database.prepare("INSERT INTO audit (seq, time, sealed) VALUES (?, ?, ?)");
    for (const { seq, time, sealed } of rows) insert.run(seq, time, hex(sealed));
  });
  const database = await Database.open(path, { busyTimeout: 0 });
  onTestFinished(() => database.close());
  const store = new RecordStore(database, root, KEYSTORE);
  if (end !== null) await store.write(() => store.setHead("audit", 0, hex(end)));
  return new AuditLog(store, root, facts);
}

const titled = Object.entries(cases).map(
  ([name, one]) => [`${name}: ${one.comment}`, one] as const,
);

it.each(titled)("%s", async (_title, one) => {
  const { log: whole = six, anchor, problems = [] } = one;
  const { rows: all = whole.rows, head: end = head(whole) } = one;
  const report = await (await open(all, end)).verify(anchor === undefined ? {} : { anchor });
  expect(report.problems.map(({ kind, first, last }) => [kind, first, last])).toEqual(problems);
  expect(report.intact).toBe(problems.length === 0);
  expect(report.anchor).toBe(one.expectAnchor);
});

it("opens the records of a log that other code has sealed, and writes them the same way", () => {
  const chain = new Chain(root, KEYSTORE);
  for (const { rows: all, records } of [six, cut, fork]) {
    const opened = all.map(({ seq, time, sealed }) => {
      const one = chain.open({ sequence: seq, time, sealed: hex(sealed) });
      if (typeof one !== "object") throw new Error(`record ${seq} does not open`);
      return [seq, Buffer.from(one.record).toString()] as const;
    });
    expect(Object.fromEntries(opened)).toEqual(records);
    for (const [, text] of opened) expect(canonicalJson(JSON.parse(text))).toBe(text);
  }
});

it("reads the log in the specification byte for byte", () => {
  const file = join(import.meta.dirname, "../../../../spec/vectors/audit/log.json");
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
    spec: "audit-v1.md#chain",
    comment: "six records",
    rootKey: ROOT.toString("hex"),
    keystoreId: KEYSTORE,
    head: head(six),
    rows: six.rows,
    records: six.records,
  });
});
