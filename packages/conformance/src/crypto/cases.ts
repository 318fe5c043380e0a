/**
 * The contract of `CryptoBackend`, as cases that any test runner can register.
 *
 * @example
 * ```ts
 * for (const c of cryptoCases({ backend })) it.skipIf(c.skip)(c.name, () => c.run());
 * ```
 *
 * @module
 */
import { batchCases } from "./batches.ts";
import { bufferCases } from "./buffers.ts";
import type { CryptoCase, CryptoHarness } from "./harness.ts";
import { keyCases } from "./keys.ts";
import { payloadCases } from "./payloads.ts";

/** Returns the cases for a backend. */
export function cryptoCases(harness: CryptoHarness): CryptoCase[] {
  const definitions = [...payloadCases, ...bufferCases, ...keyCases, ...batchCases];
  return definitions.map(({ clause, name, needs, run }): CryptoCase => {
    const named = `${clause} ${name}`;
    if (needs === undefined || harness.backend[needs] !== undefined) {
      return { clause, name: named, run: () => run(harness) };
    }
    return { clause, name: named, skip: `the backend has no ${needs}`, run: async () => undefined };
  });
}
