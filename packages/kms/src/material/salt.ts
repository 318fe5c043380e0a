/**
 * Salts, which are random and not secret: they are taken from a supply, since a call for 24 bytes costs as much as one for many.
 *
 * What is secret is never taken from here: see {@link random} of seal.ts.
 *
 * @module
 */
import { randomFillSync } from "node:crypto";
import v8 from "node:v8";

/** Bytes of some hundred salts. */
const SUPPLY_BYTES = 4096;

const supply = new Uint8Array(SUPPLY_BYTES);
let used = SUPPLY_BYTES;

// Or every process that is started from a snapshot would have the same salts. Core's supply is the model, also for what is
// not covered: a process that is cloned while it runs (SECURITY.md).
if (v8.startupSnapshot.isBuildingSnapshot()) {
  v8.startupSnapshot.addSerializeCallback(() => {
    used = SUPPLY_BYTES;
  });
}

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
