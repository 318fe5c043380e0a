/**
 * Many payloads of one data key, in as few calls to the crypto backend as it allows.
 *
 * @module
 */
import { andThen, type Awaitable } from "./awaitable.ts";
import { cryptoBackend } from "./backend.ts";
import { concatAll, unshared, type Bytes } from "./bytes.ts";
import { openedLength, PREFIX_BYTES, SALT_BYTES } from "./chunks.ts";
import { VERIFIED, type CryptoBackend, type HmacKey } from "./crypto-backend.ts";

/** A payload, and what its keys are derived from. */
export interface BoundPayload {
  readonly info: Bytes;
  /** Has a length that a payload can have. */
  readonly payload: Uint8Array;
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
    return callsOf(payloads).flatMap((call) => openCall(backend, dataKey, call));
  }
  const opened: (Bytes | number)[] = [];
  const pending: Promise<unknown>[] = [];
  for (const [i, payload] of payloads.entries()) {
    const done = andThen(openOne(backend, dataKey, payload), (one) => void (opened[i] = one));
    if (done instanceof Promise) pending.push(done);
  }
  return pending.length === 0 ? opened : Promise.all(pending).then(() => opened);
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

/** Cuts a list of payloads into calls. */
function callsOf(payloads: readonly BoundPayload[]): BoundPayload[][] {
  const calls: BoundPayload[][] = [];
  let bytes = CALL_BYTES;
  for (const one of payloads) {
    if (bytes >= CALL_BYTES) {
      calls.push([]);
      bytes = 0;
    }
    calls.at(-1)?.push(one);
    bytes += one.payload.length + one.info.length;
  }
  return calls;
}

function lengthsOf(parts: readonly Uint8Array[]): Uint32Array {
  return Uint32Array.from(parts, ({ length }) => length);
}
