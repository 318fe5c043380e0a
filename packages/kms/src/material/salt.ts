/**
 * Salts, which are random and not secret: they are taken from a supply, since a call for 24 bytes costs as much as one for many.
 *
 * What is secret is never taken from here: see {@link random} of seal.ts.
 *
 * @module
 */
import { randomFillSync } from "node:crypto";

/** Bytes of some hundred salts. */
const SUPPLY_BYTES = 4096;

const supply = new Uint8Array(SUPPLY_BYTES);
let used = SUPPLY_BYTES;

/** Fills `salt`, of at most 4096 bytes, with random bytes that nothing else is given. */
export function fillSalt(salt: Uint8Array): void {
  if (used + salt.length > SUPPLY_BYTES) {
    randomFillSync(supply);
    used = 0;
  }
  const end = used + salt.length;
  salt.set(supply.subarray(used, end));
  used = end;
}
