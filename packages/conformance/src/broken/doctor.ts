/**
 * Drivers that break D12: what they describe is not so.
 *
 * @module
 */
import type { Diagnostics } from "@env/core/driver";
import type { BrokenDriver } from "../broken.ts";
import { altered } from "../altered.ts";

/** A correct description, for a fault to be added. */
const honest: Diagnostics = {
  ask: async () => ({ problems: [] }),
  isAnswer: () => true,
  permission: () => undefined,
};

export const brokenDescriptions: readonly BrokenDriver[] = [
  {
    name: "describes a problem that its key does not have",
    clause: "D12",
    make: (driver) =>
      altered(driver, {
        describe: () => ({ ...honest, ask: async () => ({ problems: ["the key is disabled"] }) }),
      }),
  },
  {
    name: "allows everything in a dry run",
    clause: "D12",
    make: (driver) =>
      altered(driver, { describe: () => ({ ...honest, dryRun: async () => undefined }) }),
  },
  {
    name: "takes a broken connection for an answer",
    clause: "D12",
    make: (driver) => altered(driver, { describe: () => honest }),
  },
];
