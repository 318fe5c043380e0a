/**
 * The chain of records. Each record is sealed with its number and the digest of the previous one, under keys that are
 * derived from the root key. Whoever can write the file can neither read a record nor make one that fits.
 *
 *     digest(n) = HMAC-SHA-256(chain key, n || digest(n - 1) || record)
 *
 * Source: spec/audit-v1.md#chain, spec/audit-v1.md#sealing
 *
 * @module
 */
import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { keyIdToBytes } from "../arn.ts";
import { KEY_BYTES, label, openRow, sealRow } from "../material/seal.ts";
import { CHAIN_NUMBERS, type AuditRow } from "../store/store.ts";

export const DIGEST_BYTES = 32;

/** Number of the record, and digest of the previous one. */
const PREFIX_BYTES: number = 8 + DIGEST_BYTES;
const LABEL = label("env/1/audit");
const CHAIN_LABEL = label("env/1/audit-chain");
const BLOCK_1 = Uint8Array.of(1);

/** A place in the chain, which represents the record there and all records before it. */
export interface Link {
  /** 0 is the place before the first record. */
  readonly sequence: number;
  readonly digest: Uint8Array;
}

/** A record that this keystore sealed for this place. Its digest shows whether it is the newest one. */
export interface Opened {
  readonly previous: Uint8Array;
  /** Canonical JSON. */
  readonly record: Uint8Array;
}

/** Where the first chain begins. */
export const ORIGIN: Link = { sequence: 0, digest: new Uint8Array(DIGEST_BYTES) };

export class Chain {
  readonly #root: KeyObject;
  readonly #keystoreId: Uint8Array;
  readonly #chainKey: KeyObject;

  /** @param root - The 32-byte root key of the keystore. */
  constructor(root: KeyObject, keystoreId: string) {
    this.#root = root;
    this.#keystoreId = keyIdToBytes(keystoreId);
    const block = createHmac("sha512", root)
      .update(CHAIN_LABEL)
      .update(this.#keystoreId)
      .update(BLOCK_1)
      .digest();
    this.#chainKey = createSecretKey(block.subarray(0, KEY_BYTES));
    block.fill(0);
  }

  /** The link that `record` makes after `previous`. */
  next(previous: Link, record: Uint8Array): Link {
    return this.#link(previous.sequence + 1, toPlaintext(previous, record));
  }

  /** `record` sealed for the place after `previous`, and the link that it makes. */
  seal(
    previous: Link,
    time: number,
    record: Uint8Array,
  ): { readonly sealed: Bytes; readonly link: Link } {
    const plaintext = toPlaintext(previous, record);
    const sealed = sealRow(this.#root, LABEL, this.#aad(time), plaintext);
    return { sealed, link: this.#link(previous.sequence + 1, plaintext) };
  }

  /**
   * Opens a row. `undefined`: it was altered, or not written by this keystore. A number: the row contains the record of that
   * number, which was put here.
   */
  open({ sequence, time, sealed }: AuditRow): Opened | number | undefined {
    const plaintext = openRow(this.#root, LABEL, this.#aad(time), sealed);
    if (plaintext === undefined || plaintext.length < PREFIX_BYTES) return undefined;
    const written = fromU64(plaintext, 0);
    if (written !== sequence) return written;
    return {
      previous: plaintext.subarray(8, PREFIX_BYTES),
      record: plaintext.subarray(PREFIX_BYTES),
    };
  }

  #link(sequence: number, plaintext: Uint8Array): Link {
    return { sequence, digest: createHmac("sha256", this.#chainKey).update(plaintext).digest() };
  }

  #aad(time: number): Uint8Array {
    const aad = new Uint8Array(24);
    aad.set(this.#keystoreId);
    aad.set(u64(time), 16);
    return aad;
  }
}

/** What is sealed, and what the digest covers: number, previous digest, record. */
function toPlaintext(previous: Link, record: Uint8Array): Bytes {
  const plaintext = new Uint8Array(PREFIX_BYTES + record.length);
  plaintext.set(u64(previous.sequence + 1));
  plaintext.set(previous.digest, 8);
  plaintext.set(record, PREFIX_BYTES);
  return plaintext;
}

/** The ends of the log: the last record that was cut off, and the last record. */
export interface Head {
  readonly base: Link;
  readonly last: Link;
}

const HEAD_BYTES = 2 * (8 + DIGEST_BYTES);

export function encodeHead({ base, last }: Head): Bytes {
  const bytes = new Uint8Array(HEAD_BYTES);
  bytes.set(u64(base.sequence));
  bytes.set(base.digest, 8);
  bytes.set(u64(last.sequence), 40);
  bytes.set(last.digest, 48);
  return bytes;
}

/** Reads a chain's head. `undefined`: {@link encodeHead} would not write it. A chain without a head is empty. */
export function decodeHead(bytes: Uint8Array | undefined, chain: number = 0): Head | undefined {
  if (bytes === undefined) {
    const origin = { ...ORIGIN, sequence: chain * CHAIN_NUMBERS };
    return { base: origin, last: origin };
  }
  if (bytes.length !== HEAD_BYTES) return undefined;
  const base = { sequence: fromU64(bytes, 0), digest: bytes.slice(8, 40) };
  const last = { sequence: fromU64(bytes, 40), digest: bytes.slice(48) };
  return base.sequence <= last.sequence ? { base, last } : undefined;
}

export function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

export function fromU64(bytes: Uint8Array, offset: number): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(offset));
}
