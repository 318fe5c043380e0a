/**
 * Writes the test vectors in `spec/vectors/audit`: logs, most of which somebody has been at.
 *
 * The mistake it stops: a verifier that agrees with itself. Rows are sealed and chained here by the
 * specification, with node:crypto and nothing of any package, and what a verifier owes is stated in
 * the cases. `--check` stops the other one: vectors that were edited by hand, or left behind by a change
 * of the cases.
 *
 *     node tools/gen-vectors/audit.ts            write
 *     node tools/gen-vectors/audit.ts --check    exit 1 where a file differs
 *
 * @module
 */
import { createCipheriv, createHash, createHmac } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

interface Row {
  readonly seq: number;
  readonly time: number;
  /** Hex. */
  readonly sealed: string;
}

interface Link {
  readonly sequence: number;
  /** Hex. */
  readonly digest: string;
}

interface Log {
  readonly base: Link;
  readonly last: Link;
  readonly rows: readonly Row[];
  /** The records' bytes as text, by number. */
  readonly records: Readonly<Record<string, string>>;
}

interface Vector {
  readonly spec: string;
  readonly comment: string;
  readonly rootKey: string;
  readonly keystoreId: string;
  /** Hex; `null`: there is none. */
  readonly head: string | null;
  readonly rows: readonly Row[];
  readonly anchor?: Link;
  /** What can be read of it. */
  readonly records: Readonly<Record<string, string>>;
  readonly problems: readonly (readonly [kind: string, first: number, last: number])[];
  readonly expectAnchor?: string;
}

const folder = new URL("../../spec/vectors/audit/", import.meta.url);

const ROOT = createHash("sha256").update("audit vectors: root key").digest();
const KEYSTORE = "6f1d2c3b-4a59-4687-b7a6-95c4d3e2f100";
const NOON = Date.UTC(2030, 0, 2, 12);
const ZERO: Link = { sequence: 0, digest: "00".repeat(32) };

const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
const ascii = (text: string): Buffer => Buffer.from(`${text}\0`, "latin1");
const keystore = Buffer.from(KEYSTORE.replaceAll("-", ""), "hex");
const expand = (key: Buffer, info: Buffer): Buffer =>
  createHmac("sha512", key).update(info).update(Buffer.of(1)).digest().subarray(0, 32);

// spec/audit-v1.md#sealing
function seal(seq: number, time: number, previous: string, record: string, root = ROOT): string {
  const salt = createHash("sha256").update(`salt ${seq} ${record}`).digest().subarray(0, 24);
  const header = Buffer.concat([Buffer.of(1), salt]);
  const key = expand(root, Buffer.concat([ascii("env/1/audit"), header]));
  const cipher = createCipheriv("aes-256-gcm", key, Buffer.alloc(12));
  cipher.setAAD(Buffer.concat([keystore, u64(time)]));
  const plaintext = Buffer.concat([u64(seq), Buffer.from(previous, "hex"), Buffer.from(record)]);
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return Buffer.concat([header, sealed]).toString("hex");
}

// spec/audit-v1.md#chain
function digest(seq: number, previous: string, record: string): string {
  const key = expand(ROOT, Buffer.concat([ascii("env/1/audit-chain"), keystore]));
  const mac = createHmac("sha256", key).update(u64(seq)).update(Buffer.from(previous, "hex"));
  return mac.update(record, "utf8").digest("hex");
}

// spec/audit-v1.md#head
function head({ base, last }: Pick<Log, "base" | "last">): string {
  return `${u64(base.sequence).toString("hex")}${base.digest}${u64(last.sequence).toString("hex")}${last.digest}`;
}

/** A record as small as it can be: members in their order, and one whose order is not obvious. */
function textOf(seq: number, name: string): string {
  const time = new Date(NOON + seq * 1000).toISOString();
  const context = '{"10":"ten","9":"nine","\u00e9":"\u00e9"}';
  return `{"additionalEventData":{"decisions":[]},"awsRegion":"local","errorCode":"none","eventID":"${seq}","eventName":"${name}","eventTime":"${time}","readOnly":true,"requestParameters":{"encryptionContext":${context}},"resources":[],"responseElements":null,"userIdentity":{"accountId":"111122223333","type":"Root"}}`;
}

/** Records `from` to `to` behind `base`. */
function log(base: Link, to: number, name: (seq: number) => string = () => "Decrypt"): Log {
  const rows: Row[] = [];
  const records: Record<string, string> = {};
  let { digest: previous } = base;
  for (let seq = base.sequence + 1; seq <= to; seq++) {
    const text = textOf(seq, name(seq));
    const time = NOON + seq * 1000;
    rows.push({ seq, time, sealed: seal(seq, time, previous, text) });
    records[seq] = text;
    previous = digest(seq, previous, text);
  }
  return { base, last: { sequence: to, digest: previous }, rows, records };
}

const six = log(ZERO, 6);
const three = log(ZERO, 3);
/** The same history until record 3, then another one. */
const fork = log(ZERO, 6, (seq) => (seq > 3 ? "Encrypt" : "Decrypt"));
const cut = log(three.last, 6);
const row = (seq: number, of: Log = six): Row => {
  const found = of.rows.find((one) => one.seq === seq);
  if (found === undefined) throw new Error(`there is no row ${seq}`);
  return found;
};
/** Rows 1 to 6 with some of them replaced; `undefined` removes one. */
const rows = (changed: Readonly<Record<string, Row | undefined>>): readonly Row[] =>
  six.rows.flatMap((one) => (one.seq in changed ? (changed[one.seq] ?? []) : [one]));
const flip = (hex: string, at: number): string => {
  const bytes = Buffer.from(hex, "hex");
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  return bytes.toString("hex");
};

interface Case {
  readonly comment: string;
  readonly spec?: string;
  readonly log?: Log;
  readonly head?: string | null;
  readonly rows?: readonly Row[];
  readonly anchor?: Link;
  readonly expectAnchor?: string;
  readonly problems?: Vector["problems"];
}

const cases: Readonly<Record<string, Case>> = {
  intact: { comment: "six records that nobody has been at" },
  empty: { comment: "no head and no row: an empty log", head: null, rows: [] },
  "empty-with-rows": {
    comment: "no head, but rows",
    head: null,
    rows: three.rows,
    problems: [["unexpected", 1, 3]],
  },
  "cut-by-retention": { comment: "it begins behind record 3", spec: "retention", log: cut },
  "cut-away-all": {
    comment: "retention has left nothing",
    spec: "retention",
    head: head({ base: six.last, last: six.last }),
    rows: [],
  },
  "removed-first": {
    comment: "no row 1",
    rows: rows({ 1: undefined }),
    problems: [["missing", 1, 1]],
  },
  "removed-middle": {
    comment: "no rows 3 and 4",
    rows: rows({ 3: undefined, 4: undefined }),
    problems: [["missing", 3, 4]],
  },
  "removed-tail": {
    comment: "no rows 5 and 6; the head has them",
    rows: rows({ 5: undefined, 6: undefined }),
    problems: [["missing", 5, 6]],
  },
  "removed-behind-cut": {
    comment: "it begins behind record 3, and row 4 is gone",
    log: cut,
    rows: cut.rows.slice(1),
    problems: [["missing", 4, 4]],
  },
  "flipped-salt": {
    comment: "one bit of row 3's salt",
    spec: "sealing",
    rows: rows({ 3: { ...row(3), sealed: flip(row(3).sealed, 5) } }),
    problems: [["altered", 3, 3]],
  },
  "flipped-record": {
    comment: "one bit of row 3's record",
    spec: "sealing",
    rows: rows({ 3: { ...row(3), sealed: flip(row(3).sealed, 120) } }),
    problems: [["altered", 3, 3]],
  },
  "flipped-tag": {
    comment: "one bit of row 3's tag",
    spec: "sealing",
    rows: rows({ 3: { ...row(3), sealed: flip(row(3).sealed, -1) } }),
    problems: [["altered", 3, 3]],
  },
  "version-2": {
    comment: "row 3 says that it is of version 2",
    spec: "sealing",
    rows: rows({ 3: { ...row(3), sealed: `02${row(3).sealed.slice(2)}` } }),
    problems: [["altered", 3, 3]],
  },
  "time-altered": {
    comment: "row 3 a millisecond later, in the clear",
    spec: "sealing",
    rows: rows({ 3: { ...row(3), time: row(3).time + 1 } }),
    problems: [["altered", 3, 3]],
  },
  "another-root-key": {
    comment: "row 3 was sealed under another root key",
    spec: "sealing",
    rows: rows({
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
    comment: "rows 2 and 5 have changed places",
    rows: rows({ 2: { ...row(5), seq: 2 }, 5: { ...row(2), seq: 5 } }),
    problems: [
      ["moved", 2, 2],
      ["moved", 5, 5],
    ],
  },
  doubled: {
    comment: "row 3 is record 2 once more",
    rows: rows({ 3: { ...row(2), seq: 3 } }),
    problems: [["moved", 3, 3]],
  },
  "moved-down": {
    comment: "record 4 is gone, and those behind it were moved down",
    rows: rows({ 4: { ...row(5), seq: 4 }, 5: { ...row(6), seq: 5 }, 6: undefined }),
    problems: [
      ["moved", 4, 5],
      ["missing", 6, 6],
    ],
  },
  "replaced-middle": {
    comment: "record 4 is that of another history: record 5 does not follow it",
    rows: rows({ 4: row(4, fork) }),
    problems: [["replaced", 4, 5]],
  },
  "replaced-last": {
    comment:
      "record 6 is that of another history, and opens: it follows neither record 5 nor is it in the head",
    rows: rows({ 6: row(6, fork) }),
    problems: [["replaced", 5, 6]],
  },
  "replaced-tail": {
    comment: "records 4 to 6 are those of another history: only the head knows",
    rows: rows({ 4: row(4, fork), 5: row(5, fork), 6: row(6, fork) }),
    problems: [["replaced", 6, 6]],
  },
  "replaced-first-behind-cut": {
    comment: "record 4, the first behind the cut, follows another record 3",
    log: cut,
    rows: [
      { ...row(4, cut), sealed: seal(4, row(4, cut).time, "11".repeat(32), textOf(4, "Decrypt")) },
      ...cut.rows.slice(1),
    ],
    problems: [["replaced", 4, 5]],
  },
  "added-behind": {
    comment: "a row 7 that the head does not have, though it is well sealed",
    rows: [...six.rows, row(7, log(ZERO, 7))],
    problems: [["unexpected", 7, 7]],
  },
  "put-back-before-cut": {
    comment: "rows 2 and 3 were cut off, and are there again",
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
    comment: "the anchor is the last record that was cut off",
    log: cut,
    anchor: three.last,
    expectAnchor: "confirmed",
  },
  "anchor-cut-off": {
    comment: "the anchor is record 2, which is in an archive",
    log: cut,
    anchor: log(ZERO, 2).last,
    expectAnchor: "cut off",
  },
  "anchor-of-another-history": {
    comment: "the whole file was put back, and went on from record 3",
    log: fork,
    anchor: log(ZERO, 5).last,
    expectAnchor: "contradicted",
    problems: [["anchor", 5, 5]],
  },
  "anchor-behind-the-end": {
    comment: "the whole file was put back to when it had three records",
    log: three,
    anchor: log(ZERO, 5).last,
    expectAnchor: "contradicted",
    problems: [["anchor", 5, 5]],
  },
};

/** What opens under its own number: its text. */
function readable(all: readonly Row[]): Record<string, string> {
  const known = [six, cut, fork, log(ZERO, 7)].flatMap((one) =>
    one.rows.map(
      ({ seq, time, sealed }) => [`${seq} ${time} ${sealed}`, one.records[seq]] as const,
    ),
  );
  const texts = new Map(known);
  return Object.fromEntries(
    all.flatMap(({ seq, time, sealed }) => {
      const text = texts.get(`${seq} ${time} ${sealed}`);
      return text === undefined ? [] : [[seq, text]];
    }),
  );
}

function toVector(one: Case): Vector {
  const whole = one.log ?? six;
  const all = one.rows ?? whole.rows;
  const problems = one.problems ?? [];
  const section = problems.length === 0 && one.anchor === undefined ? "chain" : "verification";
  return {
    spec: `audit-v1.md#${one.spec ?? section}`,
    comment: one.comment,
    rootKey: ROOT.toString("hex"),
    keystoreId: KEYSTORE,
    head: one.head === undefined ? head(whole) : one.head,
    rows: all,
    ...(one.anchor === undefined ? {} : { anchor: one.anchor }),
    records: readable(all),
    problems,
    ...(one.expectAnchor === undefined ? {} : { expectAnchor: one.expectAnchor }),
  };
}

/** ASCII, as all vectors are. */
function toJson(vector: Vector): string {
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${JSON.stringify(vector, null, 2).replaceAll(/[\u007f-\uffff]/g, escape)}\n`;
}

function current(name: string): string | undefined {
  try {
    return readFileSync(new URL(name, folder), "utf8");
  } catch {
    return undefined;
  }
}

function main(args: readonly string[]): number {
  const check = args.includes("--check");
  mkdirSync(folder, { recursive: true });
  const files = new Map<string, string | undefined>(
    readdirSync(folder).map((name) => [name, undefined]),
  );
  for (const [name, one] of Object.entries(cases)) files.set(`${name}.json`, toJson(toVector(one)));
  const stale = [...files].filter(([name, text]) => current(name) !== text);
  for (const [name, text] of stale) {
    const what = check ? "differs" : text === undefined ? "removed" : "written";
    console.log(`${what}: spec/vectors/audit/${name}`);
    if (check) continue;
    if (text === undefined) rmSync(new URL(name, folder));
    else writeFileSync(new URL(name, folder), text);
  }
  console.log(`vectors: audit ${Object.keys(cases).length}`);
  if (check && stale.length > 0) {
    console.log("run node tools/gen-vectors/audit.ts and review what changed");
    return 1;
  }
  return 0;
}

process.exitCode = main(process.argv.slice(2));
