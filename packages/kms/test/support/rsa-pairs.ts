/**
 * Setup of the tests of kms: of each length of RSA, a worker generates three key pairs and then hands them out in
 * turn. To generate one of 4096 bits takes a second, and was half of what these tests took.
 *
 * A file that is about generating keys calls `vi.unmock("node:crypto")`.
 *
 * @module
 */
import type { KeyPairKeyObjectResult } from "node:crypto";
import { promisify } from "node:util";
import { vi } from "vitest";

const PAIRS = 3;

declare global {
  /** Of this worker, by the options; modules are evaluated anew for every file. */
  var rsaPairs: Map<string, Promise<KeyPairKeyObjectResult>[]> | undefined;
}
const known = (globalThis.rsaPairs ??= new Map());

vi.mock(import("node:crypto"), async (original) => {
  const real = await original();
  const generate = promisify(real.generateKeyPair) as (
    type: string,
    options: object,
  ) => Promise<KeyPairKeyObjectResult>;
  const pooled: typeof generate = (type, options) => {
    if (type !== "rsa") return generate(type, options);
    const name = JSON.stringify(options);
    const pairs = known.get(name) ?? [];
    known.set(name, pairs);
    const pair = pairs.length < PAIRS ? generate(type, options) : pairs.shift();
    pairs.push(pair);
    return pair;
  };
  const generateKeyPair = new Proxy(real.generateKeyPair, {
    get: (target, name) => (name === promisify.custom ? pooled : Reflect.get(target, name)),
  });
  return { ...real, generateKeyPair };
});
