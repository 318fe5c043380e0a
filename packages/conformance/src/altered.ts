/**
 * A driver that is another driver but for a few members. Binds every method, so drivers that are
 * classes with private fields may be altered like plain objects.
 *
 * @module
 */
import type { CmkDriver } from "@env/core";

type Optional = "generate" | "rewrap" | "matches" | "close";

/** `undefined` takes an optional member away. */
export type Changes = {
  readonly [Member in keyof CmkDriver]?: Member extends Optional
    ? CmkDriver[Member] | undefined
    : CmkDriver[Member];
};

/** All members of `driver`, with `changes` in their place. */
export function altered(driver: CmkDriver, changes: Changes): CmkDriver {
  const { generate, rewrap, matches, close, ...required } = {
    provider: driver.provider,
    keyId: driver.keyId,
    wrap: driver.wrap.bind(driver),
    unwrap: driver.unwrap.bind(driver),
    classify: driver.classify.bind(driver),
    generate: driver.generate?.bind(driver),
    rewrap: driver.rewrap?.bind(driver),
    matches: driver.matches?.bind(driver),
    close: driver.close?.bind(driver),
    ...changes,
  };
  // Absent, not undefined: that is how drivers leave a member out.
  return {
    ...required,
    ...(generate && { generate }),
    ...(rewrap && { rewrap }),
    ...(matches && { matches }),
    ...(close && { close }),
  };
}
