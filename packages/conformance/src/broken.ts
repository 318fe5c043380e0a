/**
 * Drivers broken on purpose, each in one way that has been seen, or is easily made, in the wild.
 *
 * They are what tests the suite: each has to fail a case of the clause that names its breakage, and
 * each case has to be failed by one of them. Who adds a clause or a case adds a driver here.
 *
 * @module
 */
import type { CmkDriver } from "@env/core";
import { brokenBinding } from "./broken/binding.ts";
import { brokenErrors } from "./broken/errors.ts";
import { brokenRotation, forgivenRotation } from "./broken/rotation.ts";
import { brokenRoundTrip } from "./broken/round-trip.ts";
import { brokenSharing, forgivenSharing } from "./broken/sharing.ts";
import type { Clause } from "./harness.ts";

/** One breakage. */
export interface BrokenDriver {
  /** What is wrong with it, after "a driver that": `drops the context`. */
  readonly name: string;
  /** The clause it breaks, perhaps beside others. */
  readonly clause: Clause;
  /** A driver with this fault over a driver without. Made anew for every driver of every setup. */
  readonly make: (honest: CmkDriver) => CmkDriver;
}

/** What looks like a breakage, and `Cmk` makes good: such drivers pass all cases. */
export type ForgivenDriver = Omit<BrokenDriver, "clause">;

export const brokenDrivers: readonly BrokenDriver[] = [
  ...brokenRoundTrip,
  ...brokenBinding,
  ...brokenErrors,
  ...brokenSharing,
  ...brokenRotation,
];

export const forgivenDrivers: readonly ForgivenDriver[] = [...forgivenSharing, ...forgivenRotation];
