/**
 * Many payloads of one data key, in as few calls to the crypto backend as it allows.
 *
 * @module
 */
import { andThen, type Awaitable } from "./awaitable.ts";
import { cryptoBackend } from "./backend.ts";
import { concatAll, unshared, type Bytes } from "./bytes.ts";
import { openedLength, PREFIX_BYTES, SALT_BYTES, sealedLength } from "./chunks.ts";
import { VERIFIED, type CryptoBackend, type HmacKey } from "./crypto-backend.ts";

/** A payload, and what its keys are derived from. */
export interface BoundPayload {
  readonly info: Bytes;
  /** Has a length that a payload can have. */
  readonly payload: Uint8Array;
}

/** A plaintext, and what the keys of its payload are derived from. */
export interface BoundPlaintext {
  readonly info: Bytes;
  readonly plaintext: Uint8Array;
}

/** Payload bytes in one call: what is copied for it fits into a cache, and other work has its turn soon. */
const CALL_BYTES = 2 ** 20;

/**
 * Opens payloads under one data key.
 *
 * @returns For each a new array, or what `openPayload` of the backend returned instead of `VERIFIED`.
 */
export function openPayloads(
  dataKey: HmacKey,
  payloads: readonly BoundPayload[],
): Awaitable<(Bytes | number)[]> {
  const backend = cryptoBackend();
  if (backend.openPayloads !== undefined) {
    const calls = callsOf(payloads, ({ info, payload }) => info.length + payload.length);
    return calls.flatMap((call) => openCall(backend, dataKey, call));
  }
  return together(payloads.map((payload) => openOne(backend, dataKey, payload)));
}

/**
 * Seals plaintexts under one data key.
 *
 * @returns For each a new array with the commitment and the chunks.
 */
export function sealPayloads(
  dataKey: HmacKey,
  plaintexts: readonly BoundPlaintext[],
): Awaitable<Bytes[]> {
  const backend = cryptoBackend();
  if (backend.sealPayloads !== undefined) {
    const calls = callsOf(plaintexts, ({ info, plaintext }) => info.length + plaintext.length);
    return calls.flatMap((call) => sealCall(backend, dataKey, call));
  }
  return together(
    plaintexts.map(({ info, plaintext }) => {
      const out = new Uint8Array(lengthOf(plaintext));
      return andThen(backend.sealPayload(dataKey, info, unshared(plaintext), out), () => out);
    }),
  );
}

/** Waits for those results that are promised. */
function together<T>(results: Awaitable<T>[]): Awaitable<T[]> {
  if (results.some((one) => one instanceof Promise)) return Promise.all(results);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- none of them is a promise
  return results as T[];
}

function lengthOf(plaintext: Uint8Array): number {
  return PREFIX_BYTES - SALT_BYTES + sealedLength(plaintext.length, true);
}

function sealCall(
  backend: CryptoBackend,
  dataKey: HmacKey,
  call: readonly BoundPlaintext[],
): Bytes[] {
  const infos = call.map(({ info }) => info);
  const plaintexts = call.map(({ plaintext }) => plaintext);
  const lengths = plaintexts.map(lengthOf);
  const out = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const all = concatAll(plaintexts);
  backend.sealPayloads?.(
    dataKey,
    concatAll(infos),
    lengthsOf(infos),
    all,
    lengthsOf(plaintexts),
    out,
  );
  all.fill(0);
  let end = 0;
  return lengths.map((length) => out.slice(end, (end += length)));
}

function openOne(
  backend: CryptoBackend,
  dataKey: HmacKey,
  { info, payload }: BoundPayload,
): Awaitable<Bytes | number> {
  const out = new Uint8Array(openedLength(payload.length - PREFIX_BYTES));
  const sealed = unshared(payload.subarray(SALT_BYTES));
  return andThen(backend.openPayload(dataKey, info, sealed, out), (result) =>
    result === VERIFIED ? out : result,
  );
}

function openCall(
  backend: CryptoBackend,
  dataKey: HmacKey,
  payloads: readonly BoundPayload[],
): (Bytes | number)[] {
  const infos = payloads.map(({ info }) => info);
  const sealed = payloads.map(({ payload }) => payload.subarray(SALT_BYTES));
  const lengths = payloads.map(({ payload }) => openedLength(payload.length - PREFIX_BYTES));
  const out = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const results = backend.openPayloads?.(
    dataKey,
    concatAll(infos),
    lengthsOf(infos),
    concatAll(sealed),
    lengthsOf(sealed),
    out,
  );
  let end = 0;
  const opened = lengths.map((length, i) => {
    const plaintext = out.subarray(end, (end += length));
    const result = results?.[i] ?? 0;
    return result === VERIFIED ? plaintext.slice() : result;
  });
  out.fill(0);
  return opened;
}

/** Cuts a list into calls. */
function callsOf<T>(all: readonly T[], bytesOf: (one: T) => number): T[][] {
  const calls: T[][] = [];
  let bytes = CALL_BYTES;
  for (const one of all) {
    if (bytes >= CALL_BYTES) {
      calls.push([]);
      bytes = 0;
    }
    calls.at(-1)?.push(one);
    bytes += bytesOf(one);
  }
  return calls;
}

function lengthsOf(parts: readonly Uint8Array[]): Uint32Array {
  return Uint32Array.from(parts, ({ length }) => length);
}
