/**
 * Drivers that are broken on purpose, each in one way that occurs in practice or is an easy mistake.
 *
 * They test the suite: each must fail a case of the clause that names its fault, and each case must be
 * failed by at least one of them. Whoever adds a clause or a case adds a driver here.
 *
 * @module
 */
import type { CmkDriver } from "@env/core/driver";
import { brokenBinding } from "./broken/binding.ts";
import { brokenDescriptions } from "./broken/doctor.ts";
import { brokenErrors } from "./broken/errors.ts";
import { brokenRotation, forgivenRotation } from "./broken/rotation.ts";
import { brokenRoundTrip } from "./broken/round-trip.ts";
import { brokenSharing, forgivenSharing } from "./broken/sharing.ts";
import type { Clause } from "./harness.ts";

/** One fault. */
export interface BrokenDriver {
  /** The fault, phrased to follow "a driver that": `drops the context`. */
  readonly name: string;
  /** The clause that it breaks, possibly among others. */
  readonly clause: Clause;
  /** Adds the fault to a correct driver. Called for every driver of every setup. */
  readonly make: (honest: CmkDriver) => CmkDriver;
}

/** A driver with an apparent fault that `Cmk` compensates for, so that it passes all cases. */
export type ForgivenDriver = Omit<BrokenDriver, "clause">;

export const brokenDrivers: readonly BrokenDriver[] = [
  ...brokenRoundTrip,
  ...brokenBinding,
  ...brokenErrors,
  ...brokenSharing,
  ...brokenRotation,
  ...brokenDescriptions,
];

export const forgivenDrivers: readonly ForgivenDriver[] = [...forgivenSharing, ...forgivenRotation];
