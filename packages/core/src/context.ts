/**
 * Context and aad: what a message is bound to.
 *
 * The context is a small, public map that says who may open a message and what it is for. It goes to
 * the KMS, which authenticates it and may log it, and into the key derivation. The aad binds one
 * message to its place (a row, a version) and goes only into the key derivation. Both use one canonical
 * encoding, so equal maps give equal bytes in whatever order they were written:
 *
 *     u16 count, then per pair, sorted by the key's UTF-8 bytes: u16 length, key, u16 length, value
 *
 * Source: spec/envelope-v1.md#context
 *
 * @module
 */
import {
  ByteReader,
  byteName,
  compareBytes,
  concatAll,
  isBytes,
  u16,
  utf8,
  type Bytes,
} from "./bytes.ts";
import type { Awaitable } from "./awaitable.ts";
import { EnvelopeError } from "./error.ts";
import { Recent } from "./recent.ts";

/** A map of strings to strings. Not secret: a KMS logs it. */
export type Context = Readonly<Record<string, string>>;

/** Bytes, or a record that is encoded like a context. */
export type Aad = Uint8Array | Readonly<Record<string, string>>;

/** The context as a KMS authenticates it: the caller's pairs plus the reserved pair `env:format` = `1`. */
export interface KmsContext {
  /** The pairs, for a KMS that takes a map (AWS). Frozen, without a prototype. */
  readonly map: Context;
  /**
   * The same pairs as canonical bytes, for a KMS that takes AAD (Google Cloud, Vault, local). At most
   * 4111.
   */
  readonly bytes: Bytes;
}

/** Limits of a context, in pairs and bytes. */
export const contextLimits = { pairs: 31, keyBytes: 255, valueBytes: 1024, bytes: 4096 } as const;

/** How many contexts {@link rememberContexts} remembers: at most a few MiB. */
const REMEMBERED = 256;

type Fault = (problem: string) => Error;
type Pair = readonly [key: Bytes, value: Bytes];

const invalidContext: Fault = (problem) =>
  new EnvelopeError("ERR_ENVELOPE_INVALID_CONTEXT", `context: ${problem}`);

/** A checked context: a frozen copy, its canonical bytes, and values derived from them. */
export class BoundContext {
  /** The pairs, in an object without a prototype. */
  readonly map: Context;
  /** The canonical encoding: 2 to 4096 bytes. */
  readonly bytes: Bytes;
  /** A cached value of `hashContext`. */
  hash: Awaitable<Bytes> | undefined;
  /** A cached value of `kmsContext`. */
  forKms: KmsContext | undefined;
  readonly #pairs: number;
  #name: string | undefined;

  constructor(map: Context, bytes: Bytes) {
    this.map = map;
    this.bytes = bytes;
    this.#pairs = Object.keys(map).length;
  }

  /** Whether a map has the same pairs now. */
  hasPairsOf(map: Context): boolean {
    const keys = Object.keys(map);
    if (keys.length !== this.#pairs) return false;
    return keys.every((key) => {
      const value: unknown = map[key];
      // A pair whose value is undefined would equal one that is not there.
      return typeof value === "string" && value === this.map[key];
    });
  }

  /** The bytes as a map key. */
  get name(): string {
    return (this.#name ??= byteName(this.bytes));
  }
}

/**
 * Checks and copies a caller's context, so that later changes cannot affect what is bound.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT` for a missing context or one that breaks
 * a rule of the format; TypeError for anything but a plain map.
 */
export function bindContext(context: Context): BoundContext {
  if (context === undefined || context === null) {
    throw invalidContext("none was given; write {} if none is meant");
  }
  if (!isPlain(context)) throw new TypeError("context must be a plain map of strings to strings");
  return encodeMap(context, invalidContext, isReserved);
}

/**
 * Returns a {@link bindContext} that remembers recent results: an application uses a few contexts for
 * most of its messages. They are found by the map's current contents, never by its identity. Equal maps
 * give the same object, which `CmkSet` recognizes by identity.
 */
export function rememberContexts(): typeof bindContext {
  const recent = new Recent<BoundContext>(REMEMBERED);
  let newest: BoundContext | undefined;
  return (context) => {
    if (!isPlain(context)) return bindContext(context); // It throws the right error.
    if (newest?.hasPairsOf(context) === true) return newest;
    const entries: [string, unknown][] = Object.entries(context); // Read once, like in encodeMap.
    if (!entries.every(isText)) return bindContext(context);
    const text = JSON.stringify(entries);
    newest = recent.get(text);
    if (newest === undefined) recent.set(text, (newest = bindContext(copyOf(entries))));
    return newest;
  };
}

function isText(entry: [string, unknown]): entry is [string, string] {
  return typeof entry[1] === "string";
}

/** Encodes a context as its canonical bytes. Throws like {@link bindContext}. */
export function encodeContext(context: Context): Bytes {
  return bindContext(context).bytes;
}

/**
 * Returns the context for the KMS. The bytes are a copy, so a driver that changes them affects only
 * itself.
 */
export function kmsContext(context: BoundContext): KmsContext {
  const { map, bytes } = (context.forKms ??= encodeForKms(context.map));
  return { map, bytes: new Uint8Array(bytes) };
}

function encodeForKms(context: Context): KmsContext {
  const map = copyOf(Object.entries(context));
  map["env:format"] = "1";
  return { map: Object.freeze(map), bytes: encodePairs(toPairs(map)) };
}

/**
 * Reads a stored context.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` for bytes that {@link encodeContext} would not write.
 */
export function decodeContext(bytes: Uint8Array): Context {
  const malformed = new EnvelopeError("ERR_ENVELOPE_FORMAT", "the stored context is malformed");
  const reader = new ByteReader(bytes);
  const map = copyOf([]);
  const count = reader.u16();
  if (count === undefined || count > contextLimits.pairs) throw malformed;
  for (let i = 0; i < count; i++) {
    const key = reader.text(reader.u16());
    const value = reader.text(reader.u16());
    if (key === undefined || value === undefined) throw malformed;
    map[key] = value;
  }
  // A map has exactly one encoding: repeated, unordered, oversized or reserved keys would not re-encode
  // to these bytes.
  const canonical = encodeMap(map, () => malformed, isReserved);
  if (compareBytes(canonical.bytes, bytes) !== 0) throw malformed;
  return canonical.map;
}

/**
 * The bytes bound as aad.
 *
 * @param aad - Bytes as they are, or a record of strings within the limits of a context (no key is
 * reserved here). Default: none.
 * @throws RangeError for a record that breaks a rule; TypeError for anything else.
 */
export function encodeAad(aad: Aad | undefined): Uint8Array {
  if (aad === undefined) return new Uint8Array(0);
  if (isBytes(aad)) return aad;
  if (!isPlain(aad)) {
    throw new TypeError("aad must be a Uint8Array or a plain map of strings to strings");
  }
  return encodeMap(
    aad,
    (problem) => new RangeError(`aad: ${problem}`),
    () => false,
  ).bytes;
}

/**
 * Encodes a map without the limits and reserved keys of a context. The local KMS authenticates an
 * encryption context in this form (spec/envelope-v1.md#local-wrap).
 *
 * @throws RangeError for more pairs or bytes than a two-byte length can express.
 */
export function encodeEncryptionContext(map: Context): Bytes {
  const pairs = toPairs(map);
  if (pairs.length > MAX_U16 || pairs.some((pair) => pair.some(({ length }) => length > MAX_U16))) {
    throw new RangeError(
      `an encryption context has at most ${MAX_U16} pairs, keys and values of ${MAX_U16} bytes`,
    );
  }
  return encodePairs(pairs);
}

/** The largest length and number of pairs: each is written as two bytes. */
const MAX_U16 = 0xff_ff;

function isReserved(key: string): boolean {
  return key.startsWith("env:") || key.startsWith("aws:");
}

/** Checks and encodes a map. The caller has checked that `map` is plain. */
function encodeMap(map: object, fault: Fault, reserved: (key: string) => boolean): BoundContext {
  const entries: [string, unknown][] = Object.entries(map); // Read once: a getter may return something else the next time.
  const copy = copyOf([]);
  if (entries.length > contextLimits.pairs) {
    throw fault(`${entries.length} pairs, at most ${contextLimits.pairs} are allowed`);
  }
  const pairs: Pair[] = [];
  for (const [key, value] of entries) {
    if (typeof value !== "string") throw fault(`the value of ${name(key)} is not a string`);
    if (!key.isWellFormed() || !value.isWellFormed()) {
      throw fault(`${name(key)} or its value has a lone surrogate`);
    }
    if (reserved(key))
      throw fault(`${name(key)} is reserved: keys may not start with env: or aws:`);
    const pair: Pair = [utf8(key), utf8(value)];
    check("key", key, pair[0].length, 1, contextLimits.keyBytes);
    check("value", key, pair[1].length, 0, contextLimits.valueBytes);
    pairs.push(pair);
    copy[key] = value;
  }
  const bytes = encodePairs(pairs);
  if (bytes.length > contextLimits.bytes) {
    throw fault(`${bytes.length} bytes encoded, at most ${contextLimits.bytes} are allowed`);
  }
  return new BoundContext(Object.freeze(copy), bytes);

  function check(what: string, key: string, length: number, min: number, max: number): void {
    if (length < min || length > max) {
      throw fault(`the ${what} of ${name(key)} has ${length} bytes, ${min} to ${max} are allowed`);
    }
  }
}

/**
 * Whether `value` is an object literal or an object without a prototype. Anything else (a Map, an
 * instance) has no entries to bind.
 */
function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (typeof prototype !== "object" || prototype === null) return true;
  // Recognised by shape rather than identity, so that literals of another realm are accepted.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "hasOwnProperty");
}

/** Copies the pairs into an object without a prototype, in which `__proto__` is an ordinary key. */
function copyOf(entries: readonly [string, string][]): Record<string, string> {
  const copy: Record<string, string> = Object.create(null);
  for (const [key, value] of entries) copy[key] = value;
  return copy;
}

function toPairs(map: Context): Pair[] {
  return Object.entries(map).map(([key, value]): Pair => [utf8(key), utf8(value)]);
}

function encodePairs(pairs: Pair[]): Bytes {
  // Sorted by bytes: strings compare by UTF-16 units, which would put U+1F600 before U+FF5E.
  const sorted = pairs.toSorted(([a], [b]) => compareBytes(a, b));
  const parts = sorted.flatMap(([key, value]) => [u16(key.length), key, u16(value.length), value]);
  return concatAll([u16(pairs.length), ...parts]);
}

/** Quotes, escapes and shortens a key for an error message. Never used for a value. */
function name(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key);
}
