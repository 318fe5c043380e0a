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
export const letters = { key: "k", alias: "a", principal: "p" } as const;

export type RecordKind = keyof typeof letters;

export class RecordName {
  readonly kind: RecordKind;
  /** The 16 bytes of a key in Latin-1, the name of an alias, or the ARN of a principal. */
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

  static principal(arn: string): RecordName {
    return new RecordName("principal", arn);
  }

  static decode(encoded: string): RecordName {
    const id = encoded.slice(1);
    if (encoded.startsWith(letters.key)) return new RecordName("key", id);
    if (encoded.startsWith(letters.alias)) return new RecordName("alias", id);
    if (encoded.startsWith(letters.principal)) return new RecordName("principal", id);
    throw new TypeError("a bucket holds names of records only");
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
