/**
 * What identifies a record: its kind, and what is unique among the records of that kind.
 *
 * Source: spec/kms-store-v1.md#sealing
 *
 * @module
 */
import { keyIdFromBytes } from "../arn.ts";
import { Fault } from "./file-errors.ts";

/** How the file writes a kind: in front of every name, and where records are counted. */
export const letters = {
  key: "k",
  alias: "a",
  principal: "p",
  policy: "m",
  "access key": "c",
  provider: "o",
  "last use": "u",
} as const;

export type RecordKind = keyof typeof letters;

/** Kinds of the records that {@link IamTable} keeps. */
export type IamKind = Exclude<RecordKind, "key" | "alias">;

const kinds: ReadonlyMap<string, RecordKind> = new Map([
  [letters.key, "key"],
  [letters.alias, "alias"],
  [letters.principal, "principal"],
  [letters.policy, "policy"],
  [letters["access key"], "access key"],
  [letters.provider, "provider"],
  [letters["last use"], "last use"],
]);

const UUID_BYTES = 16;

export class RecordName {
  readonly kind: RecordKind;
  /** The 16 bytes of a key in Latin-1, the name of an alias, the id of an access key, or an ARN. */
  readonly id: string;
  /** The region of a key or alias; empty for a principal, which has none. */
  readonly region: string;
  /** The name in the file, in Latin-1: a letter for the kind, the region of an alias, the id, and the region of a key. */
  readonly encoded: string;

  private constructor(kind: RecordKind, id: string, region: string, encoded: string) {
    this.kind = kind;
    this.id = id;
    this.region = region;
    this.encoded = letters[kind] + encoded;
  }

  static key(region: string, uuid: Uint8Array): RecordName {
    const bytes = Buffer.from(uuid.buffer, uuid.byteOffset, uuid.length).toString("latin1");
    return new RecordName("key", bytes, region, bytes + region);
  }

  static alias(region: string, name: string): RecordName {
    return new RecordName("alias", name, region, `${region}:${name}`);
  }

  /** A record of IAM. */
  static iam(kind: IamKind, id: string): RecordName {
    return new RecordName(kind, id, "", id);
  }

  static decode(encoded: string): RecordName {
    const kind = kinds.get(encoded.charAt(0));
    if (kind === undefined) throw new TypeError("a bucket holds names of records only");
    const rest = encoded.slice(1);
    if (kind === "key") {
      return new RecordName(kind, rest.slice(0, UUID_BYTES), rest.slice(UUID_BYTES), rest);
    }
    if (kind !== "alias") return RecordName.iam(kind, rest);
    const colon = rest.indexOf(":");
    return new RecordName(kind, rest.slice(colon + 1), rest.slice(0, colon), rest);
  }

  /** The list that leads to the record: its kind's letter, and the region. */
  get list(): string {
    return letters[this.kind] + this.region;
  }

  /** The bytes that {@link RecordName.key} was given. */
  get uuid(): Uint8Array {
    return Buffer.from(this.id, "latin1");
  }

  /** `key 0123… in eu-west-1`, `alias alias/app in eu-west-1`, `principal arn:…`. */
  get title(): string {
    const id = this.kind === "key" ? keyIdFromBytes(this.uuid) : this.id;
    return `${this.kind} ${id}${this.region === "" ? "" : ` in ${this.region}`}`;
  }

  /** The error of a record that does not verify, to be thrown. */
  fault(problem: string): Fault {
    return new Fault(this.title, problem);
  }
}
