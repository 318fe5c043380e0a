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
]);

export class RecordName {
  readonly kind: RecordKind;
  /** The 16 bytes of a key in Latin-1, the name of an alias, the id of an access key, or an ARN. */
  readonly id: string;
  /** The name in the file, in Latin-1: a letter for the kind, and the id. */
  readonly encoded: string;

  private constructor(kind: RecordKind, id: string) {
    this.kind = kind;
    this.id = id;
    this.encoded = letters[kind] + id;
  }

  static key(uuid: Uint8Array): RecordName {
    const bytes = Buffer.from(uuid.buffer, uuid.byteOffset, uuid.length);
    return new RecordName("key", bytes.toString("latin1"));
  }

  static alias(name: string): RecordName {
    return new RecordName("alias", name);
  }

  /** A record of IAM. */
  static iam(kind: IamKind, id: string): RecordName {
    return new RecordName(kind, id);
  }

  static decode(encoded: string): RecordName {
    const kind = kinds.get(encoded.charAt(0));
    if (kind === undefined) throw new TypeError("a bucket holds names of records only");
    return new RecordName(kind, encoded.slice(1));
  }

  /** The bytes that {@link RecordName.key} was given. */
  get uuid(): Uint8Array {
    return Buffer.from(this.id, "latin1");
  }

  /** `key 0123…`, `alias alias/app`, `principal arn:…`. */
  get title(): string {
    return `${this.kind} ${this.kind === "key" ? keyIdFromBytes(this.uuid) : this.id}`;
  }

  /** The error of a record that does not verify, to be thrown. */
  fault(problem: string): Fault {
    return new Fault(this.title, problem);
  }
}
