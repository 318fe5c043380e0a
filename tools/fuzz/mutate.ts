/**
 * Mistakes in messages: in the fields that hold lengths and counts, in whole entries, and anywhere.
 *
 * What makes them reach beyond the first check is that they know the layout. Lengths are found by
 * walking it and believing everything, so also in input that is broken already.
 *
 * Source: spec/envelope-v1.md#layout, #key-block
 *
 * @module
 */
import type { Random } from "./random.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** A length or a count, and what it counts. */
export interface Field {
  readonly at: number;
  readonly width: 1 | 2;
}

export interface Layout {
  readonly lengths: readonly Field[];
  /** Start and end of each entry of the key block. */
  readonly entries: readonly (readonly [start: number, end: number])[];
  /** Offset of the key block's length. */
  readonly keyBlock: number | undefined;
}

/** Finds the fields of a message without checking any of them. */
export function layoutOf(bytes: Uint8Array): Layout {
  const lengths: Field[] = [];
  const entries: (readonly [number, number])[] = [];
  const cursor = { at: 8 };
  const read = (width: 1 | 2): number => {
    const { at } = cursor;
    const high = bytes[at] ?? 0;
    if (at + width <= bytes.length) lengths.push({ at, width });
    cursor.at += width;
    return width === 1 ? high : (high << 8) | (bytes[at + 1] ?? 0);
  };
  /** Reads a length and goes past what it counts. */
  const skip = (width: 1 | 2): void => {
    const length = read(width);
    cursor.at += length;
  };
  if ((bytes[6] ?? 0) & 1) {
    const length = read(2);
    const end = cursor.at + length;
    for (let pairs = read(2); pairs > 0 && cursor.at < Math.min(end, bytes.length); pairs--) {
      skip(2);
      skip(2);
    }
    cursor.at = end;
  }
  if (cursor.at + 2 > bytes.length) return { lengths, entries, keyBlock: undefined };
  const keyBlock = cursor.at;
  const length = read(2);
  const end = Math.min(bytes.length, cursor.at + length);
  if (cursor.at >= end) return { lengths, entries, keyBlock };
  for (let count = read(1); count > 0 && cursor.at < end; count--) {
    const start = cursor.at;
    skip(1);
    skip(2);
    skip(2);
    if (cursor.at <= end) entries.push([start, cursor.at]);
  }
  return { lengths, entries, keyBlock };
}

/** A message with one to four mistakes. `others` are what it may be spliced with. */
export function mutate(input: Bytes, others: readonly [Bytes, ...Bytes[]], random: Random): Bytes {
  let bytes = input;
  const count = random.chance(70) ? 1 : 2 + random.below(3);
  for (let i = 0; i < count; i++) {
    const mistake = random.pick(mistakes);
    bytes = mistake(bytes, random, random.pick(others));
  }
  return bytes;
}

/** Numbers that some length or count may just have, and their neighbours. */
const BOUNDS: readonly [number, ...number[]] = [
  0, 1, 2, 16, 17, 31, 32, 33, 255, 256, 512, 513, 1024, 1025, 4096, 4097, 16_384, 16_385, 0x7fff,
  0x8000, 0xffff,
];

type Mistake = (bytes: Bytes, random: Random, other: Bytes) => Bytes;

const flipBit: Mistake = (bytes, random) => {
  const at = random.below(random.chance(80) ? Math.min(bytes.length, 512) : bytes.length);
  return write(bytes, at, [(bytes[at] ?? 0) ^ (1 << random.below(8))]);
};

const setByte: Mistake = (bytes, random) =>
  write(bytes, random.below(bytes.length), [random.pick([0, 1, 0x20, 0x7f, 0x80, 0xc3, 0xff])]);

const changeLength: Mistake = (bytes, random) => {
  const { lengths } = layoutOf(bytes);
  const field = lengths[random.below(lengths.length)];
  if (field === undefined) return bytes;
  const { at, width } = field;
  const now = width === 1 ? (bytes[at] ?? 0) : ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  const value = random.pick([
    now + 1,
    now - 1,
    now ^ (1 << random.below(8 * width)),
    bytes.length - at,
    bytes.length - at - width,
    random.pick(BOUNDS),
    random.pick(BOUNDS),
    random.pick(BOUNDS),
  ]);
  return write(bytes, at, width === 1 ? [value & 0xff] : [(value >>> 8) & 0xff, value & 0xff]);
};

/** Repeats an entry, in most cases with the count and the length that go with it. */
const repeatEntry: Mistake = (bytes, random) => {
  const { entries, keyBlock } = layoutOf(bytes);
  const entry = entries[random.below(entries.length)];
  if (entry === undefined || keyBlock === undefined) return bytes;
  const [start, end] = entry;
  const longer = splice(bytes, end, end, bytes.slice(start, end));
  if (random.chance(20)) return longer;
  const length = ((bytes[keyBlock] ?? 0) << 8) + (bytes[keyBlock + 1] ?? 0) + end - start;
  const count = (bytes[keyBlock + 2] ?? 0) + 1;
  return write(longer, keyBlock, [(length >>> 8) & 0xff, length & 0xff, count & 0xff]);
};

const cut: Mistake = (bytes, random) => {
  const near = Math.min(bytes.length, 200);
  return bytes.slice(0, random.below(random.chance(60) ? near : bytes.length));
};

const extend: Mistake = (bytes, random) => {
  const length = random.pick([1, 2, 15, 16, 17, 56, 16_400]);
  const tail = random.chance(50) ? new Uint8Array(length) : random.bytes(Math.min(length, 64));
  return splice(bytes, bytes.length, bytes.length, tail);
};

const remove: Mistake = (bytes, random) => {
  const at = random.below(bytes.length);
  return splice(bytes, at, at + 1 + random.below(random.chance(70) ? 8 : 200), new Uint8Array(0));
};

const repeat: Mistake = (bytes, random) => {
  const at = random.below(bytes.length);
  const part = bytes.slice(at, at + 1 + random.below(random.chance(70) ? 8 : 200));
  return splice(bytes, at, at, part);
};

const spliceOther: Mistake = (bytes, random, other) => {
  const at = random.below(bytes.length);
  const from = random.chance(50) ? at : random.below(other.length);
  const length = random.chance(50) ? other.length : random.below(300);
  const part = other.slice(from, from + length);
  return splice(bytes, at, random.chance(50) ? bytes.length : at + part.length, part);
};

/** Pads or unpads the key block: the length follows, so the bytes behind it stay in place. */
const pad: Mistake = (bytes, random) => {
  const { entries, keyBlock } = layoutOf(bytes);
  const end = entries.at(-1)?.[1];
  if (end === undefined || keyBlock === undefined) return bytes;
  const zeros = random.pick([0, 1, 2, 100, 3000, 16_000]);
  const length = end - keyBlock - 2 + zeros;
  const old = keyBlock + 2 + ((bytes[keyBlock] ?? 0) << 8) + (bytes[keyBlock + 1] ?? 0);
  const padded = splice(bytes, end, Math.max(end, old), new Uint8Array(zeros));
  return write(padded, keyBlock, [(length >>> 8) & 0xff, length & 0xff]);
};

const mistakes: readonly [Mistake, ...Mistake[]] = [
  ...([flipBit, setByte, cut, extend, remove, repeat, spliceOther] as const),
  ...([changeLength, changeLength, changeLength, repeatEntry, pad] as const),
];

function write(bytes: Bytes, at: number, values: readonly number[]): Bytes {
  const out = bytes.slice();
  for (const [i, value] of values.entries()) if (at + i < out.length) out[at + i] = value;
  return out;
}

function splice(bytes: Bytes, start: number, end: number, part: Uint8Array): Bytes {
  const rest = bytes.subarray(Math.min(end, bytes.length));
  const out = new Uint8Array(start + part.length + rest.length);
  out.set(bytes.subarray(0, start));
  out.set(part, start);
  out.set(rest, start + part.length);
  return out;
}
