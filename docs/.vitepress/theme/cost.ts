/**
 * What calls to a KMS a load makes, what they cost, and what a data-key cache saves and risks.
 *
 * @module
 */
import { keyPrice, priceOf } from "../../../packages/console/src/pages/cost/prices.ts";

export interface Load {
  /** Messages a second, of all processes together. */
  readonly encrypts: number;
  readonly decrypts: number;
  readonly processes: number;
  /** Contexts in use at the same time: each has data keys of its own. */
  readonly contexts: number;
  /** Data keys that the messages being read are under. */
  readonly dataKeys: number;
  /** Seconds. 0: there is no cache. */
  readonly maxAge: number;
  readonly maxMessages: number;
}

export interface Estimate {
  /** Calls a second. */
  readonly calls: number;
  /** US dollars a month, for one CMK. */
  readonly dollars: number;
  /** Messages that one leaked data key opens. */
  readonly exposed: number;
}

const SECONDS_PER_MONTH = 30 * 24 * 3600;

/** A busy cache replaces a data key when this part of a limit is reached: docs/defaults.md#data-key-cache */
const REFRESH_AT = 0.8;

export function estimate(load: Load): Estimate {
  const { encrypts, decrypts, processes, contexts, dataKeys, maxAge, maxMessages } = load;
  const written = usesOfKey(encrypts / (processes * contexts), maxAge, maxMessages);
  const read = usesOfKey(decrypts / (processes * dataKeys), maxAge, Infinity);
  const calls = encrypts / written + decrypts / read;
  const perCall = priceOf("Decrypt") ?? 0;
  return { calls, dollars: calls * SECONDS_PER_MONTH * perCall + keyPrice, exposed: written };
}

/** Messages of one process for each call, if so many a second could share a data key. */
function usesOfKey(rate: number, maxAge: number, maxMessages: number): number {
  if (maxAge === 0) return 1;
  return Math.max(1, REFRESH_AT * Math.min(maxMessages, rate * maxAge));
}
