/**
 * Replaces a few members of a driver. Every method is bound, so that drivers that are classes with
 * private fields can be altered like plain objects.
 *
 * @module
 */
import type { CmkDriver } from "@env/core/driver";

type Optional = "generate" | "rewrap" | "matches" | "describe" | "close";

/** The replaced members; `undefined` removes an optional one. */
export type Changes = {
  readonly [Member in keyof CmkDriver]?: Member extends Optional
    ? CmkDriver[Member] | undefined
    : CmkDriver[Member];
};

/** Returns a driver with all members of `driver`, except as `changes` says. */
export function altered(driver: CmkDriver, changes: Changes): CmkDriver {
  const { generate, rewrap, matches, describe, close, ...required } = {
    provider: driver.provider,
    keyId: driver.keyId,
    wrap: driver.wrap.bind(driver),
    unwrap: driver.unwrap.bind(driver),
    classify: driver.classify.bind(driver),
    generate: driver.generate?.bind(driver),
    rewrap: driver.rewrap?.bind(driver),
    matches: driver.matches?.bind(driver),
    describe: driver.describe?.bind(driver),
    close: driver.close?.bind(driver),
    ...changes,
  };
  // Absent rather than undefined, as in a driver that lacks the member.
  return {
    ...required,
    ...(generate && { generate }),
    ...(rewrap && { rewrap }),
    ...(matches && { matches }),
    ...(describe && { describe }),
    ...(close && { close }),
  };
}
