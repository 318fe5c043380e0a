/**
 * Audit logs as the specification has them, made with node:crypto and nothing of the sources.
 *
 * The mistake it stops: a verifier that agrees with itself.
 *
 * Source: spec/audit-v1.md
 *
 * @module
 */
import { createCipheriv, createHash, createHmac } from "node:crypto";

export interface Row {
  readonly seq: number;
  readonly time: number;
  /** Hex. */
  readonly sealed: string;
}

export interface Link {
  readonly sequence: number;
  /** Hex. */
  readonly digest: string;
}

export interface Log {
  readonly base: Link;
  readonly last: Link;
  readonly rows: readonly Row[];
  /** The records' bytes as text, by number. */
  readonly records: Readonly<Record<number, string>>;
}

export const ROOT = createHash("sha256").update("audit vectors: root key").digest();
export const KEYSTORE = "6f1d2c3b-4a59-4687-b7a6-95c4d3e2f100";
const NOON = Date.UTC(2030, 0, 2, 12);
export const ZERO: Link = { sequence: 0, digest: "00".repeat(32) };

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
export function seal(
  seq: number,
  time: number,
  previous: string,
  record: string,
  root = ROOT,
): string {
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
export function head({ base, last }: Pick<Log, "base" | "last">): string {
  return `${u64(base.sequence).toString("hex")}${base.digest}${u64(last.sequence).toString("hex")}${last.digest}`;
}

/** A record as small as it can be: members in their order, and one whose order is not obvious. */
export function textOf(seq: number, name: string): string {
  const time = new Date(NOON + seq * 1000).toISOString();
  const context = '{"10":"ten","9":"nine","\u00e9":"\u00e9"}';
  return `{"additionalEventData":{"decisions":[]},"awsRegion":"local","errorCode":"none","eventID":"${seq}","eventName":"${name}","eventTime":"${time}","readOnly":true,"requestParameters":{"encryptionContext":${context}},"resources":[],"responseElements":null,"userIdentity":{"accountId":"111122223333","type":"Root"}}`;
}

/** Records `from` to `to` behind `base`. */
export function log(base: Link, to: number, name: (seq: number) => string = () => "Decrypt"): Log {
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
