/**
 * What the cases are written with: a sealed message in parts, and the vector made of it.
 *
 * A case seals a good message, commits one mistake, and says what a reader owes to it. Everything
 * around the mistake stays right, so that a reader which lacks the one check opens the message and
 * is found out; a vector that is wrong in two ways proves nothing about either.
 *
 * All bytes grow from the scenario's name: no randomness, and no two vectors share a key.
 *
 * @module
 */

import {
  cat,
  derive,
  type Derived,
  encodeContext,
  encodeKmsContext,
  entry,
  keyBlockBody,
  localWrap,
  prefixed,
  PREAMBLE,
  PREAMBLE_STORED,
  sealChunks,
  sha256,
  type Context,
} from "./format.ts";

export type Cmk =
  | { provider: string; keyId: string; versions: Record<string, string> }
  | { provider: string; keyId: string; unwraps: { wrapped: string; dataKey: string }[] }
  | { provider: string; keyId: string; fails: string };

interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

export interface EnvelopeVector {
  readonly spec: string;
  readonly comment: string;
  readonly cmks: readonly Cmk[];
  readonly context: unknown;
  readonly fromHeader?: { readonly require: Context };
  readonly aad: string;
  readonly keyBlock?: string;
  readonly message: string;
  readonly expect: string;
  readonly expectStream?: string;
  readonly kmsCalls: number;
  readonly plaintext?: Digest;
  readonly released?: Digest;
}

export type EnvelopeCases = Readonly<Record<string, (kit: Kit) => EnvelopeVector>>;

/** Bytes without structure, the same on every run. */
export function seeded(label: string, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
    sha256(Buffer.from(`env vectors: ${label}: ${i}`)),
  );
  return cat(...blocks).subarray(0, length);
}

export function uuid(label: string): string {
  const bytes = seeded(label, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/u, "$1-$2-$3-$4-$5");
}

/** Flips one bit in place; the length stays, so only authentication can notice. */
export function flip(bytes: Buffer, index: number, bit = 0): void {
  const at = index < 0 ? bytes.length + index : index;
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
}

/** A CMK together with the wrapped copy of the data key that it opens. */
export interface Wrapped {
  readonly cmk: Cmk;
  readonly entry: Buffer;
}

export interface SealOptions {
  readonly plaintext?: Buffer;
  readonly context?: Context;
  readonly aad?: Buffer;
  /** Writes the context into the header. */
  readonly store?: boolean;
  /** Stores, and binds, these bytes in place of the context's encoding. */
  readonly storedBytes?: Buffer;
  /** Bound unchanged, so that only the check of the field itself can refuse. */
  readonly preamble?: Buffer;
  readonly keys?: readonly Wrapped[];
  /** The whole body of the key block, in place of the entries of `keys`. */
  readonly body?: Buffer;
}

export class Kit {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  bytes(label: string, length: number): Buffer {
    return seeded(`${this.name}: ${label}`, length);
  }

  get dataKey(): Buffer {
    return this.bytes("data key", 32);
  }

  /** A CMK of the local KMS: its blob is really opened, and really bound to the context. */
  local(context: Context = {}, label = "local"): Wrapped {
    const keyId = uuid(`${this.name}: ${label}`);
    const versionKey = this.bytes(`${label} version 1`, 32);
    const salt = this.bytes(`${label} salt`, 24);
    const contextBytes = encodeKmsContext(context);
    const plaintext = this.dataKey;
    const { blob } = localWrap({ keyId, version: 1, versionKey, salt, contextBytes, plaintext });
    const cmk = { provider: "local-file", keyId, versions: { "1": versionKey.toString("hex") } };
    return { cmk, entry: entry("local-file", keyId, blob) };
  }

  /** A CMK that is a table. It ignores the context, as a KMS that was talked into it would. */
  table(keyId = "k", dataKey: Buffer = this.dataKey, provider = "x.test"): Wrapped {
    const wrapped = this.bytes(`wrapped by ${provider} ${keyId}`, 24);
    const unwraps = [{ wrapped: wrapped.toString("hex"), dataKey: dataKey.toString("hex") }];
    return { cmk: { provider, keyId, unwraps }, entry: entry(provider, keyId, wrapped) };
  }

  /** A CMK whose every call fails with a driver's code. */
  failing(keyId: string, code: string): Wrapped {
    const wrapped = this.bytes(`wrapped by ${keyId}`, 24);
    const cmk = { provider: "x.test", keyId, fails: code };
    return { cmk, entry: entry("x.test", keyId, wrapped) };
  }

  seal(options: SealOptions = {}): Sealed {
    return new Sealed(this, options);
  }
}

interface Verdict {
  /** The section of envelope-v1.md that decides the case. */
  readonly spec: string;
  readonly comment: string;
  readonly calls?: number;
}

interface Refusal extends Verdict {
  /** Only where a reader that does not know the payload's length ends in another code. */
  readonly stream?: string;
  /** Bytes of plaintext a streaming reader may have handed out. */
  readonly released?: number;
}

/** A good message taken apart, and the reader's arguments; a case changes what it likes. */
export class Sealed {
  preamble: Buffer;
  stored: Buffer;
  keyBlock: Buffer;
  salt: Buffer;
  commitment: Buffer;
  chunks: Buffer[];
  readonly plaintext: Buffer;
  readonly derived: Derived;

  cmks: Cmk[];
  context: unknown;
  fromHeader: { require: Context } | undefined;
  aad: Buffer;
  passedBlock: Buffer | undefined;

  constructor(kit: Kit, options: SealOptions) {
    const context = options.context ?? {};
    const contextBytes = options.storedBytes ?? encodeContext(context);
    const store = options.store === true || options.storedBytes !== undefined;
    const keys = options.keys ?? [kit.local(context)];
    this.preamble = Buffer.from(options.preamble ?? (store ? PREAMBLE_STORED : PREAMBLE));
    this.stored = store ? prefixed(contextBytes) : Buffer.alloc(0);
    this.keyBlock = prefixed(options.body ?? keyBlockBody(keys.map((key) => key.entry)));
    this.salt = kit.bytes("salt", 24);
    this.aad = options.aad ?? Buffer.alloc(0);
    this.plaintext = options.plaintext ?? kit.bytes("plaintext", 20);
    const { dataKey } = kit;
    const { preamble, salt, aad } = this;
    this.derived = derive({ dataKey, salt, preamble, contextBytes, aad });
    this.commitment = Buffer.from(this.derived.commitment);
    this.chunks = sealChunks(this.derived, this.plaintext);
    this.cmks = keys.map((key) => key.cmk);
    this.context = options.context ?? {};
    this.fromHeader = undefined;
    this.passedBlock = undefined;
  }

  get header(): Buffer {
    return cat(this.preamble, this.stored, this.keyBlock);
  }

  get payload(): Buffer {
    return cat(this.salt, this.commitment, ...this.chunks);
  }

  get message(): Buffer {
    return cat(this.header, this.payload);
  }

  /** Opts in to the stored context, in place of passing a map. */
  trustHeader(require: Context = {}): this {
    this.context = null;
    this.fromHeader = { require };
    return this;
  }

  opens(verdict: Verdict): EnvelopeVector {
    const given = this.#given(verdict, this.message);
    const kmsCalls = verdict.calls ?? 1;
    return { ...given, expect: "ok", kmsCalls, plaintext: digest(this.plaintext) };
  }

  refused(code: string, verdict: Refusal, message: Uint8Array = this.message): EnvelopeVector {
    return {
      ...this.#given(verdict, message),
      expect: code,
      ...(verdict.stream === undefined ? {} : { expectStream: verdict.stream }),
      kmsCalls: verdict.calls ?? 0,
      released: digest(this.plaintext.subarray(0, verdict.released ?? 0)),
    };
  }

  #given(
    verdict: Verdict,
    message: Uint8Array,
  ): Omit<EnvelopeVector, "expect" | "kmsCalls" | "plaintext" | "released"> {
    const block = this.passedBlock;
    return {
      spec: `envelope-v1.md#${verdict.spec}`,
      comment: verdict.comment,
      cmks: this.cmks,
      context: this.context,
      ...(this.fromHeader === undefined ? {} : { fromHeader: this.fromHeader }),
      aad: this.aad.toString("hex"),
      ...(block === undefined ? {} : { keyBlock: block.toString("base64") }),
      message: Buffer.from(message).toString("base64"),
    };
  }
}

function digest(bytes: Buffer): Digest {
  return { bytes: bytes.length, sha256: sha256(bytes).toString("hex") };
}
