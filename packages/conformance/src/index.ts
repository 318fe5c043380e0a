/**
 * The contract of a CMK driver as a test suite for any test runner.
 *
 * @module
 */
export { brokenDrivers, forgivenDrivers } from "./broken.ts";
export type { BrokenDriver, ForgivenDriver } from "./broken.ts";
export { cmkCases } from "./cmk.ts";
export { abilities, clauses } from "./harness.ts";
export type { Ability, Clause, CmkHarness, CmkSetup, ConformanceCase } from "./harness.ts";
export { memoryHarness } from "./memory.ts";
