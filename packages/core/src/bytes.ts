/**
 * Byte arrays: the one type that the package accepts and returns, and the few operations on it.
 *
 * @module
 */

/** Bytes over an `ArrayBuffer`, which is never shared with another thread. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
// Without ignoreBOM the decoder strips a leading U+FEFF, and two different labels become equal.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Encodes text. The caller has checked `isWellFormed()`: an encoder turns every lone surrogate into EF
 * BF BD.
 */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** Decodes well-formed UTF-8; returns `undefined` for anything else. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Turns up to a few KiB into a map key, one character per byte, so that distinct bytes give distinct
 * keys.
 */
export function byteName(bytes: Uint8Array): string {
  // Spreading would be slower: it goes through an iterator.
  return Reflect.apply(String.fromCharCode, undefined, bytes);
}

/** Returns a new array that holds the parts in order. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  return concatAll(parts);
}

/**
 * Does what {@link concat} does for lists of any length: engines limit the number of arguments.
 *
 * @param allocate - Returns the array that is written and returned. Default: a new one.
 */
export function concatAll(
  parts: readonly Uint8Array[],
  allocate?: (length: number) => Bytes,
): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = allocate?.(length) ?? new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Compares unsigned bytes for sorting; a prefix sorts first. Not constant time: for public values only. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Whether `bytes` starts with `prefix`. Not constant time: for public values only. */
export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

/** Whether `value` is a Uint8Array, including one of another realm (a test environment, a `vm` context). */
export function isBytes(value: unknown): value is Uint8Array {
  if (value instanceof Uint8Array) return true;
  return (
    ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]"
  );
}

/** Whether no other thread can change these bytes. */
export function isUnshared(bytes: Uint8Array): bytes is Bytes {
  return bytes.buffer instanceof ArrayBuffer;
}

/** Returns the bytes themselves, or a copy if another thread could change them. */
export function unshared(bytes: Uint8Array): Bytes {
  return isUnshared(bytes) ? bytes : new Uint8Array(bytes);
}

/** Asserts that `value` is a byte array. The TypeError contains the argument's name. */
export function requireBytes(value: unknown, name: string): asserts value is Uint8Array {
  if (!isBytes(value)) {
    throw new TypeError(
      `${name} must be a Uint8Array${typeof value === "string" ? ", not a string: use the …Text methods for text" : ""}`,
    );
  }
}

/**
 * Reads big-endian fields off the front of a byte array. Every read first checks how many bytes are
 * left, so a length from the input is never trusted until it has been compared with the actual size.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#at;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** The next byte, or `undefined` past the end. */
  u8(): number | undefined {
    return this.#bytes[this.#at++];
  }

  /** The next two bytes as a number, or `undefined` past the end. */
  u16(): number | undefined {
    const high = this.u8() ?? 0;
    const low = this.u8();
    return low === undefined ? low : (high << 8) | low;
  }

  /** A view, not a copy, of the next `length` bytes, or `undefined` past the end. */
  take(length: number): Uint8Array | undefined {
    if (this.left < length) return undefined;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** The next `length` bytes as UTF-8 text; `undefined` past the end and for anything but UTF-8. */
  text(length: number | undefined): string | undefined {
    const bytes = length === undefined ? undefined : this.take(length);
    return bytes && decodeUtf8(bytes);
  }
}

/** Writes `value` as two big-endian bytes. The caller has checked that it is below 2^16. */
export function u16(value: number): Bytes {
  return Uint8Array.of(value >>> 8, value & 0xff);
}
