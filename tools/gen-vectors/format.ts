/**
 * The envelope format's encoders, written from the specification and from nothing else.
 *
 * Lenient on purpose: every function encodes what it is given, also what no reader may accept, so
 * that a case can spoil one field and keep the rest right. Nothing here reads a message.
 *
 * Source: spec/envelope-v1.md
 *
 * @module
 */

import { createCipheriv, createHash, createHmac } from "node:crypto";

export type Context = Readonly<Record<string, string>>;
export type Pairs = readonly (readonly [key: string | Buffer, value: string | Buffer])[];

// spec/envelope-v1.md#layout

export const PREAMBLE: Buffer = Buffer.from("8e454e5601010000", "hex");
export const PREAMBLE_STORED: Buffer = Buffer.from("8e454e5601010100", "hex");

export function cat(...parts: readonly (Uint8Array | readonly number[])[]): Buffer {
  return Buffer.concat(parts.map((part) => Uint8Array.from(part)));
}

export function u16(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16BE(value);
  return out;
}

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

/** `u16 len || bytes`, the frame around the stored context, the key block, keys and values. */
export function prefixed(bytes: Uint8Array): Buffer {
  return cat(u16(bytes.length), bytes);
}

// spec/envelope-v1.md#key-block

export function entry(
  provider: string | Buffer,
  keyId: string | Buffer,
  wrapped: Uint8Array,
): Buffer {
  const name = Buffer.from(provider);
  return cat([name.length], name, prefixed(Buffer.from(keyId)), prefixed(wrapped));
}

export function keyBlockBody(entries: readonly Buffer[], padding = 0): Buffer {
  return cat([entries.length], ...entries, Buffer.alloc(padding));
}

// spec/envelope-v1.md#context

/** The map encoding with the pairs exactly as given: any order, any duplicate, any bytes. */
export function encodePairs(pairs: Pairs): Buffer {
  const body = pairs.flatMap((pair) => pair.map((text) => prefixed(Buffer.from(text))));
  return cat(u16(pairs.length), ...body);
}

export function encodeContext(context: Context): Buffer {
  return encodePairs(sorted(Object.entries(context)));
}

export function encodeKmsContext(context: Context): Buffer {
  return encodePairs(sorted([...Object.entries(context), ["env:format", "1"]]));
}

function sorted(pairs: readonly (readonly [string, string])[]): Pairs {
  return pairs.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

// spec/envelope-v1.md#key-derivation

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash("sha256")
    .update(cat(...parts))
    .digest();
}

/** RFC 5869 section 2.3, with SHA-512 and without the Extract step. */
export function hkdfExpand(key: Uint8Array, info: Uint8Array, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 1; blocks.length * 64 < length; i++) {
    const input = cat(blocks.at(-1) ?? [], info, [i]);
    blocks.push(createHmac("sha512", key).update(input).digest());
  }
  return cat(...blocks).subarray(0, length);
}

/** Everything the worked example prints, hence the many names. */
export interface Derived {
  readonly contextHash: Buffer;
  readonly aadHash: Buffer;
  readonly cobblestoneContext: Buffer;
  readonly info: Buffer;
  readonly key: Buffer;
  readonly baseNonce: Buffer;
  readonly commitment: Buffer;
}

export interface DeriveInput {
  readonly dataKey: Buffer;
  readonly salt: Buffer;
  readonly preamble: Buffer;
  readonly contextBytes: Buffer;
  readonly aad: Buffer;
}

export function derive(input: DeriveInput): Derived {
  const contextHash = sha256(Buffer.from("env/1/context\0"), input.contextBytes);
  const aadHash = sha256(Buffer.from("env/1/aad\0"), input.aad);
  const label = Buffer.from("env/1/message\0");
  const cobblestoneContext = cat(label, input.preamble, contextHash, aadHash);
  const info = cobblestoneInfo(input.salt, cobblestoneContext);
  return { contextHash, aadHash, cobblestoneContext, info, ...split(input.dataKey, info) };
}

export function cobblestoneInfo(salt: Buffer, context: Buffer): Buffer {
  const label = Buffer.from("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");
  return cat(label, salt, context);
}

export function split(
  inputKey: Buffer,
  info: Buffer,
): { key: Buffer; baseNonce: Buffer; commitment: Buffer } {
  const okm = hkdfExpand(inputKey, info, 76);
  return {
    key: okm.subarray(0, 32),
    baseNonce: okm.subarray(32, 44),
    commitment: okm.subarray(44),
  };
}

// spec/envelope-v1.md#payload

export const CHUNK = 16384;

export function chunkNonce(baseNonce: Buffer, index: number): Buffer {
  const nonce = BigInt(`0x${baseNonce.toString("hex")}`) ^ BigInt(index);
  return Buffer.from(nonce.toString(16).padStart(24, "0"), "hex");
}

export function gcm(
  key: Buffer,
  nonce: Buffer,
  plaintext: Buffer,
  aad: Buffer = Buffer.alloc(0),
): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(aad);
  return cat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** Chunks of 16384 bytes, then a shorter one: empty where the length is a multiple. */
export function sealChunks(derived: Derived, plaintext: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let index = 0; index * CHUNK <= plaintext.length; index++) {
    const part = plaintext.subarray(index * CHUNK, (index + 1) * CHUNK);
    chunks.push(gcm(derived.key, chunkNonce(derived.baseNonce, index), part));
  }
  return chunks;
}

// spec/envelope-v1.md#local-wrap

export interface LocalWrapInput {
  /** The blob's first byte, 1 where not given. */
  readonly format?: number;
  readonly keyId: string;
  readonly version: number;
  readonly versionKey: Buffer;
  readonly salt: Buffer;
  readonly contextBytes: Buffer;
  readonly plaintext: Buffer;
}

export function localWrap(input: LocalWrapInput): {
  header: Buffer;
  wrapKey: Buffer;
  blob: Buffer;
} {
  const uuid = Buffer.from(input.keyId.replaceAll("-", ""), "hex");
  const header = cat([input.format ?? 1], uuid, u32(input.version), input.salt);
  const wrapKey = hkdfExpand(input.versionKey, cat(Buffer.from("env/1/localwrap\0"), header), 32);
  const sealed = gcm(wrapKey, Buffer.alloc(12), input.plaintext, input.contextBytes);
  return { header, wrapKey, blob: cat(header, sealed) };
}
