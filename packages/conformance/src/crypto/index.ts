/**
 * The contract of a crypto backend as a test suite for any test runner.
 *
 * @module
 */
export { brokenBackends, type BrokenBackend } from "./broken.ts";
export { cryptoCases } from "./cases.ts";
export {
  cryptoClauses,
  type CryptoCase,
  type CryptoClause,
  type CryptoHarness,
  type CobblestoneTest,
} from "./harness.ts";
