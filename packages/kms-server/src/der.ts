/**
 * The part of DER that a certificate needs.
 *
 * Source: ITU-T X.690
 *
 * @module
 */

function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
  return Buffer.concat([Buffer.of(tag, 0x80 | bytes.length), bytes, content]);
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => element(0x30, ...items);
export const set = (...items: readonly Uint8Array[]): Buffer => element(0x31, ...items);
export const octets = (content: Uint8Array): Buffer => element(0x04, content);
export const text = (content: string): Buffer => element(0x0c, Buffer.from(content));
export const boolean = (value: boolean): Buffer => element(0x01, Buffer.of(value ? 0xff : 0));

/** A non-negative integer, given by its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const minimal = start === -1 ? Buffer.of(0) : bytes.subarray(start);
  return element(0x02, ...((minimal[0] ?? 0) >= 0x80 ? [Buffer.of(0)] : []), minimal);
}

/** @param unused - How many bits at the end do not count. */
export function bits(content: Uint8Array, unused = 0): Buffer {
  return element(0x03, Buffer.of(unused), content);
}

/** A value in a context-specific tag: of a primitive one, or around whole elements. */
export function tagged(tag: number, content: Uint8Array, constructed: boolean): Buffer {
  return element((constructed ? 0xa0 : 0x80) | tag, content);
}

/** @param dotted - `1.2.840.10045.4.3.2`; the first two numbers are below 40. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(number: number): number[] {
  const digits = [number % 128];
  for (let left = Math.floor(number / 128); left > 0; left = Math.floor(left / 128)) {
    digits.unshift(0x80 | (left % 128));
  }
  return digits;
}

/** UTC, as certificates write it: the year has two digits before 2050. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d{3}/g, "");
  if (date.getUTCFullYear() < 2050) return element(0x17, Buffer.from(digits.slice(2)));
  return element(0x18, Buffer.from(digits));
}
