/**
 * All work that is put through faults.
 *
 * @module
 */
import { commandScenarios } from "./command-scenarios.ts";
import { fileScenarios } from "./file-scenarios.ts";
import { keystoreScenarios } from "./keystore-scenarios.ts";
import type { Scenario } from "./scenario.ts";

export const scenarios: readonly Scenario[] = [
  ...fileScenarios,
  ...keystoreScenarios,
  ...commandScenarios,
];
